"""Rules that cut an answer out of what a model writes around it: Birbal's, a safe one, and the option letter.

Letters side by side ("A, B and C", "(A) or (B)") are no answer, nor is one that is denied at once ("(A) is wrong").
"E. coli" and "B. bank" have the same form: where questions have no options, `letters: false` keeps the words.
"""

import re
from functools import lru_cache
from typing import Annotated

from pydantic import StringConstraints

from postprocess.rule import Edit, Example, rule

OPENING = "the answer is"

# Statements. A single space between the words, as models write it.
KIND = r"(?:(?:final|correct|best|right)[ ])"
OPTION = r"(?:correct|right)[ ](?:option|choice)"
NAMED = rf"(?:the[ ])?(?:{KIND}{{0,2}}answer|{OPTION})[*]*+"
IS = rf"(?:the[ ]answer|(?:the[ ])?(?:{KIND}{{1,2}}answer|{OPTION}))[ ]is\b"
COLON = rf"{NAMED}[ ]?:"  # **Answer**: B
HEADING = rf"\#{{1,6}}[ ]?[*]*+{NAMED}(?=[ \t]*+[\r\n])"
GAP = r"(?:[:,\s\u2026]|\.{2,}+|[*]++(?=[:\s]))*+"  # **Answer:** B
STATEMENT = re.compile(rf"\b(?:{IS}|{COLON})|(?<![^\r\n]){HEADING}", re.IGNORECASE)
# Where a statement begins a text, a line or a sentence; several in a row count as one.
MARKS, SO = r"[*_>\#\t ]*+", r"(?:(?:so|therefore|thus|hence),?[ ])?"
LINE = rf"(?:{HEADING}|{MARKS}(?:{SO}{IS}|{COLON}))"
SENTENCE = rf"[.!?][*\"')\]]{{0,3}}[ \t]{MARKS}{SO}{IS}"
BEGINNING = re.compile(rf"(?:(?:\A\s*+|[\r\n])[ \t]*+{LINE}|{SENTENCE}){GAP}(?:{LINE}{GAP})*+", re.IGNORECASE)
NEXT_EXAMPLE = re.compile(
    rf"[\r\n](?:[ \t*>\#]*+(?:(?:Question|QUESTION)\b|Q[0-9]*+:|Input:)|[ \t]*+\#\#\#(?!\#)(?![ *]*+(?i:{NAMED})))"
)

# Words, and the markdown around and behind them.
WORDS = re.compile(r"[^\r\n]*+")
MARK = re.compile(r"[*]++")
BOLD = re.compile(r"([*]++)([^*]++)\1\.?")
CLOSING = re.compile(r"(?<=[^\s*])[*]++(?!\w)")

# Letters, and what may stand before and behind them.
LastOption = Annotated[str, StringConstraints(pattern="^[B-Z]$")]
OPENS = r"(?:[(\[{*\"'`$\u201c\u2018]|\\(?:boxed|text|textbf|mathbf|mathrm)\{|\\\()"
CLOSES = r"(?:[)\]}*\"'`$\u201d\u2019]|\\\))"
NO_WORD = r"(?![^\W_])"  # no letter or digit follows
AT_THE_START = rf"\s*+(?:[\#*]*+[ ]?(?i:answer)[ ]?{GAP})?"
DENIED = r"[ \t]*+(?:(?:is|was)[ ](?:not|wrong|incorrect|false)|isn['\u2019]t|wasn['\u2019]t|cannot|can['\u2019]t)\b"
GIVES_REASON = r"[ \t]++(?:because|since|(?:is|as)[ ](?:the[ ])?(?:correct|right|best))\b"
NAMES_OPTION = re.compile(r"\b(?:is|be|say|choose|pick|select|think|so|option|answer)[: \t*]++\Z", re.IGNORECASE)
DENIAL = re.compile(DENIED)
AT_THE_END = re.compile(r"[.*\s]*+")


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
        Example("Answer: B\nReason: the answer is in the text.", "B"),
        Example("It is wet there, so the answer is (B)", "B"),
        Example("The answer is Bank.", "Bank"),
        Example("3 + 4 = 7.\n**Final answer:** 7", "7"),
        Example("The answer is A, B and C.", "A, B and C"),
        Example("The answer is E. coli", "E"),
        Example("The answer is E. coli", "E. coli", {"letters": False}),
        Example("B. bank. The answer is clear from the text", "B. bank. The answer is clear from the text"),
        Example("Some say the answer is more police.", "Some say the answer is more police."),
    ],
)
def stated_answer(text: str, *, last: LastOption = "E", letters: bool = True) -> Edit | None:
    """Keeps what "the answer is" or "answer:" states: an option letter up to `last` or, if none is, a line's words.

    Of several statements of a kind the last counts, but none behind a line that begins a next example ("Question",
    "Q:", "Input:", "###"). A letter may be stated anywhere; words only where the statement begins the text, a line or
    a sentence, "answer:" the text or a line. A text that begins with an option letter stays as it is.
    `letters: false`, for questions without options: only words are kept, as any "E. coli" would else become E.
    """
    if not _may_state(text) or (letters and _option(last, r"\s*+").match(text)):
        return None
    end = _next_example(text)
    return (_stated_letter(text, end, last) if letters else None) or _stated_words(text, end)


