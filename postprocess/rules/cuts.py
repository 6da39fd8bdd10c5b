"""Rules that cut a generation off: at a blank line, at stop strings, after the first line or sentence; and `strip`."""

# ruff: noqa: RUF001 (marks and letters of other scripts are meant)

import re
from typing import Annotated

from pydantic import Field, StringConstraints

from postprocess.rule import Edit, Example, rule

BLANK_LINE = re.compile(r"\r?\n[ \t\r]*\n")
LINE_END = re.compile(r"[\r\n]")
NOT_SPACE = re.compile(r"\S")

# Sure ones end a sentence whatever follows: no number, name or abbreviation has them.
ENDS = ".!?…"
SURE_ENDS = "。！？｡؟۔।።፧"
CLOSING = "\"')]}”’»›」』）》】〉*_`"
OPENING = "\"'([{“‘«‹「『（《【〈*_`"
# French writes a space before its closing quote.
SENTENCE_END = re.compile(rf"[{ENDS}{SURE_ENDS}][{ENDS}{SURE_ENDS}{re.escape(CLOSING)}]*(?:[ \u00a0\u202f]»)?")
SURE_END = re.compile(f"[{SURE_ENDS}]")
SENTENCE_BODY = re.compile(rf"[^\s{ENDS}{SURE_ENDS}{re.escape(CLOSING + OPENING)}]")

# Those before a name, in English, Spanish, Swahili (Bw, Bi, Mh, Mhe, Dk, Dkt, Mwl, Ndg) and Hausa (Alh, Mal), those
# before a figure, and months and days. "etc." and "Inc." are left out: they end sentences too, and a small letter
# behind tells when they do not.
ABBREVIATIONS = frozenset((
    "Mr", "Mrs", "Ms", "Dr", "Prof", "Sr", "Sra", "St", "Mt", "Gen", "Col", "Capt", "Lt", "Sgt", "Rev", "Hon", "Gov",
    "Sen", "Rep", "Bw", "Bi", "Mh", "Mhe", "Dk", "Dkt", "Mwl", "Ndg", "Alh", "Mal", "Fig", "vs", "cf", "ca", "approx",
    "Feb", "Apr", "Jun", "Jul", "Aug", "Sep", "Sept", "Oct", "Nov", "Dec", "Tue", "Tues", "Wed", "Thu", "Thur",
    "Thurs", "Fri",
))  # fmt: skip
# Those that are words and names too; "Na" is Swahili's "No", "Sh" the shilling.
BEFORE_DIGIT = frozenset((
    "No", "no", "Nos", "nos", "Na", "p", "pp", "Vol", "vol", "Ch", "Art", "Sec", "Sh", "Jan", "Mar", "Mon", "Sat",
    "Sun",
))  # fmt: skip
DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
# Words before an option's letter, which is no initial: "The answer is B. A bank is ...", in Swahili "Jibu ni B."
BEFORE_OPTION = ("is", "option", "answer", "ni", "jibu")
# Characters before a full stop that tell what it is.
WINDOW = 24

Stop = Annotated[str, StringConstraints(min_length=1)]


@rule(
    reason="The demonstrations of a prompt are parted by blank lines: what follows one is a next example (Birbal).",
    examples=[
        Example("B\n\n### Input:\nnext", "B"),
        Example("one\ntwo\n", "one\ntwo\n"),
        Example(" B \n \t\nC", " B "),
        Example("B\r\n\r\nC", "B"),
    ],
    stops=lambda: ("\n\n",),
)
def cut_at_blank_line(text: str) -> Edit | None:
    """Keeps what stands before the first blank line; one of spaces and tabs alone is blank too."""
    found = BLANK_LINE.search(text)
    return None if found is None else Edit(0, found.start())


@rule(
    reason="A model goes on with a next question or a next turn, which begins with words that are known beforehand.",
    examples=[
        Example("Paris\nQ: And of Spain?\nA: Madrid", "Paris", {"stops": ["\nQ:", "###"]}),
        Example("Ndiyo### Ingizo: Je,", "Ndiyo", {"stops": ["\nQ:", "###"]}),
        Example("Paris\nq: and of Spain?", "Paris\nq: and of Spain?", {"stops": ["\nQ:"]}),
    ],
    stops=lambda stops: stops,
)
def cut_at_stop(text: str, *, stops: Annotated[tuple[Stop, ...], Field(min_length=1)]) -> Edit | None:
    """Keeps what stands before the first stop string, upper and lower case told apart.

    The first is the one that is complete first, where a generation would end; of two that are complete at the same
    place, the longer. It begins first too, unless one stop is within another, like "b" in "abc".
    """
    first: tuple[int, int] | None = None
    for stop in stops:
        start = text.find(stop)
        if start >= 0 and (first is None or (start + len(stop), start) < first):
            first = start + len(stop), start
    return None if first is None else Edit(0, first[1])


