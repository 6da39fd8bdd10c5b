"""Split: by row or by whole task, in an order that the seed alone decides."""

import numpy as np
import polars as pl
import pytest

from data_prep.mixing.config import Mix
from data_prep.mixing.rows import AllRows
from data_prep.mixing.split import shuffled_split
from oneday.stage import StageError


def mix(share: float, by: str) -> Mix:
    return Mix.model_validate(
        {
            "sources": [{"source": "sampled"}],
            "min_input_words": 0,
            "max_input_words": 10,
            "exact_duplicates": "input",
            "eval_share": share,
            "split_by": by,
        }
    )


def rows_of(tasks: list[str], sources: list[int] | None = None) -> AllRows:
    columns = pl.DataFrame({"task": pl.Series(tasks, dtype=pl.Categorical)})
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
