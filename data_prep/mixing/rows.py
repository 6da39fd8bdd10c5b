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
from data_prep.mixing.contradictions import by_input, contradictory_rows
from data_prep.mixing.exact_duplicates import first_of_equal
from data_prep.mixing.near_duplicates import NearPart, find_near_duplicates
from data_prep.mixing.part import PartReport, compared_inputs
from data_prep.mixing.quotas import draw_keys, within_answer_cap, within_budget, within_caps, within_joint_cap
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
    """What becomes of the rows: which are `alive`, why the others are not (a count by source and reason).

    `contradictions` are some inputs with several answers, a row of each answer.
    """

    alive: Flags
    source: NDArray[np.int16]
    dropped: list[Counter[str]]
    duplicates: list[Pair]
    near_duplicates: list[Pair]
    contradictions: list[list[int]]

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
    names += compared_inputs(mix)
    tables = [
        pl.read_parquet(folder / part_folder(report.number) / "rows.parquet", columns=names) for report in reports
    ]
    return AllRows(
        source=np.repeat(np.array([places[report.source] for report in reports], dtype=np.int16), kept),
        part=np.repeat(np.arange(len(reports), dtype=np.int32), kept),
        columns=pl.concat(tables).with_columns(pl.col("task").cast(pl.Categorical)),
    )


def decide(rows: AllRows, reports: Sequence[PartReport], context: Context) -> Fates:
    """Take out contradictions, duplicates, near-duplicates, and what is more than the caps and the budget allow.

    In this order: an input with several answers is one among all clean rows, whichever of them would stay.
    """
    mix = context.mix
    fates = Fates(np.ones(len(rows), dtype=bool), rows.source, [Counter() for _ in mix.sources], [], [], [])
    if mix.one_answer_tasks:
        _contradictory(rows, mix, fates)
    _exact(rows, mix, fates)
    if mix.near_duplicates is not None:
        _near(rows, reports, context, fates)
    _quotas(rows, mix, context.seed, fates)
    return fates


def _contradictory(rows: AllRows, mix: Mix, fates: Fates) -> None:
    gone = contradictory_rows(rows.columns, mix.one_answer_tasks)
    fates.drop(gone, "contradictory_answers")
    inputs = by_input(rows.columns, gone)
    fates.contradictions += [inputs[place] for place in _some(np.arange(len(inputs)))]


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
    tokens, answers = rows.numbers("tokens"), rows.numbers("answer_key")
    keys = np.zeros(len(rows))
    for place, source in enumerate(mix.sources):
        own = _alive(rows, fates, place)
        keys[own] = draw_keys(source, len(own), seed)
        fates.drop(own[~within_answer_cap(source, answers[own])], "over_answer_cap")
        own = own[fates.alive[own]]
        fates.drop(own[~within_caps(source, tokens[own], keys[own])], "over_source_cap")
    _joint_caps(rows, mix, seed, fates)
    members = [_alive(rows, fates, place) for place in range(len(mix.sources))]
    by_rows = mix.budget is None or mix.budget.rows is not None
    costs = [np.ones(len(own)) if by_rows else tokens[own].astype(np.float64) for own in members]
    for own, kept in zip(members, within_budget(mix, costs, [keys[own] for own in members]), strict=True):
        fates.drop(own[~kept], "over_budget")


def _joint_caps(rows: AllRows, mix: Mix, seed: int, fates: Fates) -> None:
    for cap in mix.joint_caps:
        places = [place for place, source in enumerate(mix.sources) if name_of(source) in cap.sources]
        members = [_alive(rows, fates, place) for place in places]
        for own, kept in zip(members, within_joint_cap(cap, [len(own) for own in members], seed), strict=True):
            fates.drop(own[~kept], "over_joint_cap")


def _alive(rows: AllRows, fates: Fates, place: int) -> Integers:
    """The rows of a source that are still in."""
    return np.flatnonzero(fates.alive & (rows.source == place))
