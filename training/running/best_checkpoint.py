"""A checkpoint as the trained model, where there was no time to end in the ordinary way."""

import json
import shutil
from pathlib import Path
from typing import Any

from oneday.files import write_json
from training.running.checkpoints import checkpoints
from training.running.processes import Refused

STATE = "trainer_state.json"
OF_TRAINING = ("optimizer", "scheduler", "rng_state", "scaler", "trainer_state", "training_args", "tokens_state")
WEIGHTS = ("adapter_model.safetensors", "model.safetensors", "model.safetensors.index.json")


def adopt_checkpoint(model_dir: Path, prefer_best: bool) -> tuple[Path, dict[str, Any]]:
    """Copy the best (or last) whole checkpoint's model into the training's folder, and write training_log.json.

    Returns the checkpoint and its trainer's state. Raises Refused if there is no checkpoint with a model in it.
    """
    whole = [path for path in checkpoints(model_dir) if any((path / name).is_file() for name in WEIGHTS)]
    if not whole:
        raise Refused(
            f"the time is over and {model_dir} holds no checkpoint with a model; raise oneday_budget_hours (or "
            "_seconds) in the train file to go on, or move that folder away to start anew"
        )
    state = json.loads((whole[-1] / STATE).read_text(encoding="utf-8"))
    chosen = whole[-1]
    if prefer_best and state.get("best_model_checkpoint"):
        best = model_dir / Path(state["best_model_checkpoint"]).name
        chosen = best if best in whole else chosen
    for path in sorted(chosen.iterdir()):
        if path.is_file() and not path.name.startswith(OF_TRAINING):
            _copy(path, model_dir / path.name)
    write_json(model_dir / "training_log.json", state["log_history"])
    return chosen, state


def _copy(source: Path, target: Path) -> None:
    partial = target.with_name(f".{target.name}.partial")
    shutil.copyfile(source, partial)
    partial.replace(target)
