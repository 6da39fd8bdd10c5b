"""The Axolotl plugin of this project: a base model from a package, exact restarts, exact gradients on CPU.

Named in a recipe's train.yaml (`plugins: [training.plugin.OneDayPlugin]`); runs inside Axolotl's process, whether
`run.py` or `accelerate launch -m axolotl.cli.train` started it. Its keys are in `training.plugin_args`.
"""

import fcntl
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

from axolotl.integrations.base import BasePlugin
from transformers import TrainerCallback, set_seed

from oneday.files import write_json
from oneday.models import ensure_base_model
from training.checkpoints import (
    checkpoints,
    data_hash,
    read_start,
    same_start,
    set_aside_broken_checkpoints,
    start_record,
    write_start,
)
from training.order import keep_order_over_restarts

# Set by the train stage: the process to die with, and the file to report each step to.
PARENT, PROGRESS = "ONEDAY_PARENT", "ONEDAY_PROGRESS"


class OneDayPlugin(BasePlugin):  # type: ignore[misc]  # axolotl is untyped
    """See the module. Axolotl creates one instance a process."""

    def __init__(self) -> None:
        super().__init__()
        self._record: dict[str, Any] = {}
        self._lock: Any = None

    def get_input_args(self) -> str:
        """The class of this plugin's keys, by name."""
        return "training.plugin_args.OneDayArgs"

    def register(self, cfg: Any) -> None:
        """Before Axolotl reads the model's config: unpack the model, key the token cache by the data's content.

        Axolotl's own key covers path and settings but not content, so edited data would train on old tokens.
        """
        watch_parent()
        if _first_process():
            ensure_base_model(cfg["base_model"], cfg.get("oneday_base_model_from"))
        self._record = start_record(cfg)
        if cfg.get("dataset_prepared_path"):
            cfg["dataset_prepared_path"] = str(Path(cfg["dataset_prepared_path"]) / data_hash(cfg)[:12])

    def load_datasets(self, cfg: Any, preprocess: bool = False) -> None:
        """At the start of a training (not of `axolotl preprocess`): claim the folder and make it resumable.

        Raises RuntimeError if another process trains there, or if its checkpoints come from other settings or data.
        Ends the process with exit code 0 if this very training is finished: resuming it would change the model.
        """
        if preprocess or not _first_process():
            return
        model_dir = Path(cfg.output_dir)
        model_dir.mkdir(parents=True, exist_ok=True)
        self._lock = _claim(model_dir)
        earlier = read_start(model_dir)
        if earlier is not None and earlier.get("finished") and same_start(earlier, self._record):
            print(f"{model_dir} holds this training, finished; move it away to train again")
            raise SystemExit(0)
        if checkpoints(model_dir) and (earlier is None or not same_start(earlier, self._record)):
            raise RuntimeError(
                f"{model_dir} holds checkpoints of a training with other settings or data; "
                f"move that folder away or name another output_dir"
            )
        set_aside_broken_checkpoints(model_dir)
        write_start(model_dir, self._record, finished=False)

    def pre_model_load(self, cfg: Any) -> None:
        """Seed the adapter's initial weights; Axolotl seeds only the trainer, which is made later."""
        set_seed(cfg.seed)

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        """Let a restart go on with the rows that are left."""
        keep_order_over_restarts(trainer, cfg.seed)

    def post_model_load(self, cfg: Any, model: Any) -> None:
        """Keep bitsandbytes' 4-bit layers on the path that has a gradient.

        bitsandbytes 0.50.2, on CPUs with AVX512-BF16: the first evaluation repacks the weights for an inference
        kernel in bfloat16 that has no backward pass, and training after it silently loses gradients.
        """
        for module in model.modules():
            if hasattr(module, "support_avx512bf16_for_cpu"):
                module.support_avx512bf16_for_cpu = False

    def get_training_args(self, cfg: Any) -> dict[str, Any]:
        """No evaluation at step 0, which Axolotl forces and no key of its own turns off."""
        return {"eval_on_start": False}

    def add_callbacks_pre_trainer(self, cfg: Any, model: Any) -> list[TrainerCallback]:
        """The callback that keeps the log of the training."""
        return [LogCallback(Path(cfg.output_dir))] if _first_process() else []

    def post_train_unload(self, cfg: Any) -> None:
        """The last hook of a training that reached its end: the saved model is whole."""
        if _first_process():
            write_start(Path(cfg.output_dir), self._record, finished=True)


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


def watch_parent() -> None:
    """End this process when the train stage that started it is gone: nobody is left to stop an orphan."""
    parent = os.environ.get(PARENT)
    if parent is None:
        return

    def watch() -> None:
        while True:
            try:
                os.kill(int(parent), 0)
            except ProcessLookupError:
                os._exit(1)
            time.sleep(1)

    threading.Thread(target=watch, daemon=True, name="watch-parent").start()


def _claim(model_dir: Path) -> Any:
    """A lock on the folder that lasts as long as this process."""
    lock = (model_dir / ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RuntimeError(f"another training is at work in {model_dir}") from error
    return lock


def _first_process() -> bool:
    return int(os.environ.get("LOCAL_RANK", "0")) == 0
