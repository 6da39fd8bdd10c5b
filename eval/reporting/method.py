"""How a model was trained, in a few words, from Axolotl's keys as the training had them."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml


def method_in_words(settings: Mapping[str, Any]) -> str | None:
    """Such as 'QLoRA, rank 16'; None if the settings are not known."""
    if not settings:
        return None
    adapter = settings.get("adapter")
    if adapter is None:
        return "all weights"
    name = {"lora": "LoRA", "qlora": "QLoRA"}.get(adapter, str(adapter))
    rank = settings.get("lora_r")
    return name if rank is None else f"{name}, rank {rank}"


def details_in_words(settings: Mapping[str, Any]) -> list[str]:
    """The settings that a reader asks for first, those that are there."""
    return list(_details(settings))


def _details(settings: Mapping[str, Any]) -> Iterator[str]:
    if settings.get("load_in_4bit"):
        yield "base weights in 4 bits"
    if (optimizer := settings.get("optimizer")) is not None:
        yield str(optimizer)
    if (rate := settings.get("learning_rate")) is not None:
        schedule = settings.get("lr_scheduler")
        yield f"learning rate {float(rate):g}" + (f", {schedule}" if schedule is not None else "")
    if (length := settings.get("sequence_len")) is not None:
        yield f"sequences of {int(length):,} tokens"


def settings_as_yaml(settings: Mapping[str, Any]) -> str:
    """All settings, as a train.yaml."""
    return yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True, width=100) if settings else ""
