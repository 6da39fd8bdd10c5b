"""The plugin's keys: a budget in hours or seconds, and the schedules that can follow it."""

from typing import Any

import pytest
from pydantic import ValidationError

from training.plugin_args import OneDayArgs, budget_seconds, timed_faults


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
