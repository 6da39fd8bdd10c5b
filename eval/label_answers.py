"""A generated text -> the label word that it is, or None."""

import unicodedata
from collections.abc import Sequence

JOINERS = "-'\u2019_"  # with a letter behind them they go on with a word: Tsaka-tsaki


def label_answer(text: str, labels: Sequence[str]) -> str | None:
    """The label that the first line of the text is or begins with; None if there is none, or if it names two.

    Upper and lower case, the forms of Unicode (NFKC), and marks around the line do not count. A word that goes on
    behind the label is another word: "Korauaiki" is not "Korau".
    """
    lines = text.strip().splitlines()
    line = lines[0].strip() if lines else ""
    if line in labels:
        return line
    said = _folded(line)
    named = [label for label in labels if _names(said, _folded(label))]
    return named[0] if len(named) == 1 and _starts(said, _folded(named[0])) else None


def _folded(text: str) -> str:
    """The text without the differences that do not count."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    start, end = 0, len(folded)
    while start < end and not _in_word(folded[start]):
        start += 1
    while end > start and not _in_word(folded[end - 1]):
        end -= 1
    return folded[start:end]


def _in_word(character: str) -> bool:
    """Whether it is a letter, a digit or a mark on one."""
    return unicodedata.category(character)[0] in "LMN"


def _starts(text: str, word: str) -> bool:
    """Whether the text begins with the whole word."""
    if not word or not text.startswith(word):
        return False
    rest = text[len(word) :]
    return not rest or not (_in_word(rest[0]) or (rest[0] in JOINERS and _in_word(rest[1:2] or " ")))


def _names(text: str, word: str) -> bool:
    """Whether the whole word is anywhere in the text."""
    places = (place for place in range(len(text)) if text.startswith(word, place))
    return any(_starts(text[place:], word) and not _goes_on(text[:place]) for place in places)


def _goes_on(before: str) -> bool:
    """Whether a word that has begun in `before` goes on behind it."""
    return before != "" and (_in_word(before[-1]) or (before[-1] in JOINERS and _in_word(before[-2:-1] or " ")))
