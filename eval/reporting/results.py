"""What `results.json` holds: the scores, and what it took to get them (training, time, machine, versions).

Reads the training log and the stages' reports of one run folder; computes no score.
"""

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, model_validator

from eval.scores import Scores
from oneday.files import read_json
from oneday.stage import Report, read_report
from training.run_record import RUN, RunRecord, read_run


class LogEntry(BaseModel):
    """One entry of the Hugging Face Trainer's `log_history`. Numbers may be written as strings."""

    model_config = ConfigDict(frozen=True)

    step: int | None = None
    loss: float | None = None
    eval_loss: float | None = None
    train_loss: float | None = None
    train_runtime: float | None = None

    @model_validator(mode="after")
    def _loss_has_step(self) -> Self:
        if self.step is None and (self.loss is not None or self.eval_loss is not None):
            raise ValueError("a loss without a step")
        return self


Points = list[tuple[int, float]]


class Training(BaseModel):
    """The loss over the steps. `mean_loss` and `seconds` are None if the log has no closing entry."""

    model_config = ConfigDict(frozen=True)

    steps: int
    final_loss: float | None
    final_eval_loss: float | None
    mean_loss: float | None
    seconds: float | None
    losses: Points
    eval_losses: Points
    not_finite: int


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
    run: RunRecord | None = None  # None for a training without the plugin
    stages: list[StageFacts]
    total_seconds: float
    machines: list[str]
    versions: dict[str, str]
    git_commits: list[str]


def collect_results(recipe: str, base_model: str, seed: int, scores: Scores, run_dir: Path) -> Results:
    """The results of one run folder. Raises ValueError or StageError that names a damaged file."""
    reports, model = read_reports(run_dir), run_dir / "06_train/model"
    return Results(
        recipe=recipe,
        base_model=base_model,
        seed=seed,
        scores=scores,
        training=read_training_log(run_dir / "06_train/model/training_log.json"),
        run=read_run(model) if (model / RUN).is_file() else None,
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
    losses, lost = _finite((entry.step, entry.loss) for entry in entries)
    eval_losses, eval_lost = _finite((entry.step, entry.eval_loss) for entry in entries)
    return Training(
        steps=max((entry.step for entry in entries if entry.step is not None), default=0),
        final_loss=losses[-1][1] if losses else None,
        final_eval_loss=eval_losses[-1][1] if eval_losses else None,
        mean_loss=_last(entry.train_loss for entry in entries),
        seconds=_last(entry.train_runtime for entry in entries),
        losses=losses,
        eval_losses=eval_losses,
        not_finite=lost + eval_lost,
    )


def _finite(pairs: Iterable[tuple[int | None, float | None]]) -> tuple[Points, int]:
    """The points with a finite loss, and how many had another (a diverged run logs nan)."""
    logged = [(step, loss) for step, loss in pairs if step is not None and loss is not None]
    finite = [(step, loss) for step, loss in logged if math.isfinite(loss)]
    return finite, len(logged) - len(finite)


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
