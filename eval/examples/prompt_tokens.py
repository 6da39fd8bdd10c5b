"""The tokens of a prompt and of the options behind it, cut to the model's context.

Where a prompt ends and an option begins can be seen in two ways:

- `joint`, as lm-evaluation-harness does: the two are tokenised as one text, which is cut where the tokens of the
  prompt alone end. White space at the prompt's end is the option's.
- `separate`, as training does here: the option is tokenised by itself and put behind the prompt's tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from eval.label_choice import answer_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Seam = Literal["joint", "separate"]


@dataclass(frozen=True)
class OptionTokens:
    """A prompt's tokens and those of each option."""

    prompt: list[int]
    options: list[list[int]]

    @property
    def longest(self) -> int:
        """The tokens of the longest option."""
        return max(map(len, self.options))


def option_tokens(
    tokenizer: "PreTrainedTokenizerBase", prompt: str, options: Sequence[str], delimiter: str | None, seam: Seam
) -> OptionTokens:
    """The tokens of a prompt and its options, which `delimiter` parts; see `delimiter_of` for None.

    ValueError if an option has no tokens of its own.
    """
    parted = (delimiter_of(prompt) if delimiter is None else delimiter) if options else ""
    texts = [parted + option for option in options]
    if seam == "joint":
        kept = prompt.rstrip()
        start = text_tokens(tokenizer, kept)
        found = [text_tokens(tokenizer, kept + prompt[len(kept) :] + text)[len(start) :] for text in texts]
    else:
        start = text_tokens(tokenizer, prompt)
        found = [answer_tokens(tokenizer, text) for text in texts]
    if not all(found):
        option = options[[not tokens for tokens in found].index(True)]
        raise ValueError(f"option {option!r} has no tokens of its own behind the prompt; put a delimiter before it")
    return OptionTokens(start, found)


def delimiter_of(prompt: str) -> str:
    """A space, as lm-evaluation-harness has by default; nothing after a prompt that ends in white space."""
    return "" if prompt[-1:].isspace() else " "


def text_tokens(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    """The tokens of a text; no second begin of a sequence where the text has one, as in lm-evaluation-harness."""
    begin = tokenizer.bos_token or tokenizer.eos_token
    written = bool(begin) and text.startswith(begin)
    tokens: list[int] = tokenizer(text, add_special_tokens=not written)["input_ids"]
    return tokens


def cut_to(tokens: list[int], limit: int) -> list[int]:
    """The last `limit` tokens. ValueError if that is none."""
    if limit < 1:
        raise ValueError("an answer alone fills the model's context; allow fewer new tokens, or give shorter options")
    return tokens[-limit:]
