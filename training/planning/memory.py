"""The peak memory of a training by part, against what a card has. Bytes; `Memory.peak` is the greatest of its moments.

A training's memory is greatest at one of these: at the loss, in the backward pass of a layer, in the optimizer's step,
or in an evaluation. Parts that are never there together are not added.
"""

from dataclasses import dataclass

from training.planning.activations import Activations, Batch, activations
from training.planning.cards import Card
from training.planning.geometry import Geometry
from training.planning.losses import evaluation_logits, training_logits
from training.planning.settings import TrainSettings
from training.planning.teaching import Teaching, forward_layer, teaching
from training.planning.weights import (
    SINGLE,
    compute_width,
    optimizer_bytes,
    stored_bytes,
    trained_parameters,
    weight_bytes,
)

GIB = 2**30
# Estimates, none of them measured here. A CUDA process with torch's and bitsandbytes' kernels loaded:
CONTEXT = int(0.6 * GIB)
WORKSPACE = 32 * 2**20  # cuBLAS's, torch's default on Hopper; less on others
PROCESS = int(1.0 * GIB)  # on a CPU: Python with torch, transformers and Axolotl's libraries
# What the allocator holds beyond what is asked for; kept low by the expandable segments that oneday.console sets.
FRAGMENTATION = 0.05
# The share of a card's memory that its driver and firmware keep: about 0.4 of 24 GiB is not offered to programs.
NOT_OFFERED = 0.02


@dataclass(frozen=True)
class Memory:
    """Bytes by part. `moments` are the totals at each of the moments, all with what is always there."""

    weights: float
    adapters: float
    gradients: float
    optimizer: float
    activations: Activations
    logits: float
    evaluation: float
    overhead: float
    moments: dict[str, float]
    teacher: Teaching | None = None

    @property
    def peak_at(self) -> str:
        """The moment with the most."""
        return max(self.moments, key=lambda name: self.moments[name])

    @property
    def peak(self) -> float:
        """Bytes at that moment."""
        return self.moments[self.peak_at]


def memory(
    geometry: Geometry,
    settings: TrainSettings,
    train: Batch,
    evaluate: Batch | None,
    card: Card,
    gpus: int = 1,
    teacher: Geometry | None = None,
) -> Memory:
    """What one device needs. With `fsdp_config`, weights, gradients and states are shared out to all `gpus`."""
    share = gpus if settings.fsdp_config else 1
    trained = trained_parameters(geometry, settings)
    weights = weight_bytes(geometry, settings) / share
    own = stored_bytes(trained) / share
    state = optimizer_bytes(trained, settings.optimizer) / share
    saved = activations(geometry, settings, train, card.is_cpu)
    taught = None if teacher is None else teaching(geometry, teacher, settings, train)
    logits = training_logits(geometry, settings, train) if taught is None else taught.loss
    tested = evaluation_logits(geometry, settings, evaluate) if evaluate else 0.0
    adapters = own if settings.adapter else 0.0
    always = weights + adapters + state + (0.0 if taught is None else taught.weights)
    answering = 0.0 if taught is None else taught.forward
    moments = {
        "loss": saved.kept + max(logits, answering) + _standing_gradients(settings, own),
        "backward": _backward(settings, saved, own),
        "optimizer step": own + _step_copies(settings, sum(t.numbers for t in trained) / share, card),
    }
    if evaluate:
        moments["evaluation"] = max(tested, forward_layer(geometry, settings, evaluate))
    fixed = _fixed(geometry, settings, card)
    loose = FRAGMENTATION * (always + max(moments.values()))
    totals = {name: always + own_part + fixed + loose for name, own_part in moments.items()}
    return Memory(weights, adapters, own, state, saved, logits, tested, fixed + loose, totals, taught)


def offered(card: Card) -> float:
    """Bytes that a program may have of the card."""
    return card.memory_gib * GIB * (1.0 if card.is_cpu else 1 - NOT_OFFERED)


def _standing_gradients(settings: TrainSettings, gradients: float) -> float:
    """The gradients that are there at the loss: those of earlier micro-batches."""
    return gradients if settings.gradient_accumulation_steps > 1 else 0.0


def _backward(settings: TrainSettings, saved: Activations, gradients: float) -> float:
    """Without accumulation the gradients grow while the activations go."""
    if settings.gradient_accumulation_steps > 1:
        return saved.kept + saved.layer + gradients
    return saved.layer + max(saved.kept, gradients)


def _step_copies(settings: TrainSettings, trained: float, card: Card) -> float:
    """torch's AdamW without the fused kernel holds one more value for each trained parameter on a card."""
    return trained * SINGLE if settings.optimizer == "adamw_torch" and not card.is_cpu else 0.0


def _fixed(geometry: Geometry, settings: TrainSettings, card: Card) -> float:
    """Not dependent on the batch: context, workspace, and the largest layer unpacked, if in 4 bits."""
    largest = max(matrix.parameters for matrix in geometry.linears)
    buffer = largest * compute_width(settings) if settings.load_in_4bit else 0
    return buffer + (PROCESS if card.is_cpu else CONTEXT + WORKSPACE)
