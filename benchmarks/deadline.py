"""Does a training keep its deadline? Real trainings of a tiny Mistral through Axolotl, with budgets of 60 to 120 s.

    python -m benchmarks.deadline [--trials 20] [--seed 1] [--out FOLDER]

Runs recipes/mistral-7b-oneday/train.yaml with the base model swapped for a two-layer random Mistral, on a CPU. A third
of the trials is killed (SIGKILL) in the middle and started again, a third is made three times slower from the middle on
(its processes are stopped for two thirds of the time). Prints a line a trial; exit code 1 if one runs over its budget,
ends more than 2 % off the floor of its learning rate, or leaves no adapter.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil
import yaml

from benchmarks.tiny_mistral import make_tiny_mistral, on_cpu, write_rows
from oneday import machine
from oneday.console import library_environment
from training.run_record import read_run

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes/mistral-7b-oneday/train.yaml"
Kind = Literal["plain", "killed", "slowed"]
KINDS: tuple[Kind, ...] = ("plain", "killed", "slowed")
SHORTEST = {"plain": 60, "killed": 100, "slowed": 75}  # seconds: two starts, or an end three times slower, must fit
LONGEST = 120
STOPPED, RUNNING = 0.2, 0.1  # seconds: three times slower
SMALL = {"sequence_len": 256, "micro_batch_size": 2, "gradient_accumulation_steps": 1, "num_epochs": 1000}
OFTEN = {"eval_steps": 20, "save_steps": 20, "save_total_limit": 3, "logging_steps": 1}
ADAPTER = {"lora_r": 8, "lora_alpha": 16, "learning_rate": 0.001}
SCHEDULE: dict[str, Any] = {
    "warmup_steps": None,
    "lr_scheduler": "cosine",
    "warmup_ratio": 0.05,
    "cosine_min_lr_ratio": 0.1,
}


@dataclass(frozen=True)
class Trial:
    """What came of one training. Seconds from the first launch to the end of the last process."""

    kind: Kind
    budget: float
    seconds: float
    exit_code: int
    steps: int
    attempts: int
    rate_off: float  # of the floor, as a share of it
    adapter: bool

    @property
    def kept(self) -> bool:
        """Whether all promises were kept."""
        return self.exit_code == 0 and self.seconds <= self.budget and abs(self.rate_off) <= 0.02 and self.adapter


def settings(folder: Path, budget: float, **changes: Any) -> Path:
    """The train file of a trial, with its data and model, in a new folder."""
    rows = write_rows(folder / "rows", train=4000, evaluation=60)
    model = make_tiny_mistral(folder / "tiny-mistral")
    recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    small = SMALL | OFTEN | ADAPTER | SCHEDULE | {"oneday_budget_hours": None, "oneday_budget_seconds": budget}
    path = folder / "train.yaml"
    path.write_text(yaml.safe_dump(on_cpu(recipe, model, rows, folder, **(small | changes))), encoding="utf-8")
    return path


def launch(train_file: Path) -> "subprocess.Popen[bytes]":
    """Start a training as a user does; its output goes to train.log beside the file."""
    command = [sys.executable, "-m", "accelerate.commands.launch", "-m", "axolotl.cli.train", str(train_file)]
    environment = os.environ | library_environment() | {"HF_HUB_OFFLINE": "1"}
    with (train_file.parent / "train.log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def run_trial(folder: Path, kind: Kind, budget: float) -> Trial:
    """One training with its disturbance, to its end."""
    train_file = settings(folder, budget)
    began = time.monotonic()
    process = launch(train_file)
    if kind == "killed":
        wait_for(lambda: len(whole_checkpoints(folder)) > 1 and time.monotonic() - began > budget / 3, process, budget)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process = launch(train_file)
    elif kind == "slowed":
        slow = threading.Timer(budget / 2, slow_down, [process.pid])
        slow.daemon = True
        slow.start()
    code = process.wait(timeout=4 * budget)
    seconds = time.monotonic() - began
    model = folder / "model"
    if not (model / "run.json").is_file():
        return Trial(kind, budget, seconds, code, 0, 0, float("inf"), (model / "adapter_model.safetensors").is_file())
    record = read_run(model)
    last, floor = record.last_learning_rate, record.learning_rate_floor
    off = last / floor - 1 if last is not None and floor else float("inf")
    adapter = (model / "adapter_model.safetensors").is_file()
    return Trial(kind, budget, seconds, code, record.steps, record.attempts, off, adapter)


def whole_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a training that are whole."""
    return list((folder / "model").glob("checkpoint-*/trainer_state.json"))


def wait_for(ready: Callable[[], Any], process: "subprocess.Popen[bytes]", seconds: float) -> None:
    """Wait until something is so. Raises RuntimeError if the process ends before, or it takes too long."""
    until = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError("the training ended, or the time was over, before the disturbance")
        time.sleep(0.05)


def slow_down(pid: int) -> None:
    """Let a process and its children run a third of the time, until they end."""
    try:
        while True:
            processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
            for number, seconds in ((signal.SIGSTOP, STOPPED), (signal.SIGCONT, RUNNING)):
                for process in processes:
                    process.send_signal(number)
                time.sleep(seconds)
    except psutil.NoSuchProcess:
        return


def main() -> int:
    """Run the trials one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="where to keep logs and models; a temporary folder if not given")
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    print(json.dumps(machine.describe()))
    print("| trial | kind | budget s | took s | left s | steps | attempts | rate off the floor | adapter | kept |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|---|---|", flush=True)
    trials = []
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(arguments.trials):
            kind = KINDS[number % len(KINDS)]
            folder = (arguments.out or Path(temporary)) / f"trial-{number:02}"
            shutil.rmtree(folder, ignore_errors=True)
            trial = run_trial(folder, kind, draw.randint(SHORTEST[kind], LONGEST))
            trials.append(trial)
            print(
                f"| {number + 1} | {kind} | {trial.budget:.0f} | {trial.seconds:.1f} | "
                f"{trial.budget - trial.seconds:.1f} | {trial.steps} | {trial.attempts} | {trial.rate_off:+.2%} | "
                f"{'yes' if trial.adapter else 'no'} | {'yes' if trial.kept else 'NO'} |",
                flush=True,
            )
    kept = sum(trial.kept for trial in trials)
    print(f"\n{kept} of {len(trials)} kept")
    return 0 if kept == len(trials) else 1


if __name__ == "__main__":
    sys.exit(main())
