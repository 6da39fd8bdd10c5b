"""The rule against loops: a generation that says the same words over and over until its tokens run out."""

import re
from itertools import islice
from typing import Annotated

from pydantic import Field

from postprocess.rule import Edit, Example, rule

# Scripts that put no spaces between words: there each character counts as a word. Thai, Lao, Myanmar, Khmer, Chinese
# and Japanese with their punctuation and full-width forms. Digits stand together in every script.
UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3001-\u30ff\u3400-\u9fff\uf900-\ufaff\uff01-\uff65\U00020000-\U0003ffff"
)
WORD = re.compile(rf"(?!\d)[{UNSPACED}]|(?:\d|[^\s{UNSPACED}])++")


@rule(
    reason="A small model, decoded greedily, falls into loops; all copies but one are wrong and cost overlap.",
    examples=[
        Example("He left. I do not know. I do not know. I do not know. I do", "He left. I do not know."),
        Example("ndiyo\nndiyo ndiyo ndi", "ndiyo"),
        Example("我不知道。我不知道。我不知道。我不", "我不知道。"),
        Example("no, no, and no", "no, no, and no"),
        Example("7 000 000 000", "7 000 000 000"),
        Example("yes yes", "yes yes"),
        Example("yes yes", "yes", {"repeats": 2}),
    ],
)
def collapse_repeats(
    text: str, *, repeats: Annotated[int, Field(ge=2)] = 3, longest: Annotated[int, Field(ge=1)] = 64
) -> Edit | None:
    """Keeps one copy of the words that the end of the text says at least `repeats` times in a row.

    One copy has at most `longest` words, parted by any white space. Behind the last whole copy there may be the
    beginning of one more, with a word cut short. Again until no such end is left. Loops inside a word stay, and
    copies without any letter: a number's zeros, a table's lines.
    """
    words = text.split() if text.isascii() else WORD.findall(text)
    if len(words) < repeats or len(set(words)) == len(words):
        return None
    kept = len(words)
    while shorter := _without_loop(words, kept, repeats, longest):
        kept = shorter
    if kept == len(words):
        return None
    return Edit(0, next(islice(WORD.finditer(text), kept - 1, None)).end())


def _without_loop(words: list[str], count: int, repeats: int, longest: int) -> int:
    """How many of the first `count` words are left when the loop at their end is cut that drops most; 0: no loop."""
    if count < repeats:
        return 0
    last = words[count - 1]
    lettered = next((place for place in range(count - 2, -1, -1) if any(map(str.isalpha, words[place]))), -1)
    best = 0
    for length, same in enumerate(_same_before(words, count - 1, min(longest, count // repeats)), start=1):
        before = words[count - 1 - length]
        if before.startswith(last) and (same + length + (before == last)) // length >= repeats:
            kept = count - 1 - same
            if kept - length <= lettered:  # the copy that is kept has a letter
                best = min(best or kept, kept)
    return best


def _same_before(words: list[str], count: int, longest: int) -> list[int]:
    """For each length up to `longest`, how many of the first `count` words, from their end on, stand that far before.

    It is the Z-function of the reversed words, so it takes time in proportion to what is equal, whatever `longest`.
    """
    same = [count]
    start = end = 0
    for length in range(1, longest + 1):
        equal = min(end - length, same[length - start]) if length < end else 0
        while length + equal < count and words[count - 1 - equal] == words[count - 1 - equal - length]:
            equal += 1
        if length + equal > end:
            start, end = length, length + equal
        same.append(equal)
    return same[1:]
