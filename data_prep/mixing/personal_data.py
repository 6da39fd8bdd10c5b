"""A text -> the same text without e-mail addresses and phone numbers, and how many of each there were.

Numbers that are part of a calculation stay, and so does every bare run of digits: it may count anything. Names,
postal addresses and numbers of other kinds are not looked for.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from data_prep.mixing.config import PersonalData

if TYPE_CHECKING:
    from phonenumbers import PhoneNumberMatch

LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"  # of a domain
EMAIL = re.compile(
    r"(?<![\w.+@-])[\w+](?:[\w.%+'-]{0,62}[\w+-])?"
    rf"@(?:{LABEL}\.){{1,8}}[^\W\d_]{{2,24}}(?![\w(@-])"  # no bracket: x@w.transpose() is a product of matrices
)
SEPARATORS = r"[\s().\-\u2010-\u2015/~]{0,4}"
INTERNATIONAL = re.compile(rf"[+\uff0b]{SEPARATORS}\d(?:{SEPARATORS}\d){{6}}")
ANY = re.compile(rf"\d(?:{SEPARATORS}\d){{6}}")  # no country has shorter numbers than 7 digits with its code
CALCULATION = frozenset("=+*^\u00d7\u00f7<>%$€£¥\\{}_|&\u00b0")  # beside a number: it is no phone number
NUMBER = re.compile(r"\d+[.,/]?\d*")  # a whole number, a decimal or a fraction


def scrub(text: str, config: PersonalData) -> tuple[str, int, int]:
    """The text with e-mail addresses and phone numbers replaced, and the number of each."""
    emails = phones = 0
    if "@" in text:
        text, emails = EMAIL.subn(lambda _: config.email_as, text)
    found = [(match.start, match.end) for match in _phone_numbers(text, config.phone_region)]
    for start, end in reversed(found):
        text = f"{text[:start]}{config.phone_as}{text[end:]}"
        phones += 1
    return text, emails, phones


def _phone_numbers(text: str, region: str | None) -> "Iterator[PhoneNumberMatch]":
    """The valid phone numbers in a text, from first to last. Only texts with enough digits in a run are searched."""
    candidate = INTERNATIONAL if region is None else ANY
    if candidate.search(text) is None:
        return
    from phonenumbers import Leniency, PhoneNumberMatcher

    for match in PhoneNumberMatcher(text, region, leniency=Leniency.VALID):
        if not NUMBER.fullmatch(match.raw_string) and not _is_calculated(text, match.start, match.end):
            yield match


def _is_calculated(text: str, start: int, end: int) -> bool:
    """Whether the number between two places is part of a calculation, a longer number or a path."""
    before, after = text[max(start - 8, 0) : start], text[end : end + 8]
    signs = before.rstrip()[-1:] + after.lstrip()[:1]
    if text[start] in "+\uff0b":
        return before[-1:].isalnum() or not CALCULATION.isdisjoint(signs)
    return before[-1:] in ("/", ".", "-") or after[:1] == "/" or not CALCULATION.isdisjoint(signs)