@rule(
    reason="Multiple choice is scored on the letter alone; models go on with the option's words or an explanation.",
    examples=[
        Example("B. bank", "B"),
        Example(" (B) bank\nmore", "B"),
        Example("Answer: B", "B"),
        Example("B because it is wet there", "B"),
        Example("I would say (B).", "B"),
        Example("A bank is a place.", "A bank is a place."),
        Example("A, B and C", "A, B and C"),
        Example("Vitamin (C)", "Vitamin (C)"),
        Example("H. bank", "H", {"last": "J"}),
    ],
)
def first_option_letter(text: str, *, last: LastOption = "E") -> Edit | None:
    """Keeps the option letter, A to `last`, that a text begins with or, failing that, alone names in brackets.

    The latter behind a word such as "is", "say" or "option", or behind a punctuation mark at the text's end.
    """
    found = _option(last, AT_THE_START).match(text)
    if found is None and ("(" in text or "[" in text):
        found = _only_bracketed(text, last)
    if found is None or len(text) == 1:
        return None
    return Edit(*found.span(found.lastindex or 0))


def statements(text: str) -> list[re.Match[str]]:
    """Where the text says "the answer is", "answer:" or the like, in order, up to a next example."""
    return list(STATEMENT.finditer(text, 0, _next_example(text))) if _may_state(text) else []


def _may_state(text: str) -> bool:
    lowered = text.lower()
    return any(noun in lowered for noun in ("answer", "option", "choice"))


def _next_example(text: str) -> int:
    """Where the first line is, but for the text's own, that begins a next example; else the text's end."""
    found = NEXT_EXAMPLE.search(text, len(text) - len(text.lstrip()))
    return len(text) if found is None else found.start()


def _stated_letter(text: str, end: int, last: str) -> Edit | None:
    for statement in reversed(list(STATEMENT.finditer(text, 0, end))):
        if found := _option(last, GAP).match(text, statement.end(), end):
            return Edit(*found.span(found.lastindex or 0))
        end = statement.start()
    return None


def _stated_words(text: str, end: int) -> Edit | None:
    """The words on the line behind the last statement that has some; words with one more statement are none."""
    for beginning in reversed(list(BEGINNING.finditer(text, 0, end))):
        line = WORDS.match(text, beginning.end(), end)
        assert line is not None  # it may be empty
        if STATEMENT.search(text, *line.span()) is None:
            words = _without_marks(line.group().rstrip(), opened="*" in beginning.group())
            if re.search(r"\w", words):
                start = text.index(words, line.start())
                return Edit(start, start + len(words))
        end = beginning.start()
    return None


def _without_marks(words: str, opened: bool) -> str:
    """Without bold marks around all of it, without one that was `opened` before it, and without the full stop."""
    if bold := BOLD.fullmatch(words):
        words = bold.group(2)
    elif len(MARK.findall(words)) % 2 and (closing := CLOSING.search(words)):
        at_the_end = not words[closing.end() :].strip(". ")
        words = words[: closing.start()] if opened or at_the_end else words
    words = words.strip()
    abbreviated = words[-3:-2] == "." and words[-2:-1].isalpha()  # U.S.
    if words.endswith(".") and not words.endswith("..") and not abbreviated:
        words = words[:-1].rstrip()
    return words


@lru_cache
def _option(last: str, before: str) -> re.Pattern[str]:
    """An option letter behind `before` that stands alone and is the only one named there; its last group is it."""
    letter = f"([A-{last}])"
    alone = "|".join(
        [
            rf"{OPENS}++{letter}[.:]?{CLOSES}++{NO_WORD}",  # (B), **B.**
            rf"[*]*+(?i:option|choice)[ ]{OPENS}*+{letter}(?![\w'\u2019])",  # option B
            rf"{OPENS}*+{letter}(?:[*]*+[.):,;]{CLOSES}*+{NO_WORD}|{CLOSES}*+[ \t]*+(?:[\r\n]|\Z))",  # B. bank, or B
            rf"{OPENS}*+{letter}{CLOSES}*+(?=[ \t]++[-\u2013\u2014][ \t])",  # B - bank
            rf"{letter}\)",  # B)bank
            rf"(?![AI]){letter}(?={GIVES_REASON})",  # B because; not A and I, which are words
        ]
    )
    return re.compile(rf"{before}(?:{alone})(?!{_another(last)}|{DENIED})")


def _another(last: str) -> str:
    """What follows a letter that is only one of several."""
    joined = r"[.)\]:]?[ \t]*+(?:[,;&/\u2013\u2014-]|and\b|or\b)[ \t]*+(?:and\b|or\b)?[ \t]*+"
    listed = r"(?<=[,;])[ \t]*+(?:and\b|or\b)?[ \t]*+"
    return rf"(?:{joined}|{listed}){OPENS}?[A-{last}]\b|[.)\]:]?[ \t]*+{OPENS}?[A-Z][.,):\]]"


def _only_bracketed(text: str, last: str) -> re.Match[str] | None:
    """The first option letter in brackets that is named as one, if no other letter is in brackets."""
    bracketed = list(_bracketed(last).finditer(text))
    if len({match.group(1) for match in bracketed}) != 1:
        return None
    return next((match for match in bracketed if _is_named(text, match)), None)


def _is_named(text: str, match: re.Match[str]) -> bool:
    if DENIAL.match(text, match.end()):
        return False
    before = text[max(0, match.start() - 12) : match.start()]  # longer than the words with a mark
    at_the_end = AT_THE_END.fullmatch(text, match.end()) is not None
    return NAMES_OPTION.search(before) is not None or (at_the_end and before.rstrip()[-1:] in tuple(".,:;!?"))


@lru_cache
def _bracketed(last: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_])[(\[]([A-{last}])[)\]]{NO_WORD}")
