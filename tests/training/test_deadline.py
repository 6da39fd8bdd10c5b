"""Deadlines by the clock: whole trainings of a tiny Mistral through Axolotl's command line, with nothing beside."""

from pathlib import Path

import pytest

from benchmarks.deadline import Kind, Trial, run_trial

pytestmark = pytest.mark.slow


def kept_trial(folder: Path, kind: Kind, budget: float) -> Trial:
    """A trial that keeps its promises; a second one is allowed: another program may take the machine for seconds."""
    for number in range(2):
        trial = run_trial(folder / str(number), kind, budget)
        if trial.kept:
            return trial
    raise AssertionError((trial, (folder / "1/train.log").read_text(encoding="utf-8", errors="replace")[-6000:]))


def test_a_training_that_is_killed_and_started_again_keeps_the_first_launchs_deadline(tmp_path: Path) -> None:
    assert kept_trial(tmp_path, "killed", 105).attempts == 2


def test_a_machine_that_becomes_three_times_slower_midway_keeps_the_deadline(tmp_path: Path) -> None:
    kept_trial(tmp_path, "slowed", 80)
