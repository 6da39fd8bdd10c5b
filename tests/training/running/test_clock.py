"""The clock of a training over restarts."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from training.running.clock import CLOCK, Clock, launch_time, launching_process


def test_a_restart_goes_on_with_the_first_launchs_clock(tmp_path: Path) -> None:
    first = Clock(tmp_path, 100.0, now=lambda: 0.0)
    first.times.started_at = -30.0
    first.count_attempt()
    second = Clock(tmp_path, 100.0, now=lambda: 5.0)
    second.count_attempt()
    assert (second.elapsed(), second.remaining(), second.times.attempts) == (35.0, 65.0, 2)


def test_more_budget_moves_the_deadline_not_the_start(tmp_path: Path) -> None:
    Clock(tmp_path, 100.0).count_attempt()
    begun = Clock(tmp_path, 100.0).times.started_at
    later = Clock(tmp_path, 1000.0, now=lambda: begun + 200)
    assert later.remaining() == pytest.approx(800.0)


def test_without_a_budget_the_time_never_ends(tmp_path: Path) -> None:
    assert Clock(tmp_path, None).remaining() == float("inf")


def test_a_damaged_clock_is_named(tmp_path: Path) -> None:
    (tmp_path / CLOCK).write_text('{"started_at":')
    with pytest.raises(ValueError, match=CLOCK):
        Clock(tmp_path, 100.0)


def test_the_clock_starts_with_this_process_where_no_launcher_started_it() -> None:
    assert launching_process() is None
    assert launch_time() == psutil.Process().create_time()


def test_the_clock_starts_with_accelerates_launcher(tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text(
        "import os, psutil\n"
        "from training.running.clock import launch_time, launching_process\n"
        "print(launch_time() == psutil.Process(os.getppid()).create_time(), launching_process() is not None)\n"
    )
    command = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.split() == ["True", "True"]
