"""What a student can learn from: whole models of the same token ids."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from training.distilling.teacher import folder_fault, load_teacher, load_tokens, size_fault, vocabulary_fault

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

TOKENS = {"a": 0, "b": 1, "c": 2}


def tiny_llama(seed: int = 0, **sizes: Any) -> "LlamaForCausalLM":
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    defaults: dict[str, Any] = {
        "vocab_size": 64,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "initializer_range": 0.2,
        "attn_implementation": "sdpa",
    }
    return LlamaForCausalLM(LlamaConfig(**defaults | sizes))


def test_a_folder_with_a_config_and_a_hub_id_pass(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert folder_fault(str(tmp_path)) is None
    assert folder_fault("somebody/some-model") is None


@pytest.mark.parametrize(
    "name", ["runs/mine/05b_teacher/model", "/no/such/folder", "./teacher", "teacher", "runs/models/no-such-model"]
)
def test_an_absent_folder_is_no_hub_id(name: str) -> None:
    assert folder_fault(name) == (
        f"oneday_teacher: there is no folder {name}; train the teacher first, or name a model that is there"
    )


def test_an_adapter_and_an_empty_folder_are_no_teacher(tmp_path: Path) -> None:
    assert "holds no config.json" in str(folder_fault(str(tmp_path)))
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "merge it first with training.merge" in str(folder_fault(str(tmp_path)))


def test_the_first_id_that_differs_is_named() -> None:
    assert vocabulary_fault(TOKENS, dict(TOKENS)) is None
    swapped = str(vocabulary_fault(TOKENS, {"a": 0, "c": 1, "b": 2}))
    assert swapped.startswith("oneday_teacher: id 1 is 'b' for the student and 'c' for the teacher")
    assert "trim both with the same compress.trim" in swapped
    assert "id 3 is no token for the student and 'd' for the teacher" in str(
        vocabulary_fault(TOKENS, TOKENS | {"d": 3})
    )


def test_another_number_of_logits_is_refused() -> None:
    assert size_fault(64, 64) is None
    assert "for 64 tokens and the teacher for 1,024" in str(size_fault(64, 1024))


def test_a_teacher_is_frozen_and_in_the_type_of_the_training(tmp_path: Path) -> None:
    import torch

    tiny_llama().save_pretrained(tmp_path)
    teacher = load_teacher(str(tmp_path), torch.bfloat16, torch.device("cpu"), "sdpa")
    assert not teacher.training
    assert not teacher.config.use_cache
    assert {parameter.dtype for parameter in teacher.parameters()} == {torch.bfloat16}
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_what_cannot_be_loaded_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ValueError, match=r"oneday_teacher: .* cannot be loaded: "):
        load_teacher(str(tmp_path), "float32", "cpu", "sdpa")
    with pytest.raises(ValueError, match=r"oneday_teacher: the tokenizer of .* cannot be loaded"):
        load_tokens(str(tmp_path))


def test_logits_that_are_changed_behind_the_output_layer_are_seen() -> None:
    import torch
    from transformers import Gemma2Config, Gemma2ForCausalLM

    from training.distilling.output_layer import is_last

    ids = torch.arange(8)[None]
    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    config = Gemma2Config(**sizes, num_attention_heads=2, num_key_value_heads=1, head_dim=16, initializer_range=1.0)
    assert is_last(tiny_llama(), ids)
    assert not is_last(Gemma2ForCausalLM(config), ids), "it caps its logits"


def test_a_short_call_computes_one_position_once() -> None:
    import torch

    from training.distilling.output_layer import LayerInput

    model = tiny_llama()
    held = LayerInput(model.get_output_embeddings())
    assert model(input_ids=torch.arange(8)[None]).logits.shape == (1, 1, 64)
    assert held.taken().shape == (1, 8, 32)
    assert model(input_ids=torch.arange(8)[None]).logits.shape == (1, 8, 64)
