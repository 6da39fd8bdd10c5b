"""Bytes and operations of a teacher beside the student: its weights, its forward pass, and the loss against it.

The teacher is loaded in the type of the training, whole on each device. Of logits there is a chunk of positions at a
time (`training.distilling.loss`), of both models; with more than one chunk they are computed twice.
"""

from dataclasses import dataclass

from training.distilling.chunk import CHUNK_LOGITS
from training.planning.activations import Batch
from training.planning.geometry import Geometry
from training.planning.packing import Epoch
from training.planning.settings import TrainSettings
from training.planning.weights import SINGLE, compute_width, embedding_width, trains_head

# Float32 values a logit at the most, of a chunk with temperature 1: logits of both models, both log-softmaxes, the
# divergence's terms and the gradients of the student's; a test holds it to what torch really has.
VALUES_A_LOGIT = 6


@dataclass(frozen=True)
class Teaching:
    """Bytes: `weights` from start to end, `forward` while the teacher answers, `loss` while the two are compared."""

    weights: float
    forward: float
    loss: float


def teaching(student: Geometry, teacher: Geometry, settings: TrainSettings, batch: Batch) -> Teaching:
    """What a teacher adds to a training step. Every position is taken for one that is trained on."""
    c, tokens = compute_width(settings), batch.tokens
    chunk = min(tokens, max(1, CHUNK_LOGITS // student.vocabulary))
    states = tokens * (student.hidden * embedding_width(settings) + 2 * teacher.hidden * c)
    gradient = student.vocabulary * student.hidden * SINGLE if trains_head(settings) else 0
    loss = chunk * student.vocabulary * VALUES_A_LOGIT * SINGLE + states + gradient
    return Teaching(float(teacher.parameters * c), forward_layer(teacher, settings, batch), float(loss))


def forward_layer(geometry: Geometry, settings: TrainSettings, batch: Batch) -> float:
    """A layer's forward pass without gradients: hidden states and the MLP's inner tensors."""
    return float(batch.tokens * (3 * geometry.intermediate + 4 * geometry.hidden) * compute_width(settings))


def teacher_operations(teacher: Geometry, epoch: Epoch) -> float:
    """Of the teacher's forward passes over an epoch, output layer and attention included."""
    inner = sum(matrix.parameters for matrix in teacher.linears)
    attention = 4.0 * epoch.pairs * teacher.query_width * teacher.layers
    return epoch.computed * 2.0 * (inner + teacher.vocabulary * teacher.hidden) + attention
