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
OF_A_TEACHER = ("oneday_distill_weight", "oneday_distill_temperature")
# What trains by another loss or trainer, spreads the weights over processes, or rewrites the model's code: none of it
# leaves room for a teacher beside the student.
NOT_WITH_A_TEACHER = {
    "rl": "the loss is another one",
    "reward_model": "the loss is another one",
    "process_reward_model": "the loss is another one",
    "use_eaft": "the loss is another one",
    "label_smoothing_factor": "the loss is another one",
    "trainer_cls": "the trainer is another one",
    "kd_trainer": "that is Axolotl's own distillation; keep one of them",
    "torch_compile": "the output layers are called apart from the models",
    "fsdp_config": "the student's weights would be spread; train on one card, or on several without sharding",
    "deepspeed": "the student's weights would be spread; train on one card, or on several without sharding",
    "context_parallel_size": "rows would be spread; train on one card, or on several without sharding",
}
ATTENTION_KERNELS = ("lora_qkv_kernel", "lora_o_kernel")
KERNELS = (*ATTENTION_KERNELS, "lora_mlp_kernel", "lora_embedding_kernel")


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

    oneday_teacher: str | None = Field(
        default=None,
        min_length=1,
        description="A model with the student's token ids, from whose probabilities it learns too: a local folder or "
        "a hub id.",
    )
    oneday_distill_weight: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="The share of the loss that is divergence from the teacher; the rest is cross-entropy on labels.",
    )
    oneday_distill_temperature: float | None = Field(
        default=None,
        gt=0,
        description="Both distributions are softened by it before they are compared; 1, the default, leaves them.",
    )

    @model_validator(mode="after")
    def _settings_are_possible(self) -> Self:
        """Pydantic runs this on the whole Axolotl configuration, which holds the keys of Axolotl too."""
        given = any(vars(self)[key] is not None for key in ("oneday_teacher", *OF_A_TEACHER))
        faults = plugin_faults(self.model_dump(exclude_none=True)) if given or budget_seconds(vars(self)) else {}
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


def teacher_faults(settings: Mapping[str, Any]) -> dict[str, str]:
    """What in the settings does not go with the teacher, or lacks one: message by key."""
    if settings.get("oneday_teacher") is None:
        alone = [key for key in OF_A_TEACHER if settings.get(key) is not None]
        return dict.fromkeys(alone, "goes with oneday_teacher, which is not set")
    faults = {
        key: f"not with oneday_teacher: {message}; take the key out"
        for key, message in NOT_WITH_A_TEACHER.items()
        if settings.get(key) and (key != "context_parallel_size" or settings[key] != 1)
    }
    if settings.get("oneday_distill_weight") is None:
        faults["oneday_distill_weight"] = (
            "is required with oneday_teacher: the share of the loss, above 0 and at most 1"
        )
    if settings.get("adapter"):
        by_default = all(settings.get(key) is None for key in KERNELS)  # Axolotl then switches all on
        for key in ATTENTION_KERNELS:
            if settings.get(key) or by_default:
                faults[key] = "must be false with oneday_teacher: it rewrites the attention of the teacher too"
    return faults


def plugin_faults(settings: Mapping[str, Any]) -> dict[str, str]:
    """What in the settings the plugin cannot do, its budget's schedule and its teacher: message by key."""
    return timed_faults(settings) | teacher_faults(settings)
