"""What to change in train.yaml so that a training fits: single changes that help, and the smallest set that suffices.

Every change is tried by planning again with it, so that what is said of it holds for the plan.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from training.planning.outlook import Case, Outlook, look
from training.planning.settings import TrainSettings
from training.planning.weights import state_kind

LIGER = "axolotl.integrations.liger.LigerPlugin"
MOST_CHANGES = 4
LENGTHS = 256  # a shorter sequence_len is a multiple of this
EIGHT_BIT = "paged_adamw_8bit"


@dataclass(frozen=True)
class Change:
    """Keys of train.yaml with new values, and what they lead to."""

    keys: dict[str, Any]
    outlook: Outlook
    parts: int = 1  # changes that it is made of

    def __str__(self) -> str:
        """As in YAML, on one line."""
        return ", ".join(f"{key}: {_yaml(value)}" for key, value in self.keys.items())


def _yaml(value: Any) -> str:
    if value is None:
        return "(remove)"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def single_changes(case: Case, now: Outlook) -> list[Change]:
    """The changes that bring down what is too much, each by itself, the most helpful first."""
    found = [Change(keys, look(case.with_changes(keys))) for keys in _candidates(case, now)]
    if not now.memory_fits:
        helpful = [change for change in found if change.outlook.peak < 0.99 * now.peak]
        return sorted(helpful, key=lambda change: change.outlook.peak)
    helpful = [change for change in found if change.outlook.memory_fits and _total(change.outlook) < 0.99 * _total(now)]
    return sorted(helpful, key=lambda change: _total(change.outlook))


def smallest_fit(case: Case, now: Outlook) -> Change | None:
    """The fewest changes together with which the training fits, of equals the fastest; None if none do."""
    candidates = list(_candidates(case, now))
    for size in range(1, MOST_CHANGES + 1):
        fitting = [change for change in _tried(case, candidates, size) if change.outlook.fits]
        if fitting:
            return min(fitting, key=lambda change: (change.parts, _severity(change.keys), _total(change.outlook)))
    return None


def _tried(case: Case, candidates: list[dict[str, Any]], size: int) -> Iterator[Change]:
    for chosen in combinations(candidates, size):
        keys = {key: value for change in chosen for key, value in change.items()}
        if len(keys) < sum(len(change) for change in chosen):
            continue  # two of them set the same key
        changed = case.with_changes(keys)
        outlook, parts = look(changed), size
        if outlook.memory_fits and not outlook.hours_fit and not {"num_epochs", "max_steps"} & keys.keys():
            shorter = _shorter(changed, outlook)
            keys, parts = keys | shorter, size + 1
            outlook = look(changed.with_changes(shorter)) if shorter else outlook
        yield Change(keys, outlook, parts)


def _severity(keys: dict[str, Any]) -> int:
    """How much the changes touch the result of the training, not only its cost."""
    weights = {"num_epochs": 4, "max_steps": 4, "lora_r": 2, "adapter": 3, "optimizer": 1, "sequence_len": 1}
    return sum(weights.get(key, 0) for key in keys)


def _total(outlook: Outlook) -> float:
    return outlook.hours.total if outlook.hours else 0.0


def _candidates(case: Case, now: Outlook) -> Iterator[dict[str, Any]]:
    """Changes that make sense with these settings, those that leave the result as it is first."""
    settings = case.settings
    yield from _of_the_batch(settings)
    if not case.card.is_cpu:
        yield from _of_kernels(settings)
    yield from _of_the_result(case, now)
    if now.hours is not None and not now.hours_fit:
        shorter = _shorter(case, now)
        if shorter:
            yield shorter


def _of_the_batch(settings: TrainSettings) -> Iterator[dict[str, Any]]:
    size, accumulated = settings.micro_batch_size, settings.gradient_accumulation_steps
    if size > 1:
        yield {"micro_batch_size": 1, "gradient_accumulation_steps": accumulated * size}
    if not settings.recomputes:
        yield {"gradient_checkpointing": True}
    else:
        yield {"gradient_checkpointing": False, "activation_offloading": None}
    if not settings.packs_evaluation and (settings.eval_batch_size or size) > 1:
        yield {"eval_batch_size": 1}
    if settings.eval_steps and settings.eval_steps >= 1 and settings.save_steps and settings.save_steps >= 1:
        yield {"eval_steps": int(settings.eval_steps * 4), "save_steps": int(settings.save_steps * 4)}


def _of_kernels(settings: TrainSettings) -> Iterator[dict[str, Any]]:
    """What runs on a card only."""
    whole = not (settings.liger_fused_linear_cross_entropy or settings.cut_cross_entropy)
    if whole and not settings.liger_cross_entropy and not settings.chunked_cross_entropy:
        plugins = [*settings.plugins, *([] if LIGER in settings.plugins else [LIGER])]
        yield {"plugins": plugins, "liger_fused_linear_cross_entropy": True}
    if settings.offloading is None:
        yield {
            "activation_offloading": "hidden_states",
            **({} if settings.recomputes else {"gradient_checkpointing": True}),
        }
    if settings.adapter and not settings.kernels and not settings.load_in_8bit:
        yield {"lora_mlp_kernel": True, "lora_qkv_kernel": True, "lora_o_kernel": True}
    if state_kind(settings.optimizer).bits in ("32", "own") and settings.fsdp_config is None:
        yield {"optimizer": EIGHT_BIT}


def _of_the_result(case: Case, now: Outlook) -> Iterator[dict[str, Any]]:
    """What changes what is trained."""
    settings = case.settings
    longest = now.train.longest if now.train else None
    if longest is not None:
        enough = LENGTHS * math.ceil(longest / LENGTHS)
        if enough < settings.sequence_len:
            yield {"sequence_len": enough}
    if settings.adapter == "lora" and not settings.quantised and not case.card.is_cpu:
        yield {"adapter": "qlora", "load_in_4bit": True}
    if settings.lora_r is not None and settings.lora_r >= 16:
        yield {"lora_r": settings.lora_r // 2}


def _shorter(case: Case, now: Outlook) -> dict[str, Any]:
    """The longest training that ends in time: fewer epochs (in tenths), or fewer steps; empty if not even one step."""
    if now.hours is None or now.steps is None:
        return {}
    fixed = now.hours.start / 3600
    share = (now.budget_hours - fixed) / max(now.hours.total - fixed, 1e-9)
    if case.settings.max_steps is not None:
        steps = int(case.settings.max_steps * share)
        return {"max_steps": steps} if steps >= 1 else {}
    tenths = int(case.settings.num_epochs * share * 10)
    while tenths >= 1:
        keys = {"num_epochs": tenths / 10}
        if look(case.with_changes(keys)).hours_fit:
            return keys
        tenths -= 1
    return {}
