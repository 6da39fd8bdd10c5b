"""Bytes of what a training holds from start to end: frozen weights, adapters, gradients, optimizer state.

Number types are those that Axolotl 0.19's model loader leaves behind, which a test reads off a loaded model: with an
adapter, embeddings, output layer and norms end up in 16 bits whether or not `embeddings_skip_upcast` is set (it only
avoids a copy in float32 while loading); in full fine-tuning with sdpa or eager attention they stay in float32.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from training.planning.geometry import Geometry, Matrix
from training.planning.settings import TrainSettings

SINGLE = 4  # bytes of float32
NF4_BLOCK = 64  # weights with one scale: bitsandbytes' default on CUDA and CPU
NESTED_BLOCK = 256  # scales with one scale of their own, where double quantisation is on (Axolotl's default)
NF4_TABLE, NESTED_TABLE = 16, 256  # values in the tables, float32, one of each a layer
STATE_BLOCK = 256  # bitsandbytes' and torchao's 8-bit optimizer states: values with one scale
SMALLEST_QUANTISED = 4096  # parameters; smaller ones keep a float32 state


@dataclass(frozen=True)
class Trained:
    """A parameter that is trained: its shape and the bytes of one value."""

    shape: tuple[int, ...]
    width: int

    @property
    def numbers(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class StateKind:
    """What an optimizer keeps for each parameter: `states` values each of `bits`, or as wide as the parameter."""

    states: int
    bits: Literal["8", "32", "own", "factored"]
    paged: bool = False  # bitsandbytes may move it to the host when the card is full
    known: bool = True


def state_kind(optimizer: str) -> StateKind:
    """What the optimizer of that name keeps; for an unknown one, two values in float32.

    torch keeps a state as wide as the parameter; bitsandbytes (`*_bnb_*`, `paged_*`, `lion_*`) keeps float32 or 8 bits.
    """
    name = optimizer.removeprefix("paged_")
    paged = name != optimizer
    kinds: dict[str, StateKind] = {
        r"adamw(_bnb)?_8bit|adamw_torch_8bit|ao_adamw_8bit": StateKind(2, "8", paged),
        r"lion_8bit|rmsprop_bnb_8bit": StateKind(1, "8", paged),
        r"adamw_torch(_fused|_xla|_npu_fused)?|(adopt|optimi|stable|schedule_free)_adamw|adamc": StateKind(2, "own"),
        r"adamw(_32bit)?|adamw_hf": StateKind(2, "32", paged),
        r"lion(_32bit)?|rmsprop_bnb(_32bit)?": StateKind(1, "32", paged),
        r"ademamix(_32bit)?": StateKind(3, "32", paged),
        r"adagrad|rmsprop": StateKind(1, "own", paged),
        r"sgd": StateKind(0, "own", paged),
        r"adafactor": StateKind(1, "factored", paged),
    }
    for pattern, kind in kinds.items():
        if re.fullmatch(pattern, name):
            return kind
    return StateKind(2, "32", paged, known=False)


def compute_width(settings: TrainSettings) -> int:
    """Bytes of a value in matrix products: 2 in half precision, else 4."""
    return 2 if settings.half else SINGLE


def embedding_width(settings: TrainSettings) -> int:
    """Bytes of a value of embeddings, output layer and norms, and so of the hidden states; see the module."""
    cast = settings.adapter is not None or settings.cut_cross_entropy
    cast = cast or settings.attn_implementation not in (None, "sdpa", "eager")
    return compute_width(settings) if cast else SINGLE


def weight_bytes(geometry: Geometry, settings: TrainSettings) -> int:
    """All weights of the base model, without adapters."""
    narrow, wide = compute_width(settings), embedding_width(settings)
    kept = SINGLE if settings.quantised else narrow  # biases, which the preparation for k-bit training widens
    total = sum(geometry.vectors) * wide
    for matrix in geometry.matrices:
        total += matrix.bias * (wide if matrix.is_head else kept)
        if matrix.tied:
            continue
        if matrix.embedding or matrix.is_head:
            total += matrix.parameters * wide
        else:
            total += linear_bytes(matrix, settings)
    return total


def linear_bytes(matrix: Matrix, settings: TrainSettings) -> int:
    """The weight of a linear layer inside the decoder as it is stored, with its scales."""
    if settings.load_in_8bit:
        return matrix.parameters + matrix.outputs * SINGLE
    if not settings.load_in_4bit:
        return matrix.parameters * compute_width(settings)
    scales = -(-matrix.parameters // NF4_BLOCK)
    total = -(-matrix.parameters // 2) + NF4_TABLE * SINGLE
    if not settings.bnb_config_kwargs.get("bnb_4bit_use_double_quant", True):
        return total + scales * SINGLE
    return total + scales + (-(-scales // NESTED_BLOCK) + NESTED_TABLE + 1) * SINGLE


def trains_head(settings: TrainSettings) -> bool:
    """Whether the output layer's own weight is trained."""
    return settings.adapter is None or "lm_head" in settings.lora_modules_to_save


