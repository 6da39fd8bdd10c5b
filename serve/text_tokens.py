"""/tokenize and /decode: text -> tokens -> the same text, byte for byte. The model reads the tokens that these are.

No token is added in front or behind. A text that looks like a special token is plain text: no prompt can put an
end-of-sequence token into itself. To be exact, a copy of the tokenizer is used, without all that changes a text:
- A byte-level tokenizer's normalizer (Qwen's NFC) is left out: text that it would change is read as it stands.
- A space that the tokenizer puts before a text stands there once more than the text begins with spaces.
- "▁", which SentencePiece takes for a space, is read as its three bytes where the vocabulary has them.
For all other texts the tokens are the tokenizer's own. `round_trip_fault` says what remains: a tokenizer without a
token for some byte.
"""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from serve.completing.token_text import SPACE, TextSoFar, Vocabulary, once_for_each, vocabulary

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

HARD_TEXTS = (
    "plain text.",
    "  two spaces before, one behind ",
    "\n\n\tlines\r\n\r\n  \n",
    *map(chr, range(32)),
    "e\u0301 \u1e69 \u0323s\u0307 \ufb01 \u212b \u00bd",  # combining marks; characters that NFC and NFKC change
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1f3\U0001f1ec",
    "\u4f60\u597d \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0645\u0631\u062d\u0628\u0627 \u1e62\u1ecd\u0323",
    "\ufeff\u00a0\u2003\u3000\u200b\u2028\ufffd\uffff",
    "\u2581a \u2581\u2582\u2583",
    "<0x0A><0x41> \u0120\u010a",
    "don 't , do n't . a ?",  # what clean_up_tokenization_spaces would join
)


def tokenize(
    tokenizer: "PreTrainedTokenizerBase", text: str, truncation: bool = False, max_length: int | None = None
) -> list[int]:
    """The tokens of a text; with `truncation`, the first `max_length` of them (all of them if it is None).

    Raises ValueError for a text with a lone surrogate, which has no bytes, and for a negative `max_length`.
    """
    if max_length is not None and max_length < 0:
        raise ValueError(f"max_length is {max_length}; a number of tokens is 0 or more")
    _refuse_surrogates(text)
    ids = _exact(tokenizer).ids(text)
    return ids[:max_length] if truncation else ids


def decode(tokenizer: "PreTrainedTokenizerBase", ids: Sequence[int]) -> str:
    """The text of tokens, special ones left out, and so the parts of a last character that lacks some.

    Raises ValueError for an id that the tokenizer has not.
    """
    read = vocabulary(tokenizer)
    for place, token in enumerate(ids):
        if not read.has(token):
            raise ValueError(
                f"tokens[{place}] is {token}, which the model's tokenizer has not; its tokens are 0 to {read.size - 1}"
            )
    text = TextSoFar(tokenizer)
    for token in ids:
        text.add(token)
    return text.text


def round_trip_fault(tokenizer: "PreTrainedTokenizerBase") -> str | None:
    """What is wrong with the first hard text that comes back changed from the tokenizer; None if all come back."""
    added = (token.content for token in _exact(tokenizer).backend.get_added_tokens_decoder().values())
    for text in (*HARD_TEXTS, *(f"a {content} b{content}c" for content in added)):
        back = decode(tokenizer, tokenize(tokenizer, text))
        if back != text:
            place = next((n for n, (one, other) in enumerate(zip(text, back, strict=False)) if one != other), len(back))
            return f"{text!r} comes back from its tokens as {back!r}, which differs from character {place} on"
    return None


class _Exact:
    """A tokenizer that changes no text, made from another."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        read = vocabulary(tokenizer)
        self.backend = _plain_copy(tokenizer, read)
        self._prefix = " " if read.prefixed else ""
        self._space_bytes = [] if read.byte_level else _spelled(self.backend, SPACE)

    def ids(self, text: str) -> list[int]:
        """The tokens of the text."""
        return [token for part in self._parts(text) for token in part] if text else []

    def _parts(self, text: str) -> Iterator[list[int]]:
        """The tokens of the text between the marks of a space that it holds, and of these."""
        between = (self._prefix + text).split(SPACE) if self._space_bytes else [self._prefix + text]
        for number, part in enumerate(between):
            if number:
                yield self._space_bytes
            yield self.backend.encode_batch_fast([part], add_special_tokens=False)[0].ids  # counts no offsets


@once_for_each
def _exact(tokenizer: "PreTrainedTokenizerBase") -> _Exact:
    return _Exact(tokenizer)


def _plain_copy(tokenizer: "PreTrainedTokenizerBase", read: Vocabulary) -> "Tokenizer":
    """The tokenizer without what it adds to a text or takes from it. No caller of the original can change its state."""
    from tokenizers import Tokenizer

    content = json.loads(tokenizer.backend_tokenizer.to_str())
    content |= {"truncation": None, "padding": None, "post_processor": None}
    content["normalizer"] = None if read.byte_level else _without_prefix(content["normalizer"])
    content["pre_tokenizer"] = _without_prefix(content["pre_tokenizer"])
    for token in content["added_tokens"]:
        token |= {"lstrip": False, "rstrip": False}
    copy = Tokenizer.from_str(json.dumps(content))
    copy.encode_special_tokens = True
    return copy


def _without_prefix(step: Any) -> Any:
    """A normalizer or pre-tokenizer, as tokenizer.json spells it, that puts nothing before a text."""
    if step is None or step["type"] == "Prepend":
        return None
    parts = {
        key: [_without_prefix(part) for part in step[key]] for key in ("normalizers", "pretokenizers") if key in step
    }
    kept = {key: [part for part in values if part is not None] for key, values in parts.items()}
    never = {"add_prefix_space": False, "prepend_scheme": "never"}
    return step | kept | {key: value for key, value in never.items() if key in step}


def _spelled(backend: "Tokenizer", character: str) -> list[int]:
    """The byte tokens of a character; none if the vocabulary lacks one."""
    found = [backend.token_to_id(f"<0x{byte:02X}>") for byte in character.encode()]
    ids = [token for token in found if token is not None]
    return ids if len(ids) == len(found) else []


def _refuse_surrogates(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = f"U+{ord(text[error.start]):04X}"
        raise ValueError(
            f"the text holds the lone surrogate {found} at character {error.start}; send well-formed Unicode"
        ) from error
