"""What enters a model's output layer, without its logits.

A loss that applies the layer to parts of the positions needs the hidden states alone. Not `output_hidden_states`,
which keeps those of every layer, and under mixed precision a copy of each in float32.
"""

from typing import Any

from torch import Tensor


class LayerInput:
    """Holds, after the next call of a layer, its input in `states`. `short`: the layer then computes one position."""

    def __init__(self, layer: Any, short: bool = True) -> None:
        self.states: Tensor | None = None
        self._short = short
        self._handle = layer.register_forward_pre_hook(self._take)

    def _take(self, layer: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        self._handle.remove()
        self.states = inputs[0]
        return (inputs[0][:, -1:], *inputs[1:]) if self._short else inputs

    def taken(self) -> Tensor:
        """The states (rows, length, width) of the one call."""
        assert self.states is not None, "the output layer was not called"
        return self.states


def is_last(model: Any, token_ids: Tensor) -> bool:
    """Whether the model's logits are what its output layer gives, not changed behind it (a cap, a scale)."""
    import torch

    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            layer = model.get_output_embeddings()
            held = LayerInput(layer, short=False)
            logits = model(input_ids=token_ids, use_cache=False).logits
            return torch.allclose(layer(held.taken()).float(), logits.float(), rtol=1e-2, atol=1e-3)
    finally:
        model.train(training)
