"""Texts -> words -> hashes, for everything that compares texts: case, punctuation and white space do not count.

A word is a run of letters, marks, digits and underscores; in scripts without spaces (Chinese, Japanese, Thai, Lao,
Khmer, Burmese) every character is one. Whole columns are done at once, by polars and numpy. The hashes depend on
nothing but the words: they are the same in every process and on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Integers = NDArray[np.int64]
Bytes = NDArray[np.uint8]
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
WORD = rf"[{UNSPACED}]|[\w--{UNSPACED}]+"
BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no word of a run is lost; 2**64 divided by the golden ratio
MIX, MIX_END = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)  # those of MurmurHash3's last step
HALF = np.uint64(32)
BLOCK = 2**15  # words at a time, so that what is worked on stays in the processor's cache
WORD_BYTE = np.array([chr(byte).isalnum() or chr(byte) == "_" for byte in range(128)] + [False] * 128)
LOWER = np.array([ord(chr(byte).lower()) for byte in range(128)] + list(range(128, 256)), dtype=np.uint8)
LETTERS = np.where(WORD_BYTE, LOWER, 0).astype(np.uint8)  # what an ASCII byte is in a word; 0: not in a word
FIRST_BYTES = np.array([2 ** (8 * count) - 1 for count in range(9)], dtype=np.uint64)


@dataclass(frozen=True)
class WordTable:
    """The words of many texts as hashes, one text after the other: text i has `hashes[starts[i]:starts[i + 1]]`."""

    hashes: Hashes
    starts: Integers

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def counts(self) -> Integers:
        """The number of words of each text."""
        return np.diff(self.starts)

    def take(self, rows: Integers) -> "WordTable":
        """The texts at these positions, in this order."""
        counts = self.counts[rows]
        starts = starts_of(counts)
        return WordTable(
            self.hashes[np.repeat(self.starts[rows] - starts[:-1], counts) + np.arange(starts[-1])], starts
        )


def starts_of(counts: Integers) -> Integers:
    """Where each text begins if the texts have so many words, and where the last one ends."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)])


def joined(*tables: WordTable) -> WordTable:
    """The words of each row of several tables of equally many rows, one after the other: as of the joined texts."""
    starts = starts_of(np.sum([table.counts for table in tables], axis=0))
    hashes = np.empty(starts[-1], dtype=np.uint64)
    begin = starts[:-1].copy()
    for table in tables:
        hashes[np.repeat(begin - table.starts[:-1], table.counts) + np.arange(len(table.hashes))] = table.hashes
        begin += table.counts
    return WordTable(hashes, starts)


def words_of(texts: "pl.Series | Sequence[str]") -> pl.Series:
    """The words of each text, in lower case: a list of strings a text."""
    return _series(texts).str.to_lowercase().str.extract_all(WORD)


def word_table(texts: "pl.Series | Sequence[str]") -> WordTable:
    """The words of each text, hashed: those that `words_of` names."""
    series = _series(texts)
    content, borders = _bytes_of(series)
    other = np.unique(np.searchsorted(borders, np.flatnonzero(content >= 128), side="right") - 1)
    if not len(other):
        return _ascii_words(content, borders)
    plain = np.ones(len(series), dtype=bool)
    plain[other] = False
    both = _stacked(_ascii_words(*_bytes_of(series.filter(plain))), _any_words(series.filter(~plain)))
    order = np.empty(len(series), dtype=np.int64)
    order[np.concatenate([np.flatnonzero(plain), other])] = np.arange(len(series))
    return both.take(order)


def _series(texts: "pl.Series | Sequence[str]") -> pl.Series:
    return texts if isinstance(texts, pl.Series) else pl.Series(texts, dtype=pl.String)


def _bytes_of(texts: pl.Series) -> tuple[Bytes, Integers]:
    """The UTF-8 of all texts, each followed by a space, and where each one begins in it."""
    if not len(texts):
        return np.zeros(0, dtype=np.uint8), np.zeros(1, dtype=np.int64)
    _, ends, content = (texts + " ").to_arrow().buffers()  # buffers may be longer than what is in them
    borders = np.frombuffer(ends, dtype=np.int64)[: len(texts) + 1]
    return np.frombuffer(content, dtype=np.uint8)[: borders[-1]], borders


