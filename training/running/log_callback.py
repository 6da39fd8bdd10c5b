"""The plugin's second callback: the training's log in a file, and its steps for the train stage's progress bar."""

import json
import os
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from oneday.files import write_json

PROGRESS = "ONEDAY_PROGRESS"  # set by the train stage: the file to report each step to


class LogCallback(TrainerCallback):  # type: ignore[misc]  # transformers' class is untyped here
    """Writes training_log.json at the end, and each step to the file that the train stage watches."""

    def __init__(self, model_dir: Path) -> None:
        self.model_dir = model_dir
        self.progress = os.environ.get(PROGRESS)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell the train stage where the training starts, which is not 0 after a restart."""
        self._tell(state)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell the train stage that a step is done."""
        self._tell(state)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The whole history, also of the steps before a restart."""
        write_json(self.model_dir / "training_log.json", state.log_history)

    def _tell(self, state: Any) -> None:
        if self.progress:
            losses = [entry["loss"] for entry in state.log_history[-3:] if "loss" in entry]
            line = {"step": state.global_step, "steps": state.max_steps, "loss": losses[-1] if losses else None}
            with Path(self.progress).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
