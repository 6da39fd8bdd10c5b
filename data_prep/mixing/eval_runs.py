"""The words of evaluation texts -> the hashes by which texts are found: runs, whole texts, texts with a hole, halves.

The rule is that of `Decontaminate` in data_prep/mixing/config.py; `data_prep.mixing.decontaminate` looks them up.
No two texts are equal here.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from data_prep.mixing.hash_lookup import Flags, HashLookup
from data_prep.mixing.words import MIX, Hashes, Integers, WordTable, hashes_at, power, runs_start

PLACES = 2**16  # more than a short text has words


class Half(NamedTuple):
    """A half of a text of `text` words: `words` words from word `begin` on."""

    text: int
    begin: int
    words: int

    @property
    def mark(self) -> np.uint64:
        """What is added to the hash of such a half."""
        return mark(self.text, self.begin)

    @property
    def other(self) -> range:
        """The words of the other half."""
        return range(self.begin) if self.begin else range(self.words, self.text)


def halves_of(text: int) -> tuple[Half, Half]:
    """The halves of a text of so many words."""
    return Half(text, 0, text // 2), Half(text, text // 2, text - text // 2)


def small_sizes(short: int) -> range:
    """How many words a text has that is also found as a whole, with a word exchanged."""
    return range(short, 2 * short + 1)


def mark(words: int, place: int = 0) -> np.uint64:
    """What is added to the hash of a text of so many words, to tell it from one of another length or place."""
    return np.uint64(int(MIX) * (words * PLACES + place) % 2**64)


def numbered_texts(words: WordTable) -> Integers:
    """A number for each text; equal texts have the same one."""
    numbers: dict[bytes, int] = {}
    content, borders = words.hashes.tobytes(), (words.starts * words.hashes.itemsize).tolist()
    pieces = (content[start:end] for start, end in pairwise(borders))
    return np.array([numbers.setdefault(piece, len(numbers)) for piece in pieces], dtype=np.int64)


def counted_runs(words: WordTable, length: int, wanted: Flags, most: int) -> HashLookup:
    """The runs of the wanted texts that at most so many texts hold; they stand for the place of the run.

    Of a run that a text repeats only the first place counts: '0 0 0 0' against '0 0 0 0' would be all pairs of places.
    """
    places = runs_start(words, length)
    texts = np.repeat(np.arange(len(words)), np.maximum(words.counts - length + 1, 0))
    hashes = hashes_at(words.hashes, places, length)
    counts = wanted[texts] & ~_templates(hashes, texts, most) & _first_of_text(hashes, texts)
    return HashLookup.build(hashes[counts], places[counts])


def whole_texts(words: WordTable, short: int) -> HashLookup:
    """All texts of 1 to 2 * `short` words; they stand for the text."""
    texts, hashes = [], []
    for size in range(1, 2 * short + 1):
        texts.append(np.flatnonzero(words.counts == size))
        hashes.append(hashes_at(words.hashes, words.starts[texts[-1]], size) + mark(size))
    return HashLookup.build(np.concatenate(hashes), np.concatenate(texts))


def holed_texts(words: WordTable, short: int, most: int) -> HashLookup:
    """The texts of `short` to 2 * `short` words without one of them, if at most so many texts are so."""
    texts, hashes = [], []
    for size in small_sizes(short):
        of_size = np.flatnonzero(words.counts == size)
        whole = hashes_at(words.hashes, words.starts[of_size], size)
        for hole in range(size):
            texts.append(of_size)
            hashes.append(without(whole, words.hashes[words.starts[of_size] + hole], size, hole))
    all_texts, all_hashes = np.concatenate(texts), np.concatenate(hashes)
    counts = ~_templates(all_hashes, all_texts, most)
    return HashLookup.build(all_hashes[counts], all_texts[counts])


def without(whole: Hashes, left_out: Hashes, size: int, hole: int) -> Hashes:
    """The hashes of texts of `size` words without the word at `hole`."""
    return whole - left_out * power(size - 1 - hole) + mark(size, hole)


def half_hashes(words: WordTable, short: int) -> Iterator[tuple[Hashes, Hashes]]:
    """The hashes of the halves of the texts of `short` to 2 * `short` words, and of the first words of each half."""
    for size in small_sizes(short):
        of_size = np.flatnonzero(words.counts == size)
        for half in halves_of(size):
            begin = words.starts[of_size] + half.begin
            yield hashes_at(words.hashes, begin, half.words) + half.mark, hashes_at(words.hashes, begin, short // 2)


def _templates(hashes: Hashes, texts: Integers, most: int) -> Flags:
    """Which hashes more than `most` texts have."""
    order = np.lexsort((texts, hashes))
    new_hash = np.diff(hashes[order], prepend=0) != 0
    new_hash[:1] = True
    new_text = new_hash | (np.diff(texts[order], prepend=-1) != 0)
    group = np.cumsum(new_hash) - 1
    flags = np.zeros(len(hashes), dtype=bool)
    flags[order] = (np.bincount(group, weights=new_text) > most)[group]
    return flags


def _first_of_text(hashes: Hashes, texts: Integers) -> Flags:
    """Which hashes are the first of their kind in their text; texts are in order."""
    order = np.lexsort((texts, hashes))
    flags = np.ones(len(hashes), dtype=bool)
    flags[order[1:]] = (np.diff(hashes[order]) != 0) | (np.diff(texts[order]) != 0)
    return flags
