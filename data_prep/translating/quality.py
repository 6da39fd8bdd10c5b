"""A text and its translation -> why the translation is not used, by what machine translation is seen to do wrong."""

from collections.abc import Sequence

import regex
from pydantic import BaseModel

from data_prep.translating.config import TranslationFilter

WORDS = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:['\u2018\u2019][\p{L}\p{M}\p{N}]+)*")  # a'a and ng'ombe are one word each
LETTER = regex.compile(r"\p{L}")
# Every reason for which a translation is dropped, in the order in which they are looked for.
REASONS = ("empty_translation", "repeated_words", "cut_off", "untranslated", "too_short", "too_long")


class Translation(BaseModel):
    """What the model wrote. `cut_off`: it had not ended at the limit; `source_cut`: it saw a part of the text alone."""

    text: str
    cut_off: bool
    source_cut: bool


def reason_to_drop(source: str, translation: Translation, limits: TranslationFilter) -> str | None:
    """The first of REASONS that holds; None if the translation may be used."""
    text = translation.text
    if not WORDS.search(text) and (WORDS.search(source) or not text):
        return "empty_translation"
    repeats = most_repeats(text, limits.repeat_words)
    if repeats > limits.max_repeats and repeats > most_repeats(source, limits.repeat_words):
        return "repeated_words"
    if translation.cut_off:
        return "cut_off"
    if len(source) < limits.min_characters:
        return None
    if LETTER.search(source) and _plain(text) == _plain(source):
        return "untranslated"
    ratio = len(text) / len(source)
    if ratio < limits.min_length_ratio:
        return "too_short"
    return "too_long" if ratio > limits.max_length_ratio else None


def most_repeats(text: str, run_words: int) -> int:
    """How often the same run of at most so many words stands on end, at most; 1 for a text without repeats.

    Case and what stands between the words do not count: 'a b, A b; a b' has 3. A run is counted at its shortest: 'a a a
    a' is 'a' four times.
    """
    words = [word.casefold() for word in WORDS.findall(text)]
    return max((_repeats(words, length) for length in range(1, run_words + 1)), default=0) if words else 0


def _repeats(words: Sequence[str], length: int) -> int:
    """How often one run of `length` words follows itself, the first time included."""
    longest = equal = 0
    for earlier, later in zip(words, words[length:], strict=False):
        equal = equal + 1 if earlier == later else 0
        longest = max(longest, equal)
    return 1 + longest // length


def _plain(text: str) -> str:
    return " ".join(WORDS.findall(text.casefold()))
