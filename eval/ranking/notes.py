"""What a reader of a ranking should know of the values behind it, in words."""

from collections.abc import Sequence

from eval.ranking.scenario import Scenario
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


def uneven(table: ValueTable) -> list[str]:
    """Scenarios that were read from different runs in different entries, which makes their means no fair ones."""
    notes = []
    for scenario in table.scenarios:
        everywhere = sorted({run for entry in table.entries for run in entry.runs.get(scenario.name, ())})
        for entry in table.entries:
            own = entry.runs.get(scenario.name, ())
            lacking = [run for run in everywhere if run not in own]
            if own and lacking:
                notes.append(
                    f"{entry.name} has {len(own)} of {len(everywhere)} runs of {scenario.name}, and its mean is over "
                    f"these: it lacks {', '.join(lacking[:3])}{', ...' if len(lacking) > 3 else ''}"
                )
    return notes


def unused(table: ValueTable) -> list[str]:
    """HELM runs that are of no scenario."""
    return [
        f"runs of {entry.name} that are of none of the scenarios count nowhere, {len(entry.unused)} in all: "
        f"{', '.join(entry.unused[:3])}{', ...' if len(entry.unused) > 3 else ''}"
        for entry in table.entries
        if entry.unused
    ]
