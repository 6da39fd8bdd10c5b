"""The parent's rows and both tokenizers -> rows for the new tokens, for embeddings and head alike.

A token that the parent has too keeps its row. Any other is written in the parent's tokens; its row is made of theirs.
The plain mean wins (`benchmarks/fresh_vocabulary.py`, 8,192 tokens, untrained, Swahili and Hausa news, bits a byte):
SmolLM2-135M: mean 3.38, first part 4.01, last part 4.08, mean as long as its parts 6.50; Gemma 3 270M: 3.09, 3.63,
3.34, 3.88. Both tie head and embeddings; an untied head is not measured. Matching pursuit, as in mergekit's
tokensurgeon, needs a second model with rows for the new tokens, and a tokenizer that was just trained has none.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from compress.trimming.tokenizer_file import TokenizerFile, tokenizer_file

if TYPE_CHECKING:
    import torch

Method = Literal["mean", "mean_of_norm", "first", "last"]
CHUNK = 4_096  # new rows made at a time, which bounds the memory beside the result


@dataclass(frozen=True)
class Transplant:
    """For each new token the ids of the parent's tokens that its row is made of; one id is a copy."""

    parts: list[list[int]]

    @property
    def copied(self) -> int:
        """How many new tokens the parent has too, or writes in one token."""
        return sum(len(ids) == 1 for ids in self.parts)


def transplant_rows(
    parent_rows: "torch.Tensor",
    parent_tokenizer: dict[str, Any],
    fresh_tokenizer: dict[str, Any],
    method: Method = "mean",
) -> "torch.Tensor":
    """The rows [N, h] of the fresh tokenizer's N tokens, in the dtype of the parent's rows [V, h].

    Both tokenizers are contents of tokenizer.json. ValueError if they are of two kinds or a token has no row.
    """
    return rows_of(parent_rows, transplant(parent_tokenizer, fresh_tokenizer), method)


def transplant(parent_tokenizer: dict[str, Any], fresh_tokenizer: dict[str, Any]) -> Transplant:
    """Which of the parent's tokens make up each new one, by the parent's own merges."""
    from tokenizers import Tokenizer

    parent, fresh = tokenizer_file(parent_tokenizer), tokenizer_file(fresh_tokenizer)
    if parent.byte_level != fresh.byte_level:
        kinds = ["byte-level" if file.byte_level else "SentencePiece's" for file in (parent, fresh)]
        raise ValueError(
            f"the parent's tokenizer is of the kind {kinds[0]} and the fresh one {kinds[1]}, so that their tokens "
            "cannot be compared; train the fresh one with fresh_tokenizer from the parent's"
        )
    segment = Tokenizer.from_str(json.dumps(parent_tokenizer)).model
    tokens = [fresh.tokens[number] for number in range(len(fresh.tokens))]
    parts = [_parts(parent, token) or [made.id for made in segment.tokenize(token)] for token in tokens]
    for token, ids in zip(tokens, parts, strict=True):
        if not ids:
            raise ValueError(f"the parent's tokenizer has no tokens for {token!r}; take only the parent's added tokens")
    return Transplant(parts)


def _parts(parent: TokenizerFile, token: str) -> list[int]:
    """The parent's own token, if it has this one."""
    return [parent.ids[token]] if token in parent.ids else []


def rows_of(parent_rows: "torch.Tensor", made: Transplant, method: Method = "mean") -> "torch.Tensor":
    """The new rows [N, h]: copies, and for tokens of several parts what the method makes of their rows."""
    import torch

    if (largest := max(max(ids) for ids in made.parts)) >= len(parent_rows):
        raise ValueError(
            f"the parent has {len(parent_rows):,} rows, but its tokenizer uses the id {largest:,}: model and tokenizer "
            "are not of one parent"
        )
    chosen = [_chosen(ids, method) for ids in made.parts]
    result = torch.empty((len(chosen), parent_rows.shape[1]), dtype=parent_rows.dtype)
    for start in range(0, len(chosen), CHUNK):
        some = chosen[start : start + CHUNK]
        result[start : start + len(some)] = _means(parent_rows, some, method == "mean_of_norm").to(parent_rows.dtype)
    return result


def _chosen(ids: Sequence[int], method: Method) -> Sequence[int]:
    """The parts that count."""
    return {"first": ids[:1], "last": ids[-1:]}.get(method, ids)


def _means(rows: "torch.Tensor", chosen: Sequence[Sequence[int]], keep_norm: bool) -> "torch.Tensor":
    """The mean of each list's rows, [len(chosen), h] in float32; with `keep_norm` as long as they are on average."""
    import torch

    flat = torch.tensor([number for ids in chosen for number in ids])
    starts = torch.tensor([0, *(len(ids) for ids in chosen[:-1])]).cumsum(0)
    used, places = torch.unique(flat, return_inverse=True)
    own = rows[used].float()
    means: torch.Tensor = torch.nn.functional.embedding_bag(places, own, starts, mode="mean")
    if not keep_norm:
        return means
    lengths = torch.nn.functional.embedding_bag(places, own.norm(dim=1, keepdim=True), starts, mode="mean")
    return means.mul(lengths / means.norm(dim=1, keepdim=True).clamp_min(1e-12))
