"""Answers of one or several models to the same rows -> scores of tasks, categories and languages, with intervals.

Rows are drawn with replacement within each task (and within each task's part of a category or language), the same
rows for all models, so that differences are paired.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from eval.config import Bootstrap
from eval.examples.answers import Length, by_task, option_scores
from eval.examples.row import AnsweredRow, ExampleRow
from eval.examples.scores import Difference, MetricScores, PartScore, QuickScores
from eval.metrics.bootstrap import Draws, Resampled, resample
from eval.metrics.metric import Floats, Judged, Metric
from eval.metrics.registry import NAMES, metric, statistics_of
from eval.metrics.tokens import resolve_tokenizer

OF_OPTIONS = ("exact_match", "macro_f1", "calibration_error")
OF_TEXTS = ("exact_match", "token_f1", "rouge_1", "rouge_2", "rouge_l", "chrf_plus_plus", "bleu")
OF_SETS = ("bleu", "macro_f1", "calibration_error")  # which say nothing of one row alone
LENGTHS: tuple[Length, ...] = ("none", "tokens", "characters", "bytes")
NO_NAME = "(none)"
MACRO = "macro average"
Answers = Mapping[str, Sequence[AnsweredRow]]  # model -> its answers, all in the same order of rows


@dataclass(frozen=True)
class TaskStatistics:
    """A task's rows and metrics, and the statistics of each metric and model, [rows, width]."""

    rows: Sequence[ExampleRow]
    metrics: Mapping[str, Metric]
    statistics: Mapping[str, Mapping[str, Floats]]

    def of_part(self, name: str, places: Sequence[int]) -> dict[str, Floats]:
        """A metric's statistics of some of the rows, by model."""
        return {model: values[list(places)] for model, values in self.statistics[name].items()}


def score(
    answers: Answers, wanted: Sequence[str], stemming: bool, bootstrap: Bootstrap
) -> tuple[QuickScores, dict[str, list[AnsweredRow]]]:
    """The scores, and the answers with their row scores. `wanted` names the metrics; none: those of the rows' kind.

    ValueError if a metric is unknown or fits no task.
    """
    chosen = metrics_of_tasks([one.row for one in _any(answers)], wanted)
    tasks = {task: _statistics(task, names, answers, stemming) for task, names in chosen.items()}
    scores = QuickScores(
        models=list(answers),
        confidence=bootstrap.confidence,
        resamples=bootstrap.resamples,
        seed=bootstrap.seed,
        metrics=[
            _metric_scores(name, tasks, bootstrap)
            for name in NAMES
            if any(name in task.metrics for task in tasks.values())
        ],
        accuracy_by_length=accuracy_by_length(answers),
    )
    return scores, {model: _with_scores(model, own, tasks) for model, own in answers.items()}


def metrics_of_tasks(rows: Sequence[ExampleRow], wanted: Sequence[str]) -> dict[str, list[str]]:
    """The names of each task's metrics: those wanted that fit it; if none are wanted, those of its rows' kind.

    ValueError if a metric is unknown or fits no task.
    """
    if unknown := [name for name in wanted if name not in NAMES]:
        raise ValueError(f"unknown metric {unknown[0]!r}; allowed: {', '.join(NAMES)}")
    found = {}
    for task, own in by_task(rows).items():
        usual = OF_OPTIONS if own[0].options else OF_TEXTS
        found[task] = [name for name in wanted or usual if _fits(name, own)]
    for name in wanted:
        if not any(name in names for names in found.values()):
            needs = "with options" if name == "calibration_error" else "with one set of options"
            raise ValueError(f"{name} fits no task: it needs rows {needs}; choose others by --metrics")
    return found


def accuracy_by_length(answers: Answers) -> dict[str, dict[Length, float]]:
    """The accuracy of each model's choices by what log-likelihoods are divided by, the mean over tasks."""
    found: dict[str, dict[Length, float]] = {}
    for model, own in answers.items():
        tasks: dict[str, list[AnsweredRow]] = {}
        for one in own:
            if one.row.options:
                tasks.setdefault(one.row.task, []).append(one)
        if tasks:
            means = {length: [_accuracy(rows, length) for rows in tasks.values()] for length in LENGTHS}
            found[model] = {length: sum(values) / len(values) for length, values in means.items()}
    return found


def _accuracy(rows: Sequence[AnsweredRow], length: Length) -> float:
    right = 0
    for one in rows:
        scores = option_scores(one.row.options, one.option_log_likelihoods, one.option_tokens, length)
        right += one.row.options[scores.index(max(scores))] in one.row.references
    return right / len(rows)


def _any(answers: Answers) -> Sequence[AnsweredRow]:
    return next(iter(answers.values()))


