"""The rule for white space and Unicode: one form of each character, one space between words, nothing invisible."""

# ruff: noqa: RUF001 (marks and letters of other scripts are meant)

import re
import unicodedata
from typing import Literal

import regex

from postprocess.rule import Edit, Example, instead, rule

# Dropped: control characters (those that are white space come to a space), soft hyphen, zero-width space, word joiner,
# byte order mark; what stands for bytes that make no character (U+FFFD) and half characters (surrogates). The joiners
# of emoji and of Arabic and Indic scripts, variation selectors and direction marks stay.
DROPPED = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff\ufffd\ud800-\udfff]+")
LINE_ENDS = re.compile("\r\n|[\r\x85\u2028\u2029]")
SPACES = re.compile(r"[^\S\n]+")
SPACED_LINE_END = re.compile(" *\n")
EDGES = (" ", "\n")
# More marks on one letter than the 30 of UAX #15's Stream-Safe Text Format go: to order them takes the square of time.
MARKS = regex.compile(r"(\p{M}{30})\p{M}++")
# Where a fraction in one character, which NFKC takes apart, touches another number. U+215F is "1/" alone.
BESIDE_FRACTION = regex.compile(r"(?<=\p{N})(?=[¼-¾⅐-⅟↉])|(?<=[¼-¾⅐-⅞↉])(?=\p{N})")


@rule(
    reason="Texts that look the same must be the same: a no-break space or a decomposed letter fails an exact match.",
    examples=[
        Example("a\u00a0 bank \r\n", "a bank"),
        Example("cafe\u0301", "caf\u00e9"),
        Example("\ufeffƙasa \n\n\tɗaya", "ƙasa\n\n ɗaya"),
        Example("ＡＢＣ １２３", "ABC 123", {"form": "NFKC"}),
        Example("5½", "5 1⁄2", {"form": "NFKC"}),
        Example("one\n\ntwo", "one two", {"newlines": "space"}),
        Example("👩\u200d👧 na 👍", "👩\u200d👧 na 👍"),
    ],
    rewrites=True,
)
def fix_spaces(
    text: str, *, form: Literal["NFC", "NFKC"] = "NFC", newlines: Literal["keep", "space"] = "keep"
) -> Edit | None:
    r"""Puts characters into one Unicode form, each run of spaces into one space, and line ends into \n.

    Spaces at line ends, white space around the text, characters that show nothing or a broken one, and marks beyond 30
    on a letter go.
    `newlines: space` puts all on one line. `form: NFKC` loses meaning: 10² becomes 102.
    """
    if _is_plain(text, newlines == "keep") and (text.isascii() or unicodedata.is_normalized(form, text)):
        return None
    fixed = DROPPED.sub("", text)
    if form == "NFKC":
        fixed = BESIDE_FRACTION.sub(" ", fixed)
    fixed = LINE_ENDS.sub("\n", unicodedata.normalize(form, MARKS.sub(r"\1", fixed)))
    if newlines == "space":
        fixed = fixed.replace("\n", " ")
    fixed = SPACED_LINE_END.sub("\n", SPACES.sub(" ", fixed)).strip(" \n")
    # A mark may now stand right behind its letter; and a mark of several may have come apart.
    fixed = MARKS.sub(r"\1", unicodedata.normalize(form, MARKS.sub(r"\1", fixed)))
    return None if fixed == text else instead(text, fixed)


def _is_plain(text: str, has_lines: bool) -> bool:
    """Whether nothing but the Unicode form can be wrong: a quick look that may be False without reason."""
    if "  " in text or "\ufffd" in text or text.startswith(EDGES) or text.endswith(EDGES):
        return False
    if text.isprintable():
        return True
    return has_lines and " \n" not in text and text.replace("\n", "").isprintable()
