"""Models in 4 bits and tuned models, loaded and served."""

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch

from serve.completing.request import CompletionRequest
from serve.completing.transformers_completions import TransformersCompletions
from serve.transformers_engine import LoadedModel, Precision, load_model
from tests.serve.completing.completing_models import greedy_alone, ids

PROMPT = (5, 60, 7, 80, 9, 100)


@pytest.fixture
def adapter(tiny_model_dir: Path, tmp_path: Path) -> Path:
    """An adapter that changes what the tiny model says."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(4)
    tuned: Any = get_peft_model(
        load_model(str(tiny_model_dir), device="cpu").model,
        LoraConfig(r=4, target_modules=["q_proj", "down_proj"], init_lora_weights=False),
    )
    tuned.save_pretrained(tmp_path / "adapter")
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(tiny_model_dir).save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def served(loaded: Any) -> list[int]:
    engine = TransformersCompletions(loaded, 64, 2, 0)

    async def work() -> list[int]:
        try:
            return ids(await engine.complete(CompletionRequest(PROMPT, 8)))
        finally:
            await engine.close()

    return asyncio.run(work())


@pytest.mark.parametrize("tuned", [False, True])
def test_a_model_in_4_bits_is_served_as_it_is(tiny_model_dir: Path, adapter: Path, tuned: bool) -> None:
    from bitsandbytes.nn import Linear4bit
    from peft.tuners.lora import LoraLayer

    folder = adapter if tuned else None
    loaded = load_model(str(tiny_model_dir), folder, "nf4", "cpu")
    kinds = [type(module) for module in loaded.model.modules()]
    assert sum(issubclass(kind, Linear4bit) for kind in kinds) == 14
    assert any(issubclass(kind, LoraLayer) for kind in kinds) is tuned
    expected = greedy_alone(loaded, PROMPT, 8, [1])
    assert served(load_model(str(tiny_model_dir), folder, "nf4", "cpu")) == expected
    assert loaded.model.dtype == torch.float32
    assert tuned is (expected != served(load_model(str(tiny_model_dir), None, "nf4", "cpu")))


def test_an_adapter_is_merged_into_a_model_that_is_not_in_4_bits(tiny_model_dir: Path, adapter: Path) -> None:
    from peft.tuners.lora import LoraLayer

    loaded = load_model(str(tiny_model_dir), adapter, "float32", "cpu")
    assert not any(isinstance(module, LoraLayer) for module in loaded.model.modules())
    plain = greedy_alone(load_model(str(tiny_model_dir), device="cpu"), PROMPT, 8, [1])
    assert served(loaded) != plain


def test_4_bits_without_bitsandbytes_is_a_clear_error(tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else find(name))
    with pytest.raises(ValueError, match="nf4 needs bitsandbytes"):
        load_model(str(tiny_model_dir), dtype="nf4", device="cpu")


def test_a_device_that_is_not_there_is_a_clear_error(tiny_model_dir: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ValueError, match="device: cuda"):
        load_model(str(tiny_model_dir), device="cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "nf4"])
def test_a_gpu_serves_what_the_model_says_alone(tiny_model_dir: Path, adapter: Path, precision: Precision) -> None:
    def load() -> LoadedModel:
        return load_model(str(tiny_model_dir), adapter, precision, "cuda")

    said = served(load())
    assert len(said) == 8
    if precision == "float32":
        assert said == greedy_alone(load(), PROMPT, 8, [1])
