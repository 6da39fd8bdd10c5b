"""Rows of the stage translate are published as machine-translated, and all others as they were."""

from pathlib import Path

import pytest

from data_prep.mixing.licences import restrictions
from data_prep.mixing.machine_translation import is_translated, model_name, published_of
from data_prep.sources.catalogue import source_of
from data_prep.sources.mix_config import MixSource, Sampled
from tests.data_prep.sources.drafts import settings as source_settings
from tests.data_prep.translating.toys import settings as translate_settings


def xnli(path: str) -> MixSource:
    return source_settings("xnli", path=path, language="hausa", instruction="Follows?")


def test_rows_of_another_place_are_published_as_their_authors_say() -> None:
    translate = translate_settings(Path("sw.jsonl"), "facebook/nllb-200-3.3B")
    for path in ("data/xnli", "RUN/04b_more/rows.jsonl", "RUN/04a_translate_too/rows.jsonl"):
        assert not is_translated(xnli(path))
        assert published_of(xnli(path), translate) == source_of(xnli(path))
    assert not is_translated(Sampled(source="sampled"))


@pytest.mark.parametrize("path", ["RUN/04a_translate/translated.jsonl", "RUN/04a_translate"])
def test_the_licence_of_the_rows_still_restricts_their_translations(path: str) -> None:
    published = published_of(xnli(path), translate_settings(Path("sw.jsonl"), "facebook/nllb-200-3.3B"))
    assert published.licence == (
        "CC BY-NC 4.0 (the rows before their translation), that of facebook/nllb-200-3.3B (the translations)"
    )
    assert restrictions(published.licence) == ["non-commercial"]
    assert published.remark.endswith("nobody has corrected the translations. As the authors' repository says.")


def test_a_recipe_that_translates_nothing_does_not_know_the_model() -> None:
    published = published_of(xnli("RUN/04a_translate/translated.jsonl"), None)
    assert published.remark.startswith("Machine-translated by a model that this recipe does not name;")


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("facebook/nllb-200-3.3B", "facebook/nllb-200-3.3B"),
        ("RUN/04_model/nllb", "RUN/04_model/nllb"),
        ("/home/somebody/models/nllb", "nllb"),
        ("~/nllb", "nllb"),
    ],
)
def test_a_model_is_named_without_the_folders_of_this_machine(model: str, name: str) -> None:
    assert model_name(translate_settings(Path("sw.jsonl"), model)) == name
