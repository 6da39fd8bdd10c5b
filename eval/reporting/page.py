"""The report as one HTML page: numbers -> text. Needs no network, no script and no second file.

The words and the layout are in `templates/report.html.j2`; this module chooses what is shown and formats it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from eval.config import Compare, Variant
from eval.reporting import plots
from eval.reporting.results import Results
from eval.scores import ScoredRow, Scores, TaskResult
from eval.table import best_of, by_kind, label, percent, span, tasks_in_words, verdict
from oneday.page import METRICS, breakable, render_template, shorten, words
from oneday.records import SampledTask

TEMPLATE = Path(__file__).parent / "templates/report.html.j2"
MOST_IN_PLOT = 30  # tasks; a recipe can have hundreds, and the tables have them all
LONGEST_INPUT, LONGEST_ANSWER = 600, 240  # characters of an example


@dataclass(frozen=True)
class Answer:
    """What one variant answered."""

    variant: str
    text: str
    score: float


@dataclass(frozen=True)
class ExampleRow:
    """One held-out row, shortened, with every variant's answer."""

    task: TaskResult
    why: str
    id: str
    input: str
    references: list[str]
    answers: list[Answer]


def render_page(
    results: Results,
    variants: Sequence[Variant],
    compare: Compare,
    sampled: Sequence[SampledTask],
    rows: Sequence[ScoredRow],
) -> str:
    """The whole page. The same input gives the same bytes."""
    scores = results.scores
    plotted = most_changed(scores, compare)
    most_taken = sorted(sampled, key=lambda task: -task.taken)[:MOST_IN_PLOT]
    most_taken.sort(key=lambda task: task.task)
    training = results.training
    return render_template(
        TEMPLATE,
        (best_of, breakable, duration, label, span, words),
        results=results,
        scores=scores,
        variants=[variant for variant in variants if variant.name in scores.variants],
        verdict=verdict(scores, (compare.baseline, compare.candidate)),
        tasks_in_words=tasks_in_words(scores),
        percent=percent(scores),
        groups=[(kind, list(tasks)) for kind, tasks in groupby(by_kind(scores), key=lambda task: task.kind)],
        metrics=METRICS,
        fewest_rows=min(task.rows for task in scores.tasks),
        most_rows=max(task.rows for task in scores.tasks),
        resumed=[stage.stage for stage in results.stages if stage.resumed],
        held_out=sum(task.rows for task in scores.tasks),
        averages={name: interval.score for name, interval in scores.macro.items()},
        sampled=sampled,
        plotted=plotted,
        most_taken=most_taken,
        scores_plot=plots.scores_plot(scores, plotted),
        loss_plot=plots.loss_plot(training) if training.losses or training.eval_losses else None,
        sampler_plot=plots.sampler_plot(most_taken) if sampled else None,
        seconds_plot=plots.seconds_plot(results.stages, duration),
        ranked_by=ranked_by(compare),
        examples=examples(scores, compare, rows),
    )


def most_changed(scores: Scores, compare: Compare) -> list[TaskResult]:
    """The tasks for the plot, in the order of the table: all, or those that the candidate changed most."""
    tasks = by_kind(scores)
    ranked = sorted(tasks, key=lambda task: -abs(gain(task, compare)))
    chosen = {task.task for task in ranked[:MOST_IN_PLOT]}
    return [task for task in tasks if task.task in chosen]


def gain(task: TaskResult, compare: Compare) -> float:
    """Candidate minus baseline on one task; the score alone where both are the same variant."""
    compared = compare.candidate != compare.baseline
    return task.scores[compare.candidate] - (task.scores[compare.baseline] if compared else 0)


def ranked_by(compare: Compare) -> str:
    """What `gain` is, in a word."""
    return "gain" if compare.candidate != compare.baseline else "score"


def examples(scores: Scores, compare: Compare, rows: Sequence[ScoredRow]) -> list[ExampleRow]:
    """Of each kind, a row of the task with the highest and of the one with the lowest gain (or score).

    It is each task's first row in the file, so that no row is picked for its answers.
    """
    chosen: dict[str, tuple[TaskResult, str]] = {}
    for _, group in groupby(by_kind(scores), key=lambda task: task.kind):
        ranked = sorted(group, key=lambda task: gain(task, compare))
        chosen[ranked[-1].task] = ranked[-1], f"highest {ranked_by(compare)}"
        chosen.setdefault(ranked[0].task, (ranked[0], f"lowest {ranked_by(compare)}"))
    return [_example(task, why, [row for row in rows if row.task == name]) for name, (task, why) in chosen.items()]


def _example(task: TaskResult, why: str, rows: Sequence[ScoredRow]) -> ExampleRow:
    if not rows:
        raise ValueError(f"rows.jsonl has no row of the task {task.task}; run the stage 'eval_score' again")
    first = rows[0]
    return ExampleRow(
        task=task,
        why=why,
        id=first.id,
        input=shorten(first.input, LONGEST_INPUT),
        references=[shorten(text, LONGEST_ANSWER) for text in first.answer],
        answers=[
            Answer(row.variant, shorten(row.prediction, LONGEST_ANSWER), row.score)
            for row in rows
            if row.id == first.id
        ],
    )


def duration(seconds: float) -> str:
    """Seconds in words: '0.4 s', '3 min 13 s', '2 h 5 min'."""
    if seconds < 0.05:
        return "under 0.1 s"
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
