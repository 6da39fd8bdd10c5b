"""Metrics of whole sets of rows, over resampled rows: the same draws for all that answered them.

Rows are drawn with replacement within each task, that is within kind and language; both languages together are the
sums of their draws. What is drawn for a task does not depend on which others are there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.config import Bootstrap
from eval.estimate import Estimate
from eval.metrics.chrf import chrf
from eval.metrics.macro_f1 import macro_f1
from eval.zindi_scores import METRICS, Difference
from oneday.buzuzu_mavi import KINDS, LANGUAGES, Language, TaskKind

Floats = NDArray[np.float64]
Column = tuple[str, str]
"""Who answered, and by which method."""

CELLS = 2**22  # of the table of how often each row is drawn, which is 32 MiB then


@dataclass(frozen=True)
class TaskRows:
    """The rows of one task as statistics, [rows, width], for each column; all columns have the same rows."""

    kind: TaskKind
    language: Language
    statistics: Mapping[Column, Floats]

    @property
    def rows(self) -> int:
        """How many rows the task has."""
        return len(next(iter(self.statistics.values())))


@dataclass(frozen=True)
class Draws:
    """A number as observed and as it came out of each resample."""

    observed: float
    resampled: Floats

    def __sub__(self, other: "Draws") -> "Draws":
        return Draws(self.observed - other.observed, self.resampled - other.resampled)

    def mapped(self, change: Callable[[float], float]) -> "Draws":
        """The numbers after a change that works on single numbers and arrays alike."""
        return Draws(change(self.observed), np.asarray(change(self.resampled)))  # type: ignore[arg-type]

    def estimate(self, confidence: float) -> Estimate:
        """The observed number with its percentile interval."""
        low, high = np.percentile(self.resampled, [50 * (1 - confidence), 50 * (1 + confidence)])
        return Estimate(value=float(self.observed), low=float(low), high=float(high))

    def difference(self, baseline: str, candidate: str, confidence: float) -> Difference:
        """The same as a difference of two, which this must be."""
        return Difference(baseline=baseline, candidate=candidate, **self.estimate(confidence).model_dump())


def mean_of(draws: Sequence[Draws]) -> Draws:
    """The mean of several numbers, draw by draw."""
    return Draws(float(np.mean([one.observed for one in draws])), np.mean([one.resampled for one in draws], axis=0))


def resample(
    tasks: Sequence[TaskRows], config: Bootstrap
) -> dict[tuple[TaskKind, Language | None], dict[Column, Draws]]:
    """The metric of each column for each task, and for each kind in both languages together (language None).

    A column that is in one language alone is not in the kind's.
    """
    results: dict[tuple[TaskKind, Language | None], dict[Column, Draws]] = {}
    for kind in KINDS:
        own = [(task, _sums(task, config)) for task in tasks if task.kind == kind]
        if not own:
            continue
        shared = [column for column in own[0][1] if all(column in sums for _, sums in own)]
        together = {column: np.sum([sums[column] for _, sums in own], axis=0) for column in shared}
        results[kind, None] = {column: _draws(kind, summed) for column, summed in together.items()}
        for task, sums in own:
            results[kind, task.language] = {column: _draws(kind, summed) for column, summed in sums.items()}
    return results


def _draws(kind: TaskKind, sums: Floats) -> Draws:
    values = macro_f1(sums) if METRICS[kind] == "macro_f1" else chrf(sums)
    return Draws(float(values[0]), values[1:])


def _sums(task: TaskRows, config: Bootstrap) -> dict[Column, Floats]:
    """Column -> summed statistics, [1 + resamples, width]: of all rows as they are, then of each resample."""
    columns = list(task.statistics)
    table = np.concatenate([task.statistics[column] for column in columns], axis=1)
    drawn = [times @ table for times in _times_drawn(task, config)]
    summed = np.concatenate([table.sum(axis=0, keepdims=True), *drawn])
    parts = np.split(summed, len(columns), axis=1)
    return dict(zip(columns, parts, strict=True))


def _times_drawn(task: TaskRows, config: Bootstrap) -> Iterator[Floats]:
    """How often each row is in each resample, [resamples, rows], in portions."""
    random = np.random.default_rng([config.seed, KINDS.index(task.kind), LANGUAGES.index(task.language)])
    portion = max(1, CELLS // task.rows)
    for start in range(0, config.resamples, portion):
        resamples = min(portion, config.resamples - start)
        yield random.multinomial(task.rows, np.full(task.rows, 1 / task.rows), size=resamples).astype(np.float64)
