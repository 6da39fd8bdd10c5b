"""Tokens -> their texts, which join to the text: every token is a piece of UTF-8, and no text is decoded twice.

`token_texts` takes a list, `TextSoFar` one token after the other. Both give the same:
- A character that several tokens make comes with the last of them; those before have "". One that is never completed
  is left out; bytes that are no UTF-8 become U+FFFD.
- A special token has no text, as with `skip_special_tokens`. Neither has an id that the tokenizer lacks: models have
  spare rows.
- Where the tokenizer puts a space before every text, the first token of a text loses it; behind other tokens it stays.
"""

import codecs
import json
import re
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SPACE = "▁"  # U+2581, SentencePiece's mark of a space
BYTE = re.compile(r"<0x([0-9A-F]{2})>")
UNFINISHED = 3  # the most bytes of a character that lacks its last


Made = TypeVar("Made")


def once_for_each(make: "Callable[[PreTrainedTokenizerBase], Made]") -> "Callable[[PreTrainedTokenizerBase], Made]":
    """The function, called once for each tokenizer, also by several threads; what it gave goes with the tokenizer."""
    made: WeakKeyDictionary[PreTrainedTokenizerBase, Made] = WeakKeyDictionary()
    lock = Lock()

    @wraps(make)
    def known(tokenizer: "PreTrainedTokenizerBase") -> Made:
        with lock:
            if tokenizer not in made:
                made[tokenizer] = make(tokenizer)
            return made[tokenizer]

    return known


class Vocabulary:
    """The bytes of each token of a tokenizer, byte-level or SentencePiece-like; read once for each tokenizer.

    `prefixed`: the tokenizer puts a space before a text. `special`: ids of the tokens without text.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        backend = _backend(tokenizer)
        decoder = json.dumps(json.loads(backend.to_str())["decoder"], ensure_ascii=False)
        self.byte_level = '"ByteLevel"' in decoder
        if not self.byte_level and SPACE not in decoder:
            raise ValueError(
                f"the tokenizer's decoder is {decoder}; texts are served by byte-level tokenizers and by "
                f"SentencePiece-like ones, which write {SPACE} for a space"
            )
        self._spelled_bytes = '"ByteFallback"' in decoder and not self.byte_level
        added = {number: token.content for number, token in backend.get_added_tokens_decoder().items()}
        self._added = frozenset(added)
        self._spellings = {number: token for token, number in backend.get_vocab().items()} | added
        self.special = _special_ids(tokenizer, backend)
        self.size = max(self._spellings) + 1
        self._bytes: dict[int, bytes] = {}
        first_texts = tokenizer("a", add_special_tokens=False)["input_ids"]
        self.prefixed = b"".join(map(self.bytes_of, first_texts)).startswith(b" ")

    def has(self, token: int) -> bool:
        """Whether the tokenizer has the id."""
        return token in self._spellings

    def bytes_of(self, token: int) -> bytes:
        """What a token adds to a text, b"" if it adds none."""
        known = self._bytes.get(token)
        if known is None:
            known = self._bytes[token] = self._read(token)
        return known

    def _read(self, token: int) -> bytes:
        if token in self.special or not self.has(token):
            return b""
        spelling: str = self._spellings[token]
        if not self.byte_level:
            byte = BYTE.fullmatch(spelling) if self._spelled_bytes and token not in self._added else None
            return bytes.fromhex(byte[1]) if byte else spelling.replace(SPACE, " ").encode()
        if token in self._added or not set(spelling) <= _BYTE_OF.keys():
            return spelling.encode()
        return bytes(_BYTE_OF[character] for character in spelling)


@once_for_each
def vocabulary(tokenizer: "PreTrainedTokenizerBase") -> Vocabulary:
    """The tokenizer's vocabulary. ValueError if its tokens are not known to be pieces of UTF-8."""
    return Vocabulary(tokenizer)


class TextSoFar:
    """The text of tokens that come one by one, behind the tokens `before` (a prompt)."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", before: Sequence[int] = ()) -> None:
        self._vocabulary = vocabulary(tokenizer)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pieces: list[str] = []
        ending = _last_bytes(self._vocabulary, before)
        self._decoder.decode(ending)
        self._drop_space = self._vocabulary.prefixed and not ending

    def add(self, token: int) -> str:
        """The characters that the token completes; its cost does not grow with the text."""
        content = self._vocabulary.bytes_of(token)
        if content and self._drop_space:
            self._drop_space = False
            content = content.removeprefix(b" ")
        piece = self._decoder.decode(content)
        self._pieces.append(piece)
        return piece

    def peek(self, token: int) -> str:
        """What `add` would give for the token, which is not added."""
        content = self._vocabulary.bytes_of(token)
        if self._drop_space:
            content = content.removeprefix(b" ")
        state = self._decoder.getstate()
        piece = self._decoder.decode(content)
        self._decoder.setstate(state)
        return piece

    @property
    def text(self) -> str:
        """All characters that are complete."""
        self._pieces = ["".join(self._pieces)]
        return self._pieces[0]


def token_texts(tokenizer: "PreTrainedTokenizerBase", ids: Iterable[int], before: Sequence[int] = ()) -> list[str]:
    """The text of each token as it stands behind the tokens `before`; joined, they are the text of `ids` there."""
    text = TextSoFar(tokenizer, before)
    return [text.add(token) for token in ids]


def rest_of_a_character(tokenizer: "PreTrainedTokenizerBase", ids: Sequence[int]) -> int:
    """How many tokens at the front of a cut list belong to a character that began before the cut."""
    read = vocabulary(tokenizer)
    for number, token in enumerate(ids):
        content = read.bytes_of(token)
        if not content or content[0] & 0xC0 != 0x80:
            return number
    return len(ids)


def _backend(tokenizer: "PreTrainedTokenizerBase") -> Any:
    """The tokenizer of the `tokenizers` library inside."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        kind = type(tokenizer).__name__
        raise ValueError(f"{kind} has no tokenizer.json inside; save the model with a tokenizer that has")
    return backend


def _special_ids(tokenizer: "PreTrainedTokenizerBase", backend: Any) -> frozenset[int]:
    """Tokens that mark something and stand for no text."""
    added = backend.get_added_tokens_decoder().items()
    return frozenset(tokenizer.all_special_ids) | {number for number, token in added if token.special}


def _last_bytes(read: Vocabulary, ids: Sequence[int]) -> bytes:
    """The end of the text of `ids`, long enough to hold every character that is unfinished; b"" if there is no text."""
    ending = b""
    for token in reversed(ids):
        ending = read.bytes_of(token) + ending
        if len(ending) >= UNFINISHED:
            break
    return ending


def _byte_characters() -> dict[str, int]:
    """The byte that each character of a byte-level vocabulary stands for (GPT-2's table).

    Bytes that Latin-1 prints as a visible character are that one; the others follow from U+0100 on.
    """
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = (byte for byte in range(256) if byte not in visible)
    table = {chr(byte): byte for byte in visible}
    return table | {chr(0x100 + number): byte for number, byte in enumerate(others)}


_BYTE_OF = _byte_characters()
