"""A prompt's text -> the model's tokens, so many that prompt and answer fit into the window. Never an error for length.

A prompt that is too long loses tokens on its left; the special tokens in front and the end stay. HELM counts its
prompts without special tokens, so even one that it has cut to the window can be a token too long.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneday.prompt import build_prompt
from serve.completing.token_text import once_for_each, rest_of_a_character
from serve.config import Wrap
from serve.text_tokens import decode, tokenize

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class FittedPrompt:
    """What the model reads, at least one token, and how many it may write.

    `special`: the tokens at the front that the model adds. `cut`: the text's tokens that had to go, on its left.
    """

    ids: tuple[int, ...]
    special: int
    max_new_tokens: int
    cut: int


def fit_prompt(
    tokenizer: "PreTrainedTokenizerBase", text: str, max_new_tokens: int, max_length: int, wrap: Wrap | None
) -> FittedPrompt:
    """The prompt's tokens and `max_new_tokens`, together at most `max_length`.

    A prompt is cut to half of the window at most: for its sake `max_new_tokens` is lowered. With `wrap`, a text with
    too few blank lines is the input block of a prompt in the recipe's form, and the text is what is cut. An empty
    prompt is the beginning-of-sequence token; if the model has none, the end-of-sequence token, which parts texts.
    Raises ValueError for a negative `max_new_tokens`, a window without room for two tokens, and a lone surrogate.
    """
    if max_new_tokens < 0 or max_length < 2:
        raise ValueError(
            f"max_new_tokens is {max_new_tokens} in a window of {max_length}; they are at least 0 and at least 2"
        )
    front = _front(tokenizer)
    if wrap is not None and text.count("\n\n") < wrap.below_blank_lines:
        ids, cut = _wrapped(tokenizer, text, wrap, len(front), max_new_tokens, max_length)
    else:
        ids, cut = tokenize(tokenizer, text), 0
    if not ids and not front:
        front = _for_nothing(tokenizer)
    room = _room(len(front) + len(ids), max_new_tokens, max_length)
    over = _cut(tokenizer, ids, room - len(front))
    prompt = (*front, *ids[over:])[-room:]
    return FittedPrompt(prompt, min(len(front), room), min(max_new_tokens, max_length - len(prompt)), cut + over)


def _room(length: int, max_new_tokens: int, max_length: int) -> int:
    """The most tokens of a prompt of this length."""
    return max(max_length - max_new_tokens, min(length, max_length // 2))


def _cut(tokenizer: "PreTrainedTokenizerBase", ids: list[int], room: int) -> int:
    """How many tokens go on the left: a character of which a part would go goes as a whole."""
    if len(ids) <= room:
        return 0
    over = len(ids) - max(room, 0)
    whole = over + rest_of_a_character(tokenizer, ids[over:])
    return whole if whole < len(ids) else over


def _wrapped(
    tokenizer: "PreTrainedTokenizerBase", text: str, wrap: Wrap, special: int, max_new_tokens: int, max_length: int
) -> tuple[list[int], int]:
    """The tokens of the text's end as an input block, as much of it as fits, and how many of its tokens were cut.

    The whole text is read once; each later try is no longer than the window. If the block without a text is too
    long itself, it is returned as it is.
    """
    inner = tokenize(tokenizer, text.strip())
    keep = min(len(inner), max_length)
    while True:
        start = _cut(tokenizer, inner, keep)
        shown = text if start == 0 else decode(tokenizer, inner[start:])
        ids = tokenize(tokenizer, build_prompt(wrap.preamble, "", shown))
        length = special + len(ids)
        excess = length - _room(length, max_new_tokens, max_length)
        if excess <= 0 or start == len(inner):
            return ids, start
        keep = max(len(inner) - start - excess, 0)


@once_for_each
def _front(tokenizer: "PreTrainedTokenizerBase") -> tuple[int, ...]:
    """The special tokens that the tokenizer puts before a text; not those behind it, which would end the prompt."""
    read = tokenizer("a", return_special_tokens_mask=True)
    marks = read["special_tokens_mask"]
    return tuple(read["input_ids"][: marks.index(0) if 0 in marks else len(marks)])


def _for_nothing(tokenizer: "PreTrainedTokenizerBase") -> tuple[int, ...]:
    """What the model reads where there is no prompt: it must read something."""
    candidates = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, 0)
    return (next(token for token in candidates if token is not None),)