def _statistics(task: str, names: Sequence[str], answers: Answers, stemming: bool) -> TaskStatistics:
    """The statistics of one task's rows."""
    of_task = {model: [one for one in own if one.row.task == task] for model, own in answers.items()}
    rows = [one.row for one in _any(of_task)]
    tokenizer = resolve_tokenizer("auto", [text for row in rows for text in row.references])
    metrics = {name: metric(name, tokenizer, stemming) for name in names}
    statistics: dict[str, dict[str, Floats]] = {name: {} for name in metrics}
    for model, own in of_task.items():
        judged = [Judged(one.prediction, one.row.references, one.confidence) for one in own]
        for name, values in statistics_of(list(metrics.values()), judged).items():
            statistics[name][model] = values
    return TaskStatistics(rows, metrics, statistics)


def _fits(name: str, rows: Sequence[ExampleRow]) -> bool:
    """Whether a metric means something for a task's rows."""
    if name == "macro_f1":
        return bool(rows[0].options) and len({frozenset(row.options) for row in rows}) == 1
    return name != "calibration_error" or bool(rows[0].options)


def _metric_scores(name: str, tasks: Mapping[str, TaskStatistics], bootstrap: Bootstrap) -> MetricScores:
    having = {task: own for task, own in tasks.items() if name in own.metrics}
    of_all = next(iter(having.values())).metrics[name]
    found = resample(
        {task: own.statistics[name] for task, own in having.items()}, of_all.value, bootstrap, of_all.resampling_biases
    )
    sizes = {task: len(own.rows) for task, own in having.items()}

    def parts(part: Callable[[ExampleRow], str]) -> list[PartScore]:
        return _parts(name, having, part, of_all, bootstrap)

    return MetricScores(
        metric=name,
        title=of_all.title,
        higher_is_better=of_all.higher_is_better,
        macro=_part(MACRO, sizes, found.macro, bootstrap),
        tasks=[_part(task, {task: sizes[task]}, found.groups[task], bootstrap) for task in having],
        categories=parts(lambda row: row.category),
        languages=parts(lambda row: row.language),
    )


def _parts(
    name: str,
    tasks: Mapping[str, TaskStatistics],
    part: Callable[[ExampleRow], str],
    of_all: Metric,
    bootstrap: Bootstrap,
) -> list[PartScore]:
    """The scores of each category (or language), none if there is only one."""
    places: dict[str, dict[str, list[int]]] = {}
    for task, own in tasks.items():
        for place, row in enumerate(own.rows):
            places.setdefault(part(row) or NO_NAME, {}).setdefault(task, []).append(place)
    if len(places) < 2:
        return []
    found = []
    for title, of_tasks in sorted(places.items()):
        groups = {task: tasks[task].of_part(name, own) for task, own in of_tasks.items()}
        sampled: Resampled = resample(groups, of_all.value, bootstrap, of_all.resampling_biases)
        found.append(_part(title, {task: len(own) for task, own in of_tasks.items()}, sampled.macro, bootstrap))
    return found


def _part(name: str, rows: Mapping[str, int], draws: Mapping[str, Draws], bootstrap: Bootstrap) -> PartScore:
    """A part of the rows; `rows` counts them by task."""
    first, *further = draws
    return PartScore(
        name=name,
        tasks=len(rows),
        rows=sum(rows.values()),
        models={model: own.estimate(bootstrap.confidence) for model, own in draws.items()},
        differences=[_difference(first, model, draws, bootstrap) for model in further],
    )


def _difference(baseline: str, candidate: str, draws: Mapping[str, Draws], bootstrap: Bootstrap) -> Difference:
    difference = draws[candidate] - draws[baseline]
    estimate = difference.estimate(bootstrap.confidence)
    return Difference(
        baseline=baseline,
        candidate=candidate,
        p_value=difference.p_value(),
        too_few_rows=not estimate.includes_zero and difference.least_p_value > 1 - bootstrap.confidence,
        **estimate.model_dump(),
    )


def _with_scores(model: str, answered: Sequence[AnsweredRow], tasks: Mapping[str, TaskStatistics]) -> list[AnsweredRow]:
    """The answers with the metrics of each row."""
    values = {
        task: {
            name: each.value(own.statistics[name][model]) for name, each in own.metrics.items() if name not in OF_SETS
        }
        for task, own in tasks.items()
    }
    seen: dict[str, int] = {}
    scored = []
    for one in answered:
        place = seen.get(one.row.task, 0)
        seen[one.row.task] = place + 1
        scores = {name: float(own[place]) for name, own in values[one.row.task].items()}
        scored.append(one.model_copy(update={"scores": scores}))
    return scored
