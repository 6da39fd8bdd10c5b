"""The learning rate as a function of how much of the training is over, by time or by steps, whichever is more.

share 0 .. warmup   linear from 0 to the peak
share warmup .. 1   `cosine` or `linear` from the peak to the floor, or `constant`
"""

import math
from collections.abc import Callable
from typing import Any

from training.running.processes import agreed


def rate_factor(share: float, shape: str, warmup: float, floor: float) -> float:
    """What the peak rate is multiplied by when `share` (0 to 1) of the training is over; `floor` is a factor too."""
    share = min(max(share, 0.0), 1.0)
    if share < warmup:
        return share / warmup
    if shape == "constant":
        return 1.0
    decayed = (share - warmup) / (1 - warmup) if warmup < 1 else 1.0
    left = 1 - decayed if shape == "linear" else 0.5 * (1 + math.cos(math.pi * decayed))
    return floor + (1 - floor) * left


def timed_scheduler(optimizer: Any, share_over: Callable[[int], float], shape: str, warmup: float, floor: float) -> Any:
    """A scheduler that asks `share_over(steps done)` before each step; all processes take the largest answer.

    A plain function goes into LambdaLR, because of anything else a checkpoint would hold the attributes.
    """
    from torch.optim.lr_scheduler import LambdaLR

    def factor(steps: int) -> float:
        (share,) = agreed([share_over(steps)])
        return rate_factor(share, shape, warmup, floor)

    return LambdaLR(optimizer, factor)


def refresh(scheduler: Any, optimizer: Any) -> None:
    """Set the rate for the next step by the time that it is now: a checkpoint brings the rate of when it was saved."""
    rates = [
        base * factor(scheduler.last_epoch)
        for base, factor in zip(scheduler.base_lrs, scheduler.lr_lambdas, strict=True)
    ]
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    scheduler._last_lr = rates
