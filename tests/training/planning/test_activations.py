"""What is calculated of activations and logits, against what torch saves and holds on tiny real models."""

from typing import Any

import pytest
import torch

from tests.training.planning.tiny_models import (
    LLAMA,
    LORA,
    MISTRAL,
    QWEN3,
    TOKENS,
    build,
    peak_bytes,
    saved_bytes,
    settings_of,
    shapes,
    token_ids,
)
from training.planning.activations import Batch, activations, layer_bytes, masked
from training.planning.losses import training_logits
from training.planning.weights import stored_bytes, trained_parameters

BATCH = Batch(1, TOKENS)
LOG_SOFTMAX = TOKENS * MISTRAL["vocab_size"] * 4  # what the loss saves, in float32
GC = {"gradient_checkpointing": True}
CASES = {
    "adapters": (MISTRAL, LORA),
    "adapters on llama": (LLAMA, LORA),
    "adapters on qwen3": (QWEN3, LORA),
    "adapters with dropout": (MISTRAL, LORA | {"lora_dropout": 0.05}),
    "few adapters": (MISTRAL, LORA | {"lora_target_linear": False, "lora_target_modules": ["q_proj", "v_proj"]}),
    "all weights": (MISTRAL, {}),
    "all weights of qwen3": (QWEN3, {}),
    "eager attention": (MISTRAL, LORA | {"attn_implementation": "eager"}),
    "adapters, recomputed": (MISTRAL, LORA | GC),
    "all weights, recomputed": (MISTRAL, GC),
}


@pytest.mark.parametrize("name", CASES)
def test_saved_activations_are_those_that_torch_saves(name: str) -> None:
    config, values = CASES[name]
    settings = settings_of(**values)
    saved = saved_bytes(build(config, settings), token_ids()) - LOG_SOFTMAX
    assert activations(shapes(config), settings, BATCH, on_cpu=True).kept == pytest.approx(saved, rel=0.1)


@pytest.mark.parametrize("rows", [1, 3])
def test_activations_grow_with_the_rows(rows: int) -> None:
    settings = settings_of(**LORA)
    saved = saved_bytes(build(MISTRAL, settings), token_ids(rows)) - rows * LOG_SOFTMAX
    assert activations(shapes(MISTRAL), settings, Batch(rows, TOKENS), True).kept == pytest.approx(saved, rel=0.1)


