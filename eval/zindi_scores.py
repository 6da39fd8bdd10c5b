"""The scores of the challenge as typed records: what `08_zindi/scores.json` holds."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from eval.estimate import Estimate, Record
from oneday.buzuzu_mavi import Language, TaskKind
from oneday.files import read_json

Metric = Literal["macro_f1", "chrf"]
METRICS: dict[TaskKind, Metric] = {"sentiment": "macro_f1", "entailment": "macro_f1", "translation": "chrf"}
MAJORITY = "majority"  # what answers each task's commonest label


class Difference(Estimate):
    """Candidate minus baseline; the same rows are drawn for both."""

    baseline: str
    candidate: str


class LabelMethods(Record):
    """A model's labels by both methods. None: that method was not run on every row.

    `generated` is the label that the text is, and the most likely one where it is none, which is so in
    `no_label_share` of the rows. `log_likelihood` is the most likely label always; `difference` is it minus
    `generated`.
    """

    generated: Estimate | None
    log_likelihood: Estimate | None
    difference: Estimate | None
    no_label_share: float | None = Field(default=None, ge=0, le=1)


class TaskScore(Record):
    """One kind of task in one language, or in both with their rows put together (`language` None).

    `majority` is the score of each language's commonest label, always answered. `differences` are of the models to
    it, and of the last model to the ones before.
    """

    kind: TaskKind
    language: Language | None
    metric: Metric
    rows: int = Field(ge=1)
    models: dict[str, Estimate]
    majority: Estimate | None
    differences: list[Difference]
    methods: dict[str, LabelMethods]


class FinalScore(Record):
    """A model's `mean` of the metrics of all kinds that were scored, and the challenge's `score` for its `size`.

    Both last are None where the size is not known.
    """

    mean: Estimate
    size: int | None = Field(ge=1)
    score: Estimate | None


class ZindiScores(Record):
    """All of `scores.json`. `kinds` are those that the mean is of."""

    models: list[str] = Field(min_length=1)
    confidence: float = Field(gt=0, lt=1)
    resamples: int = Field(ge=1)
    parameter_size: int | None = Field(ge=1)
    kinds: list[TaskKind] = Field(min_length=1)
    tasks: list[TaskScore] = Field(min_length=1)
    finals: dict[str, FinalScore]
    mean_differences: list[Difference]
    score_differences: list[Difference]

    def task(self, kind: TaskKind, language: Language | None = None) -> TaskScore:
        """The scores of a kind in one language, or in both. KeyError if they are not there."""
        for task in self.tasks:
            if (task.kind, task.language) == (kind, language):
                return task
        raise KeyError(f"{kind} {language or 'in both languages'}")


def read_zindi_scores(path: Path) -> ZindiScores:
    """The scores in a file. Raises FileNotFoundError, or ValueError that names the file and the first fault."""
    return read_json(path, ZindiScores)
