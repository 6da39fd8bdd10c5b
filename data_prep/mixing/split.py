"""Shuffle the rows that are used and part them into training and evaluation rows."""

import random
from collections import Counter
from typing import NamedTuple

import polars as pl

from data_prep.mixing.config import Mix
from data_prep.mixing.rows import AllRows
from oneday.stage import StageError


class Split(NamedTuple):
    """The rows of the two files, in their order."""

    train: list[int]
    eval: list[int]


def shuffled_split(kept: list[int], rows: AllRows, mix: Mix, seed: int) -> Split:
    """The rows `kept` in random order, `mix.eval_share` of them (or whole tasks of about as many) for evaluation.

    StageError if that leaves one of the two without a row.
    """
    order = list(kept)
    random.Random(f"{seed} mix").shuffle(order)
    wanted = round(len(order) * mix.eval_share)
    split = Split(order[wanted:], order[:wanted]) if mix.split_by == "row" else _by_task(order, rows, wanted, seed)
    if mix.split_by == "task" and order and not split.eval:
        raise StageError(
            "mix.split_by is task, but all rows are of one task: name a task_column, or split by row (data.yaml)"
        )
    if not split.train or not split.eval:
        raise StageError(
            f"{len(order)} rows with mix.eval_share {mix.eval_share}, split by {mix.split_by}, give "
            f"{len(split.train)} training and {len(split.eval)} evaluation rows; both need at least one: use more "
            f"rows or change the share (data.yaml)"
        )
    return split


def _by_task(order: list[int], rows: AllRows, wanted: int, seed: int) -> Split:
    """Whole tasks for evaluation, in random order, each that still fits into what is wanted; at least one."""
    names = rows.columns["task"].cast(pl.String)[order].to_list()
    task_of = {row: (int(rows.source[row]), name) for row, name in zip(order, names, strict=True)}
    sizes = Counter(task_of.values())
    tasks = sorted(sizes)
    random.Random(f"{seed} mix tasks").shuffle(tasks)
    chosen: set[tuple[int, str]] = set()
    total = 0
    for task in tasks:
        if total + sizes[task] <= wanted:
            chosen.add(task)
            total += sizes[task]
    if not chosen and len(tasks) > 1:
        chosen = {min(tasks, key=lambda task: (sizes[task], task))}
    return Split([row for row in order if task_of[row] not in chosen], [row for row in order if task_of[row] in chosen])
