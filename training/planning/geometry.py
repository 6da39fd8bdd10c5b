"""A model's config -> the shapes of all its parameters, without weights: which are quantised, which get an adapter.

The model is built on torch's meta device, so that the shapes are those of transformers' own class. The config comes
from --model-config, a local folder, the configs in `published/`, or the hub's cache; nothing is downloaded.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PUBLISHED = Path(__file__).with_name("published")
HEADS = ("lm_head", "embed_out")  # the output layer's names in transformers' classes


@dataclass(frozen=True)
class Matrix:
    """A linear layer or an embedding (`inputs` is then the vocabulary). `name` is the module's path."""

    name: str
    inputs: int
    outputs: int
    bias: int = 0  # parameters
    embedding: bool = False
    tied: bool = False  # its weight is another module's: an embedding's, or that of an earlier layer

    @property
    def parameters(self) -> int:
        """Of the weight alone."""
        return self.inputs * self.outputs

    @property
    def last_name(self) -> str:
        """The last part of the path, such as q_proj."""
        return self.name.rpartition(".")[2]

    @property
    def is_head(self) -> bool:
        """Whether this is the output layer, which bitsandbytes and `lora_target_linear` leave alone."""
        return self.last_name in HEADS and not self.embedding


@dataclass(frozen=True)
class Geometry:
    """The shapes of a decoder. `source` says where the config came from."""

    source: str
    model_type: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    sliding_window: int | None
    norms_of_heads: bool  # queries and keys are normalised, as in Qwen3
    matrices: tuple[Matrix, ...]
    vectors: tuple[int, ...]  # sizes of the parameters with one dimension, biases excepted

    @property
    def parameters(self) -> int:
        """All of them, shared ones once."""
        weights = sum(matrix.parameters for matrix in self.matrices if not matrix.tied)
        return weights + sum(matrix.bias for matrix in self.matrices) + sum(self.vectors)

    @property
    def linears(self) -> tuple[Matrix, ...]:
        """The linear layers inside the decoder: those that load_in_4bit and load_in_8bit quantise."""
        return tuple(matrix for matrix in self.matrices if not matrix.embedding and not matrix.is_head)

    @property
    def query_width(self) -> int:
        """Of all query heads together."""
        return self.heads * self.head_dim

    @property
    def key_width(self) -> int:
        """Of all key heads together, which is also that of the values."""
        return self.kv_heads * self.head_dim


def published_config(name: str) -> dict[str, Any] | None:
    """The config of a base model that this project knows, by its hub id or the last part of it; None if unknown.

    `"mistralai/Mistral-7B-v0.1"` -> a copy of what its config.json says, as far as shapes depend on it.
    """
    path = PUBLISHED / f"{name.rstrip('/').rpartition('/')[2]}.json"
    if not path.is_file():
        return None
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return config


def find_config(base_model: str, given: Path | None = None) -> tuple[dict[str, Any], str]:
    """The model's config and where it was found. Raises FileNotFoundError that says what to do."""
    local = Path(base_model) / "config.json"
    if given is not None:
        return _read(given), str(given)
    if local.is_file():
        return _read(local), str(local)
    config = published_config(base_model)
    if config is not None:
        return config, f"training/planning/published/{base_model.rpartition('/')[2]}.json"
    from huggingface_hub import try_to_load_from_cache

    cached = None if base_model.count("/") > 1 else try_to_load_from_cache(base_model, "config.json")
    if isinstance(cached, str):
        return _read(Path(cached)), cached
    known = ", ".join(sorted(path.stem for path in PUBLISHED.glob("*.json")))
    raise FileNotFoundError(
        f"the shapes of {base_model} are not known here: no such folder, not in the hub's cache, not among {known}. "
        f"Save its config.json and name it: --model-config FILE"
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: no model config in JSON: {error}") from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise ValueError(f"{path}: no model config: it has no model_type")
    return config


def geometry_of(config: dict[str, Any], source: str, overrides: dict[str, Any] | None = None) -> Geometry:
    """The shapes of the model with this config; `overrides` are Axolotl's `overrides_of_model_config`.

    Raises ValueError for what transformers does not know, and for models with experts or without plain decoder layers.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from compress import inkuba

    inkuba.register()
    values = config | (overrides or {})
    try:
        loaded = AutoConfig.for_model(**values)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(loaded)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{source}: transformers cannot build this model: {error}") from error
    return _measured(model, loaded.get_text_config(), source)


def _measured(model: Any, config: Any, source: str) -> Geometry:
    matrices = _matrices(model)
    counted = {f"{matrix.name}.{part}" for matrix in matrices for part in ("weight", "bias")}
    others = {name: value for name, value in model.named_parameters() if name not in counted}
    experts = [name for name, value in others.items() if value.dim() > 1]
    if experts or getattr(config, "num_key_value_heads", None) is None or not hasattr(config, "intermediate_size"):
        reason = f"such as {experts[0]}" if experts else "its config lacks the usual sizes"
        raise ValueError(
            f"{source}: only decoders of plain linear layers can be planned, not {config.model_type} ({reason})"
        )
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return Geometry(
        source=source,
        model_type=config.model_type,
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        intermediate=config.intermediate_size,
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        head_dim=head_dim,
        vocabulary=config.vocab_size,
        sliding_window=getattr(config, "sliding_window", None),
        norms_of_heads=any(name.endswith("q_norm.weight") for name in others),
        matrices=matrices,
        vectors=tuple(value.numel() for value in others.values()),
    )


def _matrices(model: Any) -> tuple[Matrix, ...]:
    """The linear layers and embeddings, in the order of the model; a module that layers share, once for each use."""
    from torch import nn

    own = {name for name, _ in model.named_parameters()}  # a shared weight is listed once
    found = []
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, nn.Embedding):
            found.append(Matrix(name, module.num_embeddings, module.embedding_dim, embedding=True))
        elif isinstance(module, nn.Linear):
            tied = f"{name}.weight" not in own
            bias = module.bias.numel() if module.bias is not None and f"{name}.bias" in own else 0
            found.append(Matrix(name, module.in_features, module.out_features, bias, tied=tied))
    return tuple(found)
