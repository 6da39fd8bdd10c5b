"""Inputs with several answers: every row of theirs is found, in any order, and no row of another task."""

import random

import polars as pl
import pytest

from data_prep.mixing.contradictions import by_input, contradictory_rows
from oneday.stage import StageError

# task, input, answer
ROWS = [
    ("mood", 1, 7),
    ("mood", 2, 7),
    ("mood", 1, 8),
    ("other", 2, 9),
    ("mood", 1, 7),
    ("free", 3, 7),
    ("free", 3, 8),
    ("mood", 4, 7),
    ("mood", 4, 7),
]


def columns(rows: list[tuple[str, int, int]]) -> pl.DataFrame:
    schema = {"task": pl.Categorical, "input_key": pl.UInt64, "answer_key": pl.UInt64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_all_rows_of_an_input_with_several_answers_are_found_and_those_of_other_tasks_are_not() -> None:
    assert contradictory_rows(columns(ROWS), ["mood"]).tolist() == [0, 2, 4]
    assert contradictory_rows(columns(ROWS), ["mood", "free"]).tolist() == [0, 2, 4, 5, 6]
    assert contradictory_rows(columns(ROWS), ["other"]).tolist() == []


def test_the_order_of_the_rows_does_not_matter() -> None:
    wanted = {ROWS[row] for row in contradictory_rows(columns(ROWS), ["mood", "free"])}
    for seed in range(5):
        shuffled = random.Random(seed).sample(ROWS, len(ROWS))
        found = contradictory_rows(columns(shuffled), ["free", "mood"])
        assert {shuffled[row] for row in found} == wanted
        assert len(found) == 5


def test_examples_have_the_first_row_of_each_answer() -> None:
    table = columns(ROWS)
    assert by_input(table, contradictory_rows(table, ["mood", "free"])) == [[0, 2], [5, 6]]
    assert by_input(table, contradictory_rows(table, ["other"])) == []


def test_a_task_that_no_row_has_is_an_error_with_the_nearest_names() -> None:
    with pytest.raises(StageError, match=r"mix\.one_answer_tasks: no clean row is of the task 'moods'; .*: mood$"):
        contradictory_rows(columns(ROWS), ["moods"])
    with pytest.raises(StageError, match=r"tasks there: free, mood, other$"):
        contradictory_rows(columns(ROWS), ["xyzzy"])
