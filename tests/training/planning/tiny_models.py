"""Tiny real models with real adapters, what torch saves of their forward pass, and the most that is alive at a time."""

import weakref
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from oneday.config import Document
from training.planning.geometry import Geometry, geometry_of
from training.planning.settings import TrainSettings, read_settings

ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
TOKENS = 256
SIZES: dict[str, Any] = {
    "vocab_size": 512,
    "hidden_size": 128,
    "intermediate_size": 448,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
}
MISTRAL = SIZES | {"model_type": "mistral", "sliding_window": None}
LLAMA = SIZES | {"model_type": "llama"}
QWEN3 = SIZES | {"model_type": "qwen3"}
LORA = {"adapter": "lora", "lora_r": 8, "lora_target_linear": True, "lora_mlp_kernel": False}


def settings_of(**values: Any) -> TrainSettings:
    """Settings for a CPU: float32, sdpa."""
    base = {"base_model": "tiny", "bf16": False, "attn_implementation": "sdpa", "sequence_len": TOKENS}
    return read_settings(Document(Path("train.yaml"), base | values, {}))


def shapes(config: dict[str, Any]) -> Geometry:
    """The geometry of a config."""
    return geometry_of(config, "test")


def build(config: dict[str, Any], settings: TrainSettings, dtype: torch.dtype = torch.float32) -> Any:
    """The model that the settings describe, ready to train."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    loaded = AutoConfig.for_model(**config)
    model = AutoModelForCausalLM.from_config(loaded, attn_implementation=settings.attn_implementation, dtype=dtype)
    model.config.use_cache = False
    if settings.recomputes:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if settings.adapter:
        model.enable_input_require_grads()
        model = with_adapter(model, settings)
    return model.train()


def with_adapter(model: Any, settings: TrainSettings) -> Any:
    """The model with peft's adapters."""
    from peft import LoraConfig, get_peft_model

    targets = list(ALL) if settings.lora_target_linear else list(settings.lora_target_modules)
    saved = list(settings.lora_modules_to_save) or None
    config = LoraConfig(
        r=settings.lora_r,
        lora_dropout=settings.lora_dropout,
        target_modules=targets,
        modules_to_save=saved,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def token_ids(rows: int = 1, length: int = TOKENS) -> torch.Tensor:
    """Tokens at random."""
    return torch.randint(0, SIZES["vocab_size"], (rows, length))


def saved_bytes(model: Any, ids: torch.Tensor, **inputs: Any) -> int:
    """The bytes of all storages that the forward pass saves, parameters and their casts excepted, logits included."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    saved: dict[int, int] = {}
    keep = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes()
            keep.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = model(input_ids=ids, labels=ids, **inputs).loss
    assert loss.requires_grad
    return sum(saved.values())


class Live(TorchDispatchMode):
    """Follows the bytes of all storages that operations make in here; `peak` is the most at a time."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known = {parameter.untyped_storage()._cdata for parameter in model.parameters()}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and leaf.untyped_storage()._cdata not in self.known:
                storage = leaf.untyped_storage()
                self.known.add(storage._cdata)
                self.now += storage.nbytes()
                weakref.finalize(storage, self._free, storage._cdata, storage.nbytes())
        self.peak = max(self.peak, self.now)
        return result

    def _free(self, key: int, size: int) -> None:
        self.now -= size
        self.known.discard(key)


def peak_bytes(model: Any, ids: torch.Tensor) -> int:
    """The most that a forward and a backward pass hold beside the parameters."""
    live = Live(model)
    with live:
        model(input_ids=ids, labels=ids).loss.backward()
    return live.peak
