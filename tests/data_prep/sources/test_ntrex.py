"""NTREX, in the form of a table, and its real rows."""

import subprocess
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from data_prep.sources import ntrex as source
from data_prep.sources.data_set import check_columns
from data_prep.sources.example_source import Draft
from data_prep.sources.mix_config import MixSource
from tests.data_prep.sources.drafts import SAMPLES, needs_samples, results, results_of_files, settings
from tests.data_prep.sources.tables_written import FORMS, write_rows

ROW = {
    "id": 12,
    "eng": "Welsh AMs worried about 'looking like muppets'",
    "swa": 'Wajumbe wa Baraza la Wales wana wasiwasi kuhusu "vikaragosi"',
    "hau": "Welsh AMs ta damu game da 'yadda ake zama kamar wawaye'",
}


def ntrex(language: str, **keys: Any) -> MixSource:
    return settings("ntrex", language=language, instruction="Translate.", **keys)


def test_english_is_translated_into_the_language() -> None:
    assert results(ntrex("swahili"), ROW) == [
        Draft("Translate.", str(ROW["eng"]), str(ROW["swa"]), "translation_swahili", "row-1/12")
    ]
    assert results(ntrex("hausa"), ROW | {"id": None}) == [
        Draft("Translate.", str(ROW["eng"]), str(ROW["hau"]), "translation_hausa", "row-1")
    ]


def test_texts_are_composed() -> None:
    (draft,) = results(ntrex("hausa"), ROW | {"hau": unicodedata.normalize("NFD", "é")})
    assert isinstance(draft, Draft)
    assert draft.answer == "é"


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"eng": None}, "missing_field"), ({"eng": ""}, "missing_field"), ({"hau": None}, "missing_field")],
)
def test_other_rows_are_dropped_by_name(change: dict[str, object], reason: str) -> None:
    assert results(ntrex("hausa"), ROW | change) == [reason]
    assert results(ntrex("hausa"), {"id": 1, "eng": "x"}) == ["missing_field"]


@pytest.mark.parametrize("form", FORMS)
def test_every_format_gives_the_same_examples(tmp_path: Path, form: str) -> None:
    chosen = ntrex("swahili", path=str(write_rows(tmp_path / form, [ROW, ROW | {"eng": ""}])))
    assert results_of_files(chosen, tmp_path) == [
        Draft("Translate.", str(ROW["eng"]), str(ROW["swa"]), "translation_swahili", "rows-1/12"),
        "missing_field",
    ]


def test_a_language_that_the_table_lacks_is_told(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.tsv", [{"eng": "x", "swa": "y"}])
    with pytest.raises(ValueError, match="no column hau - columns found: eng, swa; wanted: eng, hau"):
        check_columns(ntrex("hausa"), [path])


def test_the_documented_command_makes_a_table_of_the_authors_files(tmp_path: Path) -> None:
    for name in ("src.eng", "ref.swa", "ref.hau"):
        lines = [f'{name} "{number}\r\n' for number in (1, 2)]
        (tmp_path / f"newstest2019-{name}.txt").write_bytes("".join(lines).encode())
    assert source.__doc__ is not None
    (command,) = [line for line in source.__doc__.splitlines() if "paste" in line]
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    drafts = results_of_files(ntrex("hausa", path=str(tmp_path / "ntrex.tsv")), tmp_path)
    assert drafts == [
        Draft("Translate.", f'src.eng "{number}', f'ref.hau "{number}', "translation_hausa", f"ntrex-{number}")
        for number in (1, 2)
    ]


@needs_samples
@pytest.mark.parametrize("language", ["swahili", "hausa"])
def test_every_real_row_becomes_an_example(tmp_path: Path, language: str) -> None:
    chosen = ntrex(language, path=str(SAMPLES / "ntrex"), split="test")
    drafts = [draft for draft in results_of_files(chosen, tmp_path) if isinstance(draft, Draft)]
    assert len({draft.id for draft in drafts}) == len(drafts) == 400
    assert all(draft.answer.strip() for draft in drafts)
