"""The rows of all parts, a number a row, and what becomes of each. Texts stay on disk."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_prep.mixing.config import Mix
from data_prep.mixing.context import Context, part_folder
from data_prep.mixing.exact_duplicates import first_of_equal
from data_prep.mixing.near_duplicates import NearPart, find_near_duplicates
from data_prep.mixing.part import PartReport
from data_prep.mixing.quotas import within_budget, within_caps
from data_prep.sources.mix_config import name_of

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class AllRows:
    """What the parts say of their rows, one part after the other.

    `source` is the place in `mix.sources`, `part` that in the list of parts. `tokens` are 0 where none were counted.
    """

    source: NDArray[np.int16]
    part: NDArray[np.int32]
    columns: pl.DataFrame

    def __len__(self) -> int:
        return len(self.columns)

    def numbers(self, column: str) -> NDArray[Any]:
        """A column as numbers."""
        return self.columns[column].to_numpy()


@dataclass(frozen=True)
class Pair:
    """A row that goes because of another one, which stays."""

    row: int
    kept: int
    similarity: float


@dataclass
class Fates:
    """What becomes of the rows: which are `alive`, why the others are not (a count by source and reason)."""

    alive: Flags
    source: NDArray[np.int16]
    dropped: list[Counter[str]]
    duplicates: list[Pair]
    near_duplicates: list[Pair]

    def drop(self, rows: Integers | Flags, reason: str) -> None:
        """Take rows out that are still in."""
        if not self.alive[rows].all():
            raise AssertionError(f"a row is dropped twice, the second time as {reason}")
        for source, count in zip(*np.unique(self.source[rows], return_counts=True), strict=True):
            self.dropped[int(source)][reason] += int(count)
        self.alive[rows] = False


def load_rows(folder: Path, reports: Sequence[PartReport], mix: Mix) -> AllRows:
    """The rows of all parts, in the order of the parts."""
    places = {name_of(source): place for place, source in enumerate(mix.sources)}
    kept = [report.kept for report in reports]
    names = ["start", "size", "key_high", "key_low", "answer_key", "bytes", "tokens", "task"]
    tables = [
        pl.read_parquet(folder / part_folder(report.number) / "rows.parquet", columns=names) for report in reports
    ]
    return AllRows(
        source=np.repeat(np.array([places[report.source] for report in reports], dtype=np.int16), kept),
        part=np.repeat(np.arange(len(reports), dtype=np.int32), kept),
        columns=pl.concat(tables).with_columns(pl.col("task").cast(pl.Categorical)),
    )


def decide(rows: AllRows, reports: Sequence[PartReport], context: Context) -> Fates:
    """Take out duplicates, near-duplicates, and what is more than the caps and the budget allow, in this order."""
    mix = context.mix
    fates = Fates(np.ones(len(rows), dtype=bool), rows.source, [Counter() for _ in mix.sources], [], [])
    _exact(rows, mix, fates)
    if mix.near_duplicates is not None:
        _near(rows, reports, context, fates)
    _quotas(rows, mix, context.seed, fates)
    return fates


def _exact(rows: AllRows, mix: Mix, fates: Fates) -> None:
    first = first_of_equal(rows.numbers("key_high"), rows.numbers("key_low"), fates.alive)
    gone = np.flatnonzero(first != np.arange(len(rows)))
    fates.drop(gone, f"duplicate_{mix.exact_duplicates}")
    fates.duplicates += [Pair(int(row), int(first[row]), 1.0) for row in _some(gone)]


def _near(rows: AllRows, reports: Sequence[PartReport], context: Context, fates: Fates) -> None:
    assert context.mix.near_duplicates is not None
    first_rows = np.concatenate([[0], np.cumsum([report.kept for report in reports])]).tolist()
    parts = [
        NearPart(first, context.parts / part_folder(report.number) / "near")
        for first, report in zip(first_rows, reports, strict=False)
    ]
    found = find_near_duplicates(parts, fates.alive, rows.numbers("answer_key"), context.mix.near_duplicates)
    fates.drop(found.dropped, "near_duplicate")
    shown = _some(np.arange(len(found.dropped)))
    fates.near_duplicates += [
        Pair(int(found.dropped[n]), int(found.kept[n]), float(found.similarity[n])) for n in shown
    ]


def _some(items: Integers) -> Integers:
    """Twelve of them, evenly spread."""
    return items[np.unique(np.linspace(0, len(items) - 1, 12).astype(np.int64))] if len(items) else items


def _quotas(rows: AllRows, mix: Mix, seed: int, fates: Fates) -> None:
    members, keys, costs = [], [], []
    by_rows = mix.budget is None or mix.budget.rows is not None
    tokens = rows.numbers("tokens")
    for place, source in enumerate(mix.sources):
        own = np.flatnonzero(fates.alive & (rows.source == place))
        kept, key = within_caps(source, tokens[own], seed)
        fates.drop(own[~kept], "over_source_cap")
        own, key = own[kept], key[kept]
        members.append(own)
        keys.append(key)
        costs.append(np.ones(len(own)) if by_rows else tokens[own].astype(np.float64))
    for own, kept in zip(members, within_budget(mix, costs, keys), strict=True):
        fates.drop(own[~kept], "over_budget")
