"""Shuffle the rows that are used, part them into training, evaluation and test rows, and list the files of each."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import polars as pl

from data_prep.mixing.config import Mix
from data_prep.mixing.rows import AllRows
from data_prep.sources.mix_config import name_of
from oneday.stage import StageError

Task = tuple[int, str]  # the place of its source, and its name
Unit = TypeVar("Unit", Task, int)  # rows that stay together: of a task, or of an input, which is its key


class Split(NamedTuple):
    """The rows of each part, in their order. There are test rows only where the recipe has a share for them."""

    train: list[int]
    eval: list[int]
    test: list[int]

    def parts(self) -> dict[str, list[int]]:
        """The parts that become files, by name."""
        return {name: rows for name, rows in self._asdict().items() if rows}


class FileRows(NamedTuple):
    """The rows of a file, in their order. `split` is a name of `Split.parts`, `subset` one of the recipe's."""

    split: str
    subset: str | None
    rows: list[int]

    @property
    def stem(self) -> str:
        """The file's name without its suffix."""
        return self.split if self.subset is None else f"{self.split}-{self.subset}"


def shuffled_split(kept: list[int], rows: AllRows, mix: Mix, seed: int) -> Split:
    """The rows `kept` in random order, `mix.eval_share` of them (or whole inputs or tasks, about as many) to evaluate.

    Another `mix.test_share` of them are for the test. StageError if a part is left without a row.
    """
    order = list(kept)
    random.Random(f"{seed} mix").shuffle(order)
    wanted = [round(len(order) * share) for share in (mix.eval_share, mix.test_share)]
    match mix.split_by:
        case "row":
            split = _by_row(order, *wanted)
        case "input":
            split = _by_input(order, rows, mix, wanted, seed)
        case "task":
            split = _by_task(order, rows, mix, wanted, seed)
    if not split.train or not split.eval or (mix.test_share and not split.test):
        raise StageError(_too_few(split, mix))
    return split


def _too_few(split: Split, mix: Mix) -> str:
    shares, given = f"mix.eval_share {mix.eval_share}", f"{len(split.train)} training and {len(split.eval)} evaluation"
    if mix.test_share:
        shares += f", mix.test_share {mix.test_share}"
        given = f"{len(split.train)} training, {len(split.eval)} evaluation and {len(split.test)} test"
    return (
        f"{sum(map(len, split))} rows with {shares}, split by {mix.split_by}, give {given} rows; "
        f"{'each needs' if mix.test_share else 'both need'} at least one: use more rows or change the share (data.yaml)"
    )


def _by_row(order: list[int], for_eval: int, for_test: int) -> Split:
    return Split(order[for_eval + for_test :], order[:for_eval], order[for_eval : for_eval + for_test])


def _by_task(order: list[int], rows: AllRows, mix: Mix, wanted: Sequence[int], seed: int) -> Split:
    """Whole tasks for each part, in random order, those for evaluation first."""
    names = rows.columns["task"].cast(pl.String)[order].to_list()
    task_of: dict[int, Task] = {row: (int(rows.source[row]), name) for row, name in zip(order, names, strict=True)}
    split = _whole(order, task_of, mix, wanted, random.Random(f"{seed} mix tasks"))
    if order and (not split.eval or (mix.test_share and not split.test)):
        tasks = len(set(task_of.values()))
        found = "all rows are of one task" if tasks == 1 else f"the rows are of {tasks} tasks alone"
        raise StageError(f"mix.split_by is task, but {found}: name a task_column, or split by row (data.yaml)")
    return split


def _by_input(order: list[int], rows: AllRows, mix: Mix, wanted: Sequence[int], seed: int) -> Split:
    """All rows of an input (or of a premise) in one part, whatever their sources; in random order, evaluation first."""
    input_of: dict[int, int] = dict(zip(order, rows.numbers("split_key")[order].tolist(), strict=True))
    split = _whole(order, input_of, mix, wanted, random.Random(f"{seed} mix inputs"))
    if order and (not split.eval or (mix.test_share and not split.test)):
        inputs = len(set(input_of.values()))
        found = "all rows have one input" if inputs == 1 else f"the rows have {inputs} inputs alone"
        raise StageError(f"mix.split_by is input, but {found}: use more rows, or split by row (data.yaml)")
    return split


def _whole(
    order: list[int], unit_of: Mapping[int, Unit], mix: Mix, wanted: Sequence[int], generator: random.Random
) -> Split:
    """Whole units for evaluation and, if the recipe has a share for it, for the test; all others to train on."""
    sizes = Counter(unit_of.values())
    units = sorted(sizes)
    generator.shuffle(units)
    for_eval = _units_of_about(wanted[0], units, sizes)
    left = [unit for unit in units if unit not in for_eval]
    for_test = _units_of_about(wanted[1], left, sizes) if mix.test_share else set()
    return Split(
        [row for row in order if unit_of[row] not in for_eval and unit_of[row] not in for_test],
        [row for row in order if unit_of[row] in for_eval],
        [row for row in order if unit_of[row] in for_test],
    )


def _units_of_about(wanted: int, units: Sequence[Unit], sizes: Counter[Unit]) -> set[Unit]:
    """Each unit, in their order, that still fits into what is wanted; at least one, if another one stays."""
    chosen: set[Unit] = set()
    total = 0
    for unit in units:
        if total + sizes[unit] <= wanted:
            chosen.add(unit)
            total += sizes[unit]
    if not chosen and len(units) > 1:
        chosen = {min(units, key=lambda unit: (sizes[unit], unit))}
    return chosen


def files_of(split: Split, rows: AllRows, mix: Mix) -> list[FileRows]:
    """The files to write: a whole one for each part, then those of each subset.

    StageError names a subset of which a part has no row.
    """
    files = [FileRows(name, None, own) for name, own in split.parts().items()]
    for subset, names in mix.subsets.items():
        places = [place for place, source in enumerate(mix.sources) if name_of(source) in names]
        files += _subset_files(subset, places, split, rows)
    return files


def _subset_files(subset: str, places: Sequence[int], split: Split, rows: AllRows) -> Iterator[FileRows]:
    for name, own in split.parts().items():
        chosen = np.array(own, dtype=np.int64)
        found = FileRows(name, subset, chosen[np.isin(rows.source[chosen], places)].tolist())
        if not found.rows:
            raise StageError(
                f"mix.subsets.{subset} has no row in {name}, so that {found.stem} would be empty; "
                "name sources with more rows, or remove the subset (data.yaml)"
            )
        yield found
