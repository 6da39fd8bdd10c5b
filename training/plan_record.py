"""`plan.json` in a training's stage folder: what `training.plan` says of it for the machine that is about to run it.

The train stage writes it before it starts Axolotl; the report puts it beside what `run.json` measured.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from oneday.files import read_json, write_json

PLAN = "plan.json"


class PlannedSeconds(BaseModel):
    """Seconds by part; `start` is for loading and set-up."""

    model_config = ConfigDict(frozen=True)

    start: float
    train: float
    evaluate: float
    save: float

    @property
    def total(self) -> float:
        """All of them."""
        return self.start + self.train + self.evaluate + self.save


class Planned(BaseModel):
    """The plan of one training on this machine."""

    model_config = ConfigDict(frozen=True)

    card: str  # as training.plan names it
    gpu: str | None  # CUDA's name of it; None for the processor
    devices: int
    measured_before: bool  # whether the seconds and memory are from steps that --measure ran
    tokens: int  # passed through the model in training on all devices, padding included
    steps: int
    evaluations: int
    saves: int
    seconds: PlannedSeconds
    peak_memory_gib: float
    offered_memory_gib: float


class PlanRecord(BaseModel):
    """All of `plan.json`: the plan, or why there is none."""

    model_config = ConfigDict(frozen=True)

    plan: Planned | None = None
    reason: str | None = None


def read_plan(stage_dir: Path) -> PlanRecord:
    """The record in a stage's folder. Raises FileNotFoundError, or ValueError that names the file."""
    return read_json(stage_dir / PLAN, PlanRecord)


def write_plan(stage_dir: Path, record: PlanRecord) -> None:
    """Write the record, atomically."""
    write_json(stage_dir / PLAN, record.model_dump())
