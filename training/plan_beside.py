"""The plan of a training, made in a process of its own while the training runs: `plan.json` in the stage's folder.

Its code is no part of the train stage's: a better plan is no reason to train again.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.plan_record import PLAN

PATIENCE = 60.0  # seconds that a plan may take longer than the training
LOG = "plan.log"
PLANNER = "training.planning.beforehand"


@contextmanager
def plan_beside(train_file: Path, run_dir: Path, stage_dir: Path) -> Iterator[None]:
    """While the training runs in here, plan it for this machine; without a plan in the end, say so on standard error.

    On a machine without a GPU, waits two to three seconds until the processor's speed is measured.
    """
    (stage_dir / PLAN).unlink(missing_ok=True)
    log = stage_dir / "work" / LOG
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", PLANNER, str(train_file), "--out", str(run_dir), "--to", str(stage_dir)]
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )
    assert process.stdout is not None
    try:
        process.stdout.readline()
        yield
        _wait(process, log)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _wait(process: "subprocess.Popen[bytes]", log: Path) -> None:
    try:
        code = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        print(f"train       no plan was made within {PATIENCE:g} s after the training", file=sys.stderr)
        return
    if code != 0:
        print(f"train       no plan was made (exit code {code}); see {log}", file=sys.stderr)
