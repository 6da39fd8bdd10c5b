"""What the server's tests may use: a small model and an adapter for vLLM, and the application on a tiny model."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from serve.completing.request import CompletionEngine
from tests.serve.toy_engine import client_of, config

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@pytest.fixture(scope="session")
def wide_model_dir(tiny_tokenizer: "PreTrainedTokenizerFast", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer Llama with heads of size 32, the smallest that vLLM runs on CPU."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tiny_tokenizer),
        hidden_size=128,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        initializer_range=0.2,
        bos_token_id=None,
        eos_token_id=tiny_tokenizer.eos_token_id,
        pad_token_id=tiny_tokenizer.pad_token_id,
    )
    folder = tmp_path_factory.mktemp("models") / "wide-llama"
    LlamaForCausalLM(config).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def wide_adapter_dir(
    wide_model_dir: Path, tiny_tokenizer: "PreTrainedTokenizerFast", tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An adapter with random weights for the attention of that model."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    settings = LoraConfig(target_modules=["q_proj", "v_proj"], r=4, init_lora_weights=False, task_type="CAUSAL_LM")
    base = AutoModelForCausalLM.from_pretrained(wide_model_dir, dtype=torch.float32)
    folder = tmp_path_factory.mktemp("models") / "adapter"
    get_peft_model(base, settings).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tiny_engine(tiny_model_dir: Path) -> Iterator[CompletionEngine]:
    """The real engine on the tiny model."""
    from serve.completing.transformers_completions import load_transformers_completions

    loaded = load_transformers_completions(str(tiny_model_dir), None, config(), "cpu")
    yield loaded
    asyncio.run(loaded.close())


@pytest.fixture
def call(tiny_engine: CompletionEngine) -> Callable[..., dict[str, Any]]:
    """Posts a body to the application on the tiny model; the answer, which must be 200."""
    client = client_of(tiny_engine)

    def post_body(path: str, **body: Any) -> dict[str, Any]:
        response = client.post(path, json=body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    return post_body
