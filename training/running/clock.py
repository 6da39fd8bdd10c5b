"""The clock of a training: starts at the first launch, goes on over restarts, and knows how long things take.

It is a file beside the checkpoints, so that a restart is on the same deadline. What adds up (seconds, tokens) is
written whenever a checkpoint is, so that it describes the steps that a restart goes on from.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from pydantic import BaseModel

from oneday.files import read_json, write_json

CLOCK = "oneday_clock.json"


class Times(BaseModel):
    """What the file holds. Seconds; `started_at` is seconds since 1970, UTC."""

    started_at: float
    attempts: int = 0
    first_step_at: float | None = None  # when the first step of the first attempt began
    startup: float | None = None  # from a launch to its first step, the longest so far
    step: float | None = None  # the fastest median of recent steps
    last_step: float | None = None  # the slowest of the last three when a checkpoint was written
    evaluation_steps: float | None = None  # what an evaluation may cost, in steps, until one is measured
    evaluation: float | None = None  # the last, and what a step took then
    step_at_evaluation: float | None = None
    save: float | None = None
    step_at_save: float | None = None
    train_seconds: float = 0.0
    evaluate_seconds: float = 0.0
    save_seconds: float = 0.0
    evaluations: int = 0
    saves: int = 0
    timed_steps: int = 0  # all but each attempt's first
    timed_seconds: float = 0.0
    timed_tokens: int = 0
    tokens: int = 0
    supervised_tokens: int = 0


class Clock:
    """See the module. `budget` is in seconds from the first launch; None: no deadline."""

    def __init__(self, model_dir: Path, budget: float | None, now: Callable[[], float] = time.time) -> None:
        self.path = model_dir / CLOCK
        self.budget = budget
        self.now = now
        self.launched_at = launch_time()
        known = self.path.is_file()
        self.times = read_json(self.path, Times) if known else Times(started_at=self.launched_at)

    def count_attempt(self) -> None:
        """Note that a process has begun to train here."""
        self.times.attempts += 1
        self.write()

    def elapsed(self) -> float:
        """Seconds since the first launch, also those in which nothing ran."""
        return self.now() - self.times.started_at

    def remaining(self) -> float:
        """Seconds to the deadline; infinite without one."""
        return float("inf") if self.budget is None else self.budget - self.elapsed()

    def write(self) -> None:
        """Put the times on disk."""
        write_json(self.path, self.times.model_dump())


def launch_time() -> float:
    """When the training was launched: the start of this process, or of the `accelerate launch` that started it."""
    own, launcher = psutil.Process(), launching_process()
    begun = [process.create_time() for process in (own, launcher) if process is not None]
    return float(min(begun))


def launching_process() -> psutil.Process | None:
    """The `accelerate launch` process that is this one's parent; None if there is none."""
    try:
        parent = psutil.Process(os.getppid())
        words = parent.cmdline()
    except psutil.Error:
        return None
    return parent if any("accelerate" in word for word in words[:4]) else None
