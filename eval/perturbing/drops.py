"""Row scores under perturbations -> each perturbation's drop, and HELM's worst case over those of a group.

HELM leaves out a perturbed row that equals the original, so its worst case of such a row is the original's score, and
its mean under a perturbation is of changed rows alone. Metrics are higher where better. Reads and runs nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.config import Bootstrap
from eval.metrics.bootstrap import Draws, Resampled, resample
from eval.metrics.row_metrics import MeanMetric, with_ones
from eval.perturbing.perturbations import GROUPS, Group, Ready
from eval.perturbing.records import Compared, OnChanged, UnderPerturbation, WorstCase

Floats = NDArray[np.float64]
ORIGINAL = "original"


@dataclass(frozen=True)
class RowScores:
    """The score of each row, [rows], as it is and under each perturbation; NaN where that leaves the row as it is."""

    tasks: Sequence[str]
    original: Floats
    perturbed: Mapping[str, Floats]

    def under(self, name: str) -> Floats:
        """The scores under a perturbation, the original's where it changes nothing, [rows]."""
        scores = self.perturbed[name]
        return np.where(np.isnan(scores), self.original, scores)

    def changed(self, names: Sequence[str]) -> int:
        """How many rows any of the perturbations changes."""
        return int(np.any([~np.isnan(self.perturbed[name]) for name in names], axis=0).sum())

    def worst(self, names: Sequence[str]) -> Floats:
        """Each row's lowest score of the original and these perturbations, [rows]."""
        return np.asarray(np.fmin.reduce([self.original, *(self.perturbed[name] for name in names)]))

    def on_changed(self, name: str) -> OnChanged | None:
        """HELM's means of the rows that the perturbation changes; None if there are none."""
        rows = ~np.isnan(self.perturbed[name])
        if not rows.any():
            return None
        means = [scores[rows].mean() for scores in (self.original, self.perturbed[name], self.worst([name]))]
        return OnChanged(before=float(means[0]), after=float(means[1]), worst=float(means[2]))


@dataclass(frozen=True)
class Drops:
    """The scores of the rows as they are, resampled together with those under each perturbation and group."""

    scores: RowScores
    groups: Mapping[Group, Sequence[str]]
    resampled: Resampled
    confidence: float

    @property
    def original(self) -> Draws:
        """The rows as they are, in macro average."""
        return self.resampled.macro[ORIGINAL]

    def perturbation(self, ready: Ready, options_kept: int) -> UnderPerturbation:
        """The result of one perturbation."""
        name = ready.perturbation.name
        total, tasks = self._compared(name)
        return UnderPerturbation(
            **dict(total),
            name=name,
            group=ready.perturbation.group,
            what=ready.perturbation.what,
            helm_class=ready.perturbation.helm_class,
            arguments=ready.recorded(),
            note=ready.note,
            rows_changed=self.scores.changed([name]),
            options_kept=options_kept,
            on_changed=self.scores.on_changed(name),
            tasks=tasks,
        )

    def worst_case(self, group: Group) -> WorstCase:
        """The result of one group."""
        names = tuple(self.groups[group])
        total, tasks = self._compared(_worst(group))
        return WorstCase(
            **dict(total), group=group, perturbations=names, rows_changed=self.scores.changed(names), tasks=tasks
        )

    def _compared(self, system: str) -> tuple[Compared, dict[str, Compared]]:
        """In macro average, and for each task."""

        def compared(draws: Mapping[str, Draws]) -> Compared:
            drop = draws[ORIGINAL] - draws[system]
            return Compared(score=draws[system].estimate(self.confidence), drop=drop.estimate(self.confidence))

        return compared(self.resampled.macro), {task: compared(draws) for task, draws in self.resampled.groups.items()}


def compare(scores: RowScores, ready: Sequence[Ready], config: Bootstrap) -> Drops:
    """The drops of all perturbations and groups, on the same draws of rows within each task."""
    groups = {group: [each.perturbation.name for each in ready if each.perturbation.group == group] for group in GROUPS}
    groups = {group: names for group, names in groups.items() if names}
    systems = {ORIGINAL: scores.original}
    systems |= {name: scores.under(name) for name in scores.perturbed}
    systems |= {_worst(group): scores.worst(names) for group, names in groups.items()}
    tasks = np.asarray(scores.tasks)
    by_task = {
        str(task): {system: with_ones(own[tasks == task]) for system, own in systems.items()}
        for task in dict.fromkeys(scores.tasks)
    }
    return Drops(scores, groups, resample(by_task, MeanMetric(ORIGINAL, ORIGINAL).value, config), config.confidence)


def _worst(group: Group) -> str:
    return f"worst of {group}"
