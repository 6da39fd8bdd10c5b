"""Inputs with several answers, of tasks in which an input has one: which rows they have, over all sources.

Two inputs that differ in case and white space alone have one key.
"""

import difflib
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from oneday.stage import StageError

Integers = NDArray[np.int64]


def contradictory_rows(columns: pl.DataFrame, tasks: Sequence[str]) -> Integers:
    """The rows, ascending, whose input has another answer in another row of the same task.

    `columns` have `task`, `input_key` and `answer_key`. StageError for a task of which there is no row.
    """
    names = columns["task"].unique().cast(pl.String).to_list()
    for task in tasks:
        if task not in names:
            near = difflib.get_close_matches(task, names, 3) or sorted(names)[:10]
            found = ", ".join(near) or "none"
            raise StageError(f"mix.one_answer_tasks: no clean row is of the task {task!r}; tasks there: {found}")
    rows = columns.select(pl.int_range(pl.len()).alias("row"), "task", "input_key", "answer_key")
    rows = rows.filter(pl.col("task").cast(pl.String).is_in(list(tasks)))
    answers = pl.col("answer_key").n_unique().over("task", "input_key")
    gone: Integers = rows.filter(answers > 1)["row"].to_numpy()
    return gone


def by_input(columns: pl.DataFrame, rows: Integers) -> list[list[int]]:
    """The rows of each input, the first one of each of its answers; inputs in the order of their first rows."""
    frame = columns[rows].select(pl.Series("row", rows), "task", "input_key", "answer_key")
    first = frame.unique(["task", "input_key", "answer_key"], keep="first", maintain_order=True)
    grouped = first.group_by("task", "input_key", maintain_order=True).agg("row")
    return [list(own) for own in grouped["row"].to_list()]
