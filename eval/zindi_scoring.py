"""Answers of one or more models to the same rows -> their scores in the challenge's metrics."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from eval.config import Bootstrap
from eval.label_answers import label_answer
from eval.metrics.chrf import chrf_statistics
from eval.metrics.macro_f1 import NO_LABEL, f1_statistics, majority
from eval.questions import Answered
from eval.size_aware import size_aware_score
from eval.zindi_bootstrap import Column, Draws, TaskRows, mean_of, resample
from eval.zindi_scores import MAJORITY, METRICS, Difference, FinalScore, LabelMethods, TaskScore, ZindiScores
from oneday.buzuzu_mavi import KINDS, LANGUAGES, Language, TaskKind, labels_of
from oneday.files import iterate_jsonl

ANSWER, GENERATED, LOG_LIKELIHOOD = "answer", "generated", "log_likelihood"
COMMONEST: Column = (MAJORITY, ANSWER)
Sizes = Mapping[str, int | None]


def read_answers(path: Path) -> list[Answered]:
    """A model's answers with their references, checked. Raises ValueError that names file and line."""
    answers: list[Answered] = []
    lines: dict[tuple[str, str, str], int] = {}
    for number, row in enumerate(iterate_jsonl(path, Answered), start=1):
        key = (row.kind, row.language, row.id)
        if key in lines:
            raise ValueError(f"{path}:{number}: the id {row.id!r} of {row.kind} is in line {lines[key]} already")
        if row.reference is None or not row.reference.strip():
            raise ValueError(f"{path}:{number}: {row.id!r} has no reference, so its answer cannot be scored")
        labels = labels_of(row.kind, row.language)
        if labels and row.reference.strip() not in labels:
            raise ValueError(
                f"{path}:{number}: the reference {row.reference!r} is no label of {row.kind} in {row.language}; "
                f"allowed: {', '.join(labels)}"
            )
        lines[key] = number
        answers.append(row)
    if not answers:
        raise ValueError(f"{path} holds no answers; run its stage again")
    return answers


def task_rows(answers: Mapping[str, Sequence[Answered]]) -> list[TaskRows]:
    """Each task's statistics, of every model and label method. ValueError if the models' rows differ."""
    first = next(iter(answers))
    order = [(row.kind, row.language, row.id) for row in answers[first]]
    by_id = {model: {(row.kind, row.language, row.id): row for row in rows} for model, rows in answers.items()}
    for model, rows in by_id.items():
        if other := set(rows) ^ set(order):
            kind, _, id = sorted(other)[0]
            raise ValueError(f"{model} and {first} answered different rows ({kind} {id!r}); answer them again")
    tasks = []
    for kind in KINDS:
        for language in LANGUAGES:
            own = [key for key in order if key[:2] == (kind, language)]
            if own:
                aligned = {model: [rows[key] for key in own] for model, rows in by_id.items()}
                tasks.append(TaskRows(kind, language, _statistics(kind, language, aligned)))
    return tasks


def _statistics(
    kind: TaskKind, language: Language, answers: Mapping[str, Sequence[Answered]]
) -> dict[Column, NDArray[np.float64]]:
    """Column -> statistics of one task's rows."""
    references = [normalize("NFC", row.reference or "") for row in next(iter(answers.values()))]
    if METRICS[kind] == "chrf":
        return {
            (model, ANSWER): chrf_statistics([normalize("NFC", row.answer) for row in rows], references)
            for model, rows in answers.items()
        }
    right = [label_number(kind, language, reference) for reference in references]
    columns: dict[Column, list[int]] = {COMMONEST: [majority(right)] * len(right)}
    for model, rows in answers.items():
        columns[model, ANSWER] = [label_number(kind, language, row.answer) for row in rows]
        columns |= {(model, method): numbers for method, numbers in _by_method(rows).items()}
    return {column: f1_statistics(numbers, right) for column, numbers in columns.items()}


def _by_method(rows: Sequence[Answered]) -> dict[str, list[int]]:
    """The label numbers of one task by method; by log-likelihood only if every row has the scores of its labels."""
    likely = [int(np.argmax(row.label_scores)) if row.label_scores else NO_LABEL for row in rows]
    said = [said_number(row) for row in rows]
    generated = [other if own == NO_LABEL else own for own, other in zip(said, likely, strict=True)]
    return {GENERATED: generated} | ({LOG_LIKELIHOOD: likely} if all(row.label_scores for row in rows) else {})


def said_number(row: Answered) -> int:
    """The number of the label that the generated text is, or NO_LABEL."""
    labels = labels_of(row.kind, row.language)
    said = label_answer(row.generated, labels)
    return NO_LABEL if said is None else labels.index(said)


