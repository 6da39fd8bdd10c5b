"""LIMA, in the schema of GAIR/lima."""

import pytest

from data_prep.sources.example_source import Draft, Row
from tests.data_prep.sources.drafts import results, settings

LIMA = settings("lima")


def test_the_first_question_and_answer_of_a_conversation_are_used() -> None:
    row = {"conversations": ["Why?", "Because.", "And then?", "Nothing."], "source": "stackexchange"}
    assert results(LIMA, row) == [Draft("", "Why?", "Because.", "stackexchange", "row-1")]


def test_a_row_without_a_source_is_of_the_task_lima() -> None:
    assert results(LIMA, {"conversations": ["Why?", "Because."]}) == [Draft("", "Why?", "Because.", "lima", "row-1")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"source": "wikihow"}, "missing_field"),
        ({"conversations": "Why?"}, "wrong_type"),
        ({"conversations": ["Why?", None]}, "wrong_type"),
        ({"conversations": ["Why?"]}, "no_answer_turn"),
    ],
)
def test_a_row_without_both_is_dropped_by_name(row: Row, reason: str) -> None:
    assert results(LIMA, row) == [reason]
