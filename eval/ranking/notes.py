"""What a reader of a ranking should know of the values behind it, in words."""

from collections.abc import Sequence

from eval.ranking.scenario import Entry, MetricRuns, Scenario
from eval.ranking.value_table import ValueTable


def absent(scenarios: Sequence[Scenario], table: ValueTable) -> list[str]:
    """What of the scenarios no entry has, in words."""
    used = {scenario.name: scenario for scenario in table.scenarios}
    notes = absent_scenarios(scenarios, table.scenarios)
    for scenario in scenarios:
        if scenario.name in used:
            own = {metric.name for metric in used[scenario.name].metrics}
            lacking = [metric.name for metric in scenario.metrics if metric.name not in own]
            if lacking:
                notes.append(f"no entry has {', '.join(lacking)} of {scenario.name}: left out of its win rate")
    return notes


def absent_scenarios(scenarios: Sequence[Scenario], used: Sequence[Scenario]) -> list[str]:
    """Scenarios that are not used as no entry has them, in words."""
    names = {scenario.name for scenario in used}
    lacking = [scenario for scenario in scenarios if scenario.name not in names]
    if not lacking:
        return []
    staged = any(scenario.stage is not None for scenario in lacking)
    other = ", so the scores are not to be compared with the challenge's" if staged else ""
    return [f"no entry has {', '.join(scenario.name for scenario in lacking)}: left out{other}"]


def lacking_scenarios(table: ValueTable) -> list[str]:
    """Entries that did not take part in a scenario of others, which makes their ranks no fair ones."""
    notes = []
    for entry in table.entries:
        lacking = [scenario.name for scenario in table.scenarios if not entry.took_part(scenario.name)]
        if lacking:
            notes.append(
                f"NOT COMPARABLE: {entry.name} was not evaluated in {len(lacking)} of the {len(table.scenarios)} "
                f"scenarios, {', '.join(lacking)}, and counts as worst there"
            )
    return notes


def uneven(table: ValueTable) -> list[str]:
    """Means that are not over all runs that the scenario has in some entry, which makes them no fair ones."""
    notes = []
    for scenario in table.scenarios:
        for entry in table.entries:
            metrics: dict[tuple[int, tuple[str, ...]], list[str]] = {}
            for metric in scenario.metrics:
                everywhere = {run for each in table.entries for run in _runs(each, scenario.name, metric.name).all}
                counted = _runs(entry, scenario.name, metric.name).counted
                lacking = tuple(sorted(everywhere - set(counted)))
                if counted and lacking:
                    metrics.setdefault((len(everywhere), lacking), []).append(metric.name)
            notes += [
                f"{scenario.name} {', '.join(names)} of {entry.name} is a mean over {among - len(lacking)} of {among} "
                f"runs, without a value of {some(lacking)}"
                for (among, lacking), names in metrics.items()
            ]
    return notes


def _runs(entry: Entry, scenario: str, metric: str) -> MetricRuns:
    return entry.runs.get(scenario, {}).get(metric, MetricRuns((), ()))


def unused(table: ValueTable) -> list[str]:
    """HELM runs that are of no scenario."""
    return [
        f"runs of {entry.name} that are of none of the scenarios count nowhere, {len(entry.unused)} in all: "
        f"{some(entry.unused)}"
        for entry in table.entries
        if entry.unused
    ]


def some(names: Sequence[str]) -> str:
    """The names, of many the first three."""
    return f"{', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
