"""What the results hold of a training: its log over steps and time, and its plan beside what it took."""

import json
from pathlib import Path
from typing import Any

import pytest

from eval.reporting.planned import NOT_MEASURED, NOT_PLANNED, Compared, compare_with_plan
from eval.reporting.results import read_training_log
from training.plan_record import Planned, PlannedSeconds, PlanRecord, read_plan, write_plan
from training.run_record import RunRecord, Seconds

NEW = [
    {"step": 1, "loss": 3.0, "learning_rate": 2e-4, "seconds": 20.5, "peak_memory_gib": 1.5},
    {"step": 2, "loss": float("nan"), "learning_rate": 1e-4, "seconds": 21.0, "peak_memory_gib": 1.5},
    {"step": 2, "eval_loss": 2.5, "seconds": 30.0, "peak_memory_gib": 1.75},
    {"step": 3, "loss": "2.0", "learning_rate": "1e-5", "seconds": 31.0, "peak_memory_gib": 1.75},
    {"step": 3, "train_runtime": 15.0, "train_loss": 2.5, "seconds": 31.5, "peak_memory_gib": 1.75},
]
PLAN = Planned(
    card="rtx4090",
    gpu="NVIDIA GeForce RTX 4090",
    devices=1,
    measured_before=False,
    tokens=1000,
    steps=10,
    evaluations=0,
    saves=2,
    seconds=PlannedSeconds(start=90, train=100, evaluate=0, save=10),
    peak_memory_gib=20,
    offered_memory_gib=23.5,
)


def log_at(folder: Path, entries: list[dict[str, Any]]) -> Path:
    path = folder / "training_log.json"
    path.write_text(json.dumps(entries), encoding="utf-8")
    return path


def run_record(**changes: Any) -> RunRecord:
    values: dict[str, Any] = {
        "train_file": "train.yaml", "base_model": "some/model", "started_at": "2026-01-01T00:00:00Z",
        "ended_at": "2026-01-01T00:04:10Z", "ended_by": "steps", "attempts": 1, "budget_seconds": None,
        "wall_seconds": 250, "seconds": Seconds(train=150, evaluate=0, save=5, other=95), "steps": 10, "epochs": 1,
        "tokens": 990, "supervised_tokens": 100, "tokens_per_second": 6.6, "seconds_per_step": 15, "evaluations": 0,
        "seconds_per_evaluation": None, "saves": 2, "seconds_per_save": 2.5, "peak_memory_gib": 22,
        "peak_memory_of": "cuda", "processes": 1, "last_learning_rate": None, "learning_rate_floor": None,
        "best_step": None, "best_eval_loss": None, "preflight": {}, "versions": {},
        "hardware": {"gpu": "NVIDIA GeForce RTX 4090"},
    }  # fmt: skip
    return RunRecord.model_validate(values | changes)


def test_losses_and_rates_have_the_seconds_at_which_they_were_logged(tmp_path: Path) -> None:
    training = read_training_log(log_at(tmp_path, NEW))
    steps = [(step.step, step.loss, step.seconds, step.learning_rate, step.peak_memory_gib) for step in training.logged]
    assert steps == [(1, 3.0, 20.5, 2e-4, 1.5), (3, 2.0, 31.0, 1e-5, 1.75)]
    assert [(found.step, found.loss, found.seconds) for found in training.evaluations] == [(2, 2.5, 30.0)]
    assert training.losses == [(1, 3.0), (3, 2.0)] and training.eval_losses == [(2, 2.5)]
    assert (training.steps, training.final_loss, training.mean_loss, training.seconds) == (3, 2.0, 2.5, 15.0)
    assert training.not_finite == 1 and training.finite_to_the_end and training.mean_logged_loss == 2.5


def test_a_log_without_seconds_reads_as_before(tmp_path: Path) -> None:
    old = [{key: entry[key] for key in entry if key not in ("seconds", "peak_memory_gib")} for entry in NEW]
    training = read_training_log(log_at(tmp_path, old))
    assert {step.seconds for step in training.logged} == {None} == {step.peak_memory_gib for step in training.logged}
    assert training.evaluations[0].seconds is None
    assert [step.learning_rate for step in training.logged] == [2e-4, 1e-5]


def test_a_log_whose_last_loss_is_no_number_did_not_stay_finite(tmp_path: Path) -> None:
    nan = {"step": 4, "loss": float("nan")}
    assert not read_training_log(log_at(tmp_path, [*NEW, nan])).finite_to_the_end
    alone = read_training_log(log_at(tmp_path, [nan]))
    assert alone.mean_logged_loss is None and alone.not_finite == 1 and not alone.finite_to_the_end
    assert read_training_log(log_at(tmp_path, [])).finite_to_the_end


def test_planned_and_measured_stand_side_by_side_with_their_ratio() -> None:
    compared, reason = compare_with_plan(PlanRecord(plan=PLAN), run_record())
    assert compared is not None and reason is None
    assert compared.model_dump()["tokens"] == {"planned": 1000, "measured": 990, "ratio": 0.99}
    assert compared.seconds == Compared(planned=200, measured=250)
    assert (compared.train_seconds.ratio, compared.save_seconds.ratio) == (1.5, 0.5)
    assert (compared.steps.ratio, compared.peak_memory_gib.ratio) == (1.0, 1.1)


def test_nothing_planned_has_no_ratio() -> None:
    compared, _ = compare_with_plan(PlanRecord(plan=PLAN), run_record())
    assert compared is not None and compared.evaluate_seconds.ratio is None


@pytest.mark.parametrize(
    ("plan", "run", "reason"),
    [
        (None, run_record(), NOT_PLANNED),
        (None, run_record(), "made before there was one or not by the stage train, or the planner failed"),
        (PlanRecord(plan=PLAN), None, NOT_MEASURED),
        (PlanRecord(reason="the plan does not know the card Foo"), run_record(), "does not know the card Foo"),
        (PlanRecord(plan=PLAN), run_record(hardware={"gpu": None}), "for 1 x NVIDIA GeForce RTX 4090, and the"),
        (PlanRecord(plan=PLAN), run_record(processes=2), "ran on 2 x NVIDIA GeForce RTX 4090"),
    ],
)
def test_what_cannot_be_compared_says_why(plan: PlanRecord | None, run: RunRecord | None, reason: str) -> None:
    compared, why = compare_with_plan(plan, run)
    assert compared is None and why is not None and reason in why


def test_a_plan_on_disk_is_read_back(tmp_path: Path) -> None:
    write_plan(tmp_path, PlanRecord(plan=PLAN))
    assert read_plan(tmp_path).plan == PLAN
