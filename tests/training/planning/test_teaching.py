"""What a teacher adds to a plan: its weights once, a forward pass, and a loss that holds a chunk of logits."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.planning.tiny_models import LLAMA, Live, settings_of, shapes
from training.distilling.loss import chunked_losses
from training.planning import teaching as module
from training.planning.activations import Batch
from training.planning.cards import Card
from training.planning.compressed import teacher_geometry
from training.planning.memory import GIB
from training.planning.outlook import Case, look
from training.planning.packing import epoch
from training.planning.rows import packer
from training.planning.teaching import teacher_operations, teaching

INKUBA = LLAMA | {"model_type": "inkuba"}
BIG = LLAMA | {"num_hidden_layers": 12}
PACKED = {"sample_packing": True, "sequence_len": 256, "micro_batch_size": 4}


def _case(**values: Any) -> Case:
    geometry = shapes(LLAMA)
    card = Card("test", 24, 100, 100, 1000, "test")
    return Case(
        geometry, settings_of(**PACKED | values), card, 1, packer(np.full(200, 100), np.zeros(0, dtype=int), geometry)
    )


def test_a_shared_mlp_is_counted_once_and_computed_in_each_layer() -> None:
    plain, shared = shapes(LLAMA), shapes(INKUBA)
    mlp = 3 * plain.hidden * plain.intermediate
    assert shared.parameters == plain.parameters - (plain.layers - 1) * mlp
    assert sum(m.parameters for m in shared.linears) == sum(m.parameters for m in plain.linears)
    assert len([m for m in shared.linears if m.tied]) == 3 * (plain.layers - 1)


@pytest.mark.parametrize("extra", [{}, {"adapter": "lora", "lora_r": 8, "lora_target_linear": True}])
def test_a_shared_mlp_is_trained_once(extra: dict[str, Any]) -> None:
    from training.planning.weights import trained_parameters

    settings = settings_of(**extra)
    numbers = [sum(t.numbers for t in trained_parameters(shapes(config), settings)) for config in (LLAMA, INKUBA)]
    width, inner, layers = LLAMA["hidden_size"], LLAMA["intermediate_size"], LLAMA["num_hidden_layers"]
    one = 3 * 8 * (width + inner) if extra else 3 * width * inner
    assert numbers[0] - numbers[1] == (layers - 1) * one


def test_a_teacher_adds_its_weights_and_its_forward_pass() -> None:
    alone = _case()
    taught = replace(alone, teacher=shapes(BIG))
    before, after = look(alone), look(taught)
    assert before.memory.teacher is None
    assert after.memory.teacher is not None
    assert after.memory.teacher.weights == shapes(BIG).parameters * 4
    assert after.memory.peak > before.memory.peak
    assert before.hours is not None
    assert after.hours is not None
    assert before.train is not None
    added = teacher_operations(shapes(BIG), before.train)
    assert 1.0 < added / (2 * before.train.computed * _multiplied()) < 1.5, "the rest is attention"
    assert after.hours.train > before.hours.train
    assert after.hours.evaluate == before.hours.evaluate


def _multiplied() -> int:
    """The teacher's weights that each token is multiplied with."""
    geometry = shapes(BIG)
    return sum(matrix.parameters for matrix in geometry.matrices if not matrix.embedding)


def test_half_precision_halves_the_teacher() -> None:
    full, half = (teaching(shapes(LLAMA), shapes(BIG), settings_of(bf16=bf16), Batch(1, 256)) for bf16 in (False, True))
    assert half.weights == full.weights / 2
    assert half.forward == full.forward / 2


@pytest.mark.parametrize("chunks", [1, 4])
def test_the_loss_takes_what_torch_takes(chunks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    student, teacher, tokens = shapes(LLAMA), shapes(BIG), 2048
    limit = tokens // chunks * student.vocabulary
    monkeypatch.setattr(module, "CHUNK_LOGITS", limit)
    heads = torch.nn.ModuleList(torch.nn.Linear(g.hidden, g.vocabulary, bias=False) for g in (student, teacher))
    states = [torch.randn(1, tokens, g.hidden, requires_grad=True) for g in (student, teacher)]
    labels = torch.randint(0, student.vocabulary, (1, tokens))
    live = Live(heads)
    with live:
        sums = chunked_losses(
            heads[0], states[0], heads[1], states[1], labels, 1.0, student.vocabulary, chunk_logits=limit
        )
        (sums.divergence + sums.cross_entropy).backward()  # type: ignore[no-untyped-call]
    planned = teaching(student, teacher, settings_of(), Batch(1, tokens)).loss
    assert live.peak == pytest.approx(planned, rel=0.15)


def test_a_large_vocabulary_does_not_make_the_loss_large() -> None:
    """16,384 tokens of 262,144 logits are 16 GiB in float32, of each model."""
    wide = shapes(LLAMA | {"vocab_size": 262_144, "hidden_size": 64})
    assert teaching(wide, wide, settings_of(bf16=True), Batch(1, 16_384)).loss < 1.2 * GIB


def test_attention_counts_in_the_teachers_time() -> None:
    one, four = (
        teacher_operations(shapes(BIG), epoch(np.full(64, length), settings_of(sequence_len=1024), None, False))
        for length in (256, 1024)
    )
    assert four > 4 * one


def test_a_teacher_whose_shapes_are_not_known_is_told(tmp_path: Path) -> None:
    assert teacher_geometry(None, tmp_path) is None
    with pytest.raises(FileNotFoundError, match=r"oneday_teacher: .*make the teacher first"):
        teacher_geometry(str(tmp_path / "absent"), tmp_path)
