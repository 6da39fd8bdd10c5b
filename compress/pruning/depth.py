"""Which layers stay: the first ones, or those that change the residual stream most.

Block influence is one minus the cosine similarity of a layer's input and output, mean over tokens.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


class BlockInfluence:
    """Measures every layer's influence during a run; `scores` maps layer to influence."""

    def __init__(self) -> None:
        self.scores: dict[int, float] = {}
        self._sum = 0.0
        self._tokens = 0
        self._hook: Any = None

    def begin(self, layer: int, module: nn.Module) -> None:
        """Start to watch a layer."""
        self._sum, self._tokens = 0.0, 0
        self._hook = module.register_forward_hook(self._add)

    def end(self, layer: int, module: nn.Module) -> None:
        """Keep the layer's mean."""
        self._hook.remove()
        self.scores[layer] = 1 - self._sum / self._tokens

    def final(self, stream: torch.Tensor, normed: torch.Tensor) -> None:
        """Nothing: the final norm is no layer."""

    def _add(self, module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        similarity = nn.functional.cosine_similarity(inputs[0].double(), output.double(), dim=-1)
        self._sum += similarity.sum().item()
        self._tokens += similarity.numel()


def most_influential(scores: Sequence[float], keep: int) -> tuple[int, ...]:
    """`keep` layers in their order: the first, the last, and of the others those of the highest influence.

    Of equal layers the earlier one stays. `keep` is at least 2, or the number of layers.
    """
    last = len(scores) - 1
    if keep > last:
        return tuple(range(len(scores)))
    inner = sorted(range(1, last), key=lambda layer: (-scores[layer], layer))
    return tuple(sorted([0, last, *inner[: keep - 2]]))
