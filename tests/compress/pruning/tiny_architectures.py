"""Tiny random models, in the true classes, of every architecture that can be pruned; gains and biases matter."""

from pathlib import Path
from typing import Any

import pytest
import torch

from compress.config import Prune

SIZES: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "initializer_range": 0.2,
    "rms_norm_eps": 1e-8,  # so small that a narrower stream does not feel it
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
KINDS = ["full_attention", "sliding_attention", "full_attention", "sliding_attention"]
GEMMA = {"tie_word_embeddings": True, "layer_types": KINDS, "sliding_window": 8, "query_pre_attn_scalar": 8}
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {"attention_bias": True, "mlp_bias": True},
    "smollm": {"model_type": "llama", "tie_word_embeddings": True},
    "mistral": {"sliding_window": 8},
    "qwen2": {},
    "qwen3": {},
    "gemma2": GEMMA,
    "gemma3_text": GEMMA,
    "inkuba": {"num_key_value_heads": 4},
}
FAST = ("llama", "gemma3_text")
ALL = [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in CONFIGS]
ROTATABLE = [one for one in ALL if "gemma" not in str(one.values[0])]


def build(name: str, **changes: Any) -> Any:
    """A random model; norms, biases and embeddings are drawn too, so that each of them shows in the logits."""
    from transformers import AutoConfig, AutoModelForCausalLM

    from compress.inkuba import register

    register()
    values = SIZES | CONFIGS[name] | changes
    config = AutoConfig.for_model(values.pop("model_type", name), **values)
    attention = "eager" if name == "gemma2" else "sdpa"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()
        for key, parameter in model.named_parameters():
            if "norm" in key or key.endswith("bias"):
                parameter.data += 0.3 * torch.rand_like(parameter)
    if name == "inkuba":  # a rotation passes before a shared MLP only where the gains are proportional
        for number, layer in enumerate(model.model.layers):
            gain = model.model.layers[0].post_attention_layernorm.weight.data
            layer.post_attention_layernorm.weight.data = gain * (1 + 0.1 * number)
    return model


def save(folder: Path, name: str, **changes: Any) -> Path:
    """The same as a model folder."""
    build(name, **changes).save_pretrained(folder / name)
    return folder / name


def texts(sequences: int = 6, tokens: int = 24) -> torch.Tensor:
    """Random token ids."""
    return torch.randint(0, 96, (sequences, tokens), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def logits(folder: Path, ids: torch.Tensor) -> torch.Tensor:
    """What transformers computes with the model in a folder, loaded as a user does."""
    from transformers import AutoConfig, AutoModelForCausalLM

    kind = AutoConfig.from_pretrained(folder).model_type
    attention = "eager" if kind == "gemma2" else "sdpa"
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation=attention, dtype=torch.float32)
    return model(ids).logits


def settings(**values: Any) -> Prune:
    """Importance with seed 3, unless told otherwise."""
    calibration = {"corpus": [{"path": "texts.jsonl", "language": "eng"}], "sequences": 6, "tokens": 24}
    return Prune.model_validate({"method": "importance", "seed": 3, "calibration": calibration} | values)
