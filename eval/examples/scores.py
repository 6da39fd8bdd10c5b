"""The result of a quick evaluation, as typed records: what scores.json and report.json hold."""

from pathlib import Path
from typing import Any

from pydantic import Field

from eval.estimate import Estimate, Record
from eval.examples.answers import Length
from oneday.files import read_json

SCORES_FILE, REPORT_FILE, ROWS_FILE = "scores.json", "report.json", "rows.jsonl"


class Difference(Estimate):
    """Candidate minus baseline on the same rows. `p_value`: two-sided, of the bootstrap, against no difference.

    `too_few_rows`: the interval leaves out 0, but so few rows differ that no test of them could be as sure as it is.
    """

    baseline: str
    candidate: str
    p_value: float = Field(gt=0, le=1)
    too_few_rows: bool = False

    @property
    def clear(self) -> bool:
        """Whether the rows show which is better."""
        return not self.includes_zero and not self.too_few_rows


class PartScore(Record):
    """A part of the rows: a task, a category, a language, or all. `models` has each model's score by its name.

    A part of several tasks has the plain mean of the metric over its tasks. `differences` are those of each further
    model to the first.
    """

    name: str
    tasks: int = Field(ge=1)
    rows: int = Field(ge=1)
    models: dict[str, Estimate]
    differences: list[Difference]


class MetricScores(Record):
    """One metric: `macro` over all tasks that have it, and the parts. A single category or language has no parts."""

    metric: str
    title: str
    higher_is_better: bool
    macro: PartScore
    tasks: list[PartScore]
    categories: list[PartScore]
    languages: list[PartScore]


class QuickScores(Record):
    """All of scores.json. Model names are in the order of `models` everywhere.

    `accuracy_by_length` says what share of choices is right if log-likelihoods are divided by nothing (`none`,
    lm_eval's acc), by their options' characters (its acc_norm), bytes (its acc_bytes) or tokens: the mean over the
    tasks with options, by model. Empty without such tasks.
    """

    models: list[str] = Field(min_length=1)
    confidence: float = Field(gt=0, lt=1)
    resamples: int = Field(ge=1)
    seed: int
    metrics: list[MetricScores] = Field(min_length=1)
    accuracy_by_length: dict[str, dict[Length, float]]


class ModelReport(Record):
    """A model, the hashes of its `files`, and how long it took in this run to load it and answer what was left to.

    `seconds` is None if nothing was. `prompts_cut` counts the prompts that were longer than its context.
    """

    name: str
    source: str
    files: dict[str, str]
    seconds: float | None
    prompts_cut: int


class EarlierReport(Record):
    """An earlier evaluation whose answers were taken. `report` is the SHA-256 of its report.json.

    `differs` has, of each setting that decides answers and is another one here, its value there and here. `length` is
    what options were chosen by there; here they are chosen anew. None: no options. `other_prompts` counts rows.
    """

    folder: str
    report: str
    settings: dict[str, Any]
    inputs: dict[str, str]
    versions: dict[str, str]
    differs: dict[str, tuple[Any, Any]]
    length: Length | None
    other_prompts: int


class QuickReport(Record):
    """All of report.json: how the scores came about. `inputs` and each model's `files` have SHA-256 hashes.

    `rows` counts them by task; `against` has the earlier evaluations that were compared.
    """

    rows: dict[str, int]
    settings: dict[str, Any]
    inputs: dict[str, str]
    models: list[ModelReport]
    against: list[EarlierReport] = Field(default_factory=list)
    versions: dict[str, str]
    commit: str | None
    machine: dict[str, Any]


def read_quick_scores(folder: Path) -> QuickScores:
    """The scores in the folder of a quick evaluation. FileNotFoundError, or ValueError that names the first fault."""
    return read_json(folder / SCORES_FILE, QuickScores)
