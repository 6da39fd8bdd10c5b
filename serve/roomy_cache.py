"""A key/value cache that is made once, with room for every token to come, and filled in place."""

from typing import Any

import torch
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer


class RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """One layer's keys and values. transformers' own layer copies all of them for each new token."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length
        self.common = 0

    def update(self, keys: torch.Tensor, values: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Append new tokens; all keys and values so far, as views. More than `length` tokens are an error."""
        if not self.is_initialized:
            self.lazy_initialization(keys, values)
            self.room = [new.new_empty(*new.shape[:2], self.length, new.shape[3]) for new in (keys, values)]
        start = self.get_seq_length()
        count = keys.shape[2]
        for room, new in zip(self.room, (keys, values), strict=True):
            room.narrow(2, start, count).copy_(new)
        self._show(start + count)
        return self.keys, self.values

    def batch_repeat_interleave(self, repeats: int | torch.Tensor) -> None:
        """Make `repeats` rows of each row (one number, or one a row), which share all tokens so far.

        `reorder_cache` relies on that.
        """
        if self.is_initialized:
            self.common = self.get_seq_length()
            self.room = [room.repeat_interleave(repeats, dim=0) for room in self.room]
            self._show(self.common)

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        """Give each row what another row holds: one that was made of the same row by `batch_repeat_interleave`."""
        if self.is_initialized:
            for room in self.room:
                own = room[:, :, self.common : self.get_seq_length()]
                own.copy_(own.index_select(0, beam_idx.to(own.device)))

    def _show(self, count: int) -> None:
        """Let `keys` and `values` be views of the first `count` tokens."""
        self.keys, self.values = (room.narrow(2, 0, count) for room in self.room)


def roomy_cache(config: PreTrainedConfig, length: int) -> DynamicCache:
    """A cache for `length` tokens; layers of a kind of their own (a sliding window, a state) stay what they are."""
    cache = DynamicCache(config=config)
    cache.layers = [RoomyLayer(length) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache
