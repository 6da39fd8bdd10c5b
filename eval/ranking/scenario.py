"""What is ranked: scenarios with their metrics, and an entry's values of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Stage = Literal["open", "hidden"]
Perturbed = Literal["robustness", "fairness"]
InstanceValues = Mapping[str, Mapping[str, float]]
"""A metric of each instance, by HELM run and instance id."""


@dataclass(frozen=True)
class HelmSource:
    """Where HELM's output has a metric.

    `runs` is a regular expression that a run's name without its model matches; several runs are averaged. Of `stats`
    the first is taken that the run has. With `perturbation`, it is the worst of an instance's variants of that kind.
    """

    runs: str
    stats: tuple[str, ...]
    perturbation: Perturbed | None = None


@dataclass(frozen=True)
class ScenarioMetric:
    """A metric of a scenario. The `main` ones enter plain means; without `source` see `Scenario.source`."""

    name: str
    higher_is_better: bool = True
    main: bool = True
    source: HelmSource | None = None


@dataclass(frozen=True)
class Scenario:
    """A scenario: its win rate is the mean of its metrics'. `stage` None: it counts in the mean win rate alone."""

    name: str
    stage: Stage | None
    metrics: tuple[ScenarioMetric, ...]

    @property
    def main(self) -> tuple[ScenarioMetric, ...]:
        """The metrics that a plain mean is of."""
        return tuple(metric for metric in self.metrics if metric.main)

    def source(self, metric: ScenarioMetric) -> HelmSource:
        """Where HELM has the metric: by default under its name, in the runs that the scenario's name begins."""
        return metric.source or HelmSource(rf"{re.escape(self.name)}(?:_[^_=:,]+=[^:,]*)?(?:[:,].*)?", (metric.name,))


@dataclass(frozen=True)
class MetricRuns:
    """The HELM runs of a metric: those of its source, and those of them with a value, which its mean is over."""

    all: tuple[str, ...]
    counted: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """An entry's value of each metric, by scenario; what is absent or None is a null, which ranks last.

    `instances` has the metrics that are means over instances, and `runs` the HELM runs that they were read from, by
    scenario and metric. `unused` are runs of no scenario.
    """

    name: str
    values: Mapping[str, Mapping[str, float | None]]
    instances: Mapping[str, Mapping[str, InstanceValues]] = field(default_factory=dict)
    runs: Mapping[str, Mapping[str, MetricRuns]] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    def value(self, scenario: str, metric: str) -> float | None:
        """The value, or None if there is none."""
        return self.values.get(scenario, {}).get(metric)

    def took_part(self, scenario: str) -> bool:
        """Whether it was evaluated in the scenario, even if no value came of it."""
        return scenario in self.values or scenario in self.runs
