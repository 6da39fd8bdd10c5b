"""How a model is told the languages: NLLB-200, M2M100 and mBART-50 by tokens, OPUS-MT by its name or a first word."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CODE_TOKEN = re.compile(r"[a-z]{2,3}_[A-Za-z]{2,4}")  # swh_Latn (NLLB-200), sw_KE and en_XX (mBART-50)
SUGGESTED = 3


@dataclass(frozen=True)
class Direction:
    """What makes the model write the target language: a translation's first token, or a word before each source."""

    first_token: int | None = None
    prefix: str = ""


def set_direction(tokenizer: "PreTrainedTokenizerBase", source: str, target: str) -> Direction:
    """Set the tokenizer to the source language; what else must be done for the target.

    ValueError names the nearest codes for one that the model does not know, and what is allowed for a model that
    cannot be told.
    """
    if hasattr(tokenizer, "src_lang"):
        codes = language_tokens(tokenizer)
        _require("source_language", source, codes)
        _require("target_language", target, codes)
        tokenizer.src_lang = source
        return Direction(first_token=codes[target])
    if not hasattr(tokenizer, "supported_language_codes"):
        raise ValueError(
            f"its tokenizer ({type(tokenizer).__name__}) has no languages to choose from; allowed: NLLB-200, M2M100, "
            "mBART-50 or OPUS-MT"
        )
    targets = [code.removeprefix(">>").removesuffix("<<") for code in tokenizer.supported_language_codes]
    _require_pair("source_language", source, tokenizer.source_lang)
    if targets:
        _require("target_language", target, targets)
        return Direction(prefix=f">>{target}<< ")
    _require_pair("target_language", target, tokenizer.target_lang)
    return Direction()


def language_tokens(tokenizer: "PreTrainedTokenizerBase") -> dict[str, int]:
    """The token of each language code that a multilingual tokenizer knows."""
    own = getattr(tokenizer, "lang_code_to_id", None)
    if own:
        return dict(own)
    return {token: id_ for token, id_ in tokenizer.get_added_vocab().items() if CODE_TOKEN.fullmatch(token)}


def _require(key: str, code: str, known: Iterable[str]) -> None:
    """Raises ValueError, with the nearest codes, for a code that is not known."""
    codes = sorted(known)
    if code in codes:
        return
    by_lower = {other.lower(): other for other in codes}
    close = difflib.get_close_matches(code.lower(), by_lower, SUGGESTED, cutoff=0.3)
    shared = {lower: _same_letters(code.lower(), lower) for lower in by_lower}
    begins = sorted((lower for lower in by_lower if shared[lower] >= 2), key=lambda lower: -shared[lower])
    nearest = [by_lower[lower] for lower in dict.fromkeys((*begins, *close))][:SUGGESTED]
    hint = f"nearest: {', '.join(nearest)}; " if nearest else ""
    raise ValueError(f"translate.{key}: the model does not know {code!r}; {hint}it knows {len(codes)} codes")


def _same_letters(one: str, other: str) -> int:
    """How many letters two codes have in common at their beginning."""
    return next(
        (place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
        min(len(one), len(other)),
    )


def _require_pair(key: str, code: str, own: str | None) -> None:
    """Raises ValueError for another language than the one that a model of one pair has; some do not say theirs."""
    if own is not None and code != own:
        raise ValueError(
            f"translate.{key}: the model is for {own!r} alone, not {code!r}; write {own!r}, or change model"
        )
