"""The result of a quick evaluation as Markdown tables in ASCII, and the differences in words."""

from collections.abc import Sequence

from eval.examples.scores import Difference, MetricScores, PartScore, QuickScores
from eval.table import markdown_table, percent, span

NONE = "-"
TOO_FEW = "too few rows"
LENGTHS = {
    "none": "none (acc)",
    "tokens": "tokens",
    "characters": "characters (acc_norm)",
    "bytes": "bytes (acc_bytes)",
}


def render(scores: QuickScores) -> str:
    """Tables per task, per category and per language, the macro averages, and a sentence for each difference.

    One model has a column a metric; several have a table a metric and a column a model.
    """
    parts = _one_model(scores) if len(scores.models) == 1 else _several_models(scores)
    return "\n\n".join([*parts, *_lengths(scores), _legend(scores)])


def _one_model(scores: QuickScores) -> list[str]:
    """A table of parts and metrics for each kind of part."""
    (model,) = scores.models
    tables = []
    for kind in ("task", "category", "language"):
        names = sorted({part.name for one in scores.metrics for part in parts_of(one, kind)})
        if not names:
            continue
        by_metric = {one.metric: {part.name: part for part in parts_of(one, kind)} for one in scores.metrics}
        rows = []
        for name in names:
            parts = [by_metric[one.metric].get(name) for one in scores.metrics]
            rows.append([name, str(max(part.rows for part in parts if part)), *(_cell(part, model) for part in parts)])
        if kind == "task":
            macros = [one.macro for one in scores.metrics]
            spans = [span(macro.models[model]) for macro in macros]
            if len(names) > 1:
                count = str(max(macro.rows for macro in macros))
                rows.append([macros[0].name, count, *(_cell(macro, model) for macro in macros)])
            rows.append([f"{percent(scores)} % interval", "", *spans])
        tables.append(markdown_table([kind, "rows", *(one.title for one in scores.metrics)], rows))
    return tables


def _several_models(scores: QuickScores) -> list[str]:
    """For each metric a table of parts and models for each kind of part, and its differences in words."""
    tables = []
    for one in scores.metrics:
        for kind in ("task", "category", "language"):
            parts = parts_of(one, kind)
            if not parts:
                continue
            rows = [_compared(part, scores) for part in parts]
            if kind == "task":
                spans = [span(one.macro.models[model]) for model in scores.models]
                rows += [_compared(one.macro, scores)] if len(parts) > 1 else []
                rows.append([f"{percent(scores)} % interval", "", *spans, *[""] * (len(scores.models) - 1)])
            gaps = [f"{model} - {scores.models[0]}" for model in scores.models[1:]]
            tables.append(f"{one.title}\n\n{markdown_table([kind, 'rows', *scores.models, *gaps], rows)}")
        tables += [sentence(one, gap, percent(scores)) for gap in one.macro.differences]
    return tables


def _compared(part: PartScore, scores: QuickScores) -> list[str]:
    values = [f"{part.models[model].value:.3f}" for model in scores.models]
    return [part.name, str(part.rows), *values, *map(_gap, part.differences)]


def _gap(gap: Difference) -> str:
    mark = "*" if gap.clear else f" ({TOO_FEW})" if gap.too_few_rows else " "
    return f"{gap.value:+.3f}{mark}"


def parts_of(metric: MetricScores, kind: str) -> Sequence[PartScore]:
    """The scores per task, category or language."""
    return {"task": metric.tasks, "category": metric.categories, "language": metric.languages}[kind]


def _cell(part: PartScore | None, model: str) -> str:
    return NONE if part is None else f"{part.models[model].value:.3f}"


def _lengths(scores: QuickScores) -> list[str]:
    """The accuracy of choices by what the log-likelihoods are divided by."""
    if not scores.accuracy_by_length:
        return []
    rows = [
        [title, *(f"{own[length]:.3f}" for own in scores.accuracy_by_length.values())]  # type: ignore[index]
        for length, title in LENGTHS.items()
    ]
    return [markdown_table(["accuracy, log-likelihood divided by", *scores.accuracy_by_length], rows)]


def _legend(scores: QuickScores) -> str:
    star = "* the interval of the difference leaves out 0. " if len(scores.models) > 1 else ""
    drawn = f"{percent(scores)} % intervals are of {scores.resamples:,} resamples of the rows of each task"
    parted = any(one.categories or one.languages for one in scores.metrics)
    means = " A category or language of several tasks has the mean of their scores." if parted else ""
    lower = [one.title for one in scores.metrics if not one.higher_is_better]
    return f"{star}{drawn}.{means}{f' Lower is better for {lower[0]}.' if lower else ''}"


def sentence(metric: MetricScores, gap: Difference, confidence: str) -> str:
    """One difference in macro average in words, with its interval and p-value."""
    candidate, baseline = metric.macro.models[gap.candidate].value, metric.macro.models[gap.baseline].value
    tasks = f"{metric.macro.tasks} task{'' if metric.macro.tasks == 1 else 's'}"
    mean = "" if metric.macro.tasks == 1 else "in macro average "
    size = f"{abs(gap.value):.3f} {'more' if gap.value >= 0 else 'less'} than"
    if gap.too_few_rows:
        sure = "too few rows differ to say which is better"
    else:
        unclear = "" if gap.clear else "; it includes 0, so these rows do not show which is better"
        sure = f"p = {p_value(gap.p_value)}{unclear}"
    return (
        f"{metric.title}: {gap.candidate} scores {candidate:.3f} {mean}over {tasks}, {size} {gap.baseline} with "
        f"{baseline:.3f} ({confidence} % interval of the difference {gap.low:+.3f} to {gap.high:+.3f}, {sure})."
    )


def p_value(value: float) -> str:
    """A p-value with two digits."""
    return f"{value:.2g}"
