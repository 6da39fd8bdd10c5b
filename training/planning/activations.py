"""Bytes of what the forward pass of the decoder leaves for the backward pass, and of one layer's work in it.

Counted per layer and token from what torch saves for the gradients of transformers' Llama-like layers (norms, rotary
embedding, attention, gated MLP), of peft's adapters and of Axolotl's fused adapters; tests compare with what torch
really saves. `c` stands for the bytes of a value in matrix products, `h` for those of the hidden states.
"""

import math
from dataclasses import dataclass

from training.planning.geometry import Geometry, Matrix
from training.planning.settings import TrainSettings
from training.planning.weights import (
    SINGLE,
    Trained,
    adapter_parameters,
    compute_width,
    embedding_width,
    has_adapter,
    trains_head,
)

OFFLOADED_LAYERS = 3  # layer inputs on the card at a time: two in flight and one in use (max_inflight of Axolotl)
OFFLOADED_TENSORS = 5  # with all activations offloaded: the stash of Axolotl's offloader (max_fwd_stash_size)
FLASH_WIDEST = 256  # values of a head that the flash kernels of torch take


@dataclass(frozen=True)
class Batch:
    """A micro-batch as the model sees it: `rows` rows of `length` tokens, padding included."""

    rows: int
    length: int

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.rows * self.length


@dataclass(frozen=True)
class Activations:
    """Bytes: `kept` of all layers at the end of the forward pass, `layer` more while one layer's backward pass runs.

    `on_host` is what is offloaded to the host's memory.
    """

    kept: float
    layer: float
    on_host: float = 0.0


def activations(geometry: Geometry, settings: TrainSettings, batch: Batch, on_cpu: bool = False) -> Activations:
    """What a training step keeps of the decoder's forward pass."""
    c, h = compute_width(settings), embedding_width(settings)
    entry = batch.tokens * geometry.hidden * h  # the hidden states that enter a layer
    layer = layer_bytes(geometry, settings, batch, on_cpu)
    working = batch.tokens * (_working_width(geometry, settings) * c + 2 * geometry.hidden * h)
    ends = _norm(geometry.hidden, c, h, settings) * batch.tokens + _mask_bytes(geometry, settings, batch)
    ends += _casts(geometry, settings) + _head_input(geometry, settings, batch)
    if settings.offloading == "all":
        stash = OFFLOADED_TENSORS * batch.tokens * geometry.intermediate * c
        return Activations(stash + ends, layer + working, geometry.layers * layer)
    if not settings.recomputes:
        return Activations(geometry.layers * layer + ends, working)
    if settings.offloading == "hidden_states":
        on_card = min(OFFLOADED_LAYERS, geometry.layers) * entry
        return Activations(on_card + ends, layer + working, geometry.layers * entry)
    return Activations(geometry.layers * entry + ends, layer + working)


def layer_bytes(geometry: Geometry, settings: TrainSettings, batch: Batch, on_cpu: bool = False) -> float:
    """What torch saves of one layer for its backward pass."""
    c, h = compute_width(settings), embedding_width(settings)
    per_token = 2.0 * _norm(geometry.hidden, c, h, settings) + _inputs(geometry, settings, on_cpu)
    per_token += _inner_mlp(geometry, settings) * c
    if geometry.norms_of_heads:
        heads = geometry.heads + geometry.kv_heads
        per_token += _norm(geometry.query_width + geometry.key_width, c, c, settings, rows=heads)
    adapters = sum(p.numbers for p in _adapters_of_layer(geometry, settings)) * 2 if _fused_casts(settings) else 0
    return batch.tokens * per_token + _attention(geometry, settings, batch) + adapters


def _norm(width: int, c: int, h: int, settings: TrainSettings, rows: int = 1) -> float:
    """A norm of `width` values a token: its input in float32 (Liger: as it comes) and one number a row.

    Where the norm's own weight is trained, the normalised input too.
    """
    saved = width * (h if settings.liger_rms_norm else SINGLE) + rows * SINGLE
    trained = settings.adapter is None and not settings.liger_rms_norm
    return saved + (width * h if trained else 0)


def _matrix(geometry: Geometry, name: str) -> Matrix:
    """The first layer's linear layer of that name."""
    return next(matrix for matrix in geometry.linears if matrix.last_name == name)


def _inputs(geometry: Geometry, settings: TrainSettings, on_cpu: bool) -> float:
    """Bytes a token of what the linear layers of a layer keep of their inputs.

    `q_proj`, `k_proj` and `v_proj` share one input, `gate_proj` and `up_proj` another.
    """
    groups = (
        (geometry.hidden, ("q_proj", "k_proj", "v_proj"), "lora_qkv_kernel"),
        (geometry.query_width, ("o_proj",), "lora_o_kernel"),
        (geometry.hidden, ("gate_proj", "up_proj"), "lora_mlp_kernel"),
        (geometry.intermediate, ("down_proj",), None),
    )
    return sum(_input(geometry, settings, width, names, kernel, on_cpu) for width, names, kernel in groups)


