"""A tokenizer.json of BPE kind, checked -> its tokens, its merges, and how each token comes about.

Both kinds are known: byte-level (GPT-2, Llama 3, Qwen, SmolLM2), whose 256 bytes are characters of the vocabulary, and
SentencePiece's (Llama 2, Mistral, InkubaLM, Gemma), where `<0x00>` to `<0xFF>` stand for characters without a token.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from compress.trimming.bpe import Pair, merge, pairs_of, ranks_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BYTE_FALLBACK = tuple(f"<0x{byte:02X}>" for byte in range(256))
SPACE = "▁"
WORKS = "what works: tokenizers of BPE kind with all bytes, such as those of Llama, Mistral, Qwen, Gemma and SmolLM"


@dataclass(frozen=True)
class TokenizerFile:
    """The content of a tokenizer.json. `added` are its added tokens by their text."""

    path: Path
    data: dict[str, Any]
    pairs: list[Pair]
    byte_level: bool
    added: dict[str, dict[str, Any]]

    @property
    def model(self) -> dict[str, Any]:
        """The BPE part."""
        model: dict[str, Any] = self.data["model"]
        return model

    @property
    def pieces(self) -> dict[str, int]:
        """The ids of the model's own vocabulary; added tokens need not be in it."""
        pieces: dict[str, int] = self.model["vocab"]
        return pieces

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of every token, added ones included."""
        return self.pieces | {text: int(token["id"]) for text, token in self.added.items()}

    @cached_property
    def tokens(self) -> dict[int, str]:
        """The token of every id."""
        return {number: token for token, number in self.ids.items()}

    @cached_property
    def ranks(self) -> dict[Pair, int]:
        """The rank of each merge."""
        return ranks_of(self.pairs)

    @cached_property
    def encoder(self) -> "Tokenizer":
        """The tokenizer itself."""
        return _parsed(orjson.dumps(self.data).decode(), self.path)

    @cached_property
    def byte_tokens(self) -> frozenset[str]:
        """The tokens that stand for single bytes; with them any text can be written."""
        return frozenset(byte_alphabet() if self.byte_level else BYTE_FALLBACK) & self.pieces.keys()

    @property
    def mark(self) -> str:
        """The character that begins a word."""
        return byte_alphabet_of(" ") if self.byte_level else SPACE

    @property
    def unknown(self) -> str | None:
        """The token for what has none, if the vocabulary holds it."""
        unknown = self.model.get("unk_token")
        return unknown if unknown in self.ids else None

    def is_normal(self, token: str) -> bool:
        """Whether only merges can make the token: it is no added one, no byte of the fallback, not the unknown one."""
        is_byte = not self.byte_level and token in self.byte_tokens
        return token not in self.added and not is_byte and token != self.unknown

    def derivation(self, token: str) -> frozenset[str] | None:
        """The token with all that BPE makes of its characters on the way to it; None if BPE makes something else.

        A tokenizer that ignores merges for whole words takes such a token from the vocabulary, and needs nothing else.
        """
        if not self.is_normal(token):
            return frozenset((token,))
        if all(character in self.pieces for character in token):
            parts, made = merge(token, self.ranks)
            if len(parts) == 1:
                return frozenset((*token, *made, token))
        return frozenset((token,)) if self.model.get("ignore_merges") else None

    def text_of(self, token: str) -> str | None:
        """The text that a token stands for; None for bytes that are no whole characters."""
        if token in self.added:
            return token
        if not self.byte_level:
            return None if token in self.byte_tokens else token.replace(SPACE, " ")
        bytes_of = byte_values()
        try:
            return bytes(bytes_of[character] for character in token).decode()
        except (KeyError, UnicodeDecodeError):
            return None


def read_tokenizer(path: Path) -> TokenizerFile:
    """The checked tokenizer.json. FileNotFoundError or ValueError says what is wrong and what works."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is not there; a tokenizer.model alone is not read: load it once with AutoTokenizer and save it"
        )
    try:
        data = orjson.loads(path.read_bytes())
        return tokenizer_file(data, path)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no tokenizer.json: {error!r}; save the tokenizer again") from error


