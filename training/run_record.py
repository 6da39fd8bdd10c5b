"""`run.json` in a training's folder: what it took and how it ended, for the report, the plan and the model card.

The plugin writes it when a training ends, also when it is stopped; seconds, tokens and attempts add up over restarts.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from oneday.files import read_json, write_json

RUN = "run.json"
Ending = Literal["deadline", "steps", "stopped"]


class Seconds(BaseModel):
    """Where the time of all attempts went. `other` is the rest of `wall_seconds`: loading, the final save, pauses."""

    model_config = ConfigDict(frozen=True)

    train: float
    evaluate: float
    save: float
    other: float


class RunRecord(BaseModel):
    """All of `run.json`."""

    model_config = ConfigDict(frozen=True)

    train_file: str
    base_model: str
    started_at: str  # of the first launch, UTC
    ended_at: str
    ended_by: Ending  # the deadline, the last step of the last epoch (or max_steps), or a signal
    attempts: int
    budget_seconds: float | None
    wall_seconds: float  # from the first launch to the end, with the time between attempts
    seconds: Seconds
    steps: int
    epochs: float
    tokens: int  # passed through the model in training, padding included
    supervised_tokens: int  # with a label
    tokens_per_second: float | None  # tokens over the time of the steps, without each attempt's first
    seconds_per_step: float | None  # median, without the first
    evaluations: int
    seconds_per_evaluation: float | None  # of the last
    saves: int
    seconds_per_save: float | None
    peak_memory_gib: float
    peak_memory_of: Literal["cuda", "process"]  # what the allocator reserved on the first GPU, or resident memory
    processes: int
    last_learning_rate: float | None  # of the last step
    learning_rate_floor: float | None  # where a timed schedule ends
    best_step: int | None
    best_eval_loss: float | None
    preflight: dict[str, Any]
    hardware: dict[str, Any]
    versions: dict[str, str]


def read_run(model_dir: Path) -> RunRecord:
    """The record in a training's folder. Raises FileNotFoundError, or ValueError that names the file."""
    return read_json(model_dir / RUN, RunRecord)


def write_run(model_dir: Path, record: RunRecord) -> None:
    """Write the record, atomically."""
    write_json(model_dir / RUN, record.model_dump())
