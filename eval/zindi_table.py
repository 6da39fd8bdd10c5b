"""The challenge's scores as Markdown tables in ASCII: they print the same in a pipe and can go into a README."""

from collections.abc import Sequence

from eval.estimate import Estimate
from eval.table import percent
from eval.zindi_scores import MAJORITY, METRICS, Difference, LabelMethods, TaskScore, ZindiScores
from oneday.buzuzu_mavi import KINDS

NONE = "-"


def render(scores: ZindiScores) -> str:
    """The metrics, their differences, the label methods and the size-aware score, each table with its legend."""
    parts = [_metrics(scores), _differences(scores), _methods(scores), _finals(scores)]
    return "\n\n".join(part for part in parts if part)


def _metrics(scores: ZindiScores) -> str:
    head = ["task", "rows", "majority", *scores.models]
    rows = [
        [
            _name(task),
            f"{task.rows:,}",
            f"{task.majority.value:.3f}" if task.majority is not None else NONE,
            *(interval(task.models[model]) for model in scores.models),
        ]
        for task in scores.tasks
    ]
    labelled = " and ".join(kind for kind in KINDS if METRICS[kind] == "macro_f1")
    legend = (
        f"Macro F1 of {labelled}, chrF (0 to 1) of translation; in brackets the {percent(scores)} % interval "
        f"({scores.resamples:,} resamples of the rows of each task and language). Where no language is named, the rows "
        "of both are put together: the one with more rows weighs more. majority: each task's and language's commonest "
        "label, always answered. Macro F1 averages the labels that occur in references or answers."
    )
    return f"{markdown(head, rows)}\n\n{legend}"


def _differences(scores: ZindiScores) -> str:
    last = scores.models[-1]
    baselines = [*scores.models[:-1], MAJORITY]
    rows = []
    for task in scores.tasks:
        found = {gap.baseline: gap for gap in task.differences if gap.candidate == last}
        if found:
            rows.append([_name(task), *(signed(found.get(baseline)) for baseline in baselines)])
    if not rows:
        return ""
    table = markdown(["task", *(f"{last} - {baseline}" for baseline in baselines)], rows)
    return f"{table}\n\nThe same rows are drawn for both sides. * the interval leaves out 0."


def _methods(scores: ZindiScores) -> str:
    rows = [
        [_name(task), model, *_method_cells(methods)]
        for task in scores.tasks
        for model, methods in task.methods.items()
    ]
    if not rows:
        return ""
    legend = (
        "generated: the label that the greedy text is, and the most likely one where it is none (no label: how often). "
        "log-likelihood: the most likely label always. difference: log-likelihood minus generated."
    )
    return f"{markdown(['task', 'model', 'generated', 'log-likelihood', 'difference', 'no label'], rows)}\n\n{legend}"


def _method_cells(methods: LabelMethods) -> list[str]:
    values = [methods.generated, methods.log_likelihood]
    cells = [f"{estimate.value:.3f}" if estimate is not None else NONE for estimate in values]
    share = f"{methods.no_label_share:.1%}" if methods.no_label_share is not None else NONE
    return [*cells, signed(methods.difference), share]


def _finals(scores: ZindiScores) -> str:
    rows = [
        [
            model,
            f"{final.size:,}" if final.size is not None else NONE,
            interval(final.mean),
            interval(final.score) if final.score is not None else NONE,
        ]
        for model, final in scores.finals.items()
    ]
    by_score = {(gap.baseline, gap.candidate): gap for gap in scores.score_differences}
    for gap in scores.mean_differences:
        pair = (gap.baseline, gap.candidate)
        rows.append([f"{gap.candidate} - {gap.baseline}", "", signed(gap), signed(by_score.get(pair))])
    mean = f"s is the mean of {_listed(scores.kinds)}"
    missing = [kind for kind in KINDS if kind not in scores.kinds]
    mean += f" (no rows of {_listed(missing)})" if missing else ""
    if scores.parameter_size is None:
        legend = f"{mean}. For the size-aware score, the model's parameters and PARAM_SIZE must be named."
    else:
        legend = f"{mean}. score = (s + (1 - parameters / {scores.parameter_size:,}) * s) / 2. " + (
            "Shared and tied weights are counted once, an adapter's beside its base model's."
        )
    return f"{markdown(['model', 'parameters', 's', 'score'], rows)}\n\n{legend}"


def _name(task: TaskScore) -> str:
    return task.kind if task.language is None else f"{task.kind} {task.language}"


def interval(estimate: Estimate) -> str:
    """A number with its interval, such as 0.412 [0.380, 0.445]."""
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def signed(gap: Estimate | Difference | None) -> str:
    """A difference with its interval and a star if that leaves out 0, such as +0.100 [+0.060, +0.140]*."""
    if gap is None:
        return NONE
    star = "*" if gap.low > 0 or gap.high < 0 else ""
    return f"{gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]{star}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with padded cells: the first column to the left, all others to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return f"| {' | '.join([cells[0].ljust(widths[0]), *padded])} |"

    rule = "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])])
    return "\n".join([line(head), f"|{rule}|", *map(line, rows)])


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
