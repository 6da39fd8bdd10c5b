"""The sizes of the pruned model: the recipe's over the parent's, checked before anything is computed."""

from dataclasses import dataclass
from typing import Any

from compress.config import Prune

HEAD_ADVICE = "method: random alone cuts rows from within heads"


@dataclass(frozen=True)
class Sizes:
    """The numbers that fix every shape but the vocabulary, and the positions."""

    hidden: int
    intermediate: int
    heads: int
    groups: int  # key-value heads
    head_dim: int
    layers: int
    positions: int

    @property
    def heads_per_group(self) -> int:
        """Query heads for each key-value head."""
        return self.heads // self.groups

    @property
    def query_width(self) -> int:
        """Rows of q_proj, columns of o_proj."""
        return self.heads * self.head_dim

    @property
    def key_width(self) -> int:
        """Rows of k_proj and of v_proj."""
        return self.groups * self.head_dim

    def as_config(self) -> dict[str, int]:
        """The same under the names of `config.json`."""
        return {
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.groups,
            "head_dim": self.head_dim,
            "num_hidden_layers": self.layers,
            "max_position_embeddings": self.positions,
        }


def sizes_of(config: Any) -> Sizes:
    """The sizes that a transformers config states or implies."""
    return Sizes(
        hidden=config.hidden_size,
        intermediate=config.intermediate_size,
        heads=config.num_attention_heads,
        groups=config.num_key_value_heads,
        head_dim=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        layers=config.num_hidden_layers,
        positions=config.max_position_embeddings,
    )


def target_sizes(settings: Prune, parent: Sizes, hidden_by_heads: bool) -> Sizes:
    """The pruned model's sizes. Raises ValueError for a shape that the method cannot give, saying which it can.

    `hidden_by_heads`: the config class wants the hidden size to be a multiple of the heads, whatever the head_dim.
    """
    wanted = {
        "hidden_size": (settings.hidden_size, parent.hidden),
        "intermediate_size": (settings.intermediate_size, parent.intermediate),
        "attention_heads": (settings.attention_heads, parent.heads),
        "key_value_heads": (settings.key_value_heads, parent.groups),
        "head_dim": (settings.head_dim, parent.head_dim),
        "layers": (settings.layers, parent.layers),
        "max_position_embeddings": (settings.max_position_embeddings, parent.positions),
    }
    for name, (value, most) in wanted.items():
        if value is not None and value > most:
            raise ValueError(
                f"{name}: {value} is more than the parent's {most}; pruning only shrinks: give {most} or less"
            )
    target = Sizes(*(most if value is None else value for value, most in wanted.values()))
    _check_heads(target, parent, settings.method)
    if hidden_by_heads and target.hidden % target.heads:
        below = target.hidden // target.heads * target.heads
        possible = [size for size in (below, below + target.heads) if 0 < size <= parent.hidden]
        raise ValueError(
            f"hidden_size: {target.hidden} is no multiple of the {target.heads} attention heads, which this model "
            f"type's config demands; give {' or '.join(map(str, possible)) or 'fewer heads'}"
        )
    if settings.layers == 1 and parent.layers > 1 and settings.depth == "block_influence":
        raise ValueError(
            "layers: 1 with depth: block_influence, which keeps the first and the last; give 2, or depth: first"
        )
    return target


def _check_heads(target: Sizes, parent: Sizes, method: str) -> None:
    if target.heads % target.groups:
        most = target.heads if method == "random" else parent.heads_per_group  # query heads of a group
        whole = [
            groups
            for groups in range(1, parent.groups + 1)
            if target.heads % groups == 0 and target.heads // groups <= most
        ]
        advice = f"key_value_heads: {' or '.join(map(str, whole))}" if whole else "another number of attention_heads"
        raise ValueError(
            f"attention_heads: {target.heads} is no multiple of key_value_heads: {target.groups}; with {target.heads} "
            f"heads give {advice}"
        )
    if method == "random":
        return
    if target.head_dim != parent.head_dim:
        raise ValueError(
            f"head_dim: {target.head_dim} would break the rotary pairs of the parent's {parent.head_dim}; leave it out "
            f"and give fewer attention_heads, such as {_as_wide(target, parent)} ({HEAD_ADVICE})"
        )
    if target.heads_per_group > parent.heads_per_group:
        raise ValueError(
            f"attention_heads: {target.heads} over key_value_heads: {target.groups} are {target.heads_per_group} query "
            f"heads a group, but the parent's groups have {parent.heads_per_group}; heads do not change "
            f"groups: give at most attention_heads: {target.groups * parent.heads_per_group}, or more key_value_heads"
        )


def _as_wide(target: Sizes, parent: Sizes) -> str:
    """Heads of the parent's size that are together about as wide as what was asked for."""
    groups = max(1, min(parent.groups, round(target.key_width / parent.head_dim)))
    per_group = max(1, min(parent.heads_per_group, round(target.query_width / parent.head_dim / groups)))
    return f"attention_heads: {groups * per_group} and key_value_heads: {groups}"
