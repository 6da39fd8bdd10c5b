"""`plan.json` in a training's stage folder: what `training.plan` says of it for the machine that is about to run it.

The train stage has it written while Axolotl loads; the report puts it beside what `run.json` measured.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from oneday.files import read_json, sha256_json, write_json

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
    settings: str | None = None  # a hash of the train file that was planned


def read_plan(stage_dir: Path) -> PlanRecord:
    """The record in a stage's folder. Raises FileNotFoundError, or ValueError that names the file."""
    return read_json(stage_dir / PLAN, PlanRecord)


def settings_hash(values: Mapping[str, Any]) -> str:
    """A hash of all keys of a train file, those of time included."""
    return sha256_json(json.loads(json.dumps(values, default=str)))


def is_planned(stage_dir: Path, values: Mapping[str, Any]) -> bool:
    """Whether the folder holds a plan of these settings, and not only the reason why there is none."""
    try:
        record = read_plan(stage_dir)
    except (FileNotFoundError, ValueError):
        return False
    return record.plan is not None and record.settings == settings_hash(values)


def write_plan(stage_dir: Path, record: PlanRecord) -> None:
    """Write the record, atomically."""
    write_json(stage_dir / PLAN, record.model_dump())
