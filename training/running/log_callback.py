"""The plugin's second callback: the training's log in a file, and its steps for the train stage's progress bar."""

import json
import os
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from oneday.files import write_json
from training.running.clock import Clock
from training.running.record import peak_memory

PROGRESS = "ONEDAY_PROGRESS"  # set by the train stage: the file to report each step to


class LogCallback(TrainerCallback):  # type: ignore[misc]  # transformers' class is untyped here
    """Writes training_log.json at the end, and each step to the file that the train stage watches.

    Each entry of the log gets the seconds since the first launch and the peak memory of this attempt (of what
    run.json's is); it is in the trainer's state then, so a restart goes on from it.
    """

    def __init__(self, model_dir: Path, clock: Clock) -> None:
        self.model_dir, self.clock = model_dir, clock
        self.progress = os.environ.get(PROGRESS)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell the train stage where the training starts, which is not 0 after a restart."""
        self._tell(state)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell the train stage that a step is done."""
        self._tell(state)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note when an entry was logged, and the memory until then; the trainer has just appended it."""
        peak, _ = peak_memory()
        state.log_history[-1] |= {"seconds": round(self.clock.elapsed(), 3), "peak_memory_gib": round(peak, 3)}

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The whole history, also of the steps before a restart."""
        write_json(self.model_dir / "training_log.json", state.log_history)

    def _tell(self, state: Any) -> None:
        if self.progress:
            losses = [entry["loss"] for entry in state.log_history[-3:] if "loss" in entry]
            line = {"step": state.global_step, "steps": state.max_steps, "loss": losses[-1] if losses else None}
            with Path(self.progress).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
