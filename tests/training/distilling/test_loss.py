"""The loss against a teacher: exact, in chunks, and blind to what is not trained on."""

import pytest
import torch
from torch import Tensor

from training.distilling.loss import MASKED, Sums, chunked_losses, position_losses, shifted

VOCABULARY, WIDTH = 50, 8


def logits(positions: int, seed: int, scale: float = 3.0) -> Tensor:
    return scale * torch.randn(positions, VOCABULARY, generator=torch.Generator().manual_seed(seed))


def plain_divergence(student: Tensor, teacher: Tensor, temperature: float) -> float:
    """By its definition, in double precision, one position after the other."""
    total = 0.0
    for ours, theirs in zip(student.double(), teacher.double(), strict=True):
        p = torch.exp(theirs / temperature) / torch.exp(theirs / temperature).sum()
        q = torch.exp(ours / temperature) / torch.exp(ours / temperature).sum()
        total += float((p * (p / q).log()).sum())
    return temperature**2 * total


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 4.0])
def test_the_divergence_is_that_of_its_definition(temperature: float) -> None:
    student, teacher, labels = logits(12, 1), logits(12, 2), torch.arange(12)
    sums = position_losses(student, teacher, labels, temperature)
    assert float(sums.divergence) == pytest.approx(plain_divergence(student, teacher, temperature), rel=1e-5)
    assert float(sums.cross_entropy) == pytest.approx(
        float(torch.nn.functional.cross_entropy(student, labels, reduction="sum")), rel=1e-6
    )


def test_its_gradient_is_the_difference_of_the_probabilities() -> None:
    student, teacher, temperature = logits(5, 1).requires_grad_(), logits(5, 2), 2.0
    position_losses(student, teacher, torch.zeros(5, dtype=torch.long), temperature).divergence.backward()  # type: ignore[no-untyped-call]
    expected = temperature * ((student / temperature).softmax(-1) - (teacher / temperature).softmax(-1))
    assert student.grad is not None
    assert torch.allclose(student.grad, expected, atol=1e-6)


def test_a_teacher_that_is_the_student_gives_no_divergence_and_no_gradient() -> None:
    student = logits(30, 1).requires_grad_()
    sums = position_losses(student, student.detach().clone(), torch.zeros(30, dtype=torch.long), 2.0)
    sums.divergence.backward()  # type: ignore[no-untyped-call]
    assert student.grad is not None
    assert abs(sums.divergence.item()) < 1e-5
    assert float(student.grad.abs().max()) < 1e-6


def test_16_bit_logits_are_compared_in_float32() -> None:
    student, teacher, labels = logits(12, 1).bfloat16(), logits(12, 2).bfloat16(), torch.arange(12)
    sums = position_losses(student, teacher, labels, 1.0)
    assert sums.divergence.dtype == sums.cross_entropy.dtype == torch.float32
    assert float(sums.divergence) == pytest.approx(plain_divergence(student, teacher, 1.0), rel=1e-5)


class Toy:
    """Two output layers, hidden states of two rows for each, and labels of which some are masked."""

    def __init__(self, masked: bool = False) -> None:
        generator = torch.Generator().manual_seed(0)
        self.student = torch.nn.Linear(WIDTH, VOCABULARY, bias=False)
        self.teacher = torch.nn.Linear(2 * WIDTH, VOCABULARY, bias=False)
        for layer in (self.student, self.teacher):
            torch.nn.init.normal_(layer.weight, generator=generator)
        self.states = torch.randn(2, 21, WIDTH, generator=generator).requires_grad_()
        self.teacher_states = torch.randn(2, 21, 2 * WIDTH, generator=generator).requires_grad_()
        self.labels = torch.randint(0, VOCABULARY, (2, 21), generator=generator)
        self.labels[:, :7] = MASKED
        if masked:
            self.labels[:] = MASKED

    def sums(self, temperature: float = 2.0, **others: int) -> Sums:
        return chunked_losses(
            self.student, self.states, self.teacher, self.teacher_states, self.labels, temperature, VOCABULARY, **others
        )

    def gradients(self, sums: Sums) -> list[Tensor]:
        loss = 0.3 * sums.divergence + 0.7 * sums.cross_entropy
        return list(torch.autograd.grad(loss, [self.states, self.student.weight]))


def test_labels_are_shifted_as_transformers_shifts_them() -> None:
    assert shifted(torch.tensor([[1, 2, 3]])).tolist() == [[2, 3, MASKED]]


def test_only_positions_with_a_label_count() -> None:
    toy = Toy()
    sums = toy.sums()
    student, teacher = toy.student(toy.states), toy.teacher(toy.teacher_states)
    whole = [
        position_losses(student[row, 6:-1], teacher[row, 6:-1], toy.labels[row, 7:], 2.0).divergence for row in (0, 1)
    ]
    assert float(sums.divergence) == pytest.approx(float(sum(whole)), rel=1e-5)
    (gradient, _) = toy.gradients(sums)
    assert torch.count_nonzero(gradient[:, :6]) == torch.count_nonzero(gradient[:, -1]) == 0
    assert torch.count_nonzero(gradient[:, 6:-1]) == gradient[:, 6:-1].numel()


@pytest.mark.parametrize("positions", [1, 4, 27, 28])
def test_chunks_change_neither_the_sums_nor_the_gradients(positions: int) -> None:
    toy = Toy()
    whole, parts = toy.sums(), toy.sums(chunk_logits=positions * VOCABULARY)
    assert float(parts.divergence) == pytest.approx(float(whole.divergence), rel=1e-6)
    assert float(parts.cross_entropy) == pytest.approx(float(whole.cross_entropy), rel=1e-6)
    for one, other in zip(toy.gradients(parts), toy.gradients(whole), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_no_more_logits_exist_at_a_time_than_a_chunk_has() -> None:
    toy, seen = Toy(), []
    for layer in (toy.student, toy.teacher):
        layer.register_forward_hook(lambda layer, inputs, output: seen.append(output.numel()))
    toy.gradients(toy.sums(chunk_logits=4 * VOCABULARY))
    assert sum(seen) > 2 * 28 * VOCABULARY, "computed again in the backward pass"
    assert max(seen) == 4 * VOCABULARY


def test_the_teacher_has_no_gradient() -> None:
    toy = Toy()
    sums = toy.sums(chunk_logits=4 * VOCABULARY)
    (sums.divergence + sums.cross_entropy).backward()  # type: ignore[no-untyped-call]
    assert toy.teacher.weight.grad is None
    assert toy.teacher_states.grad is None


def test_a_batch_without_labels_gives_0_and_gradients_of_0() -> None:
    toy = Toy(masked=True)
    sums = toy.sums()
    assert float(sums.divergence) == float(sums.cross_entropy) == 0
    assert all(torch.count_nonzero(gradient) == 0 for gradient in toy.gradients(sums))
