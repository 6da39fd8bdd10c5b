"""Compares training sets by scores of held-out rows over several seeds: intervals and Markdown tables.

Scores by task, training set and seed -> macro averages, and differences to a baseline, with bootstrap intervals.
Runs nothing and reads no file.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from eval.config import Bootstrap
from eval.estimate import Estimate

Floats = NDArray[np.float64]
Scores = Mapping[str, Mapping[str, Floats]]
"""Task -> column -> scores of shape [seeds, rows]. A column is a training set's rule, or the untuned model, which has
one seed. All columns of a task have the same rows in the same order."""


def columns_of(scores: Scores) -> list[str]:
    """The columns, which are the same for every task."""
    return list(next(iter(scores.values())))


def bootstrap(scores: Scores, baseline: str, config: Bootstrap) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Macro averages, and differences to the baseline, with percentile intervals.

    Rows are drawn with replacement within each task, the same for all columns: differences are paired by row. The
    seeds of each column are drawn too, for all tasks alike. Few seeds vary less when redrawn than new ones would: of
    three, the part of the variance that the seeds bring is a third too small.
    """
    random = np.random.default_rng(config.seed)
    by_seed = _resampled_rows(scores, config.resamples, random)
    macro, differences = {}, {}
    draws = {column: _resampled_seeds(values, random) for column, values in by_seed.items()}
    observed = {column: float(np.mean([task[column].mean() for task in scores.values()])) for column in draws}
    for column, drawn in draws.items():
        macro[column] = _estimate(observed[column], drawn, config.confidence)
        if column != baseline:
            gap = observed[column] - observed[baseline]
            differences[column] = _estimate(gap, drawn - draws[baseline], config.confidence)
    return macro, differences


def _resampled_rows(scores: Scores, resamples: int, random: np.random.Generator) -> dict[str, Floats]:
    """Column -> macro averages of shape [seeds, resamples]."""
    totals: dict[str, Floats] = {}
    for task in scores.values():
        rows = next(iter(task.values())).shape[1]
        drawn = random.integers(0, rows, size=(resamples, rows))
        for column, values in task.items():
            means = np.stack([seed[drawn].mean(axis=1) for seed in values]) / len(scores)
            totals[column] = totals[column] + means if column in totals else means
    return totals


def _resampled_seeds(by_seed: Floats, random: np.random.Generator) -> Floats:
    seeds, resamples = by_seed.shape
    chosen = random.integers(0, seeds, size=(seeds, resamples))
    return np.asarray(np.take_along_axis(by_seed, chosen, axis=0).mean(axis=0))


def _estimate(value: float, draws: Floats, confidence: float) -> Estimate:
    low, high = np.percentile(draws, [50 * (1 - confidence), 50 * (1 + confidence)])
    return Estimate(value=value, low=float(low), high=float(high))


def macro_table(scores: Scores, baseline: str, config: Bootstrap) -> str:
    """The macro averages and differences as Markdown, with the averages of each seed."""
    macro, differences = bootstrap(scores, baseline, config)
    interval = f"{config.confidence:.0%} interval"
    lines = [f"| model | macro average | {interval} | by seed | minus {baseline} | {interval} |"]
    lines.append("|---|---:|---|---|---:|---|")
    for column, one in macro.items():
        by_seed = np.mean([task[column].mean(axis=1) for task in scores.values()], axis=0).tolist()
        cells = [column, f"{one.value:.3f}", f"{one.low:.3f} to {one.high:.3f}"]
        cells.append(", ".join(f"{mean:.3f}" for mean in by_seed) if len(by_seed) > 1 else "")
        gap = differences.get(column)
        cells += [f"{gap.value:+.3f}", f"{gap.low:+.3f} to {gap.high:+.3f}"] if gap else ["", ""]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def tasks_table(scores: Scores, taken: Mapping[str, Mapping[str, float]]) -> str:
    """Each task's mean scores as Markdown; in brackets how many training rows (`taken`, by column and task)."""
    columns = columns_of(scores)
    lines = [f"| task | held-out rows | {' | '.join(columns)} |", f"|---|---:|{'---:|' * len(columns)}"]
    for task, values in scores.items():
        cells = [f"{values[column].mean():.3f}" for column in columns]
        for place, column in enumerate(columns):
            if number := taken.get(column, {}).get(task, 0):
                cells[place] += f" ({number:.0f})"
        lines.append(f"| {task} | {values[columns[0]].shape[1]} | {' | '.join(cells)} |")
    return "\n".join(lines)
