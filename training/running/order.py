"""The order in which packed rows are trained on: a function of the seed and the epoch, so that a restart keeps it.

Axolotl 0.19 shuffles packed rows with torch's global generator, whose state at the start of an epoch is another one
after a restart: some rows would be trained on twice and others never.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import RandomSampler, Sampler


class EpochShuffle(Sampler[int]):
    """A permutation of `size` positions for each epoch.

    Before `set_epoch` is called every pass differs: Axolotl then only estimates how many batches an epoch has.
    """

    def __init__(self, size: int, seed: int, packer: Any = None) -> None:
        self.size = size
        self.seed = seed
        self.packer = packer
        self.epoch: int | None = None
        self.estimates = 0

    def set_epoch(self, epoch: int) -> None:
        """Fix the permutation; accelerate calls it at the start of each epoch.

        After a restart it reaches this sampler but not the packer around it, which would go on with the batches
        of its last estimate.
        """
        self.epoch = epoch
        if self.packer is not None:
            self.packer._batches = None

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        self.estimates += self.epoch is None
        draw = -self.estimates if self.epoch is None else self.epoch
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + draw) % 2**63)
        return iter(torch.randperm(self.size, generator=generator).tolist())


def keep_order_over_restarts(trainer: Any, seed: int) -> None:
    """Let the trainer's packed batches be drawn in `EpochShuffle` order; other samplers are left alone."""
    original = trainer._get_train_sampler

    def sampler_of_epochs(*args: Any, **kwargs: Any) -> Any:
        sampler = original(*args, **kwargs)
        inner = getattr(sampler, "sampler", None)
        if isinstance(inner, RandomSampler) and hasattr(sampler, "generate_batches"):
            sampler.sampler = EpochShuffle(len(inner), seed, packer=sampler)
            sampler._batches = sampler._len_across_ranks = None
            len(sampler)
        return sampler

    trainer._get_train_sampler = sampler_of_epochs
