"""The keys that `training.plugin.OneDayPlugin` adds to an Axolotl file."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, Field, model_validator

SCHEDULES = ("cosine", "linear", "constant")
MAX_DROPPED_SHARE = 0.01
TIMED_RULES = {
    "warmup_steps": "the timed schedule warms up by time: give warmup_ratio, a share of the training's time",
    "cosine_constant_lr_ratio": "the timed schedule has no constant end; take the key out",
}


class OneDayArgs(BaseModel):
    """Arguments of the plugin; Axolotl mixes this class into its own schema."""

    oneday_base_model_from: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._-]+:[^:]+\.gguf$",
        description="package:file.gguf: an installed Python package that carries the base model.",
    )
    oneday_budget_hours: float | None = Field(
        default=None,
        gt=0,
        description="Hours from the first launch by which the trained model is saved. The learning rate then follows "
        "the time used (or the steps done, where that share is larger) and ends at its floor.",
    )
    oneday_budget_seconds: float | None = Field(default=None, gt=0, description="The same in seconds.")
    oneday_max_dropped_share: float = Field(
        default=MAX_DROPPED_SHARE,
        ge=0,
        le=1,
        description="The share of rows that may be dropped, as too long or as unusable, before training is refused.",
    )

    @model_validator(mode="after")
    def _timed_schedule_is_possible(self) -> Self:
        """Pydantic runs this on the whole Axolotl configuration, which holds the keys of Axolotl too."""
        faults = timed_faults(self.model_dump(exclude_none=True) if budget_seconds(vars(self)) else {})
        if faults:
            raise ValueError("; ".join(f"{key}: {message}" for key, message in faults.items()))
        return self


def budget_seconds(settings: Mapping[str, Any]) -> float | None:
    """The budget that the settings give, in seconds; None if they give none."""
    if (seconds := settings.get("oneday_budget_seconds")) is not None:
        return float(seconds)
    hours = settings.get("oneday_budget_hours")
    return None if hours is None else float(hours) * 3600


def schedule_of(settings: Mapping[str, Any]) -> str:
    """The name of the learning rate's schedule, which Axolotl holds as an enumeration; cosine is its default."""
    schedule = settings.get("lr_scheduler") or "cosine"
    return str(getattr(schedule, "value", schedule))


def timed_faults(settings: Mapping[str, Any]) -> dict[str, str]:
    """What in the settings a training with a budget cannot follow: message by key."""
    if budget_seconds(settings) is None:
        return {}
    faults = {key: message for key, message in TIMED_RULES.items() if settings.get(key)}
    if settings.get("oneday_budget_hours") is not None and settings.get("oneday_budget_seconds") is not None:
        faults["oneday_budget_seconds"] = "also given as oneday_budget_hours; keep one"
    if schedule_of(settings) not in SCHEDULES:
        given = settings.get("lr_scheduler")
        faults["lr_scheduler"] = f"the timed schedule is one of {', '.join(SCHEDULES)} (given: {given})"
    return faults
