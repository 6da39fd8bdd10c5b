"""The result as Markdown: the drops, HELM's worst cases, what did not run, and examples to read."""

from collections import Counter
from collections.abc import Sequence

from eval.metrics.registry import metric
from eval.perturbing.records import Compared, Robustness, RowUnder
from eval.table import markdown_table, percent, span

LONGEST = 400  # characters of a text that is shown
REPEATED = (  # followed by their number
    "Rows whose prompt holds the input more than once, so that the last place is perturbed, which is wrong where the "
    "prompt repeats the input behind it:"
)


def render(result: Robustness) -> str:
    """All tables, with what must be known to read them."""
    level = percent(result.bootstrap)
    title = metric(result.metric, "unicode", stemming=False).title
    parts = [
        f"{result.model}: {title} of {sum(result.rows.values())} rows, {result.original.value:.3f} "
        f"({span(result.original)}) as they are. Drops are paired, with {level} % intervals; macro average over "
        f"{len(result.rows)} task{'' if len(result.rows) == 1 else 's'}.",
        _perturbations(result),
        "A row that a perturbation leaves as it is counts with its score as it is. Before, after and worst are HELM's "
        "numbers: plain means of the changed rows alone.",
        _worst_cases(result),
        "The worst case is each row's lowest score, as it is or perturbed: with more perturbations it can only fall.",
        *([_tasks(result)] if len(result.rows) > 1 else []),
        *_notes(result),
    ]
    return "\n\n".join(parts)


def _perturbations(result: Robustness) -> str:
    head = ("perturbation", "group", "rows changed", "score", "drop", "interval", "before", "after", "worst")
    rows = []
    for each in result.perturbations:
        own = each.on_changed
        helm = ("-", "-", "-") if own is None else (f"{own.before:.3f}", f"{own.after:.3f}", f"{own.worst:.3f}")
        rows.append((each.name, each.group, str(each.rows_changed), *_compared(each), *helm))
    return markdown_table(head, rows)


def _worst_cases(result: Robustness) -> str:
    head = ("worst case of", "perturbations", "rows changed", "score", "drop", "interval")
    rows = [
        (each.group, str(len(each.perturbations)), str(each.rows_changed), *_compared(each))
        for each in result.worst_cases
    ]
    return markdown_table(head, rows)


def _tasks(result: Robustness) -> str:
    """The drop of each task under each perturbation."""
    parts = [(each.name, each.tasks) for each in result.perturbations]
    parts += [(f"worst of {each.group}", each.tasks) for each in result.worst_cases]
    rows = [
        (task, str(count), *(_number(tasks[task].drop.value) for _, tasks in parts))
        for task, count in result.rows.items()
    ]
    return markdown_table(("drop by task", "rows", *(name for name, _ in parts)), rows)


def _notes(result: Robustness) -> list[str]:
    """What is not as a reader would expect."""
    notes = [f"Not run: {name}: {why}." for name, why in result.not_run.items()]
    notes += [f"{each.name}: {each.note}." for each in result.perturbations if each.note]
    notes += [
        f"{each.name}: would make options of {each.options_kept} rows the same, so these kept theirs."
        for each in result.perturbations
        if each.options_kept
    ]
    if result.whole_prompts:
        notes.append(
            f"{result.whole_prompts} rows have no input of their own, so their whole prompts were perturbed, "
            "instructions too, which HELM does not do; --input names the field that has it."
        )
    if result.repeated_inputs:
        notes.append(f"{REPEATED} {result.repeated_inputs}.")
    return notes


def examples(lines: Sequence[RowUnder], each: int) -> str:
    """Rows whose score fell, the first ones of each perturbation."""
    originals = {(line.task, line.id): line for line in lines if not line.perturbation}
    shown, texts = Counter[str](), []
    for line in sorted((line for line in lines if line.perturbation), key=lambda line: line.perturbation):
        before = originals[line.task, line.id]
        if line.score < before.score and shown[line.perturbation] < each:
            shown[line.perturbation] += 1
            texts.append(_example(before, line))
    return "\n\n".join(texts)


def _example(before: RowUnder, after: RowUnder) -> str:
    facts = (
        ("as it is", before.input),
        ("perturbed", after.input),
        ("right", " / ".join(before.references)),
        *([("right then", " / ".join(after.references))] if after.references != before.references else []),
        ("answer", before.prediction),
        ("answer then", after.prediction),
    )
    head = f"**{after.perturbation}**, {after.task}, {after.id}: {before.score:.3f} -> {after.score:.3f}"
    return "\n".join([head, "", *(f"- {name}: {_clipped(text)}" for name, text in facts)])


def _clipped(text: str) -> str:
    line = repr(text)[1:-1]
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."


def _compared(compared: Compared) -> tuple[str, str, str]:
    """Score, drop and the drop's interval."""
    drop = compared.drop
    return f"{compared.score.value:.3f}", _number(drop.value), f"{_number(drop.low)} to {_number(drop.high)}"


def _number(number: float) -> str:
    return f"{number:.3f}" if round(number, 3) else "0.000"
