"""Signals and kills: whole trainings of a tiny Mistral through Axolotl's command line, ended and started again."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.deadline import launch, settings, wait_for, whole_checkpoints
from training.run_record import RunRecord, read_run
from training.running.checkpoints import checkpoints, read_start
from training.running.clock import CLOCK

pytestmark = pytest.mark.slow
SHORT: dict[str, Any] = {
    "oneday_budget_seconds": None,
    "max_steps": 60,
    "eval_steps": 30,
    "save_steps": 10,
    "save_total_limit": 10,
}


def finish(train_file: Path, seconds: float = 180) -> RunRecord:
    process = launch(train_file)
    code = process.wait(timeout=seconds)
    assert code == 0, log(train_file)[-6000:]
    return read_run(train_file.parent / "model")


def log(train_file: Path) -> str:
    return (train_file.parent / "train.log").read_text(encoding="utf-8", errors="replace")


def wait_until_gone(processes: list[psutil.Process]) -> None:
    until = time.monotonic() + 60
    while any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes):
        assert time.monotonic() < until, "the training goes on without its launcher"
        time.sleep(0.1)


def test_the_end_of_a_launcher_saves_a_checkpoint_and_the_same_command_goes_on_to_the_last_step(tmp_path: Path) -> None:
    train_file = settings(tmp_path, 1, **SHORT)
    process = launch(train_file)
    wait_for(lambda: whole_checkpoints(tmp_path), process, 120)
    started = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGTERM)  # to the launcher alone, which dies of it
    assert process.wait(timeout=60) != 0
    wait_until_gone(started)
    model = tmp_path / "model"
    stopped = read_run(model)
    assert stopped.ended_by == "stopped"
    assert checkpoints(model)[-1].name == f"checkpoint-{stopped.steps}"
    assert not (read_start(model) or {})["finished"]
    record = finish(train_file)
    assert (record.ended_by, record.steps, record.attempts) == ("steps", 60, 2)
    assert record.tokens > stopped.tokens > 0
    assert f"checkpoint-{stopped.steps}" in log(train_file), "it did not go on from the checkpoint"
    assert (model / "adapter_model.safetensors").is_file()
    before = (model / "adapter_model.safetensors").read_bytes()
    finish(train_file)
    assert (model / "adapter_model.safetensors").read_bytes() == before, "a finished training was trained on"


def test_a_restart_after_the_deadline_takes_the_best_checkpoint_as_the_model(tmp_path: Path) -> None:
    train_file = settings(tmp_path, 600)
    process = launch(train_file)
    wait_for(lambda: len(whole_checkpoints(tmp_path)) > 1, process, 120)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    model = tmp_path / "model"
    clock = json.loads((model / CLOCK).read_text())
    (model / CLOCK).write_text(json.dumps(clock | {"started_at": clock["started_at"] - 1000}))
    record = finish(train_file)
    assert (record.ended_by, record.steps) == ("deadline", int(checkpoints(model)[-1].name.split("-")[1]))
    assert record.wall_seconds > 1000
    for name in ("adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "training_log.json"):
        assert (model / name).is_file(), name
    assert (read_start(model) or {})["finished"]
