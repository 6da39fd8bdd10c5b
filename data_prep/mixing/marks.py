"""Two texts that are compared in a report -> their pieces, of which some are marked. No HTML here.

Words are those of `data_prep.mixing.words`. A text may have been cut by `oneday.page.shorten`: what differs only
because the cut fell elsewhere is not marked.
"""

from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import regex

from data_prep.mixing.words import WORD
from oneday.page import shorten

if TYPE_CHECKING:
    from regex import Pattern

CUT = " [\N{HORIZONTAL ELLIPSIS}] "  # as shorten writes it
CONTEXT = 160  # characters of an unmarked piece that are shown where a text is too long
LEAST_SHARED = 33  # per cent of a run's words that a text must have, so that common words by chance are not marked
SLACK = 2  # words


class Piece(NamedTuple):
    """A stretch of a text."""

    text: str
    marked: bool


class Word(NamedTuple):
    """A word in lower case, and where it stands."""

    text: str
    start: int
    end: int


def words_in(text: str) -> list[Word]:
    """The words of a text with their places."""
    return [Word(found[0].lower(), found.start(), found.end()) for found in _word().finditer(text)]


@cache
def _word() -> "Pattern[str]":
    return regex.compile(WORD, flags=regex.V1)


def differing(one: str, other: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts, the words marked that would have to be changed, taken away or added to make them equal."""
    halves, other_halves = one.split(CUT), other.split(CUT)
    if not len(halves) == len(other_halves) == 2:
        return _differing(one, other, at_start=True, at_end=True)
    heads = _differing(halves[0], other_halves[0], at_start=True, at_end=False)
    tails = _differing(halves[1], other_halves[1], at_start=False, at_end=True)
    first, second = ([*head, Piece(CUT, False), *tail] for head, tail in zip(heads, tails, strict=True))
    return first, second


def _differing(one: str, other: str, at_start: bool, at_end: bool) -> tuple[list[Piece], list[Piece]]:
    """As `differing`; words that only one text has at its start or end do not count where that is a cut."""
    from rapidfuzz.distance import Levenshtein

    words, other_words = words_in(one), words_in(other)
    changes = list(Levenshtein.opcodes([word.text for word in words], [word.text for word in other_words]))
    if changes and not at_end and changes[-1].tag in ("insert", "delete"):
        changes = changes[:-1]
    if changes and not at_start and changes[0].tag in ("insert", "delete"):
        changes = changes[1:]
    changes = [change for change in changes if change.tag != "equal"]
    marked = {place for change in changes for place in range(change.src_start, change.src_end)}
    other_marked = {place for change in changes for place in range(change.dest_start, change.dest_end)}
    return pieces(one, words, marked), pieces(other, other_words, other_marked)


def sharing(text: str, shared: str) -> list[Piece]:
    """The text, the run of words `shared` marked, or what of it there is: a word in it may be another one."""
    run = [word.text for word in words_in(shared)]
    first, *rest = (_sharing(part, run) for part in text.split(CUT))
    return [*first, *(piece for part in rest for piece in (Piece(CUT, False), *part))]


def _sharing(text: str, run: list[str]) -> list[Piece]:
    from rapidfuzz.distance import Indel
    from rapidfuzz.fuzz import partial_ratio_alignment

    words = words_in(text)
    own = [word.text for word in words]
    found = partial_ratio_alignment(run, own, score_cutoff=LEAST_SHARED) if run and own else None
    if found is None:
        return pieces(text, words, ())
    # The shorter of the two lacks a word or two where the other has more, so the stretches begin a little before.
    run_start, start = max(found.src_start - SLACK, 0), max(found.dest_start - SLACK, 0)
    changes = Indel.opcodes(run[run_start : found.src_end + SLACK], own[start : found.dest_end + SLACK])
    equal = [change for change in changes if change.tag == "equal"]
    marked = [start + place for block in equal for place in range(block.dest_start, block.dest_end)]
    return pieces(text, words, marked)


def pieces(text: str, words: list[Word], marked: Iterable[int]) -> list[Piece]:
    """The text in pieces; marked words that follow each other are one piece, with what is between them."""
    spans: list[tuple[int, int]] = []
    last = -2
    for place in sorted(marked):
        start = spans.pop()[0] if place == last + 1 else words[place].start
        spans.append((start, words[place].end))
        last = place
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    cut = [Piece(text[start:end], bool(number % 2)) for number, (start, end) in enumerate(pairwise(edges))]
    return [piece for piece in cut if piece.text]


def excerpt(found: list[Piece], longest: int) -> list[Piece]:
    """The pieces as they are if they have at most `longest` characters; else cut, what is near the marks last."""
    if sum(len(piece.text) for piece in found) <= longest:
        return found
    if not any(piece.marked for piece in found):
        return [Piece(shorten("".join(piece.text for piece in found), longest), False)]
    shown: list[Piece] = []
    size = 0
    for piece in found:
        if size >= longest:
            return [*shown, Piece(CUT.rstrip(), False)]
        shown.append(Piece(shorten(piece.text, longest if piece.marked else CONTEXT), piece.marked))
        size += len(shown[-1].text)
    return shown
