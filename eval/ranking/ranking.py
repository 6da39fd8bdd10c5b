"""Entries -> their ranking by the challenge's rule, with plain means and how firm the order is.

`rank(entries, scenarios)` starts from values of metrics, `rank_win_rates(rates, scenarios)` from win rates. With the
challenge's scenarios there are open, hidden and full scores; with scenarios of no stage the mean win rate alone.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from eval.config import Bootstrap
from eval.metrics.metric import Floats
from eval.ranking.challenge import CHALLENGE
from eval.ranking.notes import absent, absent_scenarios, lacking_scenarios, uneven, unused
from eval.ranking.records import LeftOut, PlainMeans, RankedEntry, RankedScenario, Ranking, Stability
from eval.ranking.resampling import over_instances, over_scenarios, unpaired
from eval.ranking.scenario import Entry, Scenario, Stage
from eval.ranking.value_table import ValueTable, value_table
from eval.ranking.win_rates import ScoreArrays, ranks, scores

FEWEST_FOR_LEAVING_OUT = 3  # entries: of two, one would be left, with nothing to compare


def rank(
    entries: Sequence[Entry], scenarios: Sequence[Scenario] = CHALLENGE, bootstrap: Bootstrap | None = None
) -> Ranking:
    """The ranking of the entries; without `bootstrap` no resampling.

    Scenarios and metrics of which no entry has a value are left out, which the notes tell. Raises ValueError for fewer
    than two entries, names given twice, no value at all, and two entries without a common scenario.
    """
    table = value_table(entries, scenarios)
    rates = table.scenario_rates()
    arrays = scores(rates, table.stages)
    notes = [*lacking_scenarios(table), *absent(scenarios, table), *uneven(table), *unused(table)]
    stability: Stability | None = None
    if bootstrap is not None:
        reason = unpaired(table)
        if reason is None:
            stability = over_instances(table, bootstrap)
        else:
            stability = over_scenarios(table.names, rates, table.stages, bootstrap)
            notes.append(f"resampled over scenarios, not over instances: {reason}")
    plain = [_plain_means(entry, table.scenarios) for entry in table.entries]
    return Ranking(
        score=arrays.deciding,
        scenarios=[
            RankedScenario(
                name=scenario.name,
                stage=scenario.stage,
                metrics=[metric.name for metric in scenario.metrics],
                main=[metric.name for metric in scenario.main],
            )
            for scenario in table.scenarios
        ],
        entries=_ranked(table.names, rates, table.scenarios, arrays, plain, [_nulls(e, table) for e in table.entries]),
        stability=stability,
        left_out=_leave_out(table, arrays) if len(table.entries) >= FEWEST_FOR_LEAVING_OUT else None,
        notes=notes,
    )


def rank_win_rates(
    rates: Mapping[str, Mapping[str, float]],
    scenarios: Sequence[Scenario] = CHALLENGE,
    bootstrap: Bootstrap | None = None,
) -> Ranking:
    """The ranking by win rates that are known already, by entry and scenario.

    One entry will do, as its win rates were made among others. Without the values there are no plain means, and no
    ranking without one of the entries. Raises ValueError for an entry that lacks a scenario that another has.
    """
    names = list(rates)
    used = [scenario for scenario in scenarios if any(scenario.name in own for own in rates.values())]
    lacking = [f"{name} lacks {s.name}" for name in names for s in used if s.name not in rates[name]]
    if lacking or not used:
        raise ValueError(f"each entry needs a win rate of the same scenarios: {'; '.join(lacking) or 'there is none'}")
    matrix = np.array([[rates[name][scenario.name] for name in names] for scenario in used])
    stages = [scenario.stage for scenario in used]
    alone = [f"{names[0]} is alone here: its scores count, its rank says nothing"] if len(names) == 1 else []
    arrays = scores(matrix, stages)
    return Ranking(
        score=arrays.deciding,
        scenarios=[RankedScenario(name=s.name, stage=s.stage, metrics=[], main=[]) for s in used],
        entries=_ranked(names, matrix, used, arrays, [None] * len(names), [{} for _ in names]),
        stability=None if bootstrap is None else over_scenarios(names, matrix, stages, bootstrap),
        left_out=None,
        notes=[*alone, *absent_scenarios(scenarios, used)],
    )


def _ranked(
    names: Sequence[str],
    rates: Floats,
    scenarios: Sequence[Scenario],
    arrays: ScoreArrays,
    plain: Sequence[PlainMeans | None],
    nulls: Sequence[dict[str, list[str]]],
) -> list[RankedEntry]:
    """The records in the order of the ranks, equal ones as they came."""

    def at(index: int, score: Floats | None) -> float | None:
        return None if score is None else float(score[index])

    placed = ranks(arrays.decisive)
    records = [
        RankedEntry(
            name=name,
            rank=int(placed[index]),
            win_rates={scenario.name: float(rates[row, index]) for row, scenario in enumerate(scenarios)},
            mean_win_rate=float(arrays.mean_win_rate[index]),
            open=at(index, arrays.open),
            hidden=at(index, arrays.hidden),
            full=at(index, arrays.full),
            plain=plain[index],
            nulls=nulls[index],
        )
        for index, name in enumerate(names)
    ]
    return sorted(records, key=lambda record: record.rank)


def _plain_means(entry: Entry, scenarios: Sequence[Scenario]) -> PlainMeans:
    """Means over main metrics that are better when higher; a scenario without one is in no mean."""
    averaged = {scenario: tuple(m for m in scenario.main if m.higher_is_better) for scenario in scenarios}
    means = {
        scenario: _mean([entry.value(scenario.name, metric.name) for metric in metrics])
        for scenario, metrics in averaged.items()
        if metrics
    }

    def of_stage(stage: Stage) -> float | None:
        return _mean([mean for scenario, mean in means.items() if scenario.stage == stage])

    return PlainMeans(
        scenarios={scenario.name: mean for scenario, mean in means.items()},
        open=of_stage("open"),
        hidden=of_stage("hidden"),
        overall=_mean(list(means.values())),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _nulls(entry: Entry, table: ValueTable) -> dict[str, list[str]]:
    nulls = {
        scenario.name: [m.name for m in scenario.metrics if entry.value(scenario.name, m.name) is None]
        for scenario in table.scenarios
    }
    return {name: metrics for name, metrics in nulls.items() if metrics}


def _leave_out(table: ValueTable, arrays: ScoreArrays) -> list[LeftOut]:
    """The ranking without each of the entries in turn."""
    before = dict(zip(table.names, arrays.decisive, strict=True))
    results = []
    for index, left_out in enumerate(table.names):
        rest = table.without(index)
        score = scores(rest.scenario_rates(), rest.stages).decisive
        after = dict(zip(rest.names, score, strict=True))
        swapped = [
            (ahead, behind)
            for ahead in rest.names
            for behind in rest.names
            if before[ahead] > before[behind] and after[ahead] < after[behind]
        ]
        placed = {name: int(place) for name, place in zip(rest.names, ranks(score), strict=True)}
        results.append(LeftOut(absent=left_out, ranks=placed, swapped=swapped))
    return results
