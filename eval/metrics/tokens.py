"""How a text becomes words for ROUGE-L and token F1.

`rouge_score` gives the words of that library's default tokeniser: lower case, a-z and 0-9 only. `unicode` gives
the words of every script. On ASCII text both give the same words. Stemming is Porter's, for English.
"""

import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from string import ascii_letters, ascii_lowercase, digits
from typing import Literal

Tokenizer = Literal["rouge_score", "unicode"]

# `auto` leaves rouge_score when it would lose more than this share of the references' letters. English tasks lose up
# to 0.02 (names, symbols), most languages of Latin script below 0.1 (Hausa 0.01, Swahili 0): they keep the words that
# published scores are computed on. Other scripts lose nearly all, and would score 0 whatever the model says.
MAX_LOST_LETTERS = 0.1
LONGEST_UNSTEMMED = 3  # rouge_score stems words of more characters than this
MAX_STEMS = 2**17  # words in the cache, about 20 MB; English text of any length has few more that return
WORD_BYTES = bytes(byte if chr(byte) in ascii_lowercase + digits else 32 for byte in range(256))
NO_LETTERS = bytes(byte for byte in range(256) if chr(byte) not in ascii_letters + digits)
# Scripts written without spaces: a letter with its marks is a word of its own.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"


def words(text: str, tokenizer: Tokenizer, stemming: bool) -> list[str]:
    """The words of a text, in order; stemmed by Porter's algorithm where they are of a-z and 0-9."""
    if tokenizer == "rouge_score" or text.isascii():
        found = text.lower().encode("ascii", "replace").translate(WORD_BYTES).decode("ascii").split()
        return list(map(_stems().__getitem__, found)) if stemming else found
    found = _unicode_words(text)
    return [_stems()[word] if word.isascii() else word for word in found] if stemming else found


def resolve_tokenizer(setting: Literal["rouge_score", "unicode", "auto"], references: Iterable[str]) -> Tokenizer:
    """The tokeniser that a setting means for a task with these references; `auto` is decided by their letters."""
    if setting != "auto":
        return setting
    return "unicode" if lost_letters(references) > MAX_LOST_LETTERS else "rouge_score"


def lost_letters(texts: Iterable[str]) -> float:
    """The share of the texts' letters and digits that the tokeniser `rouge_score` drops; 0 for texts without any."""
    letters = lost = 0
    for text in texts:
        if text.isascii():
            letters += len(text.encode().translate(None, NO_LETTERS))
        else:
            of_text = [character for character in text.lower() if character.isalnum()]
            letters += len(of_text)
            lost += sum(not character.isascii() for character in of_text)
    return lost / letters if letters else 0.0


def _unicode_words(text: str) -> list[str]:
    """Words of letters, marks and numbers of every script, in the form Unicode calls NFKC_Casefold (UAX 31)."""
    visible, find = _patterns()
    folded = unicodedata.normalize("NFKC", visible("", unicodedata.normalize("NFKC", text).casefold()))
    return find(folded)


@cache
def _patterns() -> tuple[Callable[[str, str], str], Callable[[str], list[str]]]:
    """Two functions: take invisible characters (joiners, variation selectors) out, and find the words."""
    import regex

    invisible = regex.compile(r"\p{Default_Ignorable_Code_Point}+")
    letter = rf"[[{UNSPACED}]&&\p{{L}}]\p{{M}}*"
    word = rf"[[\p{{L}}\p{{N}}]--[[{UNSPACED}]&&\p{{L}}]][[\p{{L}}\p{{M}}\p{{N}}]--[[{UNSPACED}]&&\p{{L}}]]*"
    return invisible.sub, regex.compile(f"{letter}|{word}", regex.VERSION1).findall


class _Stems(dict[str, str]):
    """Word -> stem, computed once and kept; emptied when full. Porter's rules never leave an empty stem."""

    def __init__(self) -> None:
        from nltk.stem.porter import PorterStemmer

        self.stem: Callable[[str], str] = PorterStemmer().stem

    def __missing__(self, word: str) -> str:
        if len(self) >= MAX_STEMS:
            self.clear()
        self[word] = stem = self.stem(word) if len(word) > LONGEST_UNSTEMMED else word
        return stem


@cache
def _stems() -> _Stems:
    """The cache of stems of this process."""
    return _Stems()


def forget_stems() -> None:
    """Empty the cache of stems, so that a measurement starts cold."""
    _stems().clear()
