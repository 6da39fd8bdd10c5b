"""Which models can be pruned: every Llama-shaped one, described by how it differs from Llama.

All of them have the same modules: `model.embed_tokens`, `model.layers.N.self_attn.{q,k,v,o}_proj`,
`model.layers.N.mlp.{gate,up,down}_proj`, norms, `model.norm`, and `lm_head` unless that is tied to the embedding.
"""

from dataclasses import dataclass
from typing import Any

QUERY, KEY, VALUE, OUTPUT = (f"self_attn.{name}_proj" for name in "qkvo")
GATE, UP, DOWN = (f"mlp.{name}_proj" for name in ("gate", "up", "down"))
ATTENTION_NORM = "input_layernorm"
FINAL_NORM = "model.norm.weight"


@dataclass(frozen=True)
class Architecture:
    """How one model type differs from Llama.

    `mlp_norm` reads the residual stream before the MLP. `branch_norms` normalise what attention and MLP add to the
    stream. A norm multiplies by its weight plus `gain_offset`. `embedding_scaled`: the embedding is multiplied by the
    root of the hidden size. `shared_mlp`: one MLP for all layers, stored as layer 0's.
    """

    model_type: str
    mlp_norm: str = "post_attention_layernorm"
    branch_norms: tuple[str, ...] = ()
    gain_offset: float = 0.0
    embedding_scaled: bool = False
    shared_mlp: bool = False

    @property
    def stream_norms(self) -> tuple[str, str]:
        """The norms of a layer that read the residual stream."""
        return ATTENTION_NORM, self.mlp_norm

    def stored_name(self, layer: int, name: str) -> str:
        """The checkpoint's key of a layer's tensor, such as `mlp.up_proj.weight`."""
        shared = self.shared_mlp and name.startswith("mlp.")
        return f"model.layers.{0 if shared else layer}.{name}"


def _gemma(model_type: str) -> Architecture:
    return Architecture(
        model_type,
        mlp_norm="pre_feedforward_layernorm",
        branch_norms=("post_attention_layernorm", "post_feedforward_layernorm"),
        gain_offset=1.0,
        embedding_scaled=True,
    )


ARCHITECTURES = {
    known.model_type: known
    for known in (
        Architecture("llama"),
        Architecture("mistral"),
        Architecture("qwen2"),
        Architecture("qwen3"),
        _gemma("gemma2"),
        _gemma("gemma3_text"),
        Architecture("inkuba", shared_mlp=True),
    )
}
HINTS = {
    "gemma3": "this one sees images too; save its language model (Gemma3ForCausalLM) as a folder of its own",
    "mixtral": "mixtures of experts are not pruned here",
    "qwen2_moe": "mixtures of experts are not pruned here",
    "qwen3_moe": "mixtures of experts are not pruned here",
}


def architecture_of(config: dict[str, Any]) -> Architecture:
    """The architecture that a `config.json` names. Raises ValueError, naming the known ones, for any other."""
    model_type = config.get("model_type")
    known = ARCHITECTURES.get(str(model_type))
    if known is None:
        hint = HINTS.get(str(model_type), "another model with exactly Llama's modules needs a line in the table there")
        raise ValueError(
            f"model_type {model_type!r} cannot be pruned; known are {', '.join(ARCHITECTURES)} "
            f"(compress/pruning/architecture.py): {hint}"
        )
    if config.get("quantization_config") is not None:
        method = config["quantization_config"].get("quant_method", "unknown")
        raise ValueError(
            f"the model's weights are quantised ({method}); prune the model in float32, float16 or bfloat16, "
            "and quantise last"
        )
    return known
