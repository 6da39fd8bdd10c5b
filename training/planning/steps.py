"""Micro-batches of an epoch -> steps, evaluations and saves, as Axolotl and transformers count them."""

import math
from dataclasses import dataclass

from training.planning.packing import Epoch
from training.planning.settings import TrainSettings


@dataclass(frozen=True)
class Steps:
    """Of the whole training. `micro_batches` are those that one device computes; `epochs` is where it really ends."""

    total: int
    micro_batches: int
    epochs: float
    evaluations: int
    saves: int


def count_steps(train: Epoch, evaluates: bool, settings: TrainSettings, gpus: int = 1) -> Steps:
    """The steps of the training (axolotl/utils/trainer.py: calculate_total_num_steps; `max_steps` wins over epochs)."""
    own = train.micro_batches // gpus  # a device leaves out what cannot be shared out evenly
    total = settings.max_steps or _total(train, settings, gpus)
    per_epoch = max(1, math.ceil(own / settings.gradient_accumulation_steps))
    whole, rest = divmod(total, per_epoch)
    micro_batches = whole * own + min(rest * settings.gradient_accumulation_steps, own)
    epochs = micro_batches / own if own else 0.0
    return Steps(
        total,
        micro_batches,
        epochs,
        _times("eval", settings, total, epochs) if evaluates else 0,
        _times("save", settings, total, epochs),
    )


def _total(train: Epoch, settings: TrainSettings, gpus: int) -> int:
    accumulated = settings.gradient_accumulation_steps * gpus
    if not settings.sample_packing:
        batch = settings.micro_batch_size * accumulated
        rows = train.rows if train.rows is not None else train.micro_batches * settings.micro_batch_size
        return math.ceil(rows * settings.num_epochs / batch)
    total = math.floor(max(1, train.micro_batches // accumulated) * settings.num_epochs)
    return total - (math.ceil(settings.num_epochs) if settings.dataloader_drop_last else 0)


def _times(what: str, settings: TrainSettings, total: int, epochs: float) -> int:
    """How often is evaluated or saved: every so many steps and after the last, or at the end of each epoch."""
    interval = getattr(settings, f"{what}_steps")
    per_epoch = getattr(settings, f"{what}s_per_epoch")
    if per_epoch and per_epoch * settings.num_epochs > 1:
        interval = 1 / (per_epoch * settings.num_epochs)
    strategy = getattr(settings, f"{what}_strategy")
    if interval:
        every = math.ceil(total * interval) if interval < 1 else int(interval)
        return total // every + (1 if total % every else 0)
    if strategy == "epoch" or (what == "save" and strategy is None):
        return math.ceil(epochs)
    if strategy == "steps":
        return -(-total // 500)  # transformers' own default
    return 0
