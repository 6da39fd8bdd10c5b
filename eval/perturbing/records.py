"""What `eval.robustness` finds, as its files hold it."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from eval.config import Bootstrap
from eval.estimate import Estimate
from eval.perturbing.perturbations import Group


class Record(BaseModel):
    """A part of the result."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Compared(Record):
    """A score under perturbation, and how much lower it is than the original's, paired. A drop below 0 is a gain."""

    score: Estimate
    drop: Estimate


class OnChanged(Record):
    """HELM's three numbers of a perturbation, plain means of the rows that it changes: original, perturbed, worst."""

    before: float
    after: float
    worst: float


class UnderPerturbation(Compared):
    """The rows under one perturbation, in macro average over the tasks; a row that it leaves as it is counts too.

    `helm_class` with these `arguments` is HELM's; of a file, its name, whose hash the result's `inputs` have. `note`
    says what stands in for HELM's own file. `on_changed` is None if it changes no row. `options_kept` rows have options
    that it would make the same.
    """

    name: str
    group: Group
    what: str
    helm_class: str
    arguments: dict[str, Any]
    note: str
    rows_changed: int
    options_kept: int
    on_changed: OnChanged | None
    tasks: dict[str, Compared]


class WorstCase(Compared):
    """HELM's worst case: each row's lowest score, the original's included, over all perturbations of a group."""

    group: Group
    perturbations: tuple[str, ...]
    rows_changed: int
    tasks: dict[str, Compared]


class Robustness(Record):
    """All of robustness.json. `not_run` says why, by name.

    `files` has the hashes of the model's files, `inputs` those of the files that rows, prompts, rules and perturbations
    are from, by path; `helm` is HELM's version, `rows` counts them by task. `whole_prompts` of them name no input, and
    of `repeated_inputs` the prompt holds the input more than once.
    """

    model: str
    metric: str
    settings: dict[str, Any]
    files: dict[str, str]
    inputs: dict[str, str]
    helm: str
    rows: dict[str, int]
    whole_prompts: int
    repeated_inputs: int
    bootstrap: Bootstrap
    original: Estimate
    perturbations: tuple[UnderPerturbation, ...]
    worst_cases: tuple[WorstCase, ...]
    not_run: dict[str, str]

    def perturbation(self, name: str) -> UnderPerturbation:
        """The result of the perturbation of this name."""
        return next(each for each in self.perturbations if each.name == name)


class RowUnder(Record):
    """A line of rows.jsonl: a row under a perturbation that changes it, or as it is (`perturbation` is then empty)."""

    task: str
    id: str
    perturbation: str
    input: str
    prompt: str
    options: tuple[str, ...]
    references: tuple[str, ...]
    prediction: str
    score: float
