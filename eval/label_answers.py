"""A generated text -> the label word that it is, or None."""

from collections.abc import Sequence

from postprocess.folding import folded, in_word

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
    said = folded(line)
    named = [label for label in labels if _names(said, folded(label))]
    return named[0] if len(named) == 1 and _starts(said, folded(named[0])) else None


def _starts(text: str, word: str) -> bool:
    """Whether the text begins with the whole word."""
    if not word or not text.startswith(word):
        return False
    rest = text[len(word) :]
    return not rest or not (in_word(rest[0]) or (rest[0] in JOINERS and in_word(rest[1:2] or " ")))


def _names(text: str, word: str) -> bool:
    """Whether the whole word is anywhere in the text."""
    places = (place for place in range(len(text)) if text.startswith(word, place))
    return any(_starts(text[place:], word) and not _goes_on(text[:place]) for place in places)


def _goes_on(before: str) -> bool:
    """Whether a word that has begun in `before` goes on behind it."""
    return before != "" and (in_word(before[-1]) or (before[-1] in JOINERS and in_word(before[-2:-1] or " ")))
