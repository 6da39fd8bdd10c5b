"""Rows and their variants -> answers in one go -> a score for each, by a metric that means something for one row."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eval.examples.answers import Answering, answer_rows
from eval.examples.models import NamedModel, journal_folder
from eval.examples.row import AnsweredRow, ExampleRow
from eval.examples.scoring import OF_SETS
from eval.metrics.metric import Judged
from eval.metrics.registry import NAMES, metric
from eval.metrics.tokens import resolve_tokenizer
from eval.perturbing.drops import RowScores
from eval.perturbing.perturbed import Variant, input_of
from eval.perturbing.records import RowUnder
from serve.transformers_engine import Precision

if TYPE_CHECKING:
    from serve.transformers_engine import TransformersEngine

Floats = NDArray[np.float64]
ROW_METRICS = tuple(name for name in NAMES if name not in OF_SETS)


@dataclass(frozen=True)
class Answerer:
    """A model, and how it answers and is judged. `metric` names one of ROW_METRICS."""

    model: NamedModel
    answering: Answering
    batch_size: int
    precision: Precision | None
    metric: str

    def load(self) -> "TransformersEngine":
        """An engine with the model."""
        return self.model.load(self.batch_size, self.precision)

    def settings(self) -> dict[str, Any]:
        """All that shapes a score besides the model's files, for the result's file."""
        return {
            "model": str(self.model),
            "metric": self.metric,
            "precision": self.precision,
            **asdict(self.answering),
            "rules": self.answering.rules.model_dump(mode="json"),
        }


@dataclass(frozen=True)
class Scored:
    """The rows as they are and their variants, each with its answer and score, in the order they were given."""

    originals: Sequence[AnsweredRow]
    original_scores: Floats
    variants: Sequence[Variant]
    answers: Sequence[AnsweredRow]
    scores: Floats

    def row_scores(self, names: Sequence[str]) -> RowScores:
        """Scores by perturbation, NaN where it leaves a row as it is."""
        perturbed = {name: np.full(len(self.originals), np.nan) for name in names}
        for variant, score in zip(self.variants, self.scores, strict=True):
            perturbed[variant.perturbation][variant.position] = score
        return RowScores([answered.row.task for answered in self.originals], self.original_scores, perturbed)

    def lines(self) -> list[RowUnder]:
        """Each row as it is, then under each perturbation that changes it."""
        found: list[list[RowUnder]] = [
            [_line(answered, answered.row.id, "", float(score))]
            for answered, score in zip(self.originals, self.original_scores, strict=True)
        ]
        for variant, answered, score in zip(self.variants, self.answers, self.scores, strict=True):
            row_id = self.originals[variant.position].row.id
            found[variant.position].append(_line(answered, row_id, variant.perturbation, float(score), variant.input))
        return [line for lines in found for line in lines]


def answer_all(rows: Sequence[ExampleRow], variants: Sequence[Variant], answerer: Answerer, out: Path) -> Scored:
    """The answers to all of them, with their scores. Goes on where a run that was killed stopped."""
    asked = [*rows, *(variant.row for variant in variants)]
    answering = answerer.answering
    journals = journal_folder(out, asked, answerer.model.files(), answering, answerer.precision)
    answers = answer_rows(asked, answerer.load, answering, journals, "robustness")
    scores = row_scores(answers, answerer.metric)
    count = len(rows)
    return Scored(answers[:count], scores[:count], variants, answers[count:], scores[count:])


def row_scores(answers: Sequence[AnsweredRow], name: str) -> Floats:
    """The metric of each answer alone, [rows]; what a word is, is decided by the references of its task."""
    scores = np.empty(len(answers))
    for task in {answered.row.task for answered in answers}:
        places = [place for place, answered in enumerate(answers) if answered.row.task == task]
        own = [Judged(one.prediction, one.row.references, one.confidence) for one in map(answers.__getitem__, places)]
        tokenizer = resolve_tokenizer("auto", [text for judged in own for text in judged.references])
        judge = metric(name, tokenizer, stemming=False)
        scores[places] = judge.value(judge.statistics(own))
    return scores


def check_metric(name: str) -> None:
    """ValueError for a metric that a row alone does not have."""
    if name not in ROW_METRICS:
        allowed = ", ".join(ROW_METRICS)
        raise ValueError(f"metric {name!r} is not one of a single row, as the worst case needs; allowed: {allowed}")


def usual_metric(rows: Sequence[ExampleRow]) -> str:
    """Exact match where every row has options, else ROUGE-L."""
    return "exact_match" if all(row.options for row in rows) else "rouge_l"


def _line(answered: AnsweredRow, row_id: str, perturbation: str, score: float, text: str | None = None) -> RowUnder:
    row = answered.row
    return RowUnder(
        task=row.task,
        id=row_id,
        perturbation=perturbation,
        input=input_of(row) if text is None else text,
        prompt=row.prompt,
        options=row.options,
        references=row.references,
        prediction=answered.prediction,
        score=score,
    )
