"""XNLI and AfriXNLI, in the schemas of facebook/xnli and masakhane/afrixnli, and real rows."""

import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from data_prep.sources.example_source import Draft
from data_prep.sources.mix_config import MixSource
from tests.data_prep.sources.drafts import SAMPLES, needs_samples, results, results_of_files, settings
from tests.data_prep.sources.tables_written import FORMS, write_rows

ROW = {"premise": "Naye akasema, Mama, niko nyumbani.", "hypothesis": "Hakusema neno lolote.", "label": 2}
INPUT = "Sentence A: Naye akasema, Mama, niko nyumbani.\nSentence B: Hakusema neno lolote."


def xnli(language: str = "swahili", **keys: Any) -> MixSource:
    return settings("xnli", language=language, **({"instruction": "Does A imply B?"} | keys))


def test_both_sentences_are_the_input() -> None:
    assert results(xnli(), ROW) == [Draft("Does A imply B?", INPUT, "contradiction", "entailment_swahili", "row-1")]
    assert results(xnli("hausa", edition="afrixnli"), ROW) == [
        Draft("Does A imply B?", INPUT, "contradiction", "entailment_hausa", "row-1")
    ]


@pytest.mark.parametrize("labels", [[0, 1, 2], ["0", "1", "2"], ["entailment", "neutral", "contradiction"]])
def test_a_label_is_a_number_or_a_word(labels: list[Any]) -> None:
    drafts = results(xnli(), *(ROW | {"label": label} for label in labels))
    answers = [draft.answer for draft in drafts if isinstance(draft, Draft)]
    assert answers == ["entailment", "neutral", "contradiction"]


def test_texts_are_composed() -> None:
    (draft,) = results(xnli(), ROW | {"premise": unicodedata.normalize("NFD", "é")})
    assert isinstance(draft, Draft)
    assert draft.input.startswith("Sentence A: é\n")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"premise": {"sw": "x", "en": "y"}}, "all_languages_in_one_row"),
        ({"premise": None}, "missing_field"),
        ({"hypothesis": " "}, "missing_field"),
        ({"hypothesis": ["x"]}, "wrong_type"),
        ({"label": None}, "missing_field"),
        ({"label": -1}, "unknown_label"),
        ({"label": "maybe"}, "unknown_label"),
    ],
)
def test_other_rows_are_dropped_by_name(change: dict[str, object], reason: str) -> None:
    assert results(xnli(), ROW | change) == [reason]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"config": "all_languages"}, "all_languages has every language in one row; name one language, as sw"),
        ({"path": "masakhane/afrixnli"}, "the path names AfriXNLI; add edition: afrixnli"),
        ({"edition": "anli"}, "edition"),
        ({"instruction": ""}, "instruction"),
        ({"language": "sw"}, "language"),
        ({"config": "sw", "language": "hausa"}, "config sw is Swahili, but language is hausa; change one of them"),
        (
            {"path": "masakhane/afrixnli", "edition": "afrixnli", "config": "hau"},
            "config hau is Hausa, but language is",
        ),
    ],
)
def test_settings_without_sense_are_refused(keys: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings("xnli", **({"language": "swahili", "instruction": "x"} | keys))


@pytest.mark.parametrize("form", FORMS)
def test_every_format_gives_the_same_examples(tmp_path: Path, form: str) -> None:
    chosen = xnli(path=str(write_rows(tmp_path / form, [ROW, ROW | {"hypothesis": ""}])))
    assert results_of_files(chosen, tmp_path) == [
        Draft("Does A imply B?", INPUT, "contradiction", "entailment_swahili", "rows-1"),
        "missing_field",
    ]


@needs_samples
def test_every_real_row_becomes_an_example(tmp_path: Path) -> None:
    chosen = xnli(path=str(SAMPLES / "xnli_sw"), split="validation")
    drafts = [draft for draft in results_of_files(chosen, tmp_path) if isinstance(draft, Draft)]
    assert Counter(draft.answer for draft in drafts) == {"entailment": 100, "neutral": 100, "contradiction": 100}
    assert all(draft.input.startswith("Sentence A: ") and "\nSentence B: " in draft.input for draft in drafts)
    assert len({draft.id for draft in drafts}) == 300
