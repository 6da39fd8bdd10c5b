"""What the candidate gains on a task over the baseline, and the tasks that changed most."""

from collections.abc import Sequence
from itertools import groupby

from eval.config import Compare
from eval.scores import Scores, TaskResult
from eval.table import by_kind

MOST_IN_PLOT = 30  # tasks; a recipe can have hundreds, and the tables have them all


def gain(task: TaskResult, compare: Compare) -> float:
    """Candidate minus baseline on one task; the score alone where both are the same variant."""
    compared = compare.candidate != compare.baseline
    return task.scores[compare.candidate] - (task.scores[compare.baseline] if compared else 0)


def ranked_by(compare: Compare) -> str:
    """What `gain` is, in a word."""
    return "gain" if compare.candidate != compare.baseline else "score"


def most_changed(scores: Scores, compare: Compare) -> list[TaskResult]:
    """The tasks for the plot, in the order of the table: all, or those that the candidate changed most."""
    tasks = by_kind(scores)
    ranked = sorted(tasks, key=lambda task: -abs(gain(task, compare)))
    chosen = {task.task for task in ranked[:MOST_IN_PLOT]}
    return [task for task in tasks if task.task in chosen]


def extremes(scores: Scores, compare: Compare) -> Sequence[tuple[TaskResult, str]]:
    """Of each kind, the task with the highest and the one with the lowest gain (or score), and why it is chosen."""
    chosen: dict[str, tuple[TaskResult, str]] = {}
    for _, group in groupby(by_kind(scores), key=lambda task: task.kind):
        ranked = sorted(group, key=lambda task: gain(task, compare))
        chosen[ranked[-1].task] = ranked[-1], f"highest {ranked_by(compare)}"
        chosen.setdefault(ranked[0].task, (ranked[0], f"lowest {ranked_by(compare)}"))
    return list(chosen.values())
