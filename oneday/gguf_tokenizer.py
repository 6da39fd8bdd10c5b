"""The tokenizer of a Gemma model from the metadata of its GGUF file, which transformers 5.16 reads as a Unigram model.

Input:  tokens, scores, types and special ids in the file's `tokenizer.ggml.*` keys.
Output: a BPE tokenizer with byte fallback: no prefix space, "▁" for a space, merges in the order of the scores,
        all tokens that the model's own tokenizer.json lists as added ones.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPACE = "▁"  # U+2581, SentencePiece's mark of a space
NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4  # llama.cpp's token types; 6 is a byte
UNUSED = re.compile(r"<unused\d+>")


@dataclass(frozen=True)
class GgufVocabulary:
    """A SentencePiece vocabulary as a GGUF file holds it; the position in `tokens` is the id."""

    tokens: Sequence[str]
    scores: Sequence[float]
    types: Sequence[int]
    special: dict[str, int]  # "bos", "eos", "unknown", "padding" -> id
    add_bos: bool
    chat_template: str | None


def read_vocabulary(gguf: Path) -> GgufVocabulary:
    """The vocabulary of a GGUF file. ValueError if it is not a SentencePiece one with scores."""
    from gguf import GGUFReader

    fields = GGUFReader(gguf).fields
    values = {key.removeprefix("tokenizer.ggml."): field for key, field in fields.items() if "tokenizer." in key}
    kind = values["model"].contents() if "model" in values else None
    if kind != "llama" or "scores" not in values:
        raise ValueError(f"{gguf.name}: the tokenizer is of the kind {kind!r}; a SentencePiece one is named 'llama'")
    names = {"bos": "bos", "eos": "eos", "unknown": "unk", "padding": "pad"}
    for name in ("tokens", "token_type", *(f"{name}_token_id" for name in names)):
        if name not in values:
            raise ValueError(
                f"{gguf.name} lacks tokenizer.ggml.{name}; a Gemma GGUF file of llama.cpp's converter has it"
            )
    return GgufVocabulary(
        tokens=values["tokens"].contents(),
        scores=values["scores"].contents(),
        types=values["token_type"].contents(),
        special={short: values[f"{name}_token_id"].contents() for name, short in names.items()},
        add_bos=bool(values["add_bos_token"].contents()) if "add_bos_token" in values else True,
        chat_template=values["tokenizer.chat_template"].contents() if "tokenizer.chat_template" in values else None,
    )


def gemma_tokenizer(vocabulary: GgufVocabulary) -> "PreTrainedTokenizerFast":
    """The tokenizer of a Gemma model, with its beginning-of-sequence token in front of every text."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer.from_str(json.dumps(tokenizer_json(vocabulary), ensure_ascii=False))
    named = {f"{name}_token": vocabulary.tokens[index] for name, index in vocabulary.special.items()}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, padding_side="left", **named)
    tokenizer.chat_template = vocabulary.chat_template
    return tokenizer


def tokenizer_json(vocabulary: GgufVocabulary) -> dict[str, Any]:
    """The content of tokenizer.json for a SentencePiece BPE vocabulary without a prefix space."""
    tokens = [_spelled(token) for token in vocabulary.tokens]
    ids = {token: index for index, token in enumerate(tokens)}
    bos = tokens[vocabulary.special["bos"]]
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": tokens[vocabulary.special["unk"]],
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": True,
        "ignore_merges": False,
        "vocab": ids,
        "merges": score_ranked_merges(tokens, vocabulary.scores, vocabulary.types),
    }
    decoders = [{"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"}]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": list(_added_tokens(tokens, vocabulary.types)),
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"String": " "},
            "behavior": "MergedWithPrevious",
            "invert": False,
        },
        "post_processor": _template(bos, ids[bos]) if vocabulary.add_bos else None,
        "decoder": {"type": "Sequence", "decoders": [*decoders, {"type": "Fuse"}]},
        "model": model,
    }


def score_ranked_merges(tokens: Sequence[str], scores: Sequence[float], types: Sequence[int]) -> list[list[str]]:
    """The merges of a SentencePiece BPE vocabulary, first the one that is applied first.

    SentencePiece has no list of merges: it joins the two neighbours whose product has the highest score. So every
    split of a token into two tokens is a merge, ranked by the product's score. User-defined tokens come first, since
    SentencePiece finds them before it joins anything. Equal ranks keep the order of the ids.
    """
    ids = {token: index for index, token in enumerate(tokens)}
    products = [index for index, kind in enumerate(types) if kind in (NORMAL, USER_DEFINED) and len(tokens[index]) > 1]
    products.sort(key=lambda index: (types[index] != USER_DEFINED, -scores[index]))
    merges: list[list[str]] = []
    for index in products:
        token = tokens[index]
        splits = ((token[:cut], token[cut:]) for cut in range(1, len(token)))
        pairs = [(ids[left], ids[right]) for left, right in splits if left in ids and right in ids]
        merges += [[tokens[left], tokens[right]] for left, right in sorted(pairs)]
    return merges


def _spelled(token: str) -> str:
    """A token as tokenizer.json spells it: GGUF files hold runs of spaces as spaces."""
    return SPACE * len(token) if token and not token.strip(" ") else token


def _added_tokens(tokens: Sequence[str], types: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Control and user-defined tokens; `<unusedN>` is a control token in the file, but no special one in the model."""
    for index, (token, kind) in enumerate(zip(tokens, types, strict=True)):
        if kind in (UNKNOWN, CONTROL, USER_DEFINED):
            special = kind != USER_DEFINED and not UNUSED.fullmatch(token)
            flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": special}
            yield {"id": index, "content": token} | flags


def _template(bos: str, index: int) -> dict[str, Any]:
    """The post-processor that puts the beginning-of-sequence token in front of each text."""
    front = {"SpecialToken": {"id": bos, "type_id": 0}}
    first, second = {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}
    return {
        "type": "TemplateProcessing",
        "single": [front, first],
        "pair": [front, first, front | {"SpecialToken": {"id": bos, "type_id": 1}}, second],
        "special_tokens": {bos: {"id": bos, "ids": [index], "tokens": [bos]}},
    }
