"""Tokens -> the text that is returned, cut at stop strings and cleaned by rules, and the tokens of just that text.

The texts of the tokens returned join to the text returned. A token that a cut runs through has the part that stays.
Tokens without text, such as the parts of a character before its last, stay or go with the character behind them, so
that sums of log-probabilities are those of the text; an unfinished character at the end is no text, and goes.

A rule that cuts keeps the tokens of the characters that it keeps. One that rewrites (`postprocess.rule`) leaves one
token: the new text, with the sum of the log-probabilities of the tokens that it is made from, the first one's id and no
alternatives. An empty text has no tokens. The next rule goes on with the tokens so made.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

from postprocess.chain import Step
from serve.completing.request import ScoredToken
from serve.completing.token_text import TextSoFar, token_texts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class TextToken:
    """A token with its text where it stands. `alternatives`: (text, logprob) of the likeliest tokens there, whole."""

    id: int
    text: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Returned:
    """A text and its tokens, whose texts join to it."""

    text: str
    tokens: tuple[TextToken, ...]


def returned(
    tokens: Sequence[ScoredToken],
    tokenizer: "PreTrainedTokenizerBase",
    before: Sequence[int],
    stop: Sequence[str],
    steps: Sequence[Step],
) -> Returned:
    """What is returned of tokens that stand behind the tokens `before`: up to the first stop string, then the rules.

    Of stop strings the one that begins first counts; an empty one is none.
    """
    kept = _text_tokens(tokens, tokenizer, before)
    text = "".join(token.text for token in kept)
    cuts = (text.find(ending) for ending in stop if ending)
    kept = _part(kept, 0, min((cut for cut in cuts if cut >= 0), default=len(text)))
    for step in steps:
        kept = _cleaned(kept, step)
    return Returned("".join(token.text for token in kept), kept)


def echoed(tokens: Sequence[ScoredToken], tokenizer: "PreTrainedTokenizerBase", special: int) -> Returned:
    """A prompt as it is returned: without its first `special` tokens, and with all others, as many as /tokenize gives.

    Their text is the prompt's own, byte for byte, or what was left of it where it was too long.
    """
    before = [token.id for token in tokens[:special]]
    kept = _text_tokens(tokens[special:], tokenizer, before)
    return Returned("".join(token.text for token in kept), kept)


def prompt_texts(tokenizer: "PreTrainedTokenizerBase", ids: Sequence[int], special: int) -> list[str]:
    """The texts of a prompt's tokens behind the first `special` ones, which join to the prompt's text."""
    return token_texts(tokenizer, ids[special:], ids[:special])


def _text_tokens(
    tokens: Sequence[ScoredToken], tokenizer: "PreTrainedTokenizerBase", before: Sequence[int]
) -> tuple[TextToken, ...]:
    """The tokens with their texts, and the texts that each alternative would have had in its place."""
    text = TextSoFar(tokenizer, before)
    read = []
    for token in tokens:
        alternatives = tuple((text.peek(other), logprob) for other, logprob in token.alternatives)
        read.append(TextToken(token.id, text.add(token.id), token.logprob, alternatives))
    return tuple(read)


def _part(tokens: Sequence[TextToken], start: int, end: int) -> tuple[TextToken, ...]:
    """The tokens of the characters from `start` up to `end`."""
    places = accumulate((len(token.text) for token in tokens), initial=0)
    parts = []
    for token, place in zip(tokens, places, strict=False):
        text = token.text[max(start - place, 0) : max(end - place, 0)]
        if text or (not token.text and start <= place < end):
            parts.append(replace(token, text=text))
    return tuple(parts)


def _cleaned(tokens: tuple[TextToken, ...], step: Step) -> tuple[TextToken, ...]:
    """The tokens of what a rule makes of their text."""
    edit = step.edit("".join(token.text for token in tokens))
    if edit is None:
        return tokens
    part = _part(tokens, edit.start, edit.end)
    if edit.text is None:
        return part
    if not edit.text:
        return ()
    ids = [token.id for token in part or tokens] or [0]  # what is made from no character has the text's first id, or 0
    return (TextToken(ids[0], edit.text, math.fsum(token.logprob for token in part)),)
