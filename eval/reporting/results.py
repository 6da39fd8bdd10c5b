"""What `results.json` holds: the scores, and what it took to get them (training, time, machine, versions).

Reads the training log and the stages' reports of one run folder; computes no score.
"""

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, model_validator

from eval.reporting.planned import PlannedAndMeasured, compare_with_plan
from eval.scores import Scores
from oneday.files import read_json
from oneday.stage import Report, read_report
from training.plan_record import PLAN, read_plan
from training.run_record import RUN, RunRecord, read_run


class LogEntry(BaseModel):
    """One entry of the Hugging Face Trainer's `log_history`. Numbers may be written as strings.

    `seconds` and `peak_memory_gib` are the plugin's: older logs, and those of trainings without it, have neither.
    """

    model_config = ConfigDict(frozen=True)

    step: int | None = None
    seconds: float | None = None  # since the first launch, with what lies between attempts
    loss: float | None = None
    learning_rate: float | None = None
    peak_memory_gib: float | None = None  # until then in this attempt, of what run.json's peak is of
    eval_loss: float | None = None
    train_loss: float | None = None
    train_runtime: float | None = None

    @model_validator(mode="after")
    def _loss_has_step(self) -> Self:
        if self.step is None and (self.loss is not None or self.eval_loss is not None):
            raise ValueError("a loss without a step")
        return self


Points = list[tuple[int, float]]


class LoggedStep(BaseModel):
    """What the log says of the training at one step. All but the loss may be unknown; see `LogEntry`."""

    model_config = ConfigDict(frozen=True)

    step: int
    loss: float
    seconds: float | None
    learning_rate: float | None
    peak_memory_gib: float | None


class LoggedEvaluation(BaseModel):
    """One evaluation in the log."""

    model_config = ConfigDict(frozen=True)

    step: int
    loss: float
    seconds: float | None


class Training(BaseModel):
    """The loss over the steps and over time. `mean_loss` and `seconds` are None if the log has no closing entry.

    Both are the Trainer's, of the last attempt: its mean counts the steps of all attempts, but only the losses of one.
    """

    model_config = ConfigDict(frozen=True)

    steps: int
    final_loss: float | None
    final_eval_loss: float | None
    mean_loss: float | None
    seconds: float | None  # of the last attempt
    logged: list[LoggedStep]
    evaluations: list[LoggedEvaluation]
    not_finite: int  # losses of training and evaluation that are left out
    finite_to_the_end: bool = True  # whether the training loss that was logged last is a finite number

    @property
    def mean_logged_loss(self) -> float | None:
        """The mean of the finite training losses as logged, of all attempts."""
        return fmean(loss for _, loss in self.losses) if self.logged else None

    @property
    def losses(self) -> Points:
        """(step, loss) of the training."""
        return [(entry.step, entry.loss) for entry in self.logged]

    @property
    def eval_losses(self) -> Points:
        """(step, loss) of the evaluations."""
        return [(entry.step, entry.loss) for entry in self.evaluations]


class StageFacts(BaseModel):
    """One stage's counts and time. After a resume, `seconds` are of the last attempt alone."""

    model_config = ConfigDict(frozen=True)

    stage: str
    counts: dict[str, int]
    dropped: dict[str, int]
    seconds: float
    resumed: bool


class Results(BaseModel):
    """All of `results.json`."""

    model_config = ConfigDict(frozen=True)

    recipe: str
    base_model: str
    seed: int
    scores: Scores
    training: Training
    run: RunRecord | None = None  # None for a training without the plugin; holds the deadline, as budget_seconds
    plan: PlannedAndMeasured | None = None
    no_plan: str | None = None  # why there is none
    stages: list[StageFacts]
    total_seconds: float
    machines: list[str]
    versions: dict[str, str]
    git_commits: list[str]


def collect_results(recipe: str, base_model: str, seed: int, scores: Scores, run_dir: Path) -> Results:
    """The results of one run folder. Raises ValueError or StageError that names a damaged file."""
    reports, model = read_reports(run_dir), run_dir / "06_train/model"
    run = read_run(model) if (model / RUN).is_file() else None
    plan = read_plan(run_dir / "06_train") if (run_dir / "06_train" / PLAN).is_file() else None
    compared, no_plan = compare_with_plan(plan, run)
    return Results(
        recipe=recipe,
        base_model=base_model,
        seed=seed,
        scores=scores,
        training=read_training_log(run_dir / "06_train/model/training_log.json"),
        run=run,
        plan=compared,
        no_plan=no_plan,
        stages=[StageFacts.model_validate(report.model_dump()) for report in reports],
        total_seconds=round(sum(report.seconds for report in reports), 2),
        machines=machine_lines(report.hardware for report in reports),
        versions=merge_versions(report.start.versions for report in reports),
        git_commits=sorted({report.git_commit for report in reports if report.git_commit}),
    )


def read_reports(run_dir: Path) -> list[Report]:
    """The reports of the finished stages before this one, in the order of their folders."""
    folders = sorted(path.parent for path in run_dir.glob("*/report.json"))
    return [read_report(folder / "report.json") for folder in folders if re.match(r"0[0-8][a-z]?_", folder.name)]


def read_training_log(path: Path) -> Training:
    """The losses in a training log. Raises FileNotFoundError, or ValueError that names the file."""
    entries = read_json(path, list[LogEntry])
    logged = [
        LoggedStep(**entry.model_dump(include=set(LoggedStep.model_fields)))
        for entry in entries
        if entry.loss is not None and math.isfinite(entry.loss)
    ]
    evaluations = [
        LoggedEvaluation(step=entry.step, loss=entry.eval_loss, seconds=entry.seconds)
        for entry in entries
        if entry.step is not None and entry.eval_loss is not None and math.isfinite(entry.eval_loss)
    ]
    trained = [entry.loss for entry in entries if entry.loss is not None]
    evaluated = [entry.eval_loss for entry in entries if entry.eval_loss is not None]
    return Training(
        steps=max((entry.step for entry in entries if entry.step is not None), default=0),
        final_loss=logged[-1].loss if logged else None,
        final_eval_loss=evaluations[-1].loss if evaluations else None,
        mean_loss=_last(entry.train_loss for entry in entries),
        seconds=_last(entry.train_runtime for entry in entries),
        logged=logged,
        evaluations=evaluations,
        not_finite=len(trained) + len(evaluated) - len(logged) - len(evaluations),
        finite_to_the_end=not trained or math.isfinite(trained[-1]),
    )


def _last(values: Iterable[float | None]) -> float | None:
    known: Sequence[float] = [value for value in values if value is not None and math.isfinite(value)]
    return known[-1] if known else None


def machine_lines(hardware: Iterable[dict[str, Any]]) -> list[str]:
    """Each different machine in one line. Only stages that load torch know the GPU, so it is merged in."""
    graphics: dict[str, set[str]] = {}
    for facts in hardware:
        line = (
            f"{facts['cpu']}, {facts['processors']} processors, {facts['memory_gib']} GiB memory, "
            f"{facts['system']}, Python {facts['python']}"
        )
        graphics.setdefault(line, set()).update([facts["gpu"]] if facts["gpu"] else [])
    return [f"{line}, {' and '.join(sorted(names)) or 'no GPU'}" for line, names in graphics.items()]


def merge_versions(versions: Iterable[dict[str, str]]) -> dict[str, str]:
    """Library -> version; ' / ' between versions where stages ran with different ones."""
    found: dict[str, set[str]] = {}
    for libraries in versions:
        for name, version in libraries.items():
            found.setdefault(name, set()).add(version)
    return {name: " / ".join(sorted(names)) for name, names in found.items()}