@pytest.mark.parametrize("dropout", [0.0, 0.05])
def test_adapters_in_half_precision_save_what_autocast_saves(dropout: float) -> None:
    settings = settings_of(**LORA | {"bf16": True, "lora_dropout": dropout})
    model = build(MISTRAL, settings, torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        saved = saved_bytes(model, token_ids()) - LOG_SOFTMAX
    assert activations(shapes(MISTRAL), settings, BATCH, on_cpu=True).kept == pytest.approx(saved, rel=0.12)


def test_a_masked_row_keeps_the_mask_and_repeated_keys() -> None:
    settings = settings_of(**LORA | {"sample_packing": True})
    borders = torch.cat([torch.arange(100), torch.arange(TOKENS - 100)])[None]
    saved = saved_bytes(build(MISTRAL, settings), token_ids(), position_ids=borders) - LOG_SOFTMAX
    assert masked(shapes(MISTRAL), settings)
    assert activations(shapes(MISTRAL), settings, BATCH, on_cpu=True).kept == pytest.approx(saved, rel=0.1)


@pytest.mark.parametrize("dropout", [0.0, 0.05])
def test_fused_adapters_save_what_axolotls_functions_save(dropout: float, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(**LORA | {"lora_mlp_kernel": None, "lora_dropout": dropout})
    assert settings.kernels
    model = build(MISTRAL, settings)
    _fuse(model, monkeypatch)
    saved = saved_bytes(model, token_ids()) - LOG_SOFTMAX
    assert activations(shapes(MISTRAL), settings, BATCH, on_cpu=True).kept == pytest.approx(saved, rel=0.1)


def _fuse(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Axolotl's fused layers, the one Triton kernel in them replaced by the same in torch."""
    from axolotl.kernels import lora as kernels
    from axolotl.monkeypatch import lora_kernels
    from axolotl.utils.dict import DictDefault
    from transformers.models.mistral.modeling_mistral import MistralAttention

    def swiglu(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.silu(gate) * up

    monkeypatch.setattr(kernels, "swiglu_forward", swiglu)
    monkeypatch.setattr(MistralAttention, "forward", MistralAttention.forward)  # what is patched below is undone
    monkeypatch.setattr(MistralAttention, "_original_forward", None, raising=False)
    monkeypatch.delattr(MistralAttention, "_original_forward")
    keys = {"lora_mlp_kernel": True, "lora_qkv_kernel": True, "lora_o_kernel": True, "base_model": "tiny"}
    cfg = DictDefault(keys | {"adapter": "lora", "base_model_config": "tiny", "model_config_type": "mistral"})
    monkeypatch.setattr(lora_kernels, "get_attention_cls_from_config", lambda cfg: MistralAttention)
    lora_kernels.patch_self_attn_lora(cfg)
    lora_kernels.apply_lora_kernel_patches(model, cfg)


@pytest.mark.parametrize("values", [LORA, LORA | GC, {}, GC], ids=["adapters", "adapters gc", "all", "all gc"])
@pytest.mark.parametrize("vocabulary", [512, 16_384])
def test_the_peak_of_a_step_is_the_greater_of_loss_and_backward_pass(values: dict[str, Any], vocabulary: int) -> None:
    config = MISTRAL | {"vocab_size": vocabulary}
    settings, geometry = settings_of(**values), shapes(config)
    saved = activations(geometry, settings, BATCH, on_cpu=True)
    logits = training_logits(geometry, settings, BATCH)
    gradients = stored_bytes(trained_parameters(geometry, settings))
    expected = max(saved.kept + logits, saved.layer + max(saved.kept, gradients))
    assert expected == pytest.approx(peak_bytes(build(config, settings), token_ids()), rel=0.15)


def test_recomputation_keeps_the_input_of_each_layer_only() -> None:
    geometry, plain = shapes(MISTRAL), settings_of(**LORA)
    kept = activations(geometry, settings_of(**LORA | GC), BATCH).kept
    assert kept < activations(geometry, plain, BATCH).kept / 5
    assert kept > geometry.layers * TOKENS * geometry.hidden * 4


def test_offloaded_layer_inputs_are_on_the_host() -> None:
    geometry = shapes(MISTRAL | {"num_hidden_layers": 16})
    here = activations(geometry, settings_of(**LORA | GC), BATCH)
    there = activations(geometry, settings_of(**LORA | GC | {"activation_offloading": "hidden_states"}), BATCH)
    assert there.on_host == 16 * TOKENS * geometry.hidden * 4
    assert here.kept - there.kept == 13 * TOKENS * geometry.hidden * 4


def test_offloading_everything_keeps_less_than_everything_and_recomputes_nothing() -> None:
    geometry, settings = shapes(MISTRAL), settings_of(**LORA | GC | {"activation_offloading": True})
    found = activations(geometry, settings, BATCH)
    assert not settings.recomputes
    assert found.on_host == geometry.layers * layer_bytes(geometry, settings, BATCH)
    assert found.kept < found.on_host


@pytest.mark.parametrize(
    ("values", "window", "expected"),
    [
        ({"attn_implementation": "flash_attention_2"}, 4096, False),
        ({"attn_implementation": "eager"}, None, True),
        ({"bf16": True}, None, False),
        ({"bf16": True}, 4096, True),
        ({"bf16": True, "sdpa_varlen": False}, None, True),
        ({"bf16": False}, None, True),
    ],
)
def test_packed_rows_are_masked_where_axolotl_masks_them(
    values: dict[str, Any], window: int | None, expected: bool
) -> None:
    settings = settings_of(**LORA | {"sample_packing": True} | values)
    assert masked(shapes(MISTRAL | {"sliding_window": window}), settings) is expected
