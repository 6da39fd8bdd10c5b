"""The plan of a training, made in a process of its own while the training runs: `plan.json` in the stage's folder.

Its code is no part of the train stage's: a better plan is no reason to train again.
"""

import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.plan_record import PLAN, PlanRecord, write_plan
from training.running.processes import PARENT

READY = 15.0  # seconds until the training starts at the latest
PATIENCE = 60.0  # seconds that a plan may take longer than the training
LOG = "plan.log"
PLANNER = "training.planning.beforehand"


@contextmanager
def plan_beside(train_file: Path, run_dir: Path, stage_dir: Path) -> Iterator[None]:
    """While the training runs in here, plan it for this machine; without a plan in the end, `plan.json` says why.

    On a machine without a GPU, waits some two seconds until the processor's speed is measured; no longer than READY.
    """
    (stage_dir / PLAN).unlink(missing_ok=True)
    log = stage_dir / "work" / LOG
    process = _start([str(train_file), "--out", str(run_dir), "--to", str(stage_dir)], log)
    try:
        fault = None if _ready(process) else f"the planner was not ready within {READY:g} s"
        if fault is not None:
            _give_up(process, stage_dir, fault)
        yield
        if fault is None and (fault := _fault(process, log)) is not None:
            _give_up(process, stage_dir, fault)
    finally:
        _end(process)


def _start(arguments: list[str], log: Path) -> "subprocess.Popen[bytes]":
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", PLANNER, *arguments],
            env=os.environ | {PARENT: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )


def _ready(process: "subprocess.Popen[bytes]") -> bool:
    """Whether the planner has spoken in time, or has ended."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        return bool(selector.select(READY))


def _fault(process: "subprocess.Popen[bytes]", log: Path) -> str | None:
    """Why there is no plan after the training; None if the planner has ended well, or does so soon."""
    try:
        code = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        return f"no plan was made within {PATIENCE:g} s after the training"
    return f"the planner ended with exit code {code}; see {log}" if code else None


def _give_up(process: "subprocess.Popen[bytes]", stage_dir: Path, reason: str) -> None:
    """End the planner, so that it writes nothing more, and note why there is no plan."""
    _end(process)
    print(f"train       no plan: {reason}", file=sys.stderr)
    write_plan(stage_dir, PlanRecord(reason=reason))


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Make sure that the planner is gone, with an `nvidia-smi` that it waits for."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
