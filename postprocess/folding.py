"""A text without what does not count when it is compared with a label: case, Unicode forms, marks around it."""

import unicodedata

ASCII_MARKS = "".join(character for character in map(chr, range(128)) if not character.isalnum())


def folded(text: str) -> str:
    """The text in Unicode's compatibility form, casefolded, without the marks and white space at both ends.

    Normalizing takes time that grows with the square of a run of combining marks: bound a foreign text's length first.
    """
    if text.isascii():
        return text.lower().strip(ASCII_MARKS)  # the same, and several times as fast
    return _inside(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()))


def in_word(character: str) -> bool:
    """Whether it is a letter, a digit or a mark on one."""
    return unicodedata.category(character)[0] in "LMN"


def _inside(text: str) -> str:
    """From the first character of a word to the last."""
    start, end = 0, len(text)
    while start < end and not in_word(text[start]):
        start += 1
    while end > start and not in_word(text[end - 1]):
        end -= 1
    return text[start:end]