def label_number(kind: TaskKind, language: Language, text: str) -> int:
    """The number of a label word, white space around it aside; NO_LABEL for any other text."""
    labels = labels_of(kind, language)
    return labels.index(text.strip()) if text.strip() in labels else NO_LABEL


def no_label_shares(answers: Mapping[str, Sequence[Answered]]) -> dict[tuple[str, TaskKind, Language | None], float]:
    """The share of generated texts that are no label, by model, kind and language (None: both)."""
    shares = {}
    for model, rows in answers.items():
        for kind in KINDS:
            for language in (None, *LANGUAGES):
                own = [row for row in rows if row.kind == kind and language in (None, row.language)]
                if labels_of(kind, LANGUAGES[0]) and own:
                    shares[model, kind, language] = sum(said_number(row) == NO_LABEL for row in own) / len(own)
    return shares


def score_answers(
    answers: Mapping[str, Sequence[Answered]], sizes: Sizes, parameter_size: int | None, config: Bootstrap
) -> ZindiScores:
    """The scores of the models, in their order; the last is compared with those before it."""
    shares = no_label_shares(answers)
    return score_rows(task_rows(answers), list(answers), sizes, parameter_size, config, shares)


def score_rows(
    tasks: Sequence[TaskRows],
    models: list[str],
    sizes: Sizes,
    parameter_size: int | None,
    config: Bootstrap,
    shares: Mapping[tuple[str, TaskKind, Language | None], float],
) -> ZindiScores:
    """The same, of rows that are statistics already."""
    drawn = resample(tasks, config)
    kinds = [kind for kind in KINDS if (kind, None) in drawn]
    means = {model: mean_of([drawn[kind, None][model, ANSWER] for kind in kinds]) for model in models}
    finals: dict[str, Draws] = {}
    for model, mean in means.items():
        size = sizes[model]
        if size is not None and parameter_size is not None:
            finals[model] = mean.mapped(lambda s, size=size: size_aware_score(s, size, parameter_size))  # type: ignore[misc]
    level = config.confidence
    return ZindiScores(
        models=models,
        confidence=level,
        resamples=config.resamples,
        parameter_size=parameter_size,
        kinds=kinds,
        tasks=[
            _task_score(kind, language, columns, models, _rows(tasks, kind, language), level, shares)
            for (kind, language), columns in drawn.items()
        ],
        finals={
            model: FinalScore(
                mean=mean.estimate(level),
                size=sizes[model],
                score=finals[model].estimate(level) if model in finals else None,
            )
            for model, mean in means.items()
        },
        mean_differences=_compared(means, models, level),
        score_differences=_compared(finals, models, level),
    )


def _rows(tasks: Sequence[TaskRows], kind: TaskKind, language: Language | None) -> int:
    return sum(task.rows for task in tasks if task.kind == kind and language in (None, task.language))


def _task_score(
    kind: TaskKind,
    language: Language | None,
    columns: Mapping[Column, Draws],
    models: list[str],
    rows: int,
    level: float,
    shares: Mapping[tuple[str, TaskKind, Language | None], float],
) -> TaskScore:
    own = {model: columns[model, ANSWER] for model in models}
    differences = _compared(own, models, level)
    commonest = columns.get(COMMONEST)
    if commonest is not None:
        differences += [(own[model] - commonest).difference(MAJORITY, model, level) for model in models]
    return TaskScore(
        kind=kind,
        language=language,
        metric=METRICS[kind],
        rows=rows,
        models={model: draws.estimate(level) for model, draws in own.items()},
        majority=commonest.estimate(level) if commonest is not None else None,
        differences=differences,
        methods={
            model: _methods(columns, model, level, shares.get((model, kind, language)))
            for model in models
            if any((model, method) in columns for method in (GENERATED, LOG_LIKELIHOOD))
        },
    )


def _compared(draws: Mapping[str, Draws], models: list[str], level: float) -> list[Difference]:
    """The last model minus each of those before it, where both have a number."""
    last = models[-1]
    return [
        (draws[last] - draws[model]).difference(model, last, level)
        for model in models[:-1]
        if last in draws and model in draws
    ]


def _methods(columns: Mapping[Column, Draws], model: str, level: float, share: float | None) -> LabelMethods:
    generated, likely = columns.get((model, GENERATED)), columns.get((model, LOG_LIKELIHOOD))
    return LabelMethods(
        generated=generated.estimate(level) if generated is not None else None,
        log_likelihood=likely.estimate(level) if likely is not None else None,
        difference=(likely - generated).estimate(level) if generated is not None and likely is not None else None,
        no_label_share=share,
    )
