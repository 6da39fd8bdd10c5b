"""How firm a ranking is: the same scores over resampled instances, or over resampled scenarios.

Instances are drawn with replacement within each HELM run, the same for all entries and metrics; what is drawn for a
run does not depend on which others there are. Scenarios are drawn within each stage, and win rates stay.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from eval.config import Bootstrap
from eval.metrics.metric import Floats
from eval.ranking.records import EntryStability, Interval, Stability
from eval.ranking.scenario import InstanceValues, Stage
from eval.ranking.value_table import Key, ValueTable
from eval.ranking.win_rates import DECIMALS, ScoreArrays, ScoreName, ranks, scores

NAMES: tuple[ScoreName, ...] = ("full", "open", "hidden", "mean_win_rate")


def unpaired(table: ValueTable) -> str | None:
    """Why instances cannot be resampled, in words, or None if they can."""
    by_instance = Counter(
        (scenario, metric)
        for entry in table.entries
        for scenario, metrics in entry.instances.items()
        for metric in metrics
    )
    if not any(by_instance[key] > 1 for key in table.values):
        return "no two entries have a value that is known by instance"
    for scenario in table.scenarios:
        for metric in scenario.metrics:
            reason = _metric_unpaired(table, scenario.name, metric.name)
            if reason is not None:
                return reason
    return None


def _metric_unpaired(table: ValueTable, scenario: str, metric: str) -> str | None:
    """Why a metric's entries are no pairs: those with a value are to have it of the same instances of the same runs.

    It may also be known for the whole set alone, but then in all of them.
    """
    what = f"{scenario} {metric}"
    valued = [entry for entry in table.entries if entry.value(scenario, metric) is not None]
    known = [(entry.name, runs) for entry in valued if (runs := entry.instances.get(scenario, {}).get(metric))]
    if not known:
        return None
    (first, runs), *others = known
    if len(known) < len(valued):
        whole = next(entry.name for entry in valued if entry.name not in dict(known))
        return f"{whole} has a value of {what} that is not known by instance, as it is in {first}"
    for other, other_runs in others:
        if odd := set(runs) ^ set(other_runs):
            return f"{first} and {other} have {what} of different runs, such as {min(odd)}"
        for run in runs:
            if odd := set(runs[run]) ^ set(other_runs[run]):
                return f"{first} and {other} have {what} of different instances of {run}, such as {min(odd)}"
    return None


def _run_ids(by_metric: Mapping[str, InstanceValues]) -> dict[str, set[str]]:
    """Each run's instances, which any of the metrics has."""
    ids: dict[str, set[str]] = {}
    for runs in by_metric.values():
        for run, values in runs.items():
            ids.setdefault(run, set()).update(values)
    return ids


def over_instances(table: ValueTable, config: Bootstrap) -> Stability:
    """The scores over resampled instances; `unpaired(table)` must be None."""
    values: dict[Key, Floats] = {}
    fixed: dict[str, list[str]] = {}
    for scenario in table.scenarios:
        own = [entry.instances.get(scenario.name, {}) for entry in table.entries]
        run_ids = {run: sorted(ids) for by_metric in own for run, ids in _run_ids(by_metric).items()}
        weights = {run: _weights(run, len(ids), config) for run, ids in run_ids.items()}
        for metric in scenario.metrics:
            key = (scenario.name, metric.name)
            columns = np.tile(table.values[key], (config.resamples, 1))
            known = {index: runs for index, by_metric in enumerate(own) if (runs := by_metric.get(metric.name))}
            if len(known) < 2:  # nothing to compare it with by instance
                fixed.setdefault(scenario.name, []).append(metric.name)
                known = {}
            for index, runs in known.items():
                means = [_means(by_instance, run_ids[run], weights[run]) for run, by_instance in runs.items()]
                columns[:, index] = np.round(_mean_of_known(means), DECIMALS)
            values[key] = columns
    observed = scores(table.scenario_rates(), table.stages)
    resampled = scores(table.scenario_rates(values), table.stages)
    return _stability("instances", table.names, observed, resampled, config, fixed)


def _weights(run: str, instances: int, config: Bootstrap) -> Floats:
    """How often each instance is drawn, [resamples, instances]."""
    digest = hashlib.sha256(run.encode()).digest()
    generator = np.random.default_rng([config.seed, int.from_bytes(digest[:8])])
    chances = np.full(instances, 1 / instances)
    return generator.multinomial(instances, chances, size=config.resamples).astype(np.float64)


def _means(values: Mapping[str, float], ids: Sequence[str], weights: Floats) -> Floats:
    """The mean over the drawn instances that have a value, [resamples]; NaN if none has."""
    known = np.array([instance in values for instance in ids], dtype=np.float64)
    numbers = np.array([values.get(instance, 0.0) for instance in ids])
    counts = weights @ known
    with np.errstate(invalid="ignore"):
        means: Floats = (weights @ numbers) / counts
    return means


def _mean_of_known(means: Sequence[Floats]) -> Floats:
    """The mean over runs, [resamples], of those that have a value."""
    stacked = np.stack(means)
    known = ~np.isnan(stacked)
    with np.errstate(invalid="ignore"):
        mean: Floats = np.where(known, stacked, 0.0).sum(axis=0) / known.sum(axis=0)
    return mean


def over_scenarios(names: Sequence[str], rates: Floats, stages: Sequence[Stage | None], config: Bootstrap) -> Stability:
    """The scores over resampled scenarios, the win rates [scenarios, entries] as they are."""
    generator = np.random.default_rng(config.seed)
    drawn = np.empty((config.resamples, len(stages)), dtype=np.int64)
    for stage in dict.fromkeys(stages):
        own = np.array([row for row, each in enumerate(stages) if each == stage])
        drawn[:, own] = generator.choice(own, size=(config.resamples, len(own)))
    return _stability("scenarios", names, scores(rates, stages), scores(rates[drawn], stages), config, {})


def _stability(
    over: Literal["instances", "scenarios"],
    names: Sequence[str],
    observed: ScoreArrays,
    resampled: ScoreArrays,
    config: Bootstrap,
    fixed: dict[str, list[str]],
) -> Stability:
    tails = [50 * (1 - config.confidence), 50 * (1 + config.confidence)]
    deciding = resampled.decisive
    placed = ranks(deciding)
    ahead = (deciding[:, :, None] > deciding[:, None, :]).mean(axis=0)
    level = (deciding[:, :, None] == deciding[:, None, :]).mean(axis=0)
    intervals = {
        name: np.percentile(drawn, tails, axis=0)
        for name in NAMES
        if observed.named(name) is not None and (drawn := resampled.named(name)) is not None
    }
    rank_tails = np.percentile(placed, tails, axis=0, method="inverted_cdf")
    entries = {
        name: EntryStability(
            scores={score: Interval(low=ends[0, i], high=ends[1, i]) for score, ends in intervals.items()},
            rank_shares=[float((placed[:, i] == rank).mean()) for rank in range(1, len(names) + 1)],
            rank_low=int(rank_tails[0, i]),
            rank_high=int(rank_tails[1, i]),
            better_than={other: float(ahead[i, j] + level[i, j] / 2) for j, other in enumerate(names) if other != name},
        )
        for i, name in enumerate(names)
    }
    return Stability(
        over=over,
        resamples=config.resamples,
        confidence=config.confidence,
        seed=config.seed,
        entries=entries,
        fixed=fixed,
    )
