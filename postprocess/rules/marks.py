"""The rule that takes off what a whole answer is wrapped in: quotes, markdown, the mark of a single bullet."""

# ruff: noqa: RUF001 (marks and letters of other scripts are meant)

import re

from postprocess.rule import Edit, Example, rule

# Longer marks first, so that "**" is not taken for two times "*".
PAIRS = (
    ("**", "**"),
    ("__", "__"),
    ("*", "*"),
    ("_", "_"),
    ("`", "`"),
    ('"', '"'),
    ("'", "'"),
    ("“", "”"),
    ("„", "“"),
    ("‘", "’"),
    ("«", "»"),
    ("「", "」"),
    ("『", "』"),
)
# These stand within words too, as in "don't" and "snake_case".
WORD_MARKS = {mark: re.compile(rf"(?<!\w){mark}|{mark}(?!\w)") for mark in ("'", "_", "’")}
FENCE = "```"
LANGUAGE = re.compile(r"[\w+#.-]*[ \t]*(?:\r?\n|\r)")
# "- 5" and "> 5" may be a number and a comparison.
LINE_MARKS = re.compile(r"(?:#{1,6}[ \t]++|[-*•>][ \t]++(?!\.?\d))+")
LINE_END = re.compile(r"[\r\n]")
FIRST = frozenset("*_`\"'“„‘«「『#-•>")


@rule(
    reason="A chat model quotes or sets off a whole answer; the reference is the bare words.",
    examples=[
        Example('"The bank"', "The bank"),
        Example(" **«Ndiyo»** \n", "Ndiyo"),
        Example("```python\nprint(1)\n```", "print(1)"),
        Example("- bank", "bank"),
        Example('"a" and "b"', '"a" and "b"'),
        Example("- bank\n- shop", "- bank\n- shop"),
    ],
)
def trim_marks(text: str) -> Edit | None:
    """Keeps what stands within quotes and markdown around the whole text, and white space inside and outside them.

    Pairs of quotes, bold, italics, code and fences go, where none of the kind stands in between; of a single line, a
    heading's, a quotation's or a bullet's mark goes. Again until none is left. Marks around nothing stay.
    """
    start = len(text) - len(text.lstrip())
    if text[start : start + 1] not in FIRST:
        return None
    kept = text.strip()
    found = False
    while inside := _inside(kept):
        offset, inner = inside
        kept = inner.strip()
        start += offset + len(inner) - len(inner.lstrip())
        found = True
    return Edit(start, start + len(kept)) if found else None


def _inside(text: str) -> tuple[int, str] | None:
    """What is within the outermost marks of a text with no white space around, and where it begins."""
    fenced = _fenced(text)
    if fenced is not None:
        return fenced
    for opening, closing in PAIRS:
        if text.startswith(opening) and text.endswith(closing):
            inner = text[len(opening) : -len(closing)]
            if inner.strip() and _is_free(inner, opening) and _is_free(inner, closing):
                return len(opening), inner
    mark = LINE_MARKS.match(text)
    if mark is None or LINE_END.search(text) is not None:
        return None
    return mark.end(), text[mark.end() :]


def _fenced(text: str) -> tuple[int, str] | None:
    """What is within a fence, without the language that may stand behind its first one."""
    inner = text[len(FENCE) : -len(FENCE)]
    if not (text.startswith(FENCE) and text.endswith(FENCE) and inner.strip()) or FENCE in inner:
        return None
    language = LANGUAGE.match(inner)
    if language is not None and inner[language.end() :].strip():
        return len(FENCE) + language.end(), inner[language.end() :]
    return len(FENCE), inner


def _is_free(inner: str, mark: str) -> bool:
    """Whether the mark, as a mark, is not in the text."""
    return mark not in inner or (mark in WORD_MARKS and WORD_MARKS[mark].search(inner) is None)
