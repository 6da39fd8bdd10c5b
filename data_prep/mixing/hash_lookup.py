"""Many hashes -> a table on disk in which millions of others are looked up: a bitmap first, then a sorted array."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_prep.mixing.words import MIX, Bytes, Hashes, Integers, starts_of

BITS_A_HASH = 32  # so many bits of a bitmap for every hash in it: of those that are not in it, one in 250 passes
LEAST_BITS = 2**16
Flags = NDArray[np.bool_]


def bitmap(hashes: Hashes) -> Bytes:
    """A bitmap in which two bits are set for every hash: a Bloom filter."""
    size = max(LEAST_BITS, 2 ** int(np.ceil(np.log2(max(len(hashes), 1) * BITS_A_HASH))))
    bits = np.zeros(size // 8, dtype=np.uint8)
    places = np.unique(np.concatenate([_places(bits, hashes), _places(bits, hashes * MIX)]))
    if len(places):
        groups = np.flatnonzero(np.diff(places >> 3, prepend=-1))
        masks = np.left_shift(np.uint8(1), (places & 7).astype(np.uint8))
        bits[places[groups] >> 3] = np.bitwise_or.reduceat(masks, groups)
    return bits


def may_hold(bits: Bytes, hashes: Hashes) -> Flags:
    """Which hashes may be in the bitmap; the others are not."""
    flags = _is_set(bits, _places(bits, hashes))
    some = np.flatnonzero(flags)
    flags[some] = _is_set(bits, _places(bits, hashes[some] * MIX))
    return flags


def _is_set(bits: Bytes, places: Integers) -> Flags:
    found = bits.take(places >> 3)
    found >>= (places & 7).astype(np.uint8)
    found &= np.uint8(1)
    return found.view(np.bool_)


def _places(bits: Bytes, hashes: Hashes) -> Integers:
    """The bit that a hash stands for: its first bits, as a number."""
    return (hashes >> np.uint64(65 - (len(bits) * 8).bit_length())).view(np.int64)


@dataclass(frozen=True)
class HashLookup:
    """Hashes in order, each with a place that it stands for; a hash may have several places."""

    keys: Hashes
    places: Integers
    bits: Bytes

    @classmethod
    def build(cls, keys: Hashes, places: Integers) -> "HashLookup":
        """The table of these hashes."""
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], places[order], bitmap(keys))

    def find(self, hashes: Hashes) -> tuple[Integers, Integers]:
        """All pairs of equal hashes: which one of `hashes` it is, and a place of it."""
        asked = np.flatnonzero(may_hold(self.bits, hashes))
        first = np.searchsorted(self.keys, hashes[asked])
        present = np.flatnonzero(self.keys.take(first, mode="clip") == hashes[asked]) if len(self.keys) else asked[:0]
        asked, first = asked[present], first[present]
        counts = np.searchsorted(self.keys, hashes[asked], side="right") - first
        starts = starts_of(counts)
        return np.repeat(asked, counts), self.places[np.repeat(first - starts[:-1], counts) + np.arange(starts[-1])]

    def save(self, folder: Path, name: str) -> None:
        """Write the table to three files whose names begin with `name`."""
        for field in ("keys", "places", "bits"):
            np.save(folder / f"{name}.{field}.npy", getattr(self, field), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, name: str) -> "HashLookup":
        """The table that `save` wrote; it is read where it is needed, and shared by all processes of a machine."""
        return cls(*(load_array(folder / f"{name}.{field}.npy") for field in ("keys", "places", "bits")))


def load_array(path: Path) -> NDArray[Any]:
    """An array that stays on disk until it is read."""
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
