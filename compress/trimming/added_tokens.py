"""Which of a tokenizer's added tokens stay: those that something names or uses, and special ones that are not reserved.

Gemma 3 has more than 6,000 `<unusedN>`; kept, they would be most of a vocabulary of 8,192.
"""

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Any

from compress.trimming.counting import Counts
from compress.trimming.tokenizer_file import TokenizerFile

RESERVED = re.compile(
    r"[<\[]\|?(unused|reserved|special|extra|dummy|placeholder|control)[a-z_ -]*_?\d+\|?[>\]]", re.IGNORECASE
)
RESERVED_REASON, UNSEEN_REASON = "reserved and in no text", "not special and in no text"


@dataclass(frozen=True)
class AddedTokens:
    """The ids of the added tokens that stay, and the dropped tokens with the reason."""

    kept: frozenset[int]
    dropped: dict[str, str]


def sort_added_tokens(file: TokenizerFile, counts: Counts, used_ids: Set[int]) -> AddedTokens:
    """Which added tokens stay: the used ones, those that occur, single characters, special ones that are not reserved.

    A line break is one in Gemma 3, and prompts need it though no single text of a corpus may have it.
    """
    dropped: dict[str, str] = {}
    for text, token in file.added.items():
        if len(text) == 1 or int(token["id"]) in used_ids or counts[int(token["id"])]:
            continue
        if RESERVED.fullmatch(text):
            dropped[text] = RESERVED_REASON
        elif not token.get("special"):
            dropped[text] = UNSEEN_REASON
    return AddedTokens(frozenset(file.ids[text] for text in file.added if text not in dropped), dropped)


def names_in(settings: dict[str, Any], template: str, file: TokenizerFile) -> set[str]:
    """The tokens that tokenizer settings name one by one, that a post-processor puts in or a chat template writes."""
    named = {text for key, value in settings.items() if key.endswith("_token") and (text := text_of(value))}
    written = {text for text in file.added if text.strip() and text in template}
    return named | written | set(_processor_tokens(file.data.get("post_processor")))


def text_of(value: Any) -> str | None:
    """The text of a token in tokenizer_config.json, where it is a text or an object with `content`."""
    content = value.get("content") if isinstance(value, dict) else value
    return content if isinstance(content, str) else None


def _processor_tokens(processor: Any) -> Iterable[str]:
    """The tokens that a post-processor of any kind puts in."""
    if not processor:
        return
    for inner in processor.get("processors", []):
        yield from _processor_tokens(inner)
    special = processor.get("special_tokens")
    if isinstance(special, dict):
        for token in special.values():
            yield from token.get("tokens", [])
    for key in ("sep", "cls"):
        if isinstance(processor.get(key), list):
            yield processor[key][0]