def _stacked(first: WordTable, second: WordTable) -> WordTable:
    starts = np.concatenate([first.starts, second.starts[1:] + first.starts[-1]])
    return WordTable(np.concatenate([first.hashes, second.hashes]), starts)


def _any_words(texts: pl.Series) -> WordTable:
    """The words of texts in any script, found by the regular expression."""
    words = words_of(texts)
    content, borders = _bytes_of(words.filter(words.list.len() > 0).explode())
    hashes = _hashed(content, borders[:-1], np.diff(borders) - 1)
    return WordTable(hashes, starts_of(words.list.len().to_numpy()))


def _ascii_words(content: Bytes, borders: Integers) -> WordTable:
    """The same words for texts in ASCII, in a fifth of the time."""
    letters = LETTERS[content]
    edges = np.flatnonzero(np.diff(letters != 0, prepend=False, append=False))
    begins, ends = edges[::2], edges[1::2]
    return WordTable(_hashed(letters, begins, ends - begins), np.searchsorted(begins, borders))


def _hashed(content: Bytes, begins: Integers, lengths: Integers) -> Hashes:
    """A 64-bit hash of each piece of `content`; pieces of at most 8 bytes and one length never collide."""
    padded = np.concatenate([content, np.zeros(8, dtype=np.uint8)])
    eights = np.lib.stride_tricks.as_strided(padded[:8].view("<u8"), (len(content) + 1,), (1,))  # 8 bytes from each on
    hashes = np.empty(len(begins), dtype=np.uint64)
    for block in range(0, len(begins), BLOCK):
        part = slice(block, block + BLOCK)
        hashes[part] = _hashed_block(eights, begins[part], lengths[part])
    return hashes


def _hashed_block(eights: Hashes, begins: Integers, lengths: Integers) -> Hashes:
    hashes = eights[begins] & FIRST_BYTES.take(lengths, mode="clip")
    hashes += lengths.astype(np.uint64) * MIX_END
    _stir(hashes, MIX)
    done = 8
    while len(rest := np.flatnonzero(lengths > done)):
        more = hashes[rest] ^ (eights[begins[rest] + done] & FIRST_BYTES.take(lengths[rest] - done, mode="clip"))
        _stir(more, MIX)
        hashes[rest] = more
        done += 8
    _stir(hashes, MIX_END)
    return hashes


def _stir(hashes: Hashes, factor: np.uint64) -> None:
    """Let every bit of a hash depend on all of it, in place; no two hashes become the same."""
    hashes ^= hashes >> HALF
    hashes *= factor
    hashes ^= hashes >> HALF


def run_hashes(table: WordTable, length: int) -> Hashes:
    """The hash of the run of `length` words that begins at each word, in the order of `table.hashes`.

    It is that of a whole run only where `runs_start` says so. Empty if there are fewer words in all.
    """
    count = max(len(table.hashes) - length + 1, 0)
    hashes = np.empty(count, dtype=np.uint64)
    for block in range(0, count, BLOCK):
        hashes[block : block + BLOCK] = rolling(table.hashes[block : block + BLOCK + length - 1], length)
    return hashes


def rolling(words: Hashes, length: int) -> Hashes:
    """The hash of each run of `length` words: the sum of each word times BASE to the number of words after it.

    It is made from the hashes of half the length, so that 13 words take five steps.
    """
    if length == 1:
        return words
    if length % 2:
        shorter = rolling(words[:-1], length - 1)
        return shorter * BASE + words[length - 1 :]
    half = rolling(words, length // 2)
    count = max(len(words) - length + 1, 0)
    return half[:count] * power(length // 2) + half[length // 2 : length // 2 + count]


def hashes_at(words: Hashes, places: Integers, length: int) -> Hashes:
    """The hashes of the runs of `length` words that begin at `places`, as `rolling` makes them."""
    hashes = np.zeros(len(places), dtype=np.uint64)
    for offset in range(length):
        hashes *= BASE
        hashes += words[places + offset]
    return hashes


def power(exponent: int) -> np.uint64:
    """BASE to the `exponent`, modulo 2**64."""
    return np.uint64(pow(int(BASE), exponent, 2**64))


def runs_start(table: WordTable, length: int) -> Integers:
    """The positions in `table.hashes` at which a run of `length` words begins that stays within its text."""
    runs = np.maximum(table.counts - length + 1, 0)
    return np.repeat(table.starts[:-1] - starts_of(runs)[:-1], runs) + np.arange(runs.sum())