@rule(
    reason="White space around an answer is the tokenizer's or the prompt's, not part of the answer.",
    examples=[Example(" bank \n", "bank"), Example("a b", "a b"), Example(" \n", "")],
)
def strip(text: str) -> Edit | None:
    """Keeps what stands between the white space at both ends."""
    stripped = text.strip()
    if len(stripped) == len(text):
        return None
    start = len(text) - len(text.lstrip()) if stripped else 0
    return Edit(start, start + len(stripped))


@rule(
    reason="A short answer stands on one line; what a model writes below it is an explanation or a next example.",
    examples=[
        Example("\n \nbank\nA bank holds money.", "bank"),
        Example("bank\r\nshop", "bank"),
        Example(" a bank", " a bank"),
    ],
)
def first_line(text: str) -> Edit | None:
    r"""Keeps the first line that is not blank, without its line end: \n, \r\n or \r. A blank text stays as it is."""
    if "\n" not in text and "\r" not in text:
        return None
    body = NOT_SPACE.search(text)
    if body is None:
        return None
    start = max(text.rfind("\n", 0, body.start()), text.rfind("\r", 0, body.start())) + 1
    end = LINE_END.search(text, body.end())
    return Edit(start, len(text) if end is None else end.start()) if start or end is not None else None


@rule(
    reason="Where one sentence is asked for, each further one only lowers the overlap with the reference.",
    examples=[
        Example('"It rose 3.5 percent." Dr. Mushi was glad.', '"It rose 3.5 percent."'),
        Example(
            "Dr. J. K. Mushi, e.g., came at 5 a.m. by bus! Then he left.",
            "Dr. J. K. Mushi, e.g., came at 5 a.m. by bus!",
        ),
        Example("He is No. 1 since Jan. 6 at home. No. He left.", "He is No. 1 since Jan. 6 at home."),
        Example("他走了。我也走了。", "他走了。"),
        Example("The answer is B. A bank is safe.", "The answer is B."),
        Example("one sentence without an end", "one sentence without an end"),
    ],
)
def first_sentence(text: str) -> Edit | None:
    """Keeps what stands up to the end of the first sentence, with its closing quotes and brackets.

    A full stop ends none behind a title, an initial or letters with full stops between ("U.S."), between "No" or a
    month and a digit, behind the number of a list's item, or before a small letter on the same line. Line ends alone
    end no sentence.
    """
    body = SENTENCE_BODY.search(text)
    if body is None:
        return None
    for found in SENTENCE_END.finditer(text, body.end()):
        if found.end() == len(text):
            return None
        if _ends_sentence(text, found):
            return Edit(0, found.end())
    return None


def _ends_sentence(text: str, found: re.Match[str]) -> bool:
    """Whether the marks, which something follows, end a sentence. What decides is before or just behind them."""
    marks, end = found.group(), found.end()
    if SURE_END.search(marks):
        return True
    if not text[end].isspace():
        return False
    follows = text[end : end + WINDOW].lstrip(" \t\u00a0")[:1]
    if follows.islower() and marks[-1] not in "!?":
        return False
    return marks[0] != "." or marks[1:2] in tuple(ENDS) or not _is_abbreviated(text, found.start(), follows)


def _is_abbreviated(text: str, stop: int, follows: str) -> bool:
    """Whether the full stop belongs to the word before it: a title, an initial, dotted letters, an item's number."""
    line = text[max(0, stop - WINDOW) : stop]
    if is_start := stop <= WINDOW or "\n" in line:
        line = line.rpartition("\n")[2]
    *before, word = line.split() or [""]
    word = word.lstrip(OPENING)
    if word.isdigit():
        return is_start and not before
    if len(word) == 1 and word.isupper():
        return not before or not (before[-1].lower() in BEFORE_OPTION or before[-1].endswith(":"))
    if word in BEFORE_DIGIT:
        return follows.isdigit()
    return word in ABBREVIATIONS or DOTTED.fullmatch(word) is not None
