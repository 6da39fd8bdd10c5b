"""Pairs of rows -> those that may be near-duplicates, by their lengths and an estimate of their common shingles.

It is cheap, and errs on the side of keeping a pair: what it lets through is compared word by word afterwards.
"""

import numpy as np
from numpy.typing import NDArray

from data_prep.mixing.candidates import Pairs
from data_prep.mixing.config import NearDuplicates

BLOCK = 8192  # pairs at a time, so that their bytes stay in the processor's cache
DEVIATIONS = 3  # an estimate may be so many standard deviations too low
CHANCE = 1 / 256  # two different values have the same lowest byte
ROUNDING = 1e-9  # 2 of 20 words are within a similarity of 0.9, though 20 * (1 - 0.9) is less than 2


def allowed_changes(words: NDArray[np.int64], config: NearDuplicates) -> NDArray[np.int64]:
    """How many words of so many may be changed, added or taken away at the most."""
    changes: NDArray[np.int64] = np.floor(words * (1 - config.similarity) + ROUNDING).astype(np.int64)
    return np.minimum(changes, config.max_changes)


def worth_comparing(low: NDArray[np.uint8], lengths: NDArray[np.int64], config: NearDuplicates, pairs: Pairs) -> Pairs:
    """The pairs that may be similar enough; `low` are the lowest bytes of each row's MinHash, `lengths` its words."""
    first, second = lengths[pairs.earlier], lengths[pairs.later]
    longer, shorter = np.maximum(first, second), np.minimum(first, second)
    fitting = np.flatnonzero(longer - shorter <= allowed_changes(longer, config))
    needed = _least_equal_bytes(longer[fitting], shorter[fitting], low.shape[1], config)
    pairs = pairs.take(fitting)
    return pairs.take(_equal_bytes(low, pairs) >= needed)


def _least_equal_bytes(
    longer: NDArray[np.int64], shorter: NDArray[np.int64], permutations: int, config: NearDuplicates
) -> NDArray[np.float64]:
    """In how many permutations near-duplicates of these lengths have the same lowest byte, at the very least.

    A change takes away at most `shingle_words` shingles of each text; the others are common to both.
    """
    missing = config.shingle_words - 1
    shared = longer - missing - config.shingle_words * allowed_changes(longer, config)
    shared = np.maximum(shared, 0)
    jaccard = shared / (longer + shorter - 2 * missing - shared)
    equal = jaccard + (1 - jaccard) * CHANCE
    least: NDArray[np.float64] = permutations * equal - DEVIATIONS * np.sqrt(permutations * equal * (1 - equal))
    return least


def _equal_bytes(low: NDArray[np.uint8], pairs: Pairs) -> NDArray[np.uint16]:
    """In how many permutations the two rows of each pair have the same lowest byte."""
    equal = np.empty(len(pairs), dtype=np.uint16)
    for start in range(0, len(pairs), BLOCK):
        block = slice(start, start + BLOCK)
        equal[block] = (low[pairs.earlier[block]] == low[pairs.later[block]]).sum(axis=1, dtype=np.uint16)
    return equal
