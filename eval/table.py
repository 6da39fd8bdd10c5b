"""The result in words and as a plain-text table, for the terminal.

`render(scores)` is a Markdown table in ASCII: it prints the same in a pipe and can be pasted into a README.
"""

import io
import shutil
from collections.abc import Mapping, Sequence
from typing import Protocol

from eval.scores import Difference, Scores, TaskResult
from oneday.page import METRICS

NARROWEST, WIDEST = 60, 160  # of the table, in characters
LONGEST_NAME = 24  # of a task, before it is folded


def render(scores: Scores, width: int | None = None) -> str:
    """Scores per task, macro averages with intervals, and the differences in words.

    `width` is in characters; None takes the terminal's, or 100 where there is none.
    """
    from rich.box import MARKDOWN
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=MARKDOWN)
    longest = max(len(task.task) for task in scores.tasks)
    table.add_column("task", overflow="fold", min_width=min(longest, LONGEST_NAME))
    table.add_column("metric")
    for name in scores.variants:
        table.add_column(Text(label(name)), justify="right", overflow="fold")
    table.add_column("rows", justify="right")
    for cells in table_cells(scores):
        table.add_row(*(Text(cell) for cell in cells))
    columns = shutil.get_terminal_size((100, 24)).columns if width is None else width
    text = io.StringIO()
    columns = min(max(columns, NARROWEST), WIDEST)
    console = Console(file=text, width=columns, color_system=None, legacy_windows=False)
    console.print(table)
    legend = ["* best of the row", ""] if len(scores.variants) > 1 else [""]
    for sentence in [*legend, *verdict(scores)]:
        console.print(Text(sentence))
    return "\n".join(line.rstrip() for line in text.getvalue().strip().splitlines())


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells as a Markdown table with columns of even width, to be read as it stands too."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (head, *rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(head))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
    lines.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join(f"| {line} |" for line in lines)


def table_cells(scores: Scores) -> list[list[str]]:
    """The rows of the table as text: one a task, grouped by kind, then the macro average and its interval."""
    lines = [
        [task.task, METRICS[task.metric], *marked(task.scores, scores.variants), str(task.rows)]
        for task in by_kind(scores)
    ]
    macro = {name: interval.score for name, interval in scores.macro.items()}
    rows = sum(task.rows for task in scores.tasks)
    lines.append(["macro average", "", *marked(macro, scores.variants), str(rows)])
    ranges = [span(scores.macro[name]) for name in scores.variants]
    return [*lines, [f"{percent(scores)} % interval", "", *ranges, ""]]


def by_kind(scores: Scores) -> list[TaskResult]:
    """The tasks, exact match before generation, each in the order of the file."""
    return sorted(scores.tasks, key=lambda task: task.kind)


def marked(values: Mapping[str, float], variants: list[str]) -> list[str]:
    """Each variant's score with three decimals and a star at the best."""
    best = best_of(values)
    return [f"{values[name]:.3f}{'*' if name in best else ' '}" for name in variants]


def best_of(values: Mapping[str, float]) -> set[str]:
    """The variants with the highest score as it is shown, three decimals; none if all are equal."""
    shown = {name: f"{value:.3f}" for name, value in values.items()}
    best = {name for name, value in shown.items() if value == max(shown.values())}
    return set() if len(best) == len(shown) else best


def verdict(scores: Scores, first: tuple[str, str] | None = None) -> list[str]:
    """The macro averages compared, a sentence a pair; `first` names the (baseline, candidate) to begin with."""
    pairs = [pair for pair in scores.differences if pair.baseline != pair.candidate]
    pairs.sort(key=lambda pair: (pair.baseline, pair.candidate) != first)
    if not pairs:
        return [
            f"{label(name).capitalize()} scores {interval.score:.3f} in macro average over {tasks_in_words(scores)} "
            f"({percent(scores)} % interval {span(interval)})."
            for name, interval in scores.macro.items()
        ]
    return [_compared(scores, pair) for pair in pairs]


def _compared(scores: Scores, pair: Difference) -> str:
    candidate, baseline = scores.macro[pair.candidate].score, scores.macro[pair.baseline].score
    size = f"{abs(pair.score):.3f} {'more' if pair.score >= 0 else 'less'}"
    unclear = "; it includes 0, so these rows do not show which is better" if pair.low <= 0 <= pair.high else ""
    return (
        f"{label(pair.candidate).capitalize()} scores {candidate:.3f} in macro average over {tasks_in_words(scores)}, "
        f"{size} than {label(pair.baseline)} with {baseline:.3f} "
        f"({percent(scores)} % interval of the difference {pair.low:+.3f} to {pair.high:+.3f}{unclear})."
    )


def tasks_in_words(scores: Scores) -> str:
    """The number of tasks, such as '1 task'."""
    return f"{len(scores.tasks)} task{'' if len(scores.tasks) == 1 else 's'}"


class HasBounds(Protocol):
    """A number's interval."""

    @property
    def low(self) -> float:
        """The lower bound."""
        ...

    @property
    def high(self) -> float:
        """The upper bound."""
        ...


def span(interval: HasBounds) -> str:
    """An interval such as '0.081 to 0.130'."""
    return f"{interval.low:.3f} to {interval.high:.3f}"


class HasConfidence(Protocol):
    """A result whose intervals have one confidence level, such as 0.95."""

    @property
    def confidence(self) -> float:
        """The share of resamples within an interval."""
        ...


def percent(scores: HasConfidence) -> str:
    """The confidence level in per cent, such as '95'."""
    return f"{100 * scores.confidence:g}"


def label(name: str) -> str:
    """A variant's name as it is shown: 'tuned_zero_shot' -> 'tuned zero shot'."""
    return name.replace("_", " ").strip() or name
