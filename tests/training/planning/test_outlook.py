"""Memory, hours and advice put together: known sizes, what counts when, and advice that holds when followed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.planning.tiny_models import LORA, MISTRAL, settings_of, shapes
from training.planning.activations import Batch
from training.planning.advice import LIGER, single_changes, smallest_fit
from training.planning.cards import CARDS, Card
from training.planning.geometry import Geometry, geometry_of, published_config
from training.planning.hours import FUSED, PLAIN, assumed_efficiency, train_operations
from training.planning.losses import evaluation_logits, training_logits
from training.planning.memory import GIB, memory
from training.planning.outlook import Case, look
from training.planning.packing import epoch
from training.planning.rows import packer, rows_from
from training.planning.settings import TrainSettings
from training.planning.weights import weight_bytes

BIRBAL: dict[str, Any] = {
    "bf16": True,
    "adapter": "qlora",
    "load_in_4bit": True,
    "lora_r": 128,
    "lora_target_linear": True,
    "attn_implementation": "flash_attention_2",
    "sample_packing": True,
    "sequence_len": 8192,
    "micro_batch_size": 2,
    "gradient_accumulation_steps": 4,
    "gradient_checkpointing": True,
    "optimizer": "paged_adamw_32bit",
}
SMALL = {"sample_packing": True, "sequence_len": 256, "micro_batch_size": 4, "gradient_accumulation_steps": 2}
ROWS = np.full(200, 100)


@pytest.fixture(scope="module")
def mistral() -> Geometry:
    """Mistral-7B-v0.1."""
    config = published_config("Mistral-7B-v0.1")
    assert config is not None
    return geometry_of(config, "published")


def _case(settings: TrainSettings, memory_gib: float = 24, tflops: float = 100, rows: int = 200) -> Case:
    card = Card("test", memory_gib, tflops, tflops, 1000, "test")
    geometry = shapes(MISTRAL)
    return Case(geometry, settings, card, 1, packer(np.full(rows, 100), np.zeros(0, dtype=np.int64), geometry))


def test_nf4_weights_of_mistral_7b_are_half_a_byte_and_scales(mistral: Geometry) -> None:
    inner = sum(matrix.parameters for matrix in mistral.linears)
    embeddings = 2 * 32_000 * 4096
    expected = inner * (0.5 + 1 / 64 + 4 / (64 * 256)) + embeddings * 2
    assert weight_bytes(mistral, settings_of(**BIRBAL)) == pytest.approx(expected, rel=0.001)


def test_the_logits_of_16_384_tokens_take_12_bytes_each(mistral: Geometry) -> None:
    batch = Batch(1, 16_384)
    assert training_logits(mistral, settings_of(**BIRBAL), batch) == 16_384 * 32_000 * 12
    assert evaluation_logits(mistral, settings_of(**BIRBAL), batch) == 16_384 * 32_000 * 10


def test_ligers_fused_loss_takes_a_chunk_in_training_and_all_in_an_evaluation(mistral: Geometry) -> None:
    fused = settings_of(**BIRBAL | {"liger_fused_linear_cross_entropy": True})
    batch = Batch(1, 16_384)
    assert training_logits(mistral, fused, batch) == 2048 * 32_000 * 2 + 16_384 * 4096 * 2
    assert evaluation_logits(mistral, fused, batch) == 16_384 * 32_000 * 10


@pytest.mark.parametrize("key", ["liger_cross_entropy", "chunked_cross_entropy", "cut_cross_entropy"])
def test_other_losses_take_less_than_torchs(mistral: Geometry, key: str) -> None:
    batch, plain = Batch(1, 8192), settings_of(**BIRBAL)
    assert training_logits(mistral, settings_of(**BIRBAL | {key: True}), batch) < training_logits(mistral, plain, batch)


def test_loss_and_backward_pass_are_not_added(mistral: Geometry) -> None:
    found = memory(mistral, settings_of(**BIRBAL), Batch(1, 16_384), Batch(1, 16_384), CARDS["rtx4090"])
    always = found.weights + found.adapters + found.gradients + found.optimizer + found.overhead
    most = max(found.logits, found.activations.layer)
    assert found.peak == pytest.approx(always + found.activations.kept + most)
    assert 15 < found.peak / GIB < 26


def test_gradients_stand_at_the_loss_only_with_accumulation(mistral: Geometry) -> None:
    def peak(steps: int) -> float:
        settings = settings_of(**BIRBAL | {"gradient_accumulation_steps": steps, "micro_batch_size": 1})
        return memory(mistral, settings, Batch(1, 8192), None, CARDS["rtx4090"]).moments["loss"]

    assert peak(2) - peak(1) == pytest.approx(335_544_320 * 4, rel=0.06)


def test_fsdp_shares_what_is_held(mistral: Geometry) -> None:
    settings = settings_of(**BIRBAL | {"fsdp_config": {"reshard_after_forward": True}})
    one, two = (memory(mistral, settings, Batch(1, 8192), None, CARDS["rtx4090"], gpus) for gpus in (1, 2))
    assert two.weights == one.weights / 2
    assert two.optimizer == one.optimizer / 2
    assert two.activations == one.activations


def test_operations_of_a_token_are_those_of_the_layers(mistral: Geometry) -> None:
    batches = epoch(np.full(100, 8000), settings_of(**BIRBAL | {"micro_batch_size": 1}), None, False)
    inner = sum(matrix.parameters for matrix in mistral.linears)
    expected = batches.computed * (6 * inner + 8 * 335_544_320 + 4 * 32_000 * 4096)
    attention = 4 * batches.pairs * 4096 * 32 * 4.5
    assert train_operations(mistral, settings_of(**BIRBAL), batches) == pytest.approx(expected + attention)


def test_full_training_computes_more_than_adapters() -> None:
    batches = epoch(ROWS, settings_of(**SMALL), None, False)
    inner = sum(matrix.parameters for matrix in shapes(MISTRAL).linears)
    full, frozen = (
        train_operations(shapes(MISTRAL), settings_of(**v), batches) for v in (SMALL, SMALL | LORA | {"lora_r": 1})
    )
    assert full - frozen == pytest.approx(batches.computed * 2 * (inner + 512 * 128), rel=0.1)


def test_the_assumed_efficiency_is_lower_without_fused_layers() -> None:
    card = CARDS["rtx4090"]
    fused, plain = settings_of(**BIRBAL), settings_of(**BIRBAL | {"lora_mlp_kernel": False})
    assert assumed_efficiency(fused, False, card) == FUSED
    assert assumed_efficiency(plain, False, card) == assumed_efficiency(fused, True, card) == PLAIN


def test_twice_the_cards_take_half_the_time() -> None:
    case = _case(settings_of(**SMALL), rows=4000)
    one, two = look(case), look(Case(case.geometry, case.settings, case.card, 2, case.rows_of))
    assert one.hours is not None
    assert two.hours is not None
    assert two.hours.train == pytest.approx(one.hours.train / 2, rel=0.02)


def test_a_memory_that_does_not_fit_gets_advice_that_fits() -> None:
    case = _case(settings_of(**SMALL | {"optimizer": "adamw_torch"}))
    needed = look(case).peak / GIB
    tight = _case(case.settings, memory_gib=needed * 0.995)
    now = look(tight)
    assert not now.fits
    found = smallest_fit(tight, now)
    assert found is not None
    assert look(tight.with_changes(found.keys)).fits
    singles = single_changes(tight, now)
    assert singles
    assert all(change.outlook.peak < now.peak for change in singles)


def test_hours_that_do_not_fit_get_fewer_epochs() -> None:
    case = _case(settings_of(**SMALL | {"num_epochs": 3.0, "oneday_budget_seconds": 150}), tflops=0.001)
    now = look(case)
    assert now.hours is not None
    assert not now.hours_fit
    found = smallest_fit(case, now)
    assert found is not None
    assert look(case.with_changes(found.keys)).fits
    assert "num_epochs" in str(found) or found.outlook.hours is not None


def test_nothing_is_advised_where_nothing_helps() -> None:
    tiny = _case(settings_of(**SMALL), memory_gib=0.01)
    assert smallest_fit(tiny, look(tiny)) is None


def test_a_plugin_is_advised_with_its_key() -> None:
    case = _case(settings_of(**SMALL | {"plugins": ["training.plugin.OneDayPlugin"]}), memory_gib=0.01)
    (liger,) = [c for c in single_changes(case, look(case)) if "liger_fused_linear_cross_entropy" in c.keys] or [None]
    if liger is not None:
        assert liger.keys["plugins"] == ["training.plugin.OneDayPlugin", LIGER]


def test_cards_are_not_advised_to_a_processor() -> None:
    case = _case(settings_of(**SMALL), memory_gib=0.01)
    on_cpu = Case(case.geometry, case.settings, Card("cpu", 0.01, 1, 1, 0, "test"), 1, case.rows_of)
    keys = {key for change in single_changes(on_cpu, look(on_cpu)) for key in change.keys}
    assert not {"plugins", "optimizer", "activation_offloading"} & keys


def test_unknown_rows_leave_the_memory(tmp_path: Path) -> None:
    settings = settings_of(**SMALL)
    rows_of, source = rows_from(tmp_path, settings, shapes(MISTRAL))
    found = look(Case(shapes(MISTRAL), settings, CARDS["l4"], 1, rows_of))
    assert "run the stage mix first" in source
    assert found.hours is None
    assert found.memory.peak > 0
