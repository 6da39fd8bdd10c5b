"""The rows for the page's filters: each once, within a limit of bytes, safe in a script element."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from eval.config import Compare
from eval.reporting.examples import (
    LESS,
    MORE,
    RIGHT_AFTER,
    RIGHT_BEFORE,
    HeldOutRow,
    example_data,
    first_of_each_task,
    flags,
    held_out_rows,
    outcomes,
)
from eval.scores import ScoredRow, Scores
from tests.eval.reporting.toy_run import THREE, toy_scores

ROOM = 3_500_000  # bytes
SCORES = Scores.model_validate(toy_scores())
COMPARE = Compare(baseline=THREE[0], candidate=THREE[-1])


def scored(variant: str, task: str, name: str, **changes: Any) -> ScoredRow:
    values = {"input": "question", "answer": ["yes"], "raw": "no", "prediction": "no", "score": 0.0}
    return ScoredRow(variant=variant, task=task, id=name, **(values | changes))


def row(text: str, answers: Sequence[str] = ("a", "b", "a"), task: str = "boolq") -> HeldOutRow:
    return HeldOutRow(task, "1", text, ("yes",), tuple(answers), (0.0, 0.5, 1.0))


def read(rows: Sequence[HeldOutRow]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(example_data(rows, SCORES, COMPARE, ROOM).json)
    return found


def test_a_row_is_there_once_with_every_answer() -> None:
    rows = [scored(name, task, "1", prediction=name) for task in ("xsum", "boolq") for name in reversed(THREE)]
    merged = held_out_rows(rows, SCORES)
    assert [one.task for one in merged] == ["boolq", "xsum"]
    assert merged[0].answers == THREE


def test_a_row_without_an_answer_or_task_is_refused() -> None:
    with pytest.raises(ValueError, match=r"row 1 of boolq has no answer of base_few_shot; run the stage 'eval_score'"):
        held_out_rows([scored(THREE[0], "boolq", "1"), scored(THREE[2], "boolq", "1")], SCORES)
    with pytest.raises(ValueError, match="row 1 of other has a task that"):
        held_out_rows([scored(name, "other", "1") for name in THREE], SCORES)


def test_equal_answers_are_stored_once() -> None:
    assert read([row("question")])["rows"] == [
        [0, "1", RIGHT_AFTER | MORE, "question", ["yes"], ["a", "b", 0], [0.0, 0.5, 1.0]]
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (0.0, 1.0, RIGHT_AFTER | MORE),
        (1.0, 0.0, RIGHT_BEFORE | LESS),
        (1.0, 1.0, RIGHT_BEFORE | RIGHT_AFTER),
        (0.4, 0.6, MORE),
        (0.6, 0.4, LESS),
        (0.5, 0.5, 0),
    ],
)
def test_flags_tell_what_became_of_a_row(before: float, after: float, expected: int) -> None:
    assert flags(before, after) == expected


def test_one_variant_has_no_before() -> None:
    alone = Compare(baseline=THREE[0], candidate=THREE[0])
    assert [outcome.key for outcome in outcomes(alone)] == ["all", "right", "wrong"]
    assert json.loads(example_data([row("question")], SCORES, alone, ROOM).json)["before"] is None


def test_text_cannot_leave_its_script_element() -> None:
    hostile = '</script><!-- <script> \u2028 \N{RIGHT-TO-LEFT OVERRIDE} 北京 \\ "'
    data = example_data([row(hostile)], SCORES, COMPARE, ROOM)
    assert "<" not in data.json and json.loads(data.json)["rows"][0][3] == hostile


def test_half_a_character_is_replaced() -> None:
    data = example_data([row("half \ud83d of one")], SCORES, COMPARE, ROOM)
    assert json.loads(data.json.encode())["rows"][0][3] == "half \N{REPLACEMENT CHARACTER} of one"


def test_the_limit_of_texts_falls_as_rows_grow() -> None:
    rows = [row(f"{number} {'word ' * 1000}", ("long " * 500,) * 3) for number in range(40)]
    whole = example_data(rows, SCORES, COMPARE, ROOM)
    assert (whole.input_limit, whole.answer_limit, whole.shown, whole.shortened) == (4000, 1600, 40, True)
    small = example_data(rows, SCORES, COMPARE, 40_000)
    assert (small.input_limit, small.shown) == (500, 40) and len(small.json.encode()) <= 40_000
    assert not example_data([row("short")], SCORES, COMPARE, ROOM).shortened


def test_rows_that_do_not_fit_at_all_are_the_first_of_each_task() -> None:
    rows = [row("word " * 100, task=task) for task in ("boolq", "xsum") for _ in range(100)]
    data = example_data(rows, SCORES, COMPARE, 5_500)
    tasks = [found[0] for found in json.loads(data.json)["rows"]]
    assert data.all == 200 and 20 < data.shown == len(tasks) < 60
    assert tasks.count(0) == tasks.count(1) and len(data.json.encode()) <= 5_500
    assert example_data(rows, SCORES, COMPARE, 0).shown == 0 == example_data(rows, SCORES, COMPARE, -1).shown
    assert first_of_each_task(rows, 2) == [rows[0], rows[1], rows[100], rows[101]]


def test_five_thousand_rows_of_real_lengths_leave_a_page_under_5_mb() -> None:
    tasks = sorted((Path(__file__).parents[3] / "../shared/data/ni_tasks").glob("*.json"))
    if not tasks:
        pytest.skip("no Natural Instructions tasks beside the checkout")
    inputs = [one["input"] for task in tasks for one in json.loads(task.read_text())["Instances"][:80]]
    rows = [row(inputs[number % len(inputs)], ("an answer " * 30,) * 3) for number in range(5000)]
    data = example_data(rows, SCORES, COMPARE, ROOM)
    assert data.shown == 5000 and len(data.json.encode()) <= ROOM
