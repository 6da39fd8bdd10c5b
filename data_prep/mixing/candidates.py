"""Band hashes of rows -> the pairs of rows that are worth comparing, at a cost that grows with the rows, not the pairs.

Rows with the same hash in a band are a bucket. Each row is paired with the bucket's first row and with the one before
it. A bucket of a common frame holds thousands of rows, most of them no duplicates; it is divided by the next bands
until at most three rows are left, or DEPTH bands agree, so that rows that agree in more come side by side.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_prep.mixing.words import BASE as MIX

Rows = NDArray[np.int64]
Keys = NDArray[np.uint64]
DEPTH = 4
WHOLE = 3  # of so many rows every pair is formed: first and second, first and third, second and third


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows; `earlier` has the lower number."""

    earlier: Rows
    later: Rows

    def __len__(self) -> int:
        return len(self.earlier)

    def take(self, which: "NDArray[np.bool_] | Rows") -> "Pairs":
        """Some of the pairs."""
        return Pairs(self.earlier[which], self.later[which])


def candidate_pairs(band: Callable[[int], Keys], bands: int, worth: Callable[[Pairs], Pairs]) -> Pairs:
    """The pairs that share a band and are `worth` it, each once, in the order of the later row.

    `band(number)` gives each row's hash in a band; the rows are numbered from 0.
    """
    found = [np.zeros(0, dtype=np.uint64)]
    for number in range(bands):
        of_band = [_packed(worth(pairs)) for pairs in _pairs_of_band(band, bands, number)]
        found.append(np.unique(np.concatenate(of_band)))
    packed = np.unique(np.concatenate(found))
    return Pairs((packed & np.uint64(0xFFFFFFFF)).astype(np.int64), (packed >> np.uint64(32)).astype(np.int64))


def _pairs_of_band(band: Callable[[int], Keys], bands: int, number: int) -> Iterator[Pairs]:
    keys = band(number)
    members = np.arange(len(keys))
    for depth in range(1, min(DEPTH, bands) + 1):
        pairs, crowded = _bucket_pairs(keys)
        yield Pairs(members[pairs.earlier], members[pairs.later])
        if depth == bands or not len(crowded):
            return
        members = members[crowded]
        keys = keys[crowded] * MIX ^ band((number + depth) % bands)[members]


def _bucket_pairs(keys: Keys) -> tuple[Pairs, Rows]:
    """Each row with the first of its bucket and with the one before it, and the rows of buckets of more than WHOLE."""
    order, starts = _buckets(keys)
    sizes = np.diff(starts, append=len(order))
    first = np.repeat(starts, sizes)
    place = np.arange(len(order))
    later, third = np.flatnonzero(place > first), np.flatnonzero(place > first + 1)
    pairs = Pairs(
        np.concatenate([order[later - 1], order[first[third]]]),
        np.concatenate([order[later], order[third]]),
    )
    # Sorted: two buckets that fall together by chance must not put a later row before an earlier one.
    return pairs, np.sort(order[np.repeat(sizes, sizes) > WHOLE])


def _buckets(keys: Keys) -> tuple[Rows, Rows]:
    """The rows in the order of their keys, equal ones in the order of the rows, and where each bucket begins.

    The lowest bits of a key give way to the row's number, so that one plain sort does; it is twice as fast as
    argsort. A pair that only the cut made equal is found out when it is compared.
    """
    bits = np.uint64(max(len(keys) - 1, 1).bit_length())
    packed = np.sort(keys >> bits << bits | np.arange(len(keys), dtype=np.uint64))
    high = packed >> bits
    starts = np.flatnonzero(np.concatenate([np.ones(min(len(keys), 1), dtype=bool), high[1:] != high[:-1]]))
    return (packed & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64), starts


def _packed(pairs: Pairs) -> Keys:
    return pairs.later.astype(np.uint64) << np.uint64(32) | pairs.earlier.astype(np.uint64)
