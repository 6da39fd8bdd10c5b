"""Every source that a recipe may name is in the catalogue, with licence and origin."""

from pathlib import Path
from typing import get_args

import pytest

from data_prep.mixing.licences import hub_identifier, restrictions
from data_prep.sources.catalogue import CATALOGUE, source_of
from data_prep.sources.mix_config import MixSource, Sampled
from data_prep.sources.open_platypus import LICENCES
from tests.data_prep.sources.drafts import settings


def test_the_catalogue_has_every_source_of_the_settings() -> None:
    union, _ = get_args(MixSource)
    names = {get_args(get_args(member)[0].model_fields["source"].annotation)[0] for member in get_args(union)}
    assert set(CATALOGUE) == names
    assert all(source.licence and source.origin for source in CATALOGUE.values())


def test_a_table_has_the_licence_the_origin_and_the_columns_of_its_settings() -> None:
    chosen = settings(
        "table", name="mine", licence="CC0-1.0", question_answer={"question": "q", "answer": "a"}, id_column="q"
    )
    source = source_of(chosen)
    assert (source.licence, source.origin, source.columns) == ("CC0-1.0", "data", ("q", "a"))


@pytest.mark.parametrize(
    ("keys", "origin"),
    [
        ({"path": "/home/me/secret/rows.csv"}, "rows.csv"),
        ({"path": "~/project/rows/"}, "rows"),
        ({"path": "."}, "here"),
        ({"path": ".."}, "above"),
        ({"path": "/"}, "mine"),
        ({"path": "me/rows", "revision": "main"}, "me/rows"),
        ({"path": "/home/me/rows.csv", "origin": "https://example.org/rows"}, "https://example.org/rows"),
        ({"path": "me/rows", "revision": "main", "origin": "Our own."}, "Our own."),
    ],
)
def test_a_table_publishes_no_more_of_a_local_path_than_its_name(
    keys: dict[str, str], origin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "above/here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "above/here")
    fields = {"question_answer": {"question": "q", "answer": "a"}}
    assert source_of(settings("table", name="mine", licence="CC0-1.0", **fields, **keys)).origin == origin


def test_math_instruct_has_the_licences_of_the_chosen_subsets() -> None:
    def licence(*subsets: str) -> str:
        return source_of(settings("math_instruct", subsets=list(subsets), lower_case_share=0)).licence

    assert licence("gsm_train", "aqua_rat", "MATH_train") == "MIT (gsm_train, MATH_train), Apache-2.0 (aqua_rat)"
    assert licence("gsm_train", "MATH_train") == "MIT"
    assert restrictions(licence("gsm_train", "math50k_camel")) == ["non-commercial"]
    assert licence("gsm_train", "number_comparison") == "MIT (gsm_train), none stated (number_comparison)"


def test_open_platypus_has_the_licences_of_the_parts_that_are_not_excluded() -> None:
    def licence(*excluded: str) -> str:
        return source_of(settings("open_platypus", exclude_data_sources=list(excluded))).licence

    assert restrictions(licence()) == ["non-commercial", "not stated"]
    birbal = licence("airoboros", "leetcode_ne")
    assert restrictions(birbal) == ["non-commercial"] and "airoboros" not in birbal and "(ARB)" in birbal
    assert restrictions(licence("leetcode_ne", "scienceqa", "reclor")) == []
    assert licence(*LICENCES) == "none stated"


def test_inkuba_instruct_has_the_licences_of_what_is_used_of_it() -> None:
    def licence(task: str, sources: list[str] | None) -> str:
        chosen = settings("inkuba_instruct", task=task, language="hausa", instructions=["Do it."], data_sources=sources)
        return source_of(chosen).licence

    assert licence("translation", ["wmt22"]) == "none stated (the collection), ODC-By (wmt22)"
    assert restrictions(licence("translation", ["wmt22"])) == ["not stated"]
    assert restrictions(licence("translation", None)) == ["non-commercial", "not stated"]
    assert licence("sentiment", None) == "none stated (the collection), CC BY 4.0 (afrisenti)"
    assert licence("sentiment", ["naijasenti"]) == "none stated"


def test_the_edition_decides_on_the_licence_and_the_origin_of_xnli() -> None:
    first, second = (
        source_of(settings("xnli", edition=edition, language="swahili", instruction="Does it?"))
        for edition in ("xnli", "afrixnli")
    )
    assert (first.licence, first.origin) == ("CC BY-NC 4.0", "https://huggingface.co/datasets/facebook/xnli")
    assert (second.licence, second.origin) == ("Apache-2.0", "https://huggingface.co/datasets/masakhane/afrixnli")


def test_the_licences_of_the_buzuzu_mavi_sources_are_known_to_the_hub() -> None:
    names = {"afrisenti": "cc-by-4.0", "xnli": "cc-by-nc-4.0", "mafand": "cc-by-nc-4.0", "ntrex": "cc-by-sa-4.0"}
    names |= {"wmt22_african": "odc-by"}
    assert {name: hub_identifier(CATALOGUE[name].licence) for name in names} == names


def test_only_what_the_licence_says_restricts_a_source() -> None:
    remarked = {"lima", "open_platypus", "openbookqa", "quac", "cnn_dailymail", "math_instruct", "sampled"}
    remarked |= {"inkuba_instruct", "xnli", "wmt22_african"}
    assert {name for name, source in CATALOGUE.items() if source.remark} == remarked
    restricted = {name: restrictions(source.licence) for name, source in CATALOGUE.items()}
    assert restricted["lima"] == ["non-commercial"] and restricted["sampled"] == ["differs by task"]
    assert not any(restricted[name] for name in ("openbookqa", "quac", "cnn_dailymail"))
    assert not any(restricted[name] for name in ("afrisenti", "wmt22_african", "ntrex"))
    assert restricted["mafand"] == restricted["xnli"] == ["non-commercial"]
    assert CATALOGUE["cnn_dailymail"].licence == "Apache-2.0"
    assert "the articles are those of CNN and the Daily Mail" in CATALOGUE["cnn_dailymail"].remark


def test_rows_of_the_stage_sample_are_not_converted() -> None:
    source = source_of(Sampled(source="sampled"))
    assert "question" in source.columns
    with pytest.raises(TypeError, match="have their prompts already"):
        source.convert({}, "row-1", None)
