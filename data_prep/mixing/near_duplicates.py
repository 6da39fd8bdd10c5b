"""The signatures of all parts -> the rows that are near-duplicates of an earlier row, which stays.

Candidates come from MinHash and are then compared word by word: no row goes that is not a near-duplicate, a few that
are may be missed. The result depends on the order of the rows, not on how they are divided into parts.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from data_prep.mixing.candidates import Keys, Pairs, Rows, candidate_pairs
from data_prep.mixing.config import NearDuplicates
from data_prep.mixing.estimate import allowed_changes, worth_comparing
from data_prep.mixing.words import BASE as MIX

BLOCK = 8192  # pairs that are Python's numbers at a time: as such they take ten times the memory
LOW_BITS, FIRST_CHARACTER = np.uint32(0xFFFFF), np.uint32(0x10000)  # all sums of the two are valid characters


@dataclass(frozen=True)
class NearPart:
    """A part's signatures on disk; `first` is the number, over all parts, of the part's first row."""

    first: int
    folder: Path

    def array(self, name: str) -> NDArray[Any]:
        """One array of `Signatures`, mapped into memory only as long as it is used: a mapped file counts as open."""
        return np.asarray(np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False))

    def lengths(self) -> Rows:
        """The number of words of each row that has a signature."""
        return np.diff(self.array("starts"))


@dataclass(frozen=True)
class NearResult:
    """The rows that go, ascending; for each of them the row that it repeats, which stays, and their similarity."""

    dropped: Rows
    kept: Rows
    similarity: NDArray[np.float64]


def find_near_duplicates(
    parts: Sequence[NearPart], alive: NDArray[np.bool_], answers: Keys, config: NearDuplicates
) -> NearResult:
    """The near-duplicates among the rows that are `alive`; `answers` are the keys of the answers of all rows."""
    compared = _compared(parts, alive)
    if not len(compared.rows):
        return NearResult(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))
    answers = answers[compared.rows] if config.keep_other_answers else np.zeros(len(compared.rows), dtype=np.uint64)

    def band(number: int) -> Keys:
        hashes: Keys = compared.gathered(lambda part: part.array("bands")[number])
        return hashes ^ answers * MIX  # rows with other answers are in other buckets

    low = compared.gathered(lambda part: part.array("low"))
    lengths = compared.gathered(NearPart.lengths)
    pairs = candidate_pairs(band, config.bands, partial(worth_comparing, low, lengths, config))
    pairs = pairs.take(answers[pairs.earlier] == answers[pairs.later])  # buckets may be the same by chance
    return _decided(pairs, compared, config)


@dataclass(frozen=True)
class _Compared:
    """The rows of all parts that are compared, numbered from 0: `rows` are their numbers among all rows.

    `places` are, part by part, their places in the part's arrays.
    """

    parts: Sequence[NearPart]
    places: list[Rows]
    rows: Rows

    def gathered(self, array: Callable[[NearPart], NDArray[Any]]) -> NDArray[Any]:
        """What `array` gives for each row."""
        return np.concatenate([array(part)[own] for part, own in zip(self.parts, self.places, strict=True)])

    def texts(self, wanted: NDArray[np.bool_]) -> "_Texts":
        """The words of the rows that are `wanted`; the others have none."""
        words, characters, before = [], [], 0
        for part, own in zip(self.parts, self.places, strict=True):
            chosen = np.zeros(len(part.array("rows")), dtype=bool)
            chosen[own] = wanted[before : before + len(own)]
            words.append(part.array("words")[np.repeat(chosen, part.lengths())])
            characters.append(((words[-1] & LOW_BITS) + FIRST_CHARACTER).astype("<u4").tobytes().decode("utf-32-le"))
            before += len(own)
        lengths = np.where(wanted, self.gathered(NearPart.lengths), 0)
        return _Texts(np.concatenate(words), "".join(characters), np.concatenate([[0], np.cumsum(lengths)]))


def _compared(parts: Sequence[NearPart], alive: NDArray[np.bool_]) -> _Compared:
    numbers = [part.array("rows").astype(np.int64) + part.first for part in parts]
    places = [np.flatnonzero(alive[own]) for own in numbers]
    rows = [own[chosen] for own, chosen in zip(numbers, places, strict=True)]
    return _Compared(parts, places, np.concatenate([np.zeros(0, dtype=np.int64), *rows]))


@dataclass(frozen=True)
class _Texts:
    """The words of rows, as numbers and as characters: row i has those from `starts[i]` to `starts[i + 1]`.

    Strings are compared four times as fast as lists of numbers. As two words may be the same character, their
    distance may be too small, but is never too great.
    """

    words: NDArray[np.uint32]
    characters: str
    starts: Rows

    def similarity(self, first: int, second: int, config: NearDuplicates) -> float | None:
        """The share of words that need not be changed, or None if the rows are no near-duplicates."""
        places = [slice(int(self.starts[row]), int(self.starts[row + 1])) for row in (first, second)]
        longer = max(place.stop - place.start for place in places)
        limit = int(allowed_changes(np.array(longer), config))
        characters = (self.characters[place] for place in places)
        if Levenshtein.distance(*characters, score_cutoff=limit) > limit:
            return None
        distance = Levenshtein.distance(*(self.words[place].tolist() for place in places), score_cutoff=limit)
        return 1 - distance / longer if distance <= limit else None


def _decided(pairs: Pairs, compared: _Compared, config: NearDuplicates) -> NearResult:
    """Go through the rows in their order: a row goes if it is a near-duplicate of an earlier one that stays.

    Where the earlier one of a pair is gone, the later one is compared with the row because of which it went.
    """
    wanted = np.zeros(len(compared.rows), dtype=bool)
    wanted[pairs.earlier] = wanted[pairs.later] = True
    texts = compared.texts(wanted)
    kept: dict[int, int] = {}
    similarities: list[float] = []
    last = (-1, -1)
    for earlier, later in _one_by_one(pairs):
        stays = kept.get(earlier, earlier)
        if later in kept or (stays, later) == last:
            continue
        last = (stays, later)
        similarity = texts.similarity(stays, later, config)
        if similarity is not None:
            kept[later] = stays
            similarities.append(similarity)
    dropped = compared.rows[np.array(list(kept), dtype=np.int64)]
    stayed = compared.rows[np.array(list(kept.values()), dtype=np.int64)]
    return NearResult(dropped, stayed, np.array(similarities, dtype=np.float64))


def _one_by_one(pairs: Pairs) -> Iterator[tuple[int, int]]:
    for start in range(0, len(pairs), BLOCK):
        block = slice(start, start + BLOCK)
        yield from zip(pairs.earlier[block].tolist(), pairs.later[block].tolist(), strict=True)
