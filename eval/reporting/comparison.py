"""Several runs side by side: each run's compared candidate on the tasks and rows that all of them share.

The rows' scores are those of the runs; macro averages over the shared tasks are resampled as the stage eval_score does,
so that a run whose tasks are all shared has the interval of its own scores.json.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eval.config import Bootstrap
from eval.reporting.plots import Series, dots_plot, macro_plot
from eval.reporting.reported_run import ReportedRun, reported_settings
from eval.reporting.run_names import names_in_plots, run_names
from eval.reporting.scoring import ScoringDifference, read_scoring, scoring_difference
from eval.reporting.task_gains import MOST_IN_PLOT
from eval.scores import Difference, Interval, ScoredRow, TaskResult
from eval.table import by_kind
from oneday.page import METRICS
from oneday.svg_plot import Plot

Rows = dict[str, ScoredRow]


@dataclass(frozen=True)
class ComparedRun:
    """One run, `name` on the page and `short` in plots; `own` is over all its tasks, `macro` over the shared ones."""

    name: str
    short: str
    run: ReportedRun
    candidate: str
    own: Interval
    macro: Interval | None
    difference: Difference | None


@dataclass(frozen=True)
class SharedTask:
    """A task with the score of each run, by the run's name."""

    result: TaskResult
    scores: dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """Runs, first the one that the page is of. `left_out` says by task why it is not compared.

    `scoring` says in what settings of the scores the runs differ.
    """

    runs: Sequence[ComparedRun]
    tasks: Sequence[SharedTask]
    left_out: Mapping[str, str]
    scoring: ScoringDifference
    bootstrap: Bootstrap

    @property
    def held_out(self) -> int:
        """Rows of the shared tasks."""
        return sum(task.result.rows for task in self.tasks)


def compare_runs(runs: Sequence[ReportedRun]) -> Comparison:
    """The candidates of all runs, against that of the first. Runs that share no row of no task get no averages."""
    names = run_names([run.folder for run in runs])
    tables = [candidate_rows(run) for run in runs]
    shared, left_out = shared_tasks(tables, names)
    scoring = scoring_difference([read_scoring(run.folder) for run in runs])
    unlike = scored_in_another_way(shared, runs, scoring)
    shared, left_out = [task for task in shared if task not in unlike], dict(sorted((left_out | unlike).items()))
    bootstrap = reported_settings(runs[0].folder).bootstrap
    macro, differences = _resampled(shared, tables, names, bootstrap) if shared else ({}, {})
    compared = [
        ComparedRun(
            name=name,
            short=short,
            run=run,
            candidate=run.compare.candidate,
            own=run.results.scores.macro[run.compare.candidate],
            macro=macro.get(name),
            difference=differences.get(name),
        )
        for name, short, run in zip(names, names_in_plots(names), runs, strict=True)
    ]
    results = [task for task in by_kind(runs[0].results.scores) if task.task in shared]
    return Comparison(compared, [_shared(task, runs, names) for task in results], left_out, scoring, bootstrap)


def candidate_rows(run: ReportedRun) -> dict[str, Rows]:
    """Task -> row id -> the candidate's answer."""
    rows: dict[str, Rows] = {}
    for row in run.rows:
        if row.variant == run.compare.candidate:
            rows.setdefault(row.task, {})[row.id] = row
    return rows


def shared_tasks(tables: Sequence[Mapping[str, Rows]], names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The tasks whose rows are the same in all runs, by name, and why the others are left out."""
    shared, left_out = [], {}
    for task in sorted({task for table in tables for task in table}):
        lacking = [name for name, table in zip(names, tables, strict=True) if task not in table]
        if lacking:
            left_out[task] = f"not in {', '.join(lacking)}"
        elif len({_content(table[task]) for table in tables}) > 1:
            left_out[task] = "other held-out rows"
        else:
            shared.append(task)
    return shared, left_out


def scored_in_another_way(
    tasks: Sequence[str], runs: Sequence[ReportedRun], scoring: ScoringDifference
) -> dict[str, str]:
    """Those of the tasks whose scores do not mean the same in all runs, and why."""
    found = {}
    for task in tasks:
        results = [_result(run, task) for run in runs]
        if len({(result.kind, result.metric) for result in results}) > 1:
            found[task] = f"scored in another way: {', '.join(METRICS[result.metric] for result in results)}"
        elif results[0].kind == "generation" and scoring.generation is not None:
            found[task] = f"scored in another way: {scoring.generation}"
    return found


def _result(run: ReportedRun, task: str) -> TaskResult:
    (found,) = [result for result in run.results.scores.tasks if result.task == task]
    return found


def _content(rows: Rows) -> frozenset[tuple[str, str, tuple[str, ...]]]:
    """What a task's rows ask, whatever was answered."""
    return frozenset((row.id, row.input, tuple(row.answer)) for row in rows.values())


def _resampled(
    shared: Sequence[str], tables: Sequence[Mapping[str, Rows]], names: Sequence[str], bootstrap: Bootstrap
) -> tuple[dict[str, Interval], dict[str, Difference]]:
    """Macro averages by run, and the differences to the first run, on the same draws of the rows."""
    from eval.score import compare, score_table  # its imports are for scoring, which no page of one run needs

    rows = [
        row.model_copy(update={"variant": name})
        for name, table in zip(names, tables, strict=True)
        for task in shared
        for row in table[task].values()
    ]
    pairs = [(names[0], name) for name in names[1:]]
    macro, differences = compare(score_table(rows, list(names)), list(names), pairs, bootstrap)
    return macro, {found.candidate: found for found in differences}


def _shared(task: TaskResult, runs: Sequence[ReportedRun], names: Sequence[str]) -> SharedTask:
    scores = {
        name: _result(run, task.task).scores[run.compare.candidate] for name, run in zip(names, runs, strict=True)
    }
    return SharedTask(task, scores)


def comparison_plots(comparison: Comparison) -> list[Plot]:
    """The averages, and the tasks on which the runs differ most. None of both if they share no task."""
    series = [
        Series(run.short, [task.scores[run.name] for task in _most_apart(comparison.tasks)], run.macro)
        for run in comparison.runs
        if run.macro is not None
    ]
    if not series:
        return []
    tasks = [task.result.task for task in _most_apart(comparison.tasks)]
    averages = [(one.name, one.macro) for one in series]
    return [macro_plot("comparison-macro", averages), dots_plot("comparison", tasks, series)]


def _most_apart(tasks: Sequence[SharedTask]) -> list[SharedTask]:
    """At most MOST_IN_PLOT tasks, in the order of the table."""
    ranked = sorted(tasks, key=lambda task: min(task.scores.values()) - max(task.scores.values()))
    chosen = {task.result.task for task in ranked[:MOST_IN_PLOT]}
    return [task for task in tasks if task.result.task in chosen]
