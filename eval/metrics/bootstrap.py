"""Paired bootstrap of any metric: the value of each resample of the rows, for several systems on the same draws.

Statistics of eval.metrics.metric for each group (a task) and system -> observed values, percentile intervals, paired
differences and their p-values, for each group and for the mean of the groups. Runs nothing and reads no file.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from eval.config import Bootstrap
from eval.estimate import Estimate
from eval.metrics.metric import Floats

Groups = Mapping[str, Mapping[str, Floats]]
"""Group -> system -> statistics, [rows, width]. The systems of a group answered the same rows in the same order; a
system may be absent from a group."""

CELLS = 2**21  # of the table of how often each row was drawn, 16 MiB, and as much again while it is made
DECIMALS = 12  # of differences: one that is 0 on paper must not come out as 1e-17 on one side of 0


@dataclass(frozen=True)
class Draws:
    """A number as observed and as it came out of each resample, [resamples].

    `statistics` has those of the rows that it is of, [rows, width] for each group; of a difference, theirs.
    """

    observed: float
    resampled: Floats
    statistics: tuple[Floats, ...]

    def __sub__(self, other: "Draws") -> "Draws":
        """The paired difference: both must come of the same draws."""
        resampled = np.round(self.resampled - other.resampled, DECIMALS)
        gaps = tuple(ours - theirs for ours, theirs in zip(self.statistics, other.statistics, strict=True))
        return Draws(round(self.observed - other.observed, DECIMALS), resampled, gaps)

    def estimate(self, confidence: float) -> Estimate:
        """The observed number with its percentile interval."""
        low, high = np.percentile(self.resampled, [50 * (1 - confidence), 50 * (1 + confidence)])
        return Estimate(value=self.observed, low=float(low), high=float(high))

    def p_value(self) -> float:
        """The two-sided p-value of a difference, against none: what the percentile interval says, as a number.

        Twice the share of resamples on the rarer side of 0 (those at 0 count on both), the observed rows being one
        more resample, so that it is never 0; at most 1. It is never less than `least_p_value`. Of some more rows it
        is still too small, as the interval is too narrow.
        """
        below, above = int((self.resampled <= 0).sum()), int((self.resampled >= 0).sum())
        shown = 2 * (1 + min(below, above)) / (1 + len(self.resampled))
        return min(1.0, max(shown, self.least_p_value))

    @property
    def least_p_value(self) -> float:
        """The least that so few rows can show: 2 * 0.5**n, for the n rows on which the two systems differ.

        It is that of a test which swaps the two systems' answers row by row: 0.0625 for five rows, even if one system
        is better on all of them and the interval leaves out 0.
        """
        return min(1.0, 2 * 0.5 ** sum(int(gaps.any(axis=1).sum()) for gaps in self.statistics))


@dataclass(frozen=True)
class Resampled:
    """Group -> system -> draws, and system -> draws of the mean of its groups, for systems that are in every group."""

    groups: Mapping[str, Mapping[str, Draws]]
    macro: Mapping[str, Draws]


def resample(groups: Groups, value: Callable[[Floats], Floats], config: Bootstrap, centred: bool = False) -> Resampled:
    """The value of each system in each group, and the plain mean of the groups.

    `value` is that of a Metric: [..., width] -> [...]. `centred` is for one with resampling_biases, between 0 and 1:
    the resampled values are moved so that their mean is the observed one. Rows are drawn with replacement within each
    group, the same for all its systems. A group's draws depend on its name, its rows and the seed alone, so that those
    of two metrics are paired as well.
    """
    drawn = {name: _draws(name, systems, value, config, centred) for name, systems in groups.items()}
    every = [system for system in next(iter(drawn.values()), {}) if all(system in draws for draws in drawn.values())]
    return Resampled(drawn, {system: mean_of([draws[system] for draws in drawn.values()]) for system in every})


def mean_of(draws: Sequence[Draws]) -> Draws:
    """The plain mean of several numbers, draw by draw."""
    observed, resampled = [one.observed for one in draws], [one.resampled for one in draws]
    statistics = tuple(own for one in draws for own in one.statistics)
    return Draws(float(np.mean(observed)), np.mean(resampled, axis=0), statistics)


def _draws(
    group: str, systems: Mapping[str, Floats], value: Callable[[Floats], Floats], config: Bootstrap, centred: bool
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
    resampled = {system: np.concatenate(own) for system, own in portions.items()}
    if centred:
        resampled = {system: _centred(own, observed[system]) for system, own in resampled.items()}
    return {system: Draws(float(observed[system]), resampled[system], (systems[system],)) for system in systems}


def _centred(resampled: Floats, observed: Floats) -> Floats:
    """The values moved to the observed one in the mean, none beyond 0 and 1."""
    return np.asarray(np.clip(resampled - (resampled.mean() - observed), 0, 1))


def _times_drawn(group: str, rows: int, config: Bootstrap) -> Iterator[Floats]:
    """How often each row is in each resample, [resamples, rows], in portions of about CELLS numbers."""
    random = np.random.default_rng([config.seed, crc32(group.encode("utf-8", "surrogatepass"))])
    portion = max(1, CELLS // rows)
    for first in range(0, config.resamples, portion):
        several = min(portion, config.resamples - first)
        drawn = random.integers(0, rows, size=(several, rows)) + rows * np.arange(several)[:, None]
        yield np.bincount(drawn.ravel(), minlength=several * rows).reshape(several, rows).astype(np.float64)
