"""The plan that the train stage makes beside the training: of a tiny model, on this machine's processor."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from benchmarks.tiny_mistral import make_tiny_mistral, on_cpu, write_rows
from training import plan_beside
from training.plan import main as plan_main
from training.plan_record import Planned, PlanRecord, read_plan
from training.planning.beforehand import main

ROOT = Path(__file__).parents[3]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A train file like mistral-7b-oneday's for the tiny Mistral, two epochs of 60 rows."""
    base, rows = make_tiny_mistral(tmp_path / "base"), write_rows(tmp_path / "rows", 60, 16)
    values = yaml.safe_load((ROOT / "recipes/mistral-7b-oneday/train.yaml").read_text(encoding="utf-8"))
    changes = {"sequence_len": 256, "num_epochs": 2, "eval_steps": 4, "save_steps": 4, "gradient_accumulation_steps": 2}
    path = tmp_path / "recipes/tiny/train.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(on_cpu(values, base, rows, tmp_path / "out", **changes), sort_keys=False))
    return path


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without one; and a plan in this process must not make it polite for good."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr("os.nice", lambda by: by)


def edit(path: Path, **changes: Any) -> None:
    values = yaml.safe_load(path.read_text(encoding="utf-8")) | changes
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def planned(recipe: Path, folder: Path) -> tuple[Planned | None, str | None]:
    assert main([str(recipe), "--out", str(folder / "run"), "--to", str(folder)]) == 0
    record = read_plan(folder)
    return record.plan, record.reason


def test_it_says_what_the_command_for_people_says(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, reason = planned(recipe, tmp_path)
    assert capsys.readouterr().out == "ready\n" and reason is None and found is not None
    plan_main([str(recipe), "--gpu", "cpu", "--out", str(tmp_path / "run"), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (found.card, found.gpu, found.devices) == ("cpu", None, 1)
    assert (found.steps, found.evaluations) == (told["steps"], told["evaluations"])
    assert found.peak_memory_gib == pytest.approx(told["memory"]["peak"] / 2**30, abs=1e-3)
    assert found.seconds.start == pytest.approx(told["seconds"]["start"], abs=0.01)
    assert found.tokens == 2 * told["computed_tokens"]  # epochs


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"use_ray": True}, "with use_ray the workers' machines are not known"),
        ({"datasets": [{"path": "gone.jsonl"}]}, "the rows' lengths are not known"),
        ({"lora_r": "many"}, "lora_r"),
        ({"base_model": "nobody/knows"}, "the shapes of nobody/knows are not known here"),
    ],
)
def test_a_plan_that_cannot_be_made_says_why(
    recipe: Path, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    edit(recipe, **changes)
    found, why = planned(recipe, tmp_path)
    assert found is None and why is not None and reason in why


def test_the_training_goes_on_without_a_plan_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.json").write_text("of an earlier training")
    monkeypatch.setattr(plan_beside, "PLANNER", "training.planning.nothing")
    with plan_beside.plan_beside(Path("train.yaml"), tmp_path, tmp_path):
        pass
    reason = f"the planner ended with exit code 1; see {tmp_path / 'work/plan.log'}"
    assert f"no plan: {reason}" in capsys.readouterr().err
    assert "nothing" in (tmp_path / "work/plan.log").read_text()
    assert read_plan(tmp_path) == PlanRecord(reason=reason)


def slow_planner(folder: Path, monkeypatch: pytest.MonkeyPatch, says: str) -> None:
    """In the planner's place: it starts another process, notes its id, speaks and sleeps."""
    (folder / "slow_planner.py").write_text(
        f"import subprocess, time\nchild = subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL)\n"
        f"open({str(folder / 'child')!r}, 'w').write(str(child.pid))\nprint({says!r}, end='', flush=True)\n"
        "time.sleep(60)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(plan_beside, "PLANNER", "slow_planner")


def wait_until_gone(process: int) -> None:
    until = time.monotonic() + 10
    while psutil.pid_exists(process) and psutil.Process(process).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until, "the planner's own process goes on"
        time.sleep(0.05)


def test_a_planner_that_never_speaks_is_ended_before_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_planner(tmp_path, monkeypatch, "")
    monkeypatch.setattr(plan_beside, "READY", 2.0)
    start = time.monotonic()
    with plan_beside.plan_beside(Path("train.yaml"), tmp_path, tmp_path):
        assert time.monotonic() - start < 10
        wait_until_gone(int((tmp_path / "child").read_text()))
        assert read_plan(tmp_path).reason == "the planner was not ready within 2 s"
    assert time.monotonic() - start < 20, "nobody waits for it again"


def test_a_planner_that_never_ends_is_ended_after_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_planner(tmp_path, monkeypatch, "ready\n")
    monkeypatch.setattr(plan_beside, "PATIENCE", 0.1)
    with plan_beside.plan_beside(Path("train.yaml"), tmp_path, tmp_path):
        assert not (tmp_path / "plan.json").exists()
    wait_until_gone(int((tmp_path / "child").read_text()))
    assert read_plan(tmp_path).reason == "no plan was made within 0.1 s after the training"


def test_a_driver_that_hangs_does_not_hold_the_training_up(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging_driver(tmp_path, monkeypatch)
    monkeypatch.setattr(plan_beside, "PATIENCE", 0.1)
    with plan_beside.plan_beside(recipe, tmp_path / "run", tmp_path):
        assert not (tmp_path / "plan.json").exists(), "the planner is ready"
        until = time.monotonic() + 20
        while not (tmp_path / "asked").is_file():
            assert time.monotonic() < until, "the driver is asked in the end"
            time.sleep(0.05)
    assert read_plan(tmp_path).reason == "no plan was made within 0.1 s after the training"


def hanging_driver(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = folder / "nvidia-smi"
    script.write_text(f"#!/bin/sh\ntouch {folder}/asked\nexec sleep 60\n", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")


def test_a_planner_whose_train_stage_is_gone_writes_nothing(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging_driver(tmp_path, monkeypatch)  # so that it speaks at once
    command = [sys.executable, "-m", plan_beside.PLANNER, str(recipe), "--out", str(tmp_path), "--to", str(tmp_path)]
    gone = subprocess.Popen(["true"])
    gone.wait()
    orphan = subprocess.run(command, env=os.environ | {"ONEDAY_PARENT": str(gone.pid)}, check=False, timeout=60)
    assert orphan.returncode == 1
    reader, writer = os.pipe()
    os.close(reader)
    unheard = subprocess.run(command, stdout=writer, stderr=subprocess.DEVNULL, check=False, timeout=60)
    os.close(writer)
    assert unheard.returncode == 1
    assert not (tmp_path / "plan.json").exists()
