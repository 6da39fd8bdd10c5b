"""Words of texts -> what near-duplicates are found by: MinHash in bands, and the words themselves to compare.

A worker makes them of its rows; they lie in a folder as arrays that can be mapped into memory. MinHash is done by
numpy, in 32 bits: a permutation is `(hash ^ a) * b` with b odd, which leaves no two hashes equal.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.mixing.config import NearDuplicates
from data_prep.mixing.words import BASE as MIX
from data_prep.mixing.words import WordTable, run_hashes

BLOCK = 65536  # shingles done at a time: they and their permuted copy stay in the processor's cache
HALF = np.uint64(32)


@dataclass(frozen=True)
class Signatures:
    """The rows of a part that have words enough to be compared.

    `rows`: their positions in the part. `bands` [bands, rows]: the hash of each band of the MinHash. `low` [rows,
    permutations]: the lowest byte of each value, from which similarity is estimated. Row i has the words
    `words[starts[i]:starts[i + 1]]`, as hashes of 32 bits.
    """

    rows: NDArray[np.int32]
    bands: NDArray[np.uint64]
    low: NDArray[np.uint8]
    starts: NDArray[np.int64]
    words: NDArray[np.uint32]


def signatures(table: WordTable, config: NearDuplicates, seed: int) -> Signatures:
    """What the texts with at least `min_words` words are compared by."""
    rows = np.flatnonzero(table.counts >= config.min_words)
    texts = table.take(rows)
    shingles, starts = _shingles(texts, config.shingle_words)
    values = min_hashes(shingles, starts, config.permutations, seed)
    return Signatures(
        rows=rows.astype(np.int32),
        bands=_band_hashes(values, config.bands),
        low=np.ascontiguousarray(values.astype(np.uint8).T),
        starts=texts.starts,
        words=_folded(texts.hashes),
    )


def save_signatures(result: Signatures, folder: Path) -> None:
    """Write each array to a file of its own, `rows.npy` and so on, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for field in fields(result):
        np.save(folder / f"{field.name}.npy", getattr(result, field.name), allow_pickle=False)


def min_hashes(
    hashes: NDArray[np.uint32], starts: NDArray[np.int64], permutations: int, seed: int
) -> NDArray[np.uint32]:
    """The smallest hash of each set under each permutation, [permutations, sets].

    Set i is `hashes[starts[i]:starts[i + 1]]` and holds at least one. Two sets have equal values in that share of
    the permutations in which they have common members (Jaccard).
    """
    generator = np.random.default_rng(seed)
    flips = generator.integers(0, 2**32, permutations, dtype=np.uint32)
    factors = generator.integers(0, 2**32, permutations, dtype=np.uint32) | np.uint32(1)
    values = np.empty((permutations, len(starts) - 1), dtype=np.uint32)
    first = 0
    while first < len(starts) - 1:
        last = max(int(np.searchsorted(starts, starts[first] + BLOCK, side="right")) - 1, first + 1)
        block, within = hashes[starts[first] : starts[last]], starts[first:last] - starts[first]
        permuted = np.empty_like(block)
        for number in range(permutations):
            np.bitwise_xor(block, flips[number], out=permuted)
            permuted *= factors[number]
            np.minimum.reduceat(permuted, within, out=values[number, first:last])
        first = last
    return values


def _shingles(texts: WordTable, length: int) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """The hashes of the runs of `length` words within each text, and where each text's begin. None has fewer words."""
    starts = texts.starts - np.arange(len(texts.starts)) * (length - 1)
    texts_of = np.repeat(np.arange(len(texts)), np.diff(starts))
    return _folded(run_hashes(texts, length)[np.arange(starts[-1]) + texts_of * (length - 1)]), starts


def _folded(hashes: NDArray[np.uint64]) -> NDArray[np.uint32]:
    return (hashes ^ (hashes >> HALF)).astype(np.uint32)


def _band_hashes(values: NDArray[np.uint32], bands: int) -> NDArray[np.uint64]:
    """One hash of the values of each band, [bands, texts]."""
    grouped = values.reshape(bands, len(values) // bands, values.shape[1])
    hashes = np.zeros((bands, values.shape[1]), dtype=np.uint64)
    for number in range(grouped.shape[1]):
        hashes ^= grouped[:, number]
        hashes *= MIX
        hashes ^= hashes >> HALF
    return hashes
