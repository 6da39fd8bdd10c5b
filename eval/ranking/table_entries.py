"""A table of metrics or of win rates, CSV or JSON -> entries of a ranking.

A row has entry, scenario, metric and value, or entry, scenario and win_rate; an empty value, or null, is a null. JSON
may also be laid out as the published ranks are: [[entry, {"MMLU - EM": 0.63, ...}], ...], whose own win rates and
scores ('... Mean Win Rate', 'Score_...') are not read.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from eval.ranking.challenge import published_headings
from eval.ranking.scenario import Entry, Scenario, ScenarioMetric
from eval.ranking.table_rows import COLUMNS, Row, read_rows

METRIC_FIELDS, RATE_FIELDS = ("entry", "scenario", "metric", "value"), ("entry", "scenario", "win_rate")
RATE = "win_rate"  # stands for the metric of a row that has a win rate


@dataclass(frozen=True)
class Cell:
    """A value of the table. `metric` is RATE for a win rate."""

    place: str
    entry: str
    scenario: str
    metric: str
    value: float | None


@dataclass(frozen=True)
class Table:
    """The values of a file, in its order; either all are win rates or none is."""

    path: Path
    cells: tuple[Cell, ...]

    @property
    def has_win_rates(self) -> bool:
        """Whether these are win rates."""
        return self.cells[0].metric == RATE

    def entries(self) -> list[Entry]:
        """The entries, in the file's order."""
        values: dict[str, dict[str, dict[str, float | None]]] = {}
        for cell in self.cells:
            values.setdefault(cell.entry, {}).setdefault(cell.scenario, {})[cell.metric] = cell.value
        return [Entry(name, own) for name, own in values.items()]

    def win_rates(self) -> dict[str, dict[str, float]]:
        """The win rates by entry and scenario."""
        rates: dict[str, dict[str, float]] = {}
        for cell in self.cells:
            if cell.value is not None:
                rates.setdefault(cell.entry, {})[cell.scenario] = cell.value
        return rates

    def own_scenarios(self, lower_is_better: Collection[str]) -> tuple[Scenario, ...]:
        """Scenarios of no stage by the table's names. ValueError for a name in `lower_is_better` that it lacks."""
        metrics: dict[str, dict[str, ScenarioMetric]] = {}
        for cell in self.cells:
            metric = ScenarioMetric(cell.metric, higher_is_better=cell.metric not in lower_is_better)
            metrics.setdefault(cell.scenario, {})[cell.metric] = metric
        known = list(dict.fromkeys(cell.metric for cell in self.cells))
        for name in lower_is_better:
            if name not in known:
                raise ValueError(f"--lower {name}: {self.path} has no such metric; {did_you_mean(name, known)}")
        return tuple(Scenario(name, None, tuple(own.values())) for name, own in metrics.items())


def read_table(path: Path, scenarios: Sequence[Scenario] | None) -> Table:
    """The table; without `scenarios` any names will do.

    Raises ValueError that names file and line of an unknown name, with the nearest known one, of a value given twice,
    of one that is no finite number, and of a win rate that is missing or not within 0 and 1.
    """
    cells: dict[tuple[str, str, str], Cell] = {}
    for row in read_rows(path):
        for cell in _cells(row):
            if scenarios is not None:
                _check_known(cell, scenarios)
            key = (cell.entry, cell.scenario, cell.metric)
            if key in cells:
                raise ValueError(f"{cell.place}: {_called(cell)} is in {cells[key].place} already")
            cells[key] = cell
    if not cells:
        raise ValueError(f"{path}: there is no row; a table has {COLUMNS}")
    if len({cell.metric == RATE for cell in cells.values()}) > 1:
        raise ValueError(f"{path}: some rows have a win_rate and some a metric with a value; make it two tables")
    return Table(path, tuple(cells.values()))


def _cells(row: Row) -> list[Cell]:
    if row.published_entry is not None:
        return _published_cells(row, row.published_entry)
    fields = RATE_FIELDS if RATE in row.fields else METRIC_FIELDS
    wrong = set(row.fields) ^ set(fields)
    if wrong:
        raise ValueError(f"{row.place}: columns {', '.join(row.fields)}; a table has {COLUMNS}")
    *names, given = (row.fields[field] for field in fields)
    for field, name in zip(fields, names, strict=False):
        if not isinstance(name, str) or not name:
            raise ValueError(f"{row.place}: {field} is {name!r}, which is no name")
    value = _number(row.place, fields[-1], given)
    if fields == METRIC_FIELDS:
        return [Cell(row.place, names[0], names[1], names[2], value)]
    if value is None or not 0 <= value <= 1:
        raise ValueError(f"{row.place}: win_rate is {given!r}, not a number from 0 to 1")
    return [Cell(row.place, names[0], names[1], RATE, value)]


def _published_cells(row: Row, entry: str) -> list[Cell]:
    headings = published_headings()
    cells = []
    for heading, given in row.fields.items():
        if heading.endswith(" Mean Win Rate") or heading.startswith("Score_"):
            continue
        if heading not in headings:
            raise ValueError(
                f"{row.place}: {entry} has an unknown '{heading}'; {did_you_mean(heading, list(headings))}"
            )
        cells.append(Cell(row.place, entry, *headings[heading], _number(row.place, heading, given)))
    return cells


def _number(place: str, field: str, given: Any) -> float | None:
    if given is None or given in ("", "null"):
        return None
    try:
        value = math.nan if isinstance(given, bool) else float(given)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{place}: {field} is {given!r}, not a finite number; leave it empty, or null, for no value")
    return value


def _check_known(cell: Cell, scenarios: Sequence[Scenario]) -> None:
    names = [scenario.name for scenario in scenarios]
    if cell.scenario not in names:
        raise ValueError(
            f"{cell.place}: unknown scenario '{cell.scenario}'; {did_you_mean(cell.scenario, names)}. "
            "With --own-scenarios the names are the table's own"
        )
    metrics = [metric.name for metric in scenarios[names.index(cell.scenario)].metrics]
    if cell.metric not in (*metrics, RATE):
        raise ValueError(
            f"{cell.place}: {cell.scenario} has no metric '{cell.metric}'; {did_you_mean(cell.metric, metrics)}"
        )


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """The nearest known name as a question, or all of them."""
    lowered = {each.lower(): each for each in known}
    nearest = get_close_matches(name.lower(), list(lowered), n=1)
    return f"did you mean '{lowered[nearest[0]]}'?" if nearest else f"there are: {', '.join(known)}"


def _called(cell: Cell) -> str:
    return f"{cell.scenario} {'win rate' if cell.metric == RATE else cell.metric} of {cell.entry}"