def load_tokenizer(path: Path) -> "Tokenizer":
    """The tokenizer of a tokenizer.json that neither cuts nor pads, whatever the file says.

    Raises ValueError for a file that the installed `tokenizers` cannot read.
    """
    return _parsed(path.read_text(encoding="utf-8"), path)


def _parsed(text: str, path: Path) -> "Tokenizer":
    from tokenizers import Tokenizer

    try:
        return plain(Tokenizer.from_str(text))
    except Exception as error:
        raise ValueError(f"{path} cannot be read: {error}; save the tokenizer again with today's libraries") from error


def plain(tokenizer: "Tokenizer") -> "Tokenizer":
    """The tokenizer without truncation and padding: a text that is cut would be counted in part."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def tokenizer_file(data: dict[str, Any], path: Path = Path("tokenizer.json")) -> TokenizerFile:
    """The content of a tokenizer.json with its two kinds told apart. ValueError says what is not supported."""
    model = data["model"]
    kind = model.get("type") or ("BPE" if "merges" in model else "unknown")
    if kind != "BPE":
        raise ValueError(f"{path} is of {kind} kind, which cannot be trimmed by merges; {WORKS}")
    for key in ("continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(key):
            raise ValueError(f"{path}: {key} is {model[key]!r}, which is not supported; {WORKS}")
    added = {token["content"]: token for token in data.get("added_tokens", [])}
    file = TokenizerFile(path, data, pairs_of(model), _has_type(data, "ByteLevel"), added)
    _check_merges(file)
    if not file.byte_level and not (model.get("byte_fallback") and len(file.byte_tokens) == 256):
        raise ValueError(f"{path} has no tokens for bytes, so that texts could be lost with the tokens; {WORKS}")
    return file


def without_rowless(file: TokenizerFile, rows: int) -> tuple[TokenizerFile, list[str]]:
    """The tokenizer without added tokens that the model has no rows for, and their names.

    Gemma 3's names a token for pictures that the models of text alone do not have.
    """
    rowless = [text for text, token in file.added.items() if int(token["id"]) >= rows]
    if not rowless:
        return file, []
    added = [token for token in file.data["added_tokens"] if token["content"] not in rowless]
    vocabulary = {piece: number for piece, number in file.pieces.items() if piece not in rowless}
    data = file.data | {"added_tokens": added, "model": file.model | {"vocab": vocabulary}}
    return tokenizer_file(data, file.path), rowless


def _check_merges(file: TokenizerFile) -> None:
    """ValueError if a merge needs or makes a token that is not there: `tokenizers` would not load the file."""
    for left, right in file.pairs:
        for token in (left, right, left + right):
            if token not in file.pieces:
                raise ValueError(
                    f"{file.path}: the merge {left!r} + {right!r} needs {token!r}, which is not in the vocabulary; the "
                    "file was cut wrongly and cannot be loaded: take the model's own tokenizer"
                )


def _has_type(data: Mapping[str, Any], name: str) -> bool:
    """Whether pre-tokenizer or normalizer, or one in their sequences, is of that type."""
    steps = [data.get(key) for key in ("pre_tokenizer", "normalizer")]
    while steps:
        step = steps.pop()
        if not step:
            continue
        if step["type"] == name:
            return True
        steps += [*step.get("pretokenizers", []), *step.get("normalizers", [])]
    return False


@cache
def byte_alphabet() -> tuple[str, ...]:
    """The 256 characters that stand for bytes, the byte 0 first: printable ones for themselves, the others from U+0100.

    It is GPT-2's table, and that of `tokenizers`' ByteLevel.
    """
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(256, 512))
    return tuple(chr(byte if byte in printable else next(others)) for byte in range(256))


@cache
def byte_values() -> dict[str, int]:
    """The byte of each character of the alphabet."""
    return {character: byte for byte, character in enumerate(byte_alphabet())}


def byte_alphabet_of(text: str) -> str:
    """The text in the alphabet of bytes."""
    alphabet = byte_alphabet()
    return "".join(alphabet[byte] for byte in text.encode())
