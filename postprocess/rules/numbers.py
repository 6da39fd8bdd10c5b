r"""The rule that finds the final number of a worked answer and writes it in one form, as GSM8K and MATH score it.

Digits are 0-9 alone. A number that a letter follows at once is none (5x, 18km, 1e5), so scientific notation stays as
it is. "1,2,3" is three numbers, "5,00" none. A number that goes on (5 million, 3 + x, 12 and 14, 3 hours 20 minutes) is
not taken in part. No digits are ever turned into a float: a number of any length comes out exactly.
"""

import re

from postprocess.rule import Edit, Example, rule
from postprocess.rules.options import statements

CURRENCY = r"(?:\\?[$€£¥₦]){1,2}[ ]?"
SIGN = r"[-+\u2212]"
PREFIX = rf"(?:{SIGN}?(?:{CURRENCY})?|{CURRENCY}{SIGN})"
DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})++(?![0-9])|[0-9]++)"
UNSIGNED = rf"(?:[0-9]++/[0-9]++|{DIGITS}(?:\.[0-9]++)?+|\.[0-9]++)"
NUMBER = rf"(?P<number>{PREFIX}(?P<digits>{UNSIGNED}))"
SPACE = r"[ \t\u00a0\u2009\u202f]"
SCALE = r"(?i:hundred|thousand|(?:m|b|tr)illion|dozen|pi|squared|cubed)s?\b"  # 5 million
# What follows must not make more of it: 5x, 2\pi, 2^10, 3 + x, 5!=120, 10**2, "1, 2", 10:30, 1 1/2, 1.2.3, 5 or 6.
OPERAND = r"[*$(]*+(?:\.?[0-9]|[^\W\d_]\b|\\)"
OPERATOR = r"(?:[-+/=\u2212\u2013\u2014\u00d7\u00f7\u00b7]|\*(?!\*)|\*\*(?=[0-9(]))"
CLOSED = r"(?:\*\*(?![0-9(]))?+"  # **5** + 6
REASON = r"(?:because|since|as|so)\b"
MORE = [
    r"\^|\\(?!text|mathrm|mbox)[a-zA-Z]",
    rf"(?:[:,x]{SPACE}*+[*$(]*+|\.)?[0-9]",
    rf"{OPERATOR}{SPACE}*+{OPERAND}",
    rf"!{SPACE}*+[-+*/=]",
    rf"(?:\\(?:text|mathrm|mbox)\{{[ ~]*+)?{SCALE}",
    rf"(?<={SPACE})(?!{REASON})[^\W\d_]++(?:{SPACE}++[^\W\d_]++)?{SPACE}++[*]*+(?:{CURRENCY})?[0-9]",  # 3 hours 20
]
GOES_ON = rf"[^\W\d]|{CLOSED}{SPACE}*+(?:{'|'.join(MORE)})"
STATED = re.compile(rf"[\s*:]*+(?:\\\(\s*+)?{NUMBER}(?!{GOES_ON})")
WHOLE = re.compile(rf"\s*+(?=[^a-zA-Z]){NUMBER}\s*+(?:\\?%)?\$?\.?\s*+")
BOXED = re.compile(rf"\s*+(?:[a-zA-Z]\s*+=)?{WHOLE.pattern}(?:(?!{SCALE})[a-zA-Z]{{2,}}+\s*+)*+")  # x = 18 apples

HASHES = re.compile(r"####(?!#)")
BARE = rf"\\f?boxed\s*+(?P<bare>{UNSIGNED})(?!{GOES_ON})"  # \boxed 5
BRACES = re.compile(rf"\\f?boxed\s*+\{{|{BARE}|\\.|[{{}}]", re.DOTALL)
UNIT_OR_TEXT = r"\\(?:text|mathrm|mbox|textbf|mathbf)\s*+"
NO_DIGIT_BEFORE = r"(?<![0-9)}\]])(?<![0-9)}\]]\s)"
LATEX = [  # in this order; what goes leaves a space, as the digits at its sides are no one number
    (re.compile(UNIT_OR_TEXT + rf"\{{(?![^{{}}]*{SCALE})[^{{}}0-9]*+\}}"), " "),
    (re.compile(UNIT_OR_TEXT + r"\{([^{}]*+)\}"), r" \1 "),
    (re.compile(NO_DIGIT_BEFORE + r"\\[dt]?frac\s*+\{(-?[0-9]++)\}\s*+\{([0-9]++)\}(?![0-9])"), r"\1/\2"),
    (re.compile(NO_DIGIT_BEFORE + r"\\[dt]?frac\s*+([0-9])([0-9])(?![0-9])"), r"\1/\2"),
    (re.compile(r"(?:\{,\}|\\!,(?:\\!)?)"), ","),
    (re.compile(r"\\[,!;: ()]|~|\^\{?\\circ\}?|(?<!\\)\$"), " "),  # spaces, degrees, the marks of a formula
]
THIN_GROUPS = re.compile(r"(?<![0-9./,])[0-9]{1,3}(?:\\,[0-9]{3})++(?![0-9])")  # 1\,234
DIGIT = re.compile("[0-9]")
# Digits with what joins them (10:30, 1 1/2); no word, no power.
JOINT = r"(?:[.,/:]*+|[\u00a0\u2009\u202f]|[ \t]++(?=[0-9]++/[0-9]))"
RUN = re.compile(
    r"(?<![0-9.,/])(?<![0-9][:\u00a0\u2009\u202f])(?:[.,/]++|(?<![\w^]))"
    rf"[0-9]++(?:{JOINT}[0-9]++)*+(?![^\W\d]|\^|{SPACE}*+{SCALE})"
)
LIST = re.compile(r"(?:[0-9]{1,2}(?:\.[0-9]++)?+,){2,}+[0-9]{1,2}(?:\.[0-9]++)?+")
BEFORE_RUN = re.compile(rf"{PREFIX}\Z")


