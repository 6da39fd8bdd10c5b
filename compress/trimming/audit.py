"""The audit of a tokenizer: which tokens of its vocabulary no text can ever become.

A token is reachable if BPE makes it, and only it, of its own characters. That is necessary as well: inside a longer
word, BPE makes the token by the merges that it applies to the token alone, as none of them crosses the token's edges.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from compress.trimming.tokenizer_file import TokenizerFile, tokenizer_file

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BEFORE = ("", "\n", ".", "0")  # a token inside a word needs something before it, or a mark is put there


def unreachable(tokenizer_json: dict[str, Any]) -> list[str]:
    """The normal tokens that BPE never makes; added tokens, fallback bytes and the unknown one are not normal."""
    return unreachable_of(tokenizer_file(tokenizer_json))


def unreachable_of(file: TokenizerFile) -> list[str]:
    """The same for a file that is read already."""
    return [token for token in file.pieces if file.is_normal(token) and file.derivation(token) is None]


def produced(tokenizer: "Tokenizer", file: TokenizerFile, tokens: Iterable[str]) -> set[str]:
    """Those of the tokens that the real tokenizer makes of their own text, alone or behind a character.

    A token that is not among them may still be one of other texts: bytes inside a character, or what stands where the
    pre-tokenizer cuts otherwise.
    """
    written = [(token, text) for token in tokens if (text := file.text_of(token)) is not None]
    found: set[str] = set()
    for before in BEFORE:
        left = [(token, text) for token, text in written if token not in found]
        encodings = tokenizer.encode_batch_fast([before + text for _, text in left], add_special_tokens=False)
        found |= {token for (token, _), made in zip(left, encodings, strict=True) if file.ids[token] in made.ids}
    return found
