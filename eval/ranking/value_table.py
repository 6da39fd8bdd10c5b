"""The values of all entries as arrays, and the win rates they come to. Leading axes are resamples."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from eval.metrics.metric import Floats
from eval.ranking.scenario import Entry, Scenario, ScenarioMetric, Stage
from eval.ranking.win_rates import win_rates

Key = tuple[str, str]
"""A scenario and a metric of it."""
Values = Mapping[Key, Floats]
"""Each metric's values, [..., entries], NaN for a null."""


@dataclass(frozen=True)
class ValueTable:
    """Entries, the scenarios and metrics that any of them has a value of, and the values."""

    entries: tuple[Entry, ...]
    scenarios: tuple[Scenario, ...]
    values: Values

    @property
    def stages(self) -> list[Stage | None]:
        """The stage of each scenario."""
        return [scenario.stage for scenario in self.scenarios]

    @property
    def names(self) -> list[str]:
        """The entries' names."""
        return [entry.name for entry in self.entries]

    def scenario_rates(self, values: Values | None = None) -> Floats:
        """The scenarios' win rates, [..., scenarios, entries]: the mean over the metrics; of other values if given."""
        used = self.values if values is None else values
        rates = [
            np.mean([win_rates(used[scenario.name, m.name], m.higher_is_better) for m in scenario.metrics], axis=0)
            for scenario in self.scenarios
        ]
        return np.stack(rates, axis=-2)

    def without(self, absent: int) -> "ValueTable":
        """The table of the other entries; its scenarios stay, whatever these have of them."""
        kept = [index for index in range(len(self.entries)) if index != absent]
        values = {key: column[kept] for key, column in self.values.items()}
        return ValueTable(tuple(self.entries[index] for index in kept), self.scenarios, values)


def value_table(entries: Sequence[Entry], scenarios: Sequence[Scenario]) -> ValueTable:
    """The table of what there is.

    ValueError for fewer than two entries, names given twice, no value at all, and two entries without a scenario that
    both took part in.
    """
    if len(entries) < 2:
        found = f"there is {entries[0].name} alone" if entries else "there is none"
        raise ValueError(f"a win rate needs at least two entries to compare; {found}")
    _check_names([entry.name for entry in entries])
    present = [reduced for scenario in scenarios if (reduced := _present(scenario, entries)) is not None]
    if not present:
        names = ", ".join(scenario.name for scenario in scenarios)
        raise ValueError(f"no entry has a value of any of the scenarios {names}: there is nothing to rank")
    _check_common(entries, present)
    values = {
        (scenario.name, metric.name): np.array(
            [np.nan if (value := entry.value(scenario.name, metric.name)) is None else value for entry in entries]
        )
        for scenario in present
        for metric in scenario.metrics
    }
    return ValueTable(tuple(entries), tuple(present), values)


def _check_names(names: Sequence[str]) -> None:
    """ValueError for names given twice."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"several entries are called {', '.join(twice)}; name them apart, as NAME=FOLDER")


def _check_common(entries: Sequence[Entry], scenarios: Sequence[Scenario]) -> None:
    """ValueError for two entries that took part in no common scenario."""
    own = {entry.name: [s.name for s in scenarios if entry.took_part(s.name)] for entry in entries}
    for one, other in combinations(own, 2):
        if not set(own[one]) & set(own[other]):
            has = [f"{name} has {', '.join(own[name]) or 'none'}" for name in (one, other)]
            raise ValueError(
                f"{one} and {other} have no scenario in common, so nothing compares them: {'; '.join(has)}. "
                "Evaluate them in the same scenarios, or rank them apart"
            )


def _present(scenario: Scenario, entries: Sequence[Entry]) -> Scenario | None:
    def has_value(metric: ScenarioMetric) -> bool:
        return any(entry.value(scenario.name, metric.name) is not None for entry in entries)

    metrics = tuple(metric for metric in scenario.metrics if has_value(metric))
    return Scenario(scenario.name, scenario.stage, metrics) if metrics else None
