"""Writes a pruned checkpoint, tensor by tensor: the whole model is never in memory."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from compress.pruning.architecture import (
    ATTENTION_NORM,
    DOWN,
    FINAL_NORM,
    GATE,
    KEY,
    OUTPUT,
    QUERY,
    UP,
    VALUE,
    Architecture,
)
from compress.pruning.checkpoint import CheckpointWriter
from compress.pruning.parent import Model, stored_shapes
from compress.pruning.random_choice import draw_order, published_seed, reduce_randomly
from compress.pruning.residual import Gain, Narrowing
from compress.pruning.statistics import FINAL, Site
from compress.tensor_files import EMBEDDING, HEAD
from oneday.console import progress


@dataclass(frozen=True)
class Rows:
    """The rows of a layer's projections that stay: of q_proj (columns of o_proj), of k_proj and v_proj, of the MLP."""

    query: torch.Tensor
    key: torch.Tensor
    neurons: torch.Tensor


class Refitted:
    """Refitted weights, on disk until they are written; None for a weight that was not refitted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, weight: torch.Tensor) -> None:
        """Keep a weight."""
        self._folder.mkdir(exist_ok=True)
        save_file({"weight": weight}, self._folder / name)

    def get(self, name: str) -> torch.Tensor | None:
        """The weight of that name."""
        path = self._folder / name
        return load_file(path)["weight"] if path.is_file() else None


@dataclass(frozen=True)
class Plan:
    """All decisions: which layers stay, how the stream narrows, the gains of its norms, and each layer's rows.

    Layers are the parent's numbers. `scales` multiply a norm's gain, so that its output keeps the size that it had
    before energy went out of its input.
    """

    layers: tuple[int, ...]
    narrowing: Narrowing
    gains: dict[Site, Gain]
    scales: dict[Site, float]
    rows: dict[int, Rows]
    refitted: Refitted


def source_name(name: str, layers: tuple[int, ...], architecture: Architecture) -> tuple[int, str, str]:
    """For a tensor of the pruned model: the parent's layer (-1: none), its name there, its name within the layer."""
    if not name.startswith("model.layers."):
        return -1, name, name
    _, _, number, inside = name.split(".", 3)
    layer = layers[int(number)]
    return layer, architecture.stored_name(layer, inside), inside


def write_structured(parent: Model, child: Any, plan: Plan, folder: Path) -> None:
    """Write the weights of a plan; `child` is the pruned model's config. Types stay as the parent stores them."""
    shapes = stored_shapes(child, parent.architecture)
    writer = CheckpointWriter(folder)
    with progress(len(shapes), "slice", "tensor") as bar:
        for name, shape in shapes.items():
            layer, source, inside = source_name(name, plan.layers, parent.architecture)
            tensor = parent.checkpoint.one(_with_head(source, parent))
            pruned = _Pruned(parent, child, plan, layer).of(inside, tensor.float()).to(tensor.dtype)
            assert pruned.shape == shape, f"{name}: {tuple(pruned.shape)}, not {shape}"
            writer.add(name, pruned)
            bar.update()
    writer.close()


def write_random(parent: Model, child: Any, layers: tuple[int, ...], seed: int, folder: Path) -> None:
    """Write what the published method leaves: cut by chance, in the order of the state dict.

    Tensors of layers that go are not drawn; a shared one is drawn once. A tied head takes the embedding's values.
    """
    shapes = stored_shapes(child, parent.architecture)
    writer = CheckpointWriter(folder)
    embedding = torch.empty(0)
    with published_seed(seed), progress(len(shapes), "draw", "tensor") as bar:
        for name in draw_order(shapes, parent.architecture.shared_mlp):
            _, source, _ = source_name(name, layers, parent.architecture)
            if name == HEAD and parent.config.tie_word_embeddings:
                reduced = embedding.clone()  # drawn once: the head was the same tensor
            else:
                reduced = reduce_randomly(parent.checkpoint.one(source), shapes[name])
            if name == EMBEDDING:
                embedding = reduced
            writer.add(name, reduced)
            bar.update()
    writer.close()


def _with_head(name: str, parent: Model) -> str:
    """Where the tensor lies in the parent: a tied head's values are the embedding's."""
    return EMBEDDING if name == HEAD and parent.config.tie_word_embeddings else name


@dataclass(frozen=True)
class _Pruned:
    """The tensors of one layer, or of what is in no layer, by their name in it."""

    parent: Model
    child: Any
    plan: Plan
    layer: int

    def of(self, inside: str, tensor: torch.Tensor) -> torch.Tensor:
        """What is left of a tensor, float32."""
        if self.layer < 0:
            return self._outer(inside, tensor)
        module, kind = inside.rsplit(".", 1)
        if module in (QUERY, KEY, VALUE, GATE, UP):
            return self._reader(module, kind, tensor)
        if module in (OUTPUT, DOWN):
            return self._writer(module, kind, tensor)
        if module in self.parent.architecture.stream_norms:
            return self._norm((self.layer, module))
        if module in self.parent.architecture.branch_norms:
            gain = self.plan.narrowing.write(tensor + self._offset)
            return gain * self.plan.scales[self.layer, module] - self._offset
        return tensor  # norms of a head's queries and keys

    def _outer(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        narrowing = self.plan.narrowing
        if name == EMBEDDING:
            return narrowing.read(tensor, None) * self._embedding_factor
        if name == HEAD:
            return narrowing.read(tensor, self.plan.gains[FINAL].weights)
        assert name == FINAL_NORM, name
        return self._norm(FINAL, 1 / self._embedding_factor if self.child.tie_word_embeddings else 1.0)

    def _reader(self, module: str, kind: str, tensor: torch.Tensor) -> torch.Tensor:
        rows = self.plan.rows[self.layer]
        kept = {QUERY: rows.query, KEY: rows.key, VALUE: rows.key}.get(module, rows.neurons)
        if kind == "bias":
            return tensor[kept]
        norm = self.parent.architecture.mlp_norm if module in (GATE, UP) else ATTENTION_NORM
        return self.plan.narrowing.read(tensor[kept], self.plan.gains[self.layer, norm].weights)

    def _writer(self, module: str, kind: str, tensor: torch.Tensor) -> torch.Tensor:
        if kind == "bias":
            return self.plan.narrowing.write(tensor)
        rows = self.plan.rows[self.layer]
        refitted = self.plan.refitted.get(self.parent.architecture.stored_name(self.layer, f"{module}.weight"))
        kept = tensor[:, rows.query if module == OUTPUT else rows.neurons] if refitted is None else refitted
        return self.plan.narrowing.write(kept)

    def _norm(self, site: Site, factor: float = 1.0) -> torch.Tensor:
        return self.plan.gains[site].norm * (self.plan.scales[site] * factor) - self._offset

    @property
    def _offset(self) -> float:
        return self.parent.architecture.gain_offset

    @property
    def _embedding_factor(self) -> float:
        """Makes up for the embedding being multiplied by the root of a smaller hidden size."""
        if not self.parent.architecture.embedding_scaled:
            return 1.0
        return math.sqrt(self.parent.config.hidden_size / self.child.hidden_size)


def kept_norms(plan_layers: tuple[int, ...], architecture: Architecture) -> Iterator[list[Site]]:
    """The norms that read the stream, grouped by the weights that they share: each alone, but before a shared MLP."""
    yield [FINAL]
    yield from ([(layer, ATTENTION_NORM)] for layer in plan_layers)
    before_mlp = [(layer, architecture.mlp_norm) for layer in plan_layers]
    yield from [before_mlp] if architecture.shared_mlp else ([site] for site in before_mlp)
