"""The report as one HTML page: a run, and others to compare it with -> text. Needs no network and no second file.

The words and the layout are in `templates/`, `report.html.j2` first; this module chooses what is shown. The one script
filters the example rows. The page's policy allows it by its hash; all else is there without it.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from markupsafe import Markup

from eval.reporting.comparison import Comparison, compare_runs, comparison_plots
from eval.reporting.examples import HeldOutRow, example_data, held_out_rows, outcomes, whole
from eval.reporting.links import address, artefact_links
from eval.reporting.method import details_in_words, method_in_words, settings_as_yaml
from eval.reporting.plots import macro_plot, rules_plot, sampler_plot, scores_plot, seconds_plot
from eval.reporting.reported_run import ReportedRun
from eval.reporting.task_gains import MOST_IN_PLOT, extremes, most_changed, ranked_by
from eval.reporting.training_plots import deadline_fits, loss_plot, plan_plot, plan_quantities
from eval.scores import TaskResult
from eval.table import best_of, by_kind, label, percent, span, tasks_in_words, verdict
from oneday.page import METRICS, breakable, render_template, shorten, words
from oneday.records import SampledTask
from oneday.svg_plot import Plot

TEMPLATES = Path(__file__).parent / "templates"
SCRIPT, STYLE = TEMPLATES / "examples.js", TEMPLATES / "report.css"
MOST_BYTES = 5_000_000  # of a page, the rows included
ABOUT_THE_ROWS = 500  # bytes for the sentences that tell how much of the rows is there
LONG_TABLE = 40  # rows; a longer one scrolls in a window of its own
LONGEST_INPUT, LONGEST_ANSWER = 600, 240  # characters of an example that is there without the script


@dataclass(frozen=True)
class StillExample:
    """A row that is shown without the script: (variant, answer, score) for each variant, texts shortened."""

    task: TaskResult
    why: str
    id: str
    input: str
    references: list[str]
    answers: list[tuple[str, str, float]]


@dataclass(frozen=True)
class Page:
    """A page, and the plots in it, to be kept as images as well."""

    html: str
    plots: Sequence[Plot]


def render_page(run: ReportedRun, page: Path, others: Sequence[ReportedRun] = (), made: Sequence[str] = ()) -> Page:
    """The whole page of `run`, to be kept as the file `page`. The same input gives the same bytes.

    `made` are files of the run folder that are linked though they are not there yet.
    """
    comparison = compare_runs([run, *others]) if others else None
    plots = _plots(run, comparison)
    script = SCRIPT.read_text(encoding="utf-8")
    values = {
        "run": run,
        "results": run.results,
        "comparison": comparison,
        "most_in_plot": MOST_IN_PLOT,
        "long_table": LONG_TABLE,
        "plots": {plot.name: plot.svg() for plot in plots},
        "links": artefact_links(run.folder, page, made),
        "ablation_page": _ablation_page(run, page),
        "script": Markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "report_style": Markup(STYLE.read_text(encoding="utf-8")),
        **_score_values(run),
        **_training_values(run),
    }
    return Page(_with_rows(run, values), plots)


def _with_rows(run: ReportedRun, values: dict[str, Any]) -> str:
    """The page with as much of the rows as MOST_BYTES leaves beside all the rest."""
    rows = held_out_rows(run.rows, run.results.scores)
    values |= {
        "outcomes": outcomes(run.compare),
        "rows_of_task": Counter(row.task for row in rows),
        "still_examples": still_examples(run, rows),
    }

    def render(shown: Sequence[HeldOutRow], room: int) -> str:
        return whole(
            render_template(
                TEMPLATES / "report.html.j2",
                (amount, best_of, breakable, duration, label, percent, span, words),
                examples=example_data(shown, run.results.scores, run.compare, room),
                **values,
            )
        )

    return render(rows, MOST_BYTES - ABOUT_THE_ROWS - len(render((), 0).encode()))


def _score_values(run: ReportedRun) -> dict[str, Any]:
    """What the templates show of the scores."""
    scores = run.results.scores
    return {
        "scores": scores,
        "compared": run.compare.candidate != run.compare.baseline,
        "variants": [variant for variant in run.variants if variant.name in scores.variants],
        "verdict": verdict(scores, (run.compare.baseline, run.compare.candidate)),
        "tasks_in_words": tasks_in_words(scores),
        "percent": percent(scores),
        "groups": [(kind, list(tasks)) for kind, tasks in groupby(by_kind(scores), key=lambda task: task.kind)],
        "metrics": METRICS,
        "fewest_rows": min(task.rows for task in scores.tasks),
        "most_rows": max(task.rows for task in scores.tasks),
        "held_out": sum(task.rows for task in scores.tasks),
        "averages": {name: interval.score for name, interval in scores.macro.items()},
        "plotted": most_changed(scores, run.compare),
        "ranked_by": ranked_by(run.compare),
    }


def _training_values(run: ReportedRun) -> dict[str, Any]:
    """What the templates show of the training, its data and its stages."""
    results, settings = run.results, run.training_settings
    budget = results.run.budget_seconds if results.run is not None else None
    return {
        "deadline_in_plot": deadline_fits(results.training, budget),
        "method": method_in_words(settings),
        "method_details": details_in_words(settings),
        "settings": settings_as_yaml(settings),
        "plan_quantities": plan_quantities(results.plan) if results.plan else [],
        "sampled": run.sampled,
        "most_taken": _most_taken(run.sampled),
        "counts": {stage.stage: stage.counts for stage in results.stages},
        "resumed": [stage.stage for stage in results.stages if stage.resumed],
    }


def _plots(run: ReportedRun, comparison: Comparison | None) -> list[Plot]:
    """The plots of a run that there are numbers for."""
    results, training = run.results, run.results.training
    scores = results.scores
    budget = results.run.budget_seconds if results.run is not None else None
    plots = [
        macro_plot("macro", [(label(name), scores.macro[name]) for name in scores.variants]),
        scores_plot(scores, most_changed(scores, run.compare)),
        loss_plot(training, budget) if training.logged or training.evaluations else None,
        plan_plot(results.plan) if results.plan else None,
        sampler_plot(_most_taken(run.sampled)) if run.sampled else None,
        rules_plot(run.ablation) if run.ablation else None,
        seconds_plot(results.stages, duration),
        *(comparison_plots(comparison) if comparison else ()),
    ]
    return [plot for plot in plots if plot is not None]


def _most_taken(sampled: Sequence[SampledTask]) -> list[SampledTask]:
    """The tasks of which most was taken, by name."""
    return sorted(sorted(sampled, key=lambda task: -task.taken)[:MOST_IN_PLOT], key=lambda task: task.task)


def _ablation_page(run: ReportedRun, page: Path) -> str | None:
    """The address of the rules' own page, if there is one."""
    path = run.folder / "12_ablate/ablation.html"
    return address(path, page) if path.is_file() else None


