"""WMT22 African, in the schema of allenai/wmt22_african."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from data_prep.sources.data_set import check_columns
from data_prep.sources.example_source import Draft
from data_prep.sources.mix_config import MixSource
from tests.data_prep.sources.drafts import results, results_of_files, settings
from tests.data_prep.sources.tables_written import write_rows

PAIR = {"eng": "Sun relicensed most of its Java technologies.", "swh": "Sun ilitoa leseni mpya."}
ROW = {"translation": PAIR, "laser_score": 1.07, "source_sentence_lid": 0.99, "target_sentence_lid": 0.98}
GOLDEN = Draft("Translate.", PAIR["eng"], PAIR["swh"], "translation_swahili", "row-1")


def wmt22(language: str = "swahili", **keys: Any) -> MixSource:
    return settings("wmt22_african", language=language, instruction="Translate.", **keys)


def test_english_is_translated_into_the_language() -> None:
    assert results(wmt22(), ROW) == [GOLDEN]
    assert results(wmt22("hausa"), {"translation": {"eng": "Yes.", "hau": "Ee."}}) == [
        Draft("Translate.", "Yes.", "Ee.", "translation_hausa", "row-1")
    ]


def test_texts_are_composed() -> None:
    (draft,) = results(wmt22(), ROW | {"translation": PAIR | {"eng": unicodedata.normalize("NFD", "é")}})
    assert isinstance(draft, Draft)
    assert draft.input == "é"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"laser_score": 1.059}, "low_laser_score"),
        ({"laser_score": "1.05"}, "low_laser_score"),
        ({"laser_score": float("nan")}, "low_laser_score"),
        ({"laser_score": None}, "missing_field"),
        ({"laser_score": ""}, "missing_field"),
        ({"laser_score": "high"}, "wrong_type"),
        ({"laser_score": True}, "wrong_type"),
        ({"translation": {"eng": "x", "hau": "y"}}, "other_language"),
        ({"translation": PAIR | {"swh": None}}, "missing_field"),
        ({"translation": PAIR | {"eng": ""}}, "missing_field"),
    ],
)
def test_other_rows_are_dropped_by_name(change: dict[str, object], reason: str) -> None:
    assert results(wmt22(min_laser_score=1.06), ROW | change) == [reason]


def test_the_bound_itself_is_high_enough_and_without_one_no_score_is_needed() -> None:
    assert results(wmt22(min_laser_score=1.07), ROW) == [GOLDEN]
    assert results(wmt22(), ROW | {"laser_score": None}) == [GOLDEN]


def test_the_share_of_rows_is_drawn_whatever_their_order() -> None:
    rows = [ROW | {"translation": PAIR | {"eng": f"sentence {number}"}} for number in range(4_000)]
    there, back = results(wmt22(draw=0.1), *rows), results(wmt22(draw=0.1), *reversed(rows))
    drawn = [draft.input for draft in there if isinstance(draft, Draft)]
    assert drawn == [draft.input for draft in reversed(back) if isinstance(draft, Draft)]
    assert 0.08 * len(rows) < len(drawn) < 0.12 * len(rows)
    assert there.count("not_drawn") == len(rows) - len(drawn)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
def test_both_formats_give_the_same_examples(tmp_path: Path, name: str) -> None:
    path = write_rows(tmp_path / name, [ROW, ROW | {"laser_score": 1.0}])
    drafts = results_of_files(wmt22(path=str(path), min_laser_score=1.06), tmp_path)
    assert drafts == [GOLDEN._replace(id="rows-1"), "low_laser_score"]


def test_a_table_with_a_column_a_language_is_read(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.tsv", [PAIR | {"laser_score": 1.07}, PAIR | {"laser_score": 1.0}])
    drafts = results_of_files(wmt22(path=str(path), min_laser_score=1.06), tmp_path)
    assert drafts == [GOLDEN._replace(id="rows-1"), "low_laser_score"]


def test_a_bound_needs_the_column_of_the_score(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", [{"translation": PAIR}])
    check_columns(wmt22(), [path])
    with pytest.raises(ValueError, match="no column laser_score - columns found: translation"):
        check_columns(wmt22(min_laser_score=1.06), [path])


@pytest.mark.parametrize("draw", [0, -0.1, 1.1])
def test_the_share_is_above_none_and_at_most_all(draw: float) -> None:
    with pytest.raises(ValidationError, match="draw"):
        wmt22(draw=draw)
