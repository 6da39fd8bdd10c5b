"""Rules that cut an answer out of what a model writes around it: Birbal's, a safe one, and the option letter.

A text that names several options ("A, B and C", "(A) or (B)") is none's answer: no rule picks one of them but Birbal's.
"""

import re
from functools import lru_cache
from typing import Annotated

from pydantic import StringConstraints

from postprocess.rule import Edit, Example, rule

OPENING = "the answer is"
# With the colon that may follow "is". A single space between the words, as models write it.
STATEMENT = re.compile(
    r"\b(?:(?:the answer|(?:the )?(?:(?:final|correct) answer|correct option)) is\b:?"
    r"|(?:the )?(?:(?:final|correct) )?answer[*]*+:)",  # **Answer**: B
    re.IGNORECASE,
)
BEHIND_STATEMENT = r"[*:]*+\s*+"  # **Answer:** B
AT_THE_START = rf"\s*+(?:[*]*+(?i:answer)[ ]?{BEHIND_STATEMENT})?"
WORDS = re.compile(r"[*:\s]*+([^\r\n]*+)")
AROUND_WORDS = "* \t\r\n"

LastOption = Annotated[str, StringConstraints(pattern="^[B-Z]$")]
OPENS, CLOSES = r"[(\[{*\"'\u201c\u2018]", r"[)\]}*\"'\u201d\u2019]"
NO_WORD = r"(?![^\W_])"  # no letter or digit follows


@rule(
    reason="Birbal's server cuts so, whatever is behind the words: right for a letter, wrong for a word.",
    examples=[
        Example("The answer is B. bank", "B"),
        Example("The answer is Bank", "B"),
        Example("The answer is: B", ":"),
        Example("B. The answer is B", "B. The answer is B"),
    ],
)
def birbal_option(text: str) -> Edit | None:
    """Of a text that begins with "the answer is", keeps the first character behind these words."""
    stripped = text.strip()
    if stripped[: len(OPENING)].lower() != OPENING:
        return None
    rest = stripped[len(OPENING) :].lstrip()
    start = len(text.rstrip()) - len(rest)
    return Edit(start, start + len(rest[:1]))


@rule(
    reason='Models write "The answer is B." where the demonstrations say B; a word answer keeps all its letters.',
    examples=[
        Example("The answer is B. bank", "B"),
        Example("The answer is Bank.", "Bank"),
        Example("3 + 4 = 7. **Final answer:** 7", "7"),
        Example("The answer is A dog", "A dog"),
        Example("The answer is A, B and C.", "A, B and C"),
        Example("I know the answer", "I know the answer"),
    ],
)
def stated_answer(text: str, *, last: LastOption = "E") -> Edit | None:
    """Keeps what the last "the answer is" or "answer:" states: an option letter up to `last`, or the line's words."""
    end = len(text)
    for statement in reversed(statements(text)):
        edit = _stated(text, statement.end(), end, last)
        if edit is not None:
            return edit
        end = statement.start()
    return None


@rule(
    reason="Multiple choice is scored on the letter alone; models go on with the option's words or an explanation.",
    examples=[
        Example("B. bank", "B"),
        Example(" (B) bank\nmore", "B"),
        Example("Answer: B", "B"),
        Example("I would say (B).", "B"),
        Example("A bank is a place.", "A bank is a place."),
        Example("A, B and C", "A, B and C"),
        Example("H. bank", "H", {"last": "J"}),
    ],
)
def first_option_letter(text: str, *, last: LastOption = "E") -> Edit | None:
    """Keeps the option letter, A to `last`, that a text begins with or, failing that, alone names in brackets."""
    found = _option(last, AT_THE_START).match(text)
    if found is None:
        if "(" not in text and "[" not in text:
            return None
        found = _only_bracketed(text, last)
    if found is None or len(text) == 1:
        return None
    return Edit(*found.span(found.lastindex or 0))


def statements(text: str) -> list[re.Match[str]]:
    """Where the text says "the answer is", "answer:" or the like, in order."""
    lowered = text.lower()
    if "answer" not in lowered and "correct option" not in lowered:
        return []
    return list(STATEMENT.finditer(text))


def _stated(text: str, start: int, end: int, last: str) -> Edit | None:
    """What is stated from `start` to `end`; None if nothing is."""
    if option := _option(last, BEHIND_STATEMENT).match(text, start, end):
        return Edit(*option.span(option.lastindex or 0))
    line = WORDS.match(text, start, end)
    assert line is not None  # it may be empty
    words = line.group(1).rstrip(AROUND_WORDS)
    abbreviated = words[-3:-2] == "." and words[-2:-1].isalpha()  # U.S.
    if words.endswith(".") and not words.endswith("..") and not abbreviated:
        words = words[:-1].rstrip(AROUND_WORDS)
    return Edit(line.start(1), line.start(1) + len(words)) if words else None


@lru_cache
def _option(last: str, before: str) -> re.Pattern[str]:
    """An option letter behind `before` that stands alone and is the only one named there; its last group is it."""
    letter = f"([A-{last}])"
    alone = "|".join(
        [
            rf"{OPENS}++{letter}[.:]?{CLOSES}++{NO_WORD}",  # (B), **B.**
            rf"(?i:option|choice)[ ]{OPENS}*+{letter}(?![\w'\u2019])",  # option B
            rf"{OPENS}*+{letter}(?:[*]*+[.):,]{CLOSES}*+{NO_WORD}|{CLOSES}*+[ \t]*+(?:[\r\n]|\Z))",  # B. bank, or B
        ]
    )
    another = (
        rf"[.)\]:]?[ \t]*+(?:(?:,|&|/|and\b|or\b)[ \t]*+(?:and\b|or\b)?[ \t]*+{OPENS}?[A-{last}]\b"
        rf"|{OPENS}?[A-Z][.,):\]])"
    )
    listed = rf"(?<=,)[ \t]*+(?:and\b|or\b)?[ \t]*+{OPENS}?[A-{last}]\b"
    return re.compile(rf"{before}(?:{alone})(?!{another}|{listed})")


def _only_bracketed(text: str, last: str) -> re.Match[str] | None:
    """The first option letter in brackets, if no other one is."""
    bracketed = list(_bracketed(last).finditer(text))
    return bracketed[0] if len({match.group(1) for match in bracketed}) == 1 else None


@lru_cache
def _bracketed(last: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_])[(\[]([A-{last}])[)\]]{NO_WORD}")
