"""Bytes at the output layer: logits, the loss, and their gradients. Whether they exist whole depends on the recipe.

Per logit, from torch's operations in transformers' ForCausalLMLoss: the logits as computed, their copy in float32 and
the log-softmax in the forward pass; the log-softmax and two gradients, all in float32, in the backward pass.
"""

from training.planning.activations import Batch
from training.planning.geometry import Geometry
from training.planning.settings import TrainSettings
from training.planning.weights import SINGLE, compute_width, embedding_width, trains_head


def training_logits(geometry: Geometry, settings: TrainSettings, batch: Batch) -> float:
    """The most that a training step holds at the output layer."""
    c, logits = compute_width(settings), batch.tokens * geometry.vocabulary
    states = batch.tokens * geometry.hidden * embedding_width(settings)  # their gradient
    if settings.liger_fused_linear_cross_entropy:
        return (
            _liger_chunk(geometry, batch.tokens) * geometry.vocabulary * c + states + _head_gradient(geometry, settings)
        )
    if settings.cut_cross_entropy:
        return states + _head_gradient(geometry, settings)
    if settings.chunked_cross_entropy:
        chunk = logits / settings.chunked_cross_entropy_num_chunks
        return 2.0 * logits * c + 2 * chunk * SINGLE  # the logits and their gradient stay; one chunk is widened
    if settings.liger_cross_entropy:
        return float(logits * (c + SINGLE))  # the gradient takes the place of the float32 copy
    return float(logits * max(c + 2 * SINGLE if c < SINGLE else 2 * SINGLE, 3 * SINGLE))


def evaluation_logits(geometry: Geometry, settings: TrainSettings, batch: Batch) -> float:
    """The most that an evaluation step holds: Liger's fused loss is for training only, so the logits are whole."""
    if settings.cut_cross_entropy:
        return 0.0
    c, logits = compute_width(settings), batch.tokens * geometry.vocabulary
    return float(logits * (c + 2 * SINGLE if c < SINGLE else 2 * SINGLE))


def _liger_chunk(geometry: Geometry, tokens: int) -> int:
    """The tokens that liger-kernel 0.8 takes at a time: a power of two (ops/fused_linear_cross_entropy.py)."""
    parts = -(-geometry.vocabulary // geometry.hidden)
    chunk = 1 << (-(-tokens // parts) - 1).bit_length()
    return min(chunk, tokens)


def _head_gradient(geometry: Geometry, settings: TrainSettings) -> int:
    """A fused loss computes the output layer's gradient at once, if it is trained: once more in float32."""
    return geometry.vocabulary * geometry.hidden * SINGLE if trains_head(settings) else 0
