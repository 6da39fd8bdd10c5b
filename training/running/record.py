"""The facts of a training as it ends -> its `run.json`."""

import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

from oneday import machine
from oneday.stage import LIBRARIES
from training.plugin_args import budget_seconds, schedule_of
from training.run_record import Ending, RunRecord, Seconds
from training.running.clock import Clock


def make_record(
    settings: Mapping[str, Any],
    clock: Clock,
    state: Mapping[str, Any],
    ended_by: Ending,
    preflight: Mapping[str, Any],
    step_times: list[float],
    last_rate: float | None,
) -> RunRecord:
    """The record at this moment. `state` holds the fields of the trainer's state that a checkpoint keeps too."""
    times, wall = clock.times, clock.elapsed()
    known = times.train_seconds + times.evaluate_seconds + times.save_seconds
    peak, peak_of = peak_memory()
    budget = budget_seconds(settings)
    return RunRecord(
        train_file=Path(str(settings.get("axolotl_config_path") or "")).name,
        base_model=str(settings.get("base_model")),
        started_at=_utc(times.started_at),
        ended_at=_utc(times.started_at + wall),
        ended_by=ended_by,
        attempts=times.attempts,
        budget_seconds=budget,
        wall_seconds=round(wall, 2),
        seconds=Seconds(
            train=round(times.train_seconds, 2),
            evaluate=round(times.evaluate_seconds, 2),
            save=round(times.save_seconds, 2),
            other=round(max(wall - known, 0.0), 2),
        ),
        steps=int(state.get("global_step") or 0),
        epochs=round(float(state.get("epoch") or 0.0), 4),
        tokens=times.tokens,
        supervised_tokens=times.supervised_tokens,
        tokens_per_second=round(times.timed_tokens / times.timed_seconds, 2) if times.timed_seconds else None,
        seconds_per_step=round(median(step_times), 4) if step_times else None,
        evaluations=times.evaluations,
        seconds_per_evaluation=_rounded(times.evaluation),
        saves=times.saves,
        seconds_per_save=_rounded(times.save),
        peak_memory_gib=round(peak, 3),
        peak_memory_of=peak_of,
        processes=_processes(),
        last_learning_rate=last_rate,
        learning_rate_floor=rate_floor(settings) if budget is not None else None,
        best_step=state.get("best_global_step") or None,
        best_eval_loss=state.get("best_metric"),
        preflight=dict(preflight),
        hardware=machine.describe(),
        versions={name: metadata.version(name) for name in LIBRARIES},
    )


def rate_floor(settings: Mapping[str, Any]) -> float:
    """The learning rate at which a timed schedule ends."""
    peak = float(settings.get("learning_rate") or 0.0)
    if schedule_of(settings) == "constant":
        return peak
    return peak * float(settings.get("cosine_min_lr_ratio") or 0.0)


def peak_memory() -> tuple[float, Any]:
    """GiB: what PyTorch reserved on the first GPU at most, or without one this process's largest resident memory."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_reserved(0) / 2**30, "cuda"
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, "process"  # Linux counts in KiB


def _processes() -> int:
    import torch.distributed as dist

    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _utc(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
