"""The log of a training: what the callback adds to the trainer's entries, also over a restart."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from training.running.clock import Clock
from training.running.log_callback import LogCallback
from training.running.record import peak_memory


def logged(callback: LogCallback, state: Any, step: int, loss: float) -> None:
    """What the trainer does with an entry: append it, then call the callbacks."""
    state.log_history.append({"step": step, "loss": loss})
    callback.on_log(None, state, None)


def test_an_entry_gets_the_seconds_since_the_first_launch_also_after_a_restart(tmp_path: Path) -> None:
    clock = Clock(tmp_path, None)
    begun = clock.times.started_at
    clock.now = lambda: begun + 10.5
    state: Any = SimpleNamespace(log_history=[])
    logged(LogCallback(tmp_path, clock), state, 1, 3.0)
    clock.write()

    restored: Any = SimpleNamespace(log_history=json.loads(json.dumps(state.log_history)))  # as a checkpoint keeps it
    again = Clock(tmp_path, None)
    again.now = lambda: begun + 300.25
    callback = LogCallback(tmp_path, again)
    logged(callback, restored, 2, 2.5)
    callback.on_train_end(None, restored, None)
    log = json.loads((tmp_path / "training_log.json").read_text(encoding="utf-8"))
    assert [(entry["step"], entry["loss"], entry["seconds"]) for entry in log] == [(1, 3.0, 10.5), (2, 2.5, 300.25)]


def test_an_entry_gets_the_peak_memory_that_run_json_is_about(tmp_path: Path) -> None:
    state: Any = SimpleNamespace(log_history=[])
    logged(LogCallback(tmp_path, Clock(tmp_path, None)), state, 1, 3.0)
    peak, _ = peak_memory()
    assert 0 < state.log_history[0]["peak_memory_gib"] == round(peak, 3)
