"""What a process answers to SIGTERM and Ctrl-C in each phase of a training."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import os, signal, sys, time
from training.running.stop_signal import StopSignal
stop = StopSignal()
stop.install()
stop.phase = sys.argv[1]
for _ in range(2):
    os.kill(os.getpid(), getattr(signal, sys.argv[2]))
print(stop.number, stop.exit_code)
"""


def answer(phase: str, name: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", CODE, phase, name]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path.cwd(), timeout=60)


def test_while_loading_there_is_nothing_to_save_and_the_process_ends() -> None:
    done = answer("loading", "SIGTERM")
    assert (done.returncode, done.stdout) == (143, "")
    assert "the training had not begun" in done.stderr


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_while_training_the_first_signal_is_remembered_and_repeats_are_ignored(name: str, code: int) -> None:
    done = answer("training", name)
    assert (done.returncode, done.stdout.split()[1]) == (0, str(code))
    assert done.stderr == f"oneday: {name}: saving a checkpoint, then ending\n"


def test_while_the_model_is_written_a_signal_does_not_cut_it_off() -> None:
    done = answer("ending", "SIGTERM")
    assert done.returncode == 0
    assert "this ends by itself" in done.stderr
