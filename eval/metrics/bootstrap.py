"""Paired bootstrap of any metric: the value of each resample of the rows, for several systems on the same draws.

Statistics of eval.metrics.metric for each group (a task) and system -> observed values, percentile intervals, paired
differences and their p-values, for each group and for the mean of the groups. Runs nothing and reads no file.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from eval.config import Bootstrap
from eval.metrics.metric import Floats
from eval.metrics.seed_scores import Estimate

Groups = Mapping[str, Mapping[str, Floats]]
"""Group -> system -> statistics, [rows, width]. The systems of a group answered the same rows in the same order; a
system may be absent from a group."""

CELLS = 2**21  # of the table of how often each row was drawn, 16 MiB, and as much again while it is made
DECIMALS = 12  # of differences: one that is 0 on paper must not come out as 1e-17 on one side of 0


@dataclass(frozen=True)
class Draws:
    """A number as observed and as it came out of each resample, [resamples]."""

    observed: float
    resampled: Floats

    def __sub__(self, other: "Draws") -> "Draws":
        """The paired difference: both must come of the same draws."""
        resampled = np.round(self.resampled - other.resampled, DECIMALS)
        return Draws(round(self.observed - other.observed, DECIMALS), resampled)

    def estimate(self, confidence: float) -> Estimate:
        """The observed number with its percentile interval."""
        low, high = np.percentile(self.resampled, [50 * (1 - confidence), 50 * (1 + confidence)])
        return Estimate(self.observed, float(low), float(high))

    def p_value(self) -> float:
        """The two-sided p-value of a difference, against none: what the percentile interval says, as a number.

        Twice the share of resamples on the rarer side of 0 (those at 0 count on both), the observed rows being one
        more resample, so that it is never 0; at most 1. Of few rows it is too small, as the interval is too narrow.
        """
        below, above = int((self.resampled <= 0).sum()), int((self.resampled >= 0).sum())
        return min(1.0, 2 * (1 + min(below, above)) / (1 + len(self.resampled)))


@dataclass(frozen=True)
class Resampled:
    """Group -> system -> draws, and system -> draws of the mean of its groups, for systems that are in every group."""

    groups: Mapping[str, Mapping[str, Draws]]
    macro: Mapping[str, Draws]


def resample(groups: Groups, value: Callable[[Floats], Floats], config: Bootstrap) -> Resampled:
    """The value of each system in each group, and the plain mean of the groups.

    `value` is that of a Metric: [..., width] -> [...]. Rows are drawn with replacement within each group, the same for
    all its systems. A group's draws depend on its name, its rows and the seed alone, so that those of two metrics are
    paired as well.
    """
    drawn = {name: _draws(name, systems, value, config) for name, systems in groups.items()}
    every = [system for system in next(iter(drawn.values()), {}) if all(system in draws for draws in drawn.values())]
    return Resampled(drawn, {system: mean_of([draws[system] for draws in drawn.values()]) for system in every})


def mean_of(draws: Sequence[Draws]) -> Draws:
    """The plain mean of several numbers, draw by draw."""
    return Draws(float(np.mean([one.observed for one in draws])), np.mean([one.resampled for one in draws], axis=0))


def _draws(
    group: str, systems: Mapping[str, Floats], value: Callable[[Floats], Floats], config: Bootstrap
) -> dict[str, Draws]:
    sizes = {system: len(statistics) for system, statistics in systems.items()}
    if len(set(sizes.values())) != 1 or 0 in sizes.values():
        told = ", ".join(f"{system} {rows}" for system, rows in sizes.items())
        raise ValueError(f"group {group!r}: all systems must have the same rows, at least one; rows: {told}")
    observed = {system: value(statistics.sum(axis=0)) for system, statistics in systems.items()}
    portions: dict[str, list[Floats]] = {system: [] for system in systems}
    for times in _times_drawn(group, next(iter(sizes.values())), config):
        for system, statistics in systems.items():
            portions[system].append(value(times @ statistics))
    return {system: Draws(float(observed[system]), np.concatenate(portions[system])) for system in systems}


def _times_drawn(group: str, rows: int, config: Bootstrap) -> Iterator[Floats]:
    """How often each row is in each resample, [resamples, rows], in portions of about CELLS numbers."""
    random = np.random.default_rng([config.seed, crc32(group.encode("utf-8", "surrogatepass"))])
    portion = max(1, CELLS // rows)
    for first in range(0, config.resamples, portion):
        several = min(portion, config.resamples - first)
        drawn = random.integers(0, rows, size=(several, rows)) + rows * np.arange(several)[:, None]
        yield np.bincount(drawn.ravel(), minlength=several * rows).reshape(several, rows).astype(np.float64)
