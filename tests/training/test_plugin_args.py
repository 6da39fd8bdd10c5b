"""The plugin's keys: a budget in hours or seconds, and the schedules that can follow it."""

from typing import Any

import pytest
from pydantic import ValidationError

from training.plugin_args import OneDayArgs, budget_seconds, plugin_faults, teacher_faults, timed_faults


def test_a_budget_is_given_in_hours_or_in_seconds_or_not_at_all() -> None:
    assert budget_seconds({"oneday_budget_hours": 1.5}) == 5400
    assert budget_seconds({"oneday_budget_seconds": 90}) == 90
    assert budget_seconds({}) is None


def test_two_budgets_are_refused() -> None:
    with pytest.raises(ValidationError, match="also given as oneday_budget_hours; keep one"):
        OneDayArgs(oneday_budget_hours=1, oneday_budget_seconds=60)


@pytest.mark.parametrize("budget", [0, -1])
def test_a_budget_is_more_than_nothing(budget: float) -> None:
    with pytest.raises(ValidationError):
        OneDayArgs(oneday_budget_hours=budget)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"warmup_steps": 10}, "warmup_steps"),
        ({"lr_scheduler": "one_cycle"}, "lr_scheduler"),
        ({"cosine_constant_lr_ratio": 0.5}, "cosine_constant_lr_ratio"),
    ],
)
def test_what_a_timed_schedule_cannot_follow_is_a_fault_with_a_budget_alone(settings: dict[str, Any], key: str) -> None:
    assert list(timed_faults(settings | {"oneday_budget_hours": 24})) == [key]
    assert timed_faults(settings) == {}


@pytest.mark.parametrize("schedule", [None, "cosine", "linear", "constant"])
def test_the_known_schedules_pass(schedule: str | None) -> None:
    assert timed_faults({"lr_scheduler": schedule, "oneday_budget_hours": 24, "warmup_ratio": 0.03}) == {}


TEACHER = {"oneday_teacher": "models/teacher", "oneday_distill_weight": 0.5}


def test_a_teacher_goes_with_a_weight_and_may_have_a_temperature() -> None:
    assert teacher_faults({}) == {}
    assert teacher_faults(TEACHER) == teacher_faults(TEACHER | {"oneday_distill_temperature": 2}) == {}
    assert "above 0 and at most 1" in teacher_faults({"oneday_teacher": "models/teacher"})["oneday_distill_weight"]


@pytest.mark.parametrize("key", ["oneday_distill_weight", "oneday_distill_temperature"])
def test_a_weight_or_a_temperature_without_a_teacher_is_refused(key: str) -> None:
    with pytest.raises(ValidationError, match=f"{key}: goes with oneday_teacher, which is not set"):
        OneDayArgs(**{key: 1})


@pytest.mark.parametrize(("key", "value"), [("weight", 0), ("weight", 1.5), ("temperature", 0)])
def test_a_share_of_the_loss_and_a_temperature_have_bounds(key: str, value: float) -> None:
    with pytest.raises(ValidationError, match=f"oneday_distill_{key}"):
        OneDayArgs(**TEACHER | {f"oneday_distill_{key}": value})


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"rl": "dpo"}, "rl"),
        ({"torch_compile": True}, "torch_compile"),
        ({"fsdp_config": {"state_dict_type": "FULL_STATE_DICT"}}, "fsdp_config"),
        ({"deepspeed": "zero2.json"}, "deepspeed"),
        ({"context_parallel_size": 2}, "context_parallel_size"),
        ({"kd_trainer": True}, "kd_trainer"),
        ({"adapter": "lora", "lora_qkv_kernel": True}, "lora_qkv_kernel"),
    ],
)
def test_what_leaves_no_room_for_a_teacher_is_a_fault_with_one_alone(settings: dict[str, Any], key: str) -> None:
    assert list(plugin_faults(settings | TEACHER)) == [key]
    assert "with oneday_teacher" in plugin_faults(settings | TEACHER)[key]
    assert plugin_faults(settings) == {}


def test_attention_kernels_that_axolotl_switches_on_by_itself_are_told() -> None:
    assert list(teacher_faults(TEACHER | {"adapter": "qlora"})) == ["lora_qkv_kernel", "lora_o_kernel"]
    assert teacher_faults(TEACHER | {"adapter": "qlora", "lora_mlp_kernel": True}) == {}
    assert teacher_faults(TEACHER | {"context_parallel_size": 1}) == {}