@rule(
    reason="Calculations are scored on the last number alone, in one form; models write them out, with $ and commas.",
    examples=[
        Example("48 / 2 = 24\n#### 1,234.50", "1234.5"),
        Example(r"So it is \boxed{\frac{3}{4}}.", "3/4"),
        Example("The answer is $-1,234.", "-1234"),
        Example("#### 24\n#### 24", "24"),
        Example("She has 3 + 4 = 7 apples.", "7", {"anywhere": True}),
        Example("She has 3 + 4 = 7 apples.", "She has 3 + 4 = 7 apples."),
        Example("The answer is 5 million.", "The answer is 5 million."),
    ],
    rewrites=True,
)
def final_number(text: str, *, anywhere: bool = False) -> Edit | None:
    r"""The number behind "####", in \boxed{}, behind "the answer is", or all of the text; or the last one `anywhere`.

    The last "####" or statement with a number directly behind it counts, the last box whose braces are balanced. If
    that box holds a formula, no number is taken from `anywhere`. Without a number the text stays as it is.
    """
    if DIGIT.search(text) is None:
        return None
    found = _behind_hashes(text) or _boxed(text) or _behind_statement(text) or _whole(text)
    if found is None and anywhere and _last_box(text) is None:
        found = _last(text)
    return None if found is None or found.apply(text) == text else found


def _behind_hashes(text: str) -> Edit | None:
    if "####" not in text:
        return None
    return _stated(text, [match.end() for match in HASHES.finditer(text)])


def _behind_statement(text: str) -> Edit | None:
    return _stated(text, [match.end() for match in statements(text)])


def _whole(text: str) -> Edit | None:
    match = WHOLE.fullmatch(text)
    return None if match is None else _of_match(text, match)


def _stated(text: str, places: list[int]) -> Edit | None:
    """The number that stands directly behind the last of the places that has one."""
    matches = (STATED.match(text, place) for place in reversed(places))
    return next((_of_match(text, match) for match in matches if match is not None), None)


def _boxed(text: str) -> Edit | None:
    """The number that fills the last box whose braces are balanced."""
    span = _last_box(text)
    if span is None:
        return None
    plain = THIN_GROUPS.sub(lambda group: group[0].replace(r"\,", ""), text[slice(*span)])
    for pattern, replacement in LATEX:
        plain = pattern.sub(replacement, plain)
    match = BOXED.fullmatch(plain)
    return None if match is None else _edit(text, *span, _canonical(match["number"], match["digits"]))


def _last_box(text: str) -> tuple[int, int] | None:
    """Where the content of the last box with balanced braces begins and ends; of nested boxes the inner one."""
    if "boxed" not in text:
        return None
    opened: list[int | None] = []  # for each open brace, where its content begins if it is a box's
    last = None
    for match in BRACES.finditer(text):
        token = match.group()
        if match["bare"]:
            last = match.span("bare")
        elif token == "{" or len(token) > 2:  # the other tokens are }, \\{ and the like
            opened.append(match.end() if len(token) > 2 else None)
        elif token == "}" and opened:
            start = opened.pop()
            if start is not None and (last is None or start > last[0]):
                last = start, match.start()
    return last


def _last(text: str) -> Edit | None:
    """The last number of the text that is no part of a word, a power, "5,00", 1 1/2 or 10:30; of "1,2,3" the 3."""
    for run in reversed(list(RUN.finditer(text))):
        digits = run.group().lstrip(",/")
        if digits.startswith("..") or text[run.start() - 1 : run.start()].isalpha():
            digits = digits.lstrip(".")  # a full stop, not a decimal point
        if LIST.fullmatch(digits):
            digits = digits.rpartition(",")[2]
        if re.fullmatch(UNSIGNED, digits):
            start = _with_sign(text, run.end() - len(digits))
            return _edit(text, start, run.end(), _canonical(text[start : run.end()], digits))
    return None


def _with_sign(text: str, start: int) -> int:
    """Where the number whose digits begin at `start` begins: with its sign and currency, but for the minus of 5-3."""
    before = text[max(0, start - 8) : start]  # longer than a sign with a currency
    match = BEFORE_RUN.search(before)
    assert match is not None  # it may be empty
    prefix, rest = match.group(), before[: match.start()]
    minus_of_two = re.match(SIGN, prefix) and re.search(r"[\w)\]}]\Z", rest)
    return start - len(prefix) + bool(minus_of_two)


def _of_match(text: str, match: re.Match[str]) -> Edit:
    return _edit(text, *match.span("number"), _canonical(match["number"], match["digits"]))


def _edit(text: str, start: int, end: int, number: str) -> Edit:
    """The number in the place of text[start:end], as a cut if it stands there as it is."""
    place = text.find(number, start, end)
    return Edit(place, place + len(number)) if place >= 0 else Edit(start, end, number)


def _canonical(number: str, digits: str) -> str:
    """Without commas, leading and closing zeros; the sign, if it is a minus, from what stands before the digits."""
    if "/" in digits:
        above, _, below = (part.lstrip("0") or "0" for part in digits.partition("/"))
        plain = f"{above}/{below}"
    else:
        whole, _, fraction = digits.replace(",", "").partition(".")
        plain = (whole.lstrip("0") or "0") + ("." + fraction).rstrip("0").rstrip(".")
    negative = "-" in number or "\u2212" in number
    return plain if plain == "0" or plain.startswith("0/") or not negative else f"-{plain}"
