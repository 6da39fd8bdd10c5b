"""Split: by row, by whole input or by whole task, in an order that the seed alone decides."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from data_prep.mixing.config import Mix
from data_prep.mixing.rows import AllRows
from data_prep.mixing.split import Split, files_of, shuffled_split
from oneday.stage import StageError


def mix(share: float, by: str, **changes: Any) -> Mix:
    return Mix.model_validate(
        {
            "sources": [{"source": "sampled", "name": name} for name in ("one", "two")],
            "min_input_words": 0,
            "max_input_words": 10,
            "exact_duplicates": "input",
            "eval_share": share,
            "split_by": by,
        }
        | changes
    )


def rows_of(tasks: list[str], sources: list[int] | None = None, inputs: list[int] | None = None) -> AllRows:
    keys = pl.Series(range(len(tasks)) if inputs is None else inputs, dtype=pl.UInt64)
    columns = pl.DataFrame({"task": pl.Series(tasks, dtype=pl.Categorical), "split_key": keys})
    source = np.zeros(len(tasks), dtype=np.int16) if sources is None else np.array(sources, dtype=np.int16)
    return AllRows(source, np.zeros(len(tasks), dtype=np.int32), columns)


def test_a_split_by_row_has_every_row_once_and_the_share_asked_for() -> None:
    split = shuffled_split(list(range(100)), rows_of(["t"] * 100), mix(0.02, "row"), 1)
    assert len(split.eval) == 2
    assert sorted(split.train + split.eval) == list(range(100))
    assert split.train != sorted(split.train)


def test_the_seed_alone_decides_the_order() -> None:
    rows = rows_of(["t"] * 50)
    one, again, other = (shuffled_split(list(range(50)), rows, mix(0.1, "row"), seed) for seed in (1, 1, 2))
    assert one == again != other


def test_a_split_by_task_parts_no_task() -> None:
    tasks = [f"t{n % 20}" for n in range(400)]
    split = shuffled_split(list(range(400)), rows_of(tasks), mix(0.1, "task"), 1)
    assert len(split.eval) == 40
    assert not {tasks[row] for row in split.train} & {tasks[row] for row in split.eval}
    assert sorted(split.train + split.eval) == list(range(400))


def test_equal_task_names_of_two_sources_are_two_tasks() -> None:
    split = shuffled_split(list(range(40)), rows_of(["t"] * 40, [0] * 20 + [1] * 20), mix(0.5, "task"), 1)
    assert {row < 20 for row in split.eval} != {row < 20 for row in split.train}


def test_the_smallest_task_is_taken_where_every_task_is_larger_than_the_share() -> None:
    tasks = ["big"] * 30 + ["small"] * 10
    split = shuffled_split(list(range(40)), rows_of(tasks), mix(0.01, "task"), 1)
    assert {tasks[row] for row in split.eval} == {"small"}


@pytest.mark.parametrize(("rows", "by"), [(["t"] * 3, "row"), ([], "row"), ([], "task")])
def test_a_split_without_rows_on_one_side_is_an_error_that_says_what_to_change(rows: list[str], by: str) -> None:
    with pytest.raises(StageError, match=r"mix\.eval_share 0\.1, split by"):
        shuffled_split(list(range(len(rows))), rows_of(rows), mix(0.1, by), 1)


def test_one_task_cannot_be_split_by_task() -> None:
    with pytest.raises(StageError, match="all rows are of one task: name a task_column"):
        shuffled_split(list(range(30)), rows_of(["t"] * 30), mix(0.1, "task"), 1)


def test_a_share_for_the_test_leaves_the_rows_for_evaluation_and_the_order() -> None:
    rows = rows_of(["t"] * 100)
    without = shuffled_split(list(range(100)), rows, mix(0.05, "row"), 1)
    split = shuffled_split(list(range(100)), rows, mix(0.05, "row", test_share=0.1), 1)
    assert without.test == []
    assert set(without.parts()) == {"train", "eval"}
    assert (len(split.train), len(split.eval), len(split.test)) == (85, 5, 10)
    assert split.eval == without.eval
    assert split.test + split.train == without.train


def test_a_test_by_task_parts_no_task() -> None:
    tasks = [f"t{n % 20}" for n in range(400)]
    without = shuffled_split(list(range(400)), rows_of(tasks), mix(0.1, "task"), 1)
    split = shuffled_split(list(range(400)), rows_of(tasks), mix(0.1, "task", test_share=0.2), 1)
    assert split.eval == without.eval
    assert len(split.test) == 80
    parts = [{tasks[row] for row in part} for part in split]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 20
    assert sorted(split.train + split.eval + split.test) == list(range(400))


def test_two_tasks_cannot_be_split_into_three_by_task() -> None:
    with pytest.raises(StageError, match="the rows are of 2 tasks alone: name a task_column"):
        shuffled_split(list(range(30)), rows_of(["a", "b"] * 15), mix(0.1, "task", test_share=0.1), 1)


def test_a_test_without_rows_is_an_error_that_names_its_share() -> None:
    with pytest.raises(StageError, match=r"test_share 0\.01, split by row, give 27 training, 3 evaluation and 0 test"):
        shuffled_split(list(range(30)), rows_of(["t"] * 30), mix(0.1, "row", test_share=0.01), 1)


def test_a_subset_has_the_rows_of_its_sources_in_the_order_of_the_whole_files() -> None:
    rows = rows_of(["t"] * 8, [0, 1, 0, 1, 0, 1, 0, 1])
    config = mix(0.1, "row", test_share=0.1, subsets={"second": ["two"], "all": ["two", "one"]})
    split = Split([5, 4, 3, 0], [2, 7], [1, 6])
    assert {file.stem: file.rows for file in files_of(split, rows, config)} == {
        "train": [5, 4, 3, 0], "eval": [2, 7], "test": [1, 6],
        "train-second": [5, 3], "eval-second": [7], "test-second": [1],
        "train-all": [5, 4, 3, 0], "eval-all": [2, 7], "test-all": [1, 6],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("split", "file"),
    [
        (Split([0, 2], [1, 3], []), "train"),
        (Split([0, 1], [2], []), "eval"),
        (Split([0, 1], [3], [2]), "test"),
    ],
)
def test_a_subset_without_rows_in_a_file_is_an_error_that_names_both(split: Split, file: str) -> None:
    config = mix(0.1, "row", subsets={"second": ["two"]})
    with pytest.raises(StageError, match=rf"mix\.subsets\.second has no row in {file}, so that {file}-second would be"):
        files_of(split, rows_of(["t"] * 4, [0, 1, 0, 1]), config)


@pytest.mark.parametrize(("test_share", "sizes"), [(0.1, [340, 20, 40]), (0, [380, 20, 0])])
def test_a_split_by_input_parts_no_input_of_any_source(test_share: float, sizes: list[int]) -> None:
    inputs = [2**64 - 1 - n // 4 for n in range(400)]
    rows = rows_of(["t"] * 400, [n % 2 for n in range(400)], inputs)
    split = shuffled_split(list(range(400)), rows, mix(0.05, "input", test_share=test_share), 1)
    assert [len(part) for part in split] == sizes
    parts = [{inputs[row] for row in part} for part in split]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 100
    assert sorted(split.train + split.eval + split.test) == list(range(400))
    assert split.train != sorted(split.train)


def test_an_input_of_many_rows_is_no_more_likely_to_be_evaluated_than_one_of_a_single_row() -> None:
    inputs = [n // 4 for n in range(400)] + list(range(100, 500))
    many = [
        sum(
            row < 400 for row in shuffled_split(list(range(800)), rows_of(["t"] * 800, None, inputs), config, seed).eval
        )
        for config in [mix(0.1, "input")]
        for seed in range(20)
    ]
    assert 35 < sum(many) / len(many) < 45


def test_rows_whose_inputs_all_differ_are_split_by_input_in_the_shares_asked_for() -> None:
    split = shuffled_split(list(range(100)), rows_of(["t"] * 100), mix(0.05, "input", test_share=0.1), 1)
    assert [len(part) for part in split] == [85, 5, 10]


@pytest.mark.parametrize(
    ("inputs", "test_share", "found"),
    [([7] * 30, 0, "all rows have one input"), ([7, 8] * 15, 0.1, "the rows have 2 inputs alone")],
)
def test_too_few_inputs_cannot_be_split_by_input(inputs: list[int], test_share: float, found: str) -> None:
    with pytest.raises(StageError, match=f"mix.split_by is input, but {found}: use more rows, or split by row"):
        shuffled_split(list(range(30)), rows_of(["t"] * 30, None, inputs), mix(0.1, "input", test_share=test_share), 1)
