"""Texts -> keys of 128 bits -> for each row the first row with the same key. Exact duplicates share a key."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
SEEDS = (1, 2)  # two hashes of 64 bits: among 5 million texts a false duplicate has a chance of 1 in 10**25


def keys_of(texts: pl.Series) -> tuple[Keys, Keys]:
    """The two halves of each text's key. They are the same in every process with the same version of polars."""
    high, low = (texts.hash(seed=seed).to_numpy() for seed in SEEDS)
    return high, low


def first_of_equal(keys_high: Keys, keys_low: Keys, alive: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each row the first row that is alive and has the same key: itself, if there is none before it.

    Rows that are not alive are neither found nor compared: each is its own first.
    """
    first = np.arange(len(alive))
    rows = np.flatnonzero(alive)
    order = rows[np.lexsort((keys_low[rows], keys_high[rows]))]  # stable: equal keys stay in the order of the rows
    high, low = keys_high[order], keys_low[order]
    differs = np.ones(len(order), dtype=bool)
    differs[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    starts = np.flatnonzero(differs)
    first[order] = np.repeat(order[starts], np.diff(starts, append=len(order)))
    return first