def still_examples(run: ReportedRun, rows: Sequence[HeldOutRow]) -> list[StillExample]:
    """Of each kind, a row of the task with the highest and of the one with the lowest gain (or score).

    It is each task's first row in the file, so that no row is picked for its answers.
    """
    return [_still_example(run, task, why, rows) for task, why in extremes(run.results.scores, run.compare)]


def _still_example(run: ReportedRun, task: TaskResult, why: str, rows: Sequence[HeldOutRow]) -> StillExample:
    first = next((row for row in rows if row.task == task.task), None)
    if first is None:
        raise ValueError(f"rows.jsonl has no row of the task {task.task}; run the stage 'eval_score' again")
    answered = zip(run.results.scores.variants, first.answers, first.scores, strict=True)
    return StillExample(
        task=task,
        why=why,
        id=first.id,
        input=shorten(first.input, LONGEST_INPUT),
        references=[shorten(text, LONGEST_ANSWER) for text in first.references],
        answers=[(variant, shorten(text, LONGEST_ANSWER), score) for variant, text, score in answered],
    )


def amount(value: float, unit: str) -> str:
    """A planned or measured quantity with its unit; see `PlannedQuantity`."""
    if unit == "seconds":
        return duration(value)
    return f"{value:.1f} GiB" if unit == "GiB" else f"{value:,.0f}"


def duration(seconds: float) -> str:
    """Seconds in words: '0.4 s', '3 min 13 s', '2 h 5 min'."""
    if seconds < 0.05:
        return "under 0.1 s"
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
