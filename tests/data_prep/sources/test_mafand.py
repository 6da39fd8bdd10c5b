"""MAFAND, in the schema of masakhane/mafand, and its real rows."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from data_prep.sources.data_set import check_columns
from data_prep.sources.example_source import Draft
from data_prep.sources.mix_config import MixSource
from tests.data_prep.sources.drafts import SAMPLES, needs_samples, results, results_of_files, settings
from tests.data_prep.sources.tables_written import write_rows

PAIR = {"en": "A formidable opponent", "hau": "Wani shiryayyen abokin adawa"}
GOLDEN = Draft("Translate.", "A formidable opponent", "Wani shiryayyen abokin adawa", "translation_hausa", "row-1")


def mafand(language: str = "hausa", **keys: Any) -> MixSource:
    return settings("mafand", language=language, instruction="Translate.", **keys)


def test_english_is_translated_into_the_language() -> None:
    assert results(mafand(), {"translation": PAIR}) == [GOLDEN]
    assert results(mafand("swahili"), {"translation": {"en": "Yes.", "swa": "Ndiyo."}}) == [
        Draft("Translate.", "Yes.", "Ndiyo.", "translation_swahili", "row-1")
    ]


def test_texts_are_composed() -> None:
    (draft,) = results(mafand(), {"translation": PAIR | {"hau": unicodedata.normalize("NFD", "é")}})
    assert isinstance(draft, Draft)
    assert draft.answer == "é"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"translation": {"en": "Yes.", "swa": "Ndiyo."}}, "other_language"),
        ({"translation": PAIR | {"hau": None}}, "missing_field"),
        ({"translation": PAIR | {"en": " "}}, "missing_field"),
        ({"translation": {"hau": "x"}}, "missing_field"),
        ({"translation": PAIR | {"hau": 3}}, "wrong_type"),
        ({"translation": None}, "missing_field"),
        ({"translation": "{'en': 'x'}"}, "wrong_type"),
        ({"en": "x"}, "missing_field"),
    ],
)
def test_other_rows_are_dropped_by_name(row: dict[str, object], reason: str) -> None:
    assert results(mafand(), row) == [reason]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
def test_both_formats_give_the_same_examples(tmp_path: Path, name: str) -> None:
    path = write_rows(tmp_path / name, [{"translation": PAIR}, {"translation": PAIR | {"hau": None}}])
    drafts = results_of_files(mafand(path=str(path)), tmp_path)
    assert drafts == [GOLDEN._replace(id="rows-1"), "missing_field"]


def test_a_table_with_a_column_a_language_is_read(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.tsv", [PAIR])
    assert results_of_files(mafand(path=str(path)), tmp_path) == [GOLDEN._replace(id="rows-1")]
    with pytest.raises(ValueError, match="no column translation or swa - columns found: en, hau"):
        check_columns(mafand("swahili"), [path])


@pytest.mark.parametrize("source", ["mafand", "wmt22_african"])
@pytest.mark.parametrize("config", ["en-swa", "swa-en", "eng-swh", "swh-eng", "EN-SWA"])
def test_a_config_of_the_other_language_is_refused(source: str, config: str) -> None:
    settings(source, config=config, language="swahili", instruction="Translate.")
    with pytest.raises(ValidationError, match=f"config {config} is Swahili, but language is hausa"):
        settings(source, config=config, language="hausa", instruction="Translate.")


@needs_samples
@pytest.mark.parametrize(("config", "language"), [("en-swa", "swahili"), ("en-hau", "hausa")])
def test_every_real_row_becomes_an_example(tmp_path: Path, config: str, language: str) -> None:
    chosen = mafand(language, path=str(SAMPLES / "mafand"), config=config, split="train+validation")
    drafts = [draft for draft in results_of_files(chosen, tmp_path) if isinstance(draft, Draft)]
    assert {draft.task for draft in drafts} == {f"translation_{language}"}
    assert all(draft.input.strip() and draft.answer.strip() for draft in drafts)
    assert len({draft.id for draft in drafts}) == 600


@needs_samples
def test_the_first_real_row_is_translated(tmp_path: Path) -> None:
    chosen = mafand(path=str(SAMPLES / "mafand"), config="en-hau")
    assert results_of_files(chosen, tmp_path)[0] == GOLDEN._replace(id="train-1")