def _input(
    geometry: Geometry, settings: TrainSettings, width: int, names: tuple[str, ...], kernel: str | None, on_cpu: bool
) -> float:
    """Bytes a token of one input that some linear layers share."""
    c = compute_width(settings)
    mask = 1  # byte: dropout keeps which values it took; on a CPU as numbers of the adapter's type
    if on_cpu:
        mask = c if settings.quantised or kernel in settings.kernels else SINGLE
    if kernel is None and "lora_mlp_kernel" in settings.kernels:
        return 0.0  # the fused MLP computes this input again
    if kernel in settings.kernels:
        return width * c + (width * (c + mask) if settings.dropout else 0)
    if settings.adapter is None:
        return width * c
    targets = sum(has_adapter(_matrix(geometry, name), settings) for name in names)
    rank = targets * (settings.lora_r or 0) * c
    if settings.dropout:
        return targets * width * (c + mask) + rank
    copies = targets if settings.half and not settings.quantised else min(targets, 1)
    return copies * width * c + rank  # peft casts the input of each 16-bit layer to the adapter's float32, and back


def _inner_mlp(geometry: Geometry, settings: TrainSettings) -> int:
    """Values a token between the MLP's linear layers: gate, up, and for plain layers the activated gate."""
    fused = "lora_mlp_kernel" in settings.kernels or settings.liger_glu_activation
    return (2 if fused else 3) * geometry.intermediate


def _working_width(geometry: Geometry, settings: TrainSettings) -> int:
    """Values a token that the MLP's backward pass holds beside what was saved: gradients of its inner tensors."""
    return (1 if "lora_mlp_kernel" in settings.kernels else 2) * geometry.intermediate


def masked(geometry: Geometry, settings: TrainSettings) -> bool:
    """Whether attention computes all pairs of tokens of a packed row and masks them, as eager always does.

    sdpa reads packed rows without a mask in half precision, with heads of at most 256 values and no sliding window
    (PatchManager._apply_sdpa_varlen_patch of Axolotl).
    """
    if settings.reads_packed_rows:
        return False
    if settings.attn_implementation != "sdpa" or settings.sdpa_varlen is False:
        return True
    unable = geometry.sliding_window is not None or geometry.head_dim > FLASH_WIDEST or not settings.half
    return unable and (settings.sample_packing or settings.micro_batch_size > 1)


def _attention(geometry: Geometry, settings: TrainSettings, batch: Batch) -> float:
    """Queries, keys, values, their statistics, and with a mask what its kernels keep; the output is an input."""
    c = compute_width(settings)
    with_mask = masked(geometry, settings)
    keys = geometry.query_width if with_mask else geometry.key_width  # a mask needs the keys repeated for each head
    saved = batch.tokens * (geometry.query_width + 2 * keys) * c
    if settings.attn_implementation == "eager" or settings.attn_implementation is None:
        wide = SINGLE + (c if c < SINGLE else 0)  # the softmax is in float32 and cast back
        return saved + batch.rows * geometry.heads * batch.length**2 * wide
    saved += batch.tokens * geometry.heads * SINGLE
    if "lora_o_kernel" not in settings.kernels and not _reads_output(geometry, settings):
        saved += batch.tokens * geometry.query_width * c
    return saved + (batch.rows * batch.length**2 * c if with_mask else 0)


def _reads_output(geometry: Geometry, settings: TrainSettings) -> bool:
    """Whether the layer after the attention keeps its input as it is, which is then counted there."""
    if settings.adapter is None:
        return True
    return has_adapter(_matrix(geometry, "o_proj"), settings) and not settings.dropout


def _mask_bytes(geometry: Geometry, settings: TrainSettings, batch: Batch) -> float:
    """The mask that all layers share: one byte for sdpa, a number for eager."""
    if not masked(geometry, settings):
        return 0.0
    return batch.rows * batch.length**2 * (1 if settings.attn_implementation == "sdpa" else compute_width(settings))


def _fused_casts(settings: TrainSettings) -> bool:
    """Whether fused layers keep their adapters a second time, in 16 bits."""
    return settings.half and bool(settings.kernels)


def _casts(geometry: Geometry, settings: TrainSettings) -> float:
    """Adapters in 16 bits that autocast keeps until the forward pass ends; fused layers do without."""
    if not settings.half or settings.kernels:
        return 0.0
    return 2.0 * sum(p.numbers for p in adapter_parameters(geometry, settings) if p.width == SINGLE)


def _head_input(geometry: Geometry, settings: TrainSettings, batch: Batch) -> int:
    """The hidden states that enter the output layer, kept if that is trained."""
    return batch.tokens * geometry.hidden * compute_width(settings) if trains_head(settings) else 0


def _adapters_of_layer(geometry: Geometry, settings: TrainSettings) -> list[Trained]:
    every = adapter_parameters(geometry, settings)
    return every[: math.ceil(len(every) / geometry.layers)]
