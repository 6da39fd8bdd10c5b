"""Runs a model over calibration texts with one decoder layer in memory at a time, in float32 on the CPU.

The model is built without weights (on the meta device). Its own forward pass, with every layer replaced by a recorder,
gives the arguments of each layer: mask, positions, rotary embedding. Then the layers run one after the other over all
sequences, each with its weights loaded before and dropped after.
"""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import nn

from compress.pruning.architecture import FINAL_NORM, Architecture
from compress.pruning.checkpoint import Checkpoint
from compress.tensor_files import EMBEDDING, HEAD
from oneday.console import progress

TOKENS_AT_ONCE = 2048  # per forward call of a layer: bounds its activations, does not shape the result


class Observer(Protocol):
    """Watches a run. Hooks that it sets on a layer's modules in `begin` it takes away in `end`."""

    def begin(self, layer: int, module: nn.Module) -> None:
        """The layer has its weights and will now see all sequences."""

    def end(self, layer: int, module: nn.Module) -> None:
        """The layer has seen all sequences; its weights go after this."""

    def final(self, stream: torch.Tensor, normed: torch.Tensor) -> None:
        """The residual stream before and after the final norm, (sequences, tokens, hidden), for each batch."""


class Unobserved:
    """Watches nothing."""

    def begin(self, layer: int, module: nn.Module) -> None:
        """Nothing."""

    def end(self, layer: int, module: nn.Module) -> None:
        """Nothing."""

    def final(self, stream: torch.Tensor, normed: torch.Tensor) -> None:
        """Nothing."""


class _Recorder(nn.Module):
    """Stands for a layer: keeps the arguments, passes the stream on."""

    arguments: dict[str, Any]

    def forward(self, hidden_states: torch.Tensor, **arguments: Any) -> torch.Tensor:
        self.arguments = arguments
        return hidden_states


def skeleton(config: Any) -> Any:
    """The causal language model of a config without any weights, in evaluation mode."""
    from transformers import AutoModelForCausalLM

    attention = "eager" if getattr(config, "attn_logit_softcapping", None) else "sdpa"  # sdpa knows no soft cap
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation=attention)
    return model.eval()


class LayerStream:
    """A checkpoint that runs layer by layer; `layers` are those of the checkpoint's that take part, in order."""

    def __init__(self, checkpoint: Checkpoint, config: Any, architecture: Architecture, layers: Sequence[int]) -> None:
        self._checkpoint = checkpoint
        self._config = config
        self._architecture = architecture
        self._layers = layers
        self._model = skeleton(config)
        self._model.model.rotary_emb = type(self._model.model.rotary_emb)(
            config
        )  # its buffers are computed, not stored
        self._fill(self._model.model.norm, {"weight": FINAL_NORM})

    @torch.no_grad()
    def run(self, ids: torch.Tensor, observer: Observer | None = None, label: str = "measure") -> float:
        """The mean loss per token, in nats, over sequences of ids (sequences, tokens); the observer sees all of it."""
        watching = observer or Unobserved()
        batches = list(torch.split(ids, max(1, TOKENS_AT_ONCE // ids.shape[1])))
        hidden = [self._embed(batch) for batch in batches]
        arguments = self._arguments(ids.shape[1])
        with progress(len(self._layers), label, "layer") as bar:
            for index in self._layers:
                layer = self._model.model.layers[index]
                self._fill(layer, self._stored_names(index, layer))
                watching.begin(index, layer)
                for number, stream in enumerate(hidden):
                    hidden[number] = layer(stream, **arguments[index])
                watching.end(index, layer)
                layer.to("meta")
                bar.update()
        return self._loss(batches, hidden, watching)

    def _stored_names(self, index: int, layer: nn.Module) -> dict[str, str]:
        return {name: self._architecture.stored_name(index, name) for name in layer.state_dict()}

    def _fill(self, module: nn.Module, stored: dict[str, str]) -> None:
        tensors = self._checkpoint.load(stored.values(), torch.float32)
        module.load_state_dict({name: tensors[key] for name, key in stored.items()}, assign=True)

    def _embed(self, ids: torch.Tensor) -> torch.Tensor:
        embedded = self._checkpoint.rows(EMBEDDING, ids)
        return embedded * math.sqrt(self._config.hidden_size) if self._architecture.embedding_scaled else embedded

    def _arguments(self, tokens: int) -> list[dict[str, Any]]:
        """What the model hands each of its layers for sequences of that many tokens."""
        inner = self._model.model
        real = inner.layers
        inner.layers = nn.ModuleList(_Recorder() for _ in real)
        try:
            inner(inputs_embeds=torch.zeros(1, tokens, self._config.hidden_size), use_cache=False)
            return [recorder.arguments for recorder in inner.layers]
        finally:
            inner.layers = real

    def _loss(self, batches: Sequence[torch.Tensor], hidden: Sequence[torch.Tensor], watching: Observer) -> float:
        head = self._checkpoint.one(EMBEDDING if self._config.tie_word_embeddings else HEAD, torch.float32)
        total, count = 0.0, 0
        for ids, stream in zip(batches, hidden, strict=True):
            normed = self._model.model.norm(stream)
            watching.final(stream, normed)
            for sequence, states in zip(ids, normed, strict=True):
                logits = self._capped(states[:-1] @ head.T)
                total += nn.functional.cross_entropy(logits, sequence[1:], reduction="sum").item()
                count += len(sequence) - 1
        return total / count

    def _capped(self, logits: torch.Tensor) -> torch.Tensor:
        cap = getattr(self._config, "final_logit_softcapping", None)
        return logits if cap is None else torch.tanh(logits / cap) * cap
