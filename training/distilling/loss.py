"""What a student's predictions lack of the labels and of a teacher's, as sums over positions, exact and in float32.

Hidden states of both models go in, not logits: the output layers are applied to a chunk of positions at a time, so
that of each model at most `CHUNK_LOGITS` logits exist at once, whatever the batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from training.distilling.chunk import CHUNK_LOGITS

MASKED = -100  # the label of a position that is not trained on

Head = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Sums:
    """Sums over positions: KL divergence from the teacher times the squared temperature, and cross-entropy."""

    divergence: Tensor
    cross_entropy: Tensor


def shifted(labels: Tensor) -> Tensor:
    """At each position the label of the next one, as transformers' loss shifts; the last of a row has none."""
    return torch.nn.functional.pad(labels, (0, 1), value=MASKED)[..., 1:]


def position_losses(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float) -> Sums:
    """The sums for logits (positions, vocabulary) of both models and labels (positions), none of them masked.

    The divergence is KL(teacher || student) of both distributions at the temperature, times its square, which keeps
    the size of its gradients (Hinton et al., 2015).
    """
    scores = student.float().log_softmax(-1)
    cross_entropy = torch.nn.functional.nll_loss(scores, labels, reduction="sum")
    if temperature != 1:
        scores = (scores / temperature).log_softmax(-1)
    targets = (teacher.float() / temperature).log_softmax(-1)
    divergence = torch.nn.functional.kl_div(scores, targets, reduction="sum", log_target=True)
    return Sums(divergence * temperature**2, cross_entropy)


def chunked_losses(
    student_head: Head,
    student_states: Tensor,
    teacher_head: Head,
    teacher_states: Tensor,
    labels: Tensor,
    temperature: float,
    vocabulary: int,
    chunk_logits: int = CHUNK_LOGITS,
) -> Sums:
    """The sums over all positions whose shifted label is not masked.

    States are what enters the output layers (rows, length, width); labels (rows, length) are not shifted yet. With more
    than one chunk, logits are computed again in the backward pass instead of being kept.
    """
    targets = shifted(labels)
    trained = targets != MASKED
    size = max(1, chunk_logits // vocabulary)
    of_chunk = partial(_of_chunk, student_head, teacher_head, temperature)
    parts = list(
        zip(
            torch.split(student_states[trained], size),
            torch.split(teacher_states[trained].detach(), size),
            torch.split(targets[trained], size),
            strict=True,
        )
    )
    if len(parts) == 1:
        sums = of_chunk(*parts[0])
    else:
        each = [checkpoint(of_chunk, *part, use_reentrant=False) for part in parts]
        sums = torch.stack(each).sum(0)
    return Sums(sums[0], sums[1])


def _of_chunk(
    student_head: Head, teacher_head: Head, temperature: float, student: Tensor, teacher: Tensor, labels: Tensor
) -> Tensor:
    with torch.no_grad():
        teacher_logits = teacher_head(teacher)
    sums = position_losses(student_head(student), teacher_logits, labels, temperature)
    return torch.stack([sums.divergence, sums.cross_entropy])
