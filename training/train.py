"""Stage train: Axolotl's own command line on the recipe's train.yaml.

    python -m training.train recipes/quickstart [--out DIR]

Runs `accelerate launch -m axolotl.cli.train recipes/NAME/train.yaml` with a progress bar in place of the libraries'
output, which goes to 06_train/train.log. With --out, the same file is run with the paths below runs/NAME moved to
DIR. Reads 05_mix, and the compressed model where the recipe makes one; writes 06_train/model, and in 06_train/plan.json
what was planned for this machine. A training that is cut off goes on at its last whole checkpoint.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import psutil
import yaml

from compress.folders import MODEL, TEACHER, TRAINING, model_input
from oneday.config import Document
from oneday.console import library_environment, progress, stage_main
from oneday.files import atomic_write
from oneday.recipe import Recipe
from oneday.stage import Outcome, Stage, StageError
from training.logged_command import failure
from training.plan_beside import plan_beside
from training.plan_record import is_planned
from training.running.checkpoints import free_name, read_start, same_start, start_record
from training.running.processes import PARENT
from training.trackers import AT_IMPORT

GRACE = 120.0  # seconds that a training has to save a checkpoint when it is stopped


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Train, or take over a finished training of the same settings and data."""
    return train(recipe.train, recipe, run_dir, output_dir)


def train(document: Document, recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Train by one of the recipe's Axolotl files, or take over a finished training of the same settings and data."""
    settings_file, settings = settings_of(document, recipe, run_dir, output_dir)
    model_dir = Path(settings["output_dir"])
    expected = start_record(settings)
    earlier = read_start(model_dir)
    if earlier is not None and not same_start(earlier, expected):
        aside = free_name(model_dir.with_name(f"{model_dir.name}-before"))
        model_dir.rename(aside)
        print(f"train       settings or data changed: the earlier training is kept in {aside}", file=sys.stderr)
        earlier = None
    if earlier is None or not earlier.get("finished"):
        goes_on = earlier is not None and is_planned(output_dir, document.values)
        with nullcontext() if goes_on else plan_beside(document.path, run_dir, output_dir):
            launch(settings_file, output_dir)
        if not (read_start(model_dir) or {}).get("finished"):
            raise StageError(f"Axolotl ended without a finished model in {model_dir}; see {output_dir / 'train.log'}")
    log = json.loads((model_dir / "training_log.json").read_text(encoding="utf-8"))
    losses = [float(entry["loss"]) for entry in log if "loss" in entry]
    counts = {"steps": max(entry["step"] for entry in log)}
    seen = {"first_loss": losses[0], "last_loss": losses[-1]} if losses else {}  # none in fewer than logging_steps
    return Outcome(counts, details={**seen, "settings": str(settings_file)})


def settings_for(recipe: Recipe, run_dir: Path) -> tuple[Path, dict[str, Any]]:
    """The Axolotl file of the stage train, and what is in it."""
    return settings_of(recipe.train, recipe, run_dir, run_dir / "06_train")


def settings_of(document: Document, recipe: Recipe, run_dir: Path, output_dir: Path) -> tuple[Path, dict[str, Any]]:
    """The Axolotl file to run and what is in it: the recipe's own, or for another run folder a moved copy."""
    if run_dir.resolve() == recipe.default_out.resolve():
        return document.path, document.values
    moved = move_paths(document.values, recipe.default_out, run_dir)
    path = output_dir / "work" / document.path.name
    with atomic_write(path) as file:
        file.write(f"# {document.path}, its paths moved to {run_dir}\n")
        yaml.safe_dump(moved, file, sort_keys=False, allow_unicode=True)
    return path, moved


def mixed_rows(document: Document, recipe: Recipe) -> tuple[str, ...]:
    """What of the stage mix an Axolotl file reads; nothing if it names data of its own."""
    entries = [*(document.values.get("datasets") or []), *(document.values.get("test_datasets") or [])]
    paths = [str(entry.get("path", "")).removeprefix("./") for entry in entries]
    mixed = f"{recipe.default_out}/05_mix/"
    return tuple(dict.fromkeys(f"05_mix/{path.removeprefix(mixed)}" for path in paths if path.startswith(mixed)))


def move_paths(value: Any, old: Path, new: Path) -> Any:
    """The settings with every path below the run folder `old` moved to `new`."""
    if isinstance(value, dict):
        return {key: move_paths(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [move_paths(item, old, new) for item in value]
    below = isinstance(value, str) and value.startswith(f"{old}/")
    return f"{new}/{value.removeprefix(f'{old}/')}" if below else value


def launch(settings_file: Path, output_dir: Path) -> None:
    """Run Axolotl in a process of its own until it ends; on Ctrl-C stop it and everything it started.

    Raises StageError with the end of its log if it fails.
    """
    log_path, steps_path = output_dir / "train.log", output_dir / "work" / "steps.jsonl"
    steps_path.parent.mkdir(parents=True, exist_ok=True)
    steps_path.write_text("")
    environment = AT_IMPORT | os.environ | library_environment()
    environment |= {PARENT: str(os.getpid()), "ONEDAY_PROGRESS": str(steps_path), "PYTHONUNBUFFERED": "1"}
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--quiet"]  # no traceback of its own
    command = [*launcher, "-m", "axolotl.cli.train", str(settings_file)]
    with log_path.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _follow(process, steps_path)
        finally:
            _stop(process)
    if process.returncode != 0:
        advice = "Once the cause is mended, the same command goes on from the last whole checkpoint."
        raise StageError(failure("the training", process.returncode, log_path, advice))


def _follow(process: "subprocess.Popen[bytes]", steps_path: Path) -> None:
    """Show the training's steps until the process ends."""
    bar = None
    with steps_path.open(encoding="utf-8") as steps:
        while process.poll() is None:
            time.sleep(0.5)
            for line in steps.read().splitlines():
                told = json.loads(line)
                bar = bar or progress(told["steps"], "train", "step", told["step"])
                bar.update(told["step"] - bar.n)
                if told["loss"] is not None:
                    bar.set_postfix_str(f"loss {float(told['loss']):.3f}", refresh=False)
    if bar is not None:
        bar.close()


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Make sure that the process and all it started are gone: asked to save a checkpoint first, killed if they hang."""
    if process.poll() is not None:
        return
    started = psutil.Process(process.pid).children(recursive=True)
    print("train       saving a checkpoint ...", file=sys.stderr)
    os.killpg(process.pid, signal.SIGTERM)
    until = time.monotonic() + GRACE
    while (process.poll() is None or any(map(_alive, started))) and time.monotonic() < until:
        time.sleep(0.1)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _inputs(recipe: Recipe) -> tuple[str, ...]:
    """The rows, the compressed model, and the teacher if the student is distilled from the one that was trained."""
    taught = f"{TEACHER}/{MODEL}"
    teacher = (taught,) if str(recipe.train.values.get("oneday_teacher", "")).endswith(f"/{taught}") else ()
    return tuple(dict.fromkeys((*mixed_rows(recipe.train, recipe), *model_input(recipe, TRAINING), *teacher)))


STAGE = Stage(
    name="train",
    folder="06_train",
    module="training.train",
    summary="Train with Axolotl, as `accelerate launch -m axolotl.cli.train RECIPE/train.yaml` does.",
    inputs=_inputs,
    settings=lambda recipe: recipe.train.values,
    run=run,
    uses_model=True,
    keeps_folder=True,
    artefacts=("model/*",),
)


if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
