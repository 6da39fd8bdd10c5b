"""Byte-pair encoding as `tokenizers` applies it, on the symbols of one word: the lowest rank first, then the leftmost.

Merge ranks + symbols -> the tokens that are left and everything that was made on the way. It serves to find how a token
really comes about: where several merges make the same token, only one of them is ever used for it.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

Pair = tuple[str, str]
Ranks = Mapping[Pair, int]
NEVER = 1 << 62


def pairs_of(model: Mapping[str, Any]) -> list[Pair]:
    """The merges of a tokenizer.json's model in their order, whether written as pairs or as texts with a space."""
    return [_pair(merge) for merge in model["merges"]]


def _pair(merge: Any) -> Pair:
    parts = merge.split(" ") if isinstance(merge, str) else merge
    if len(parts) != 2:
        raise ValueError(f"the merge {merge!r} is no pair of tokens; save the tokenizer again")
    return str(parts[0]), str(parts[1])


def ranks_of(pairs: Iterable[Pair]) -> dict[Pair, int]:
    """The rank of each pair; the last of equal ones counts, as in `tokenizers`."""
    return {pair: rank for rank, pair in enumerate(pairs)}


def merge(symbols: Iterable[str], ranks: Ranks) -> tuple[list[str], list[str]]:
    """The tokens that the symbols of a word become, and all tokens made on the way, in their order."""
    parts = list(symbols)
    found = [ranks.get(pair, NEVER) for pair in pairwise(parts)]
    made: list[str] = []
    while found and (best := min(found)) < NEVER:
        at = found.index(best)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
        made.append(parts[at])
        del found[at]
        if at:
            found[at - 1] = ranks.get((parts[at - 1], parts[at]), NEVER)
        if at < len(found):
            found[at] = ranks.get((parts[at], parts[at + 1]), NEVER)
    return parts, made