def has_adapter(matrix: Matrix, settings: TrainSettings) -> bool:
    """Whether peft puts an adapter on this layer, or for a layer that is another one's, on that one."""
    if settings.adapter is None:
        return False
    if settings.lora_target_linear and not matrix.embedding and not matrix.is_head:
        return True
    targets = settings.lora_target_modules
    if len(targets) == 1 and (re.fullmatch(targets[0], matrix.name) or targets[0] == "all-linear"):
        return targets[0] != "all-linear" or not (matrix.embedding or matrix.is_head)
    return any(matrix.name == target or matrix.name.endswith(f".{target}") for target in targets)


def trained_parameters(geometry: Geometry, settings: TrainSettings) -> list[Trained]:
    """Every parameter that is trained: all of the model, or adapters and copies of `lora_modules_to_save`."""
    narrow, wide = compute_width(settings), embedding_width(settings)
    if settings.adapter is None:
        own = [matrix for matrix in geometry.matrices if not matrix.tied]
        outer = [m for m in own if m.embedding or m.is_head]
        found = [Trained((m.outputs, m.inputs), wide if m in outer else narrow) for m in own]
        found += [Trained((m.bias,), narrow) for m in geometry.matrices if m.bias]
        return found + [Trained((size,), wide) for size in geometry.vectors]
    return [*adapter_parameters(geometry, settings), *_copies(geometry, settings)]


def adapter_parameters(geometry: Geometry, settings: TrainSettings) -> list[Trained]:
    """The two matrices of each adapter (and with DoRA its vector), in float32 unless peft is told otherwise."""
    rank = settings.lora_r or 0
    width = compute_width(settings) if settings.peft_autocast_adapter_dtype is False else SINGLE
    found = []
    for matrix in geometry.matrices:
        if has_adapter(matrix, settings) and (matrix.is_head or not matrix.tied):
            found += [Trained((rank, matrix.inputs), width), Trained((matrix.outputs, rank), width)]
            if settings.peft_use_dora:
                found.append(Trained((matrix.outputs,), width))
    return found


def _copies(geometry: Geometry, settings: TrainSettings) -> list[Trained]:
    width = embedding_width(settings)
    names = settings.lora_modules_to_save
    return [
        Trained((matrix.outputs, matrix.inputs), width if matrix.embedding or matrix.is_head else SINGLE)
        for matrix in geometry.matrices
        if any(matrix.name == name or matrix.name.endswith(f".{name}") for name in names)
    ]


def stored_bytes(trained: Sequence[Trained]) -> int:
    """The parameters themselves; their gradients take the same."""
    return sum(parameter.numbers * parameter.width for parameter in trained)


def optimizer_bytes(trained: Sequence[Trained], optimizer: str) -> int:
    """The optimizer's state for these parameters, with the scales of 8-bit states."""
    kind = state_kind(optimizer)
    return sum(_state_bytes(parameter, kind) for parameter in trained)


def _state_bytes(parameter: Trained, kind: StateKind) -> int:
    numbers = parameter.numbers
    if kind.bits == "factored":  # Adafactor: one value a row and one a column
        return SINGLE * (sum(parameter.shape) if len(parameter.shape) > 1 else numbers)
    if kind.bits == "own":
        return kind.states * numbers * parameter.width
    if kind.bits == "32" or numbers < SMALLEST_QUANTISED:
        return kind.states * numbers * SINGLE
    return kind.states * (numbers + -(-numbers // STATE_BLOCK) * SINGLE)
