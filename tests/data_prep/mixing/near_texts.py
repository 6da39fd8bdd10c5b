"""Texts for the tests of near-duplicates: made ones, and the parts that the stage would write of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from data_prep.mixing.config import NearDuplicates
from data_prep.mixing.exact_duplicates import keys_of
from data_prep.mixing.near_duplicates import NearPart, NearResult, find_near_duplicates
from data_prep.mixing.signatures import save_signatures, signatures
from data_prep.mixing.words import word_table

CONFIG = NearDuplicates(
    similarity=0.9, max_changes=100, min_words=20, shingle_words=2, permutations=128, bands=32, keep_other_answers=True
)


def words(count: int, first: int = 0) -> list[str]:
    """That many different words."""
    return [f"word{number}" for number in range(first, first + count)]


def changed(text: Sequence[str], count: int) -> list[str]:
    """The text with `count` words replaced, evenly spread."""
    places = np.linspace(1, len(text) - 2, count).astype(int).tolist()
    return [f"other{place}" if place in places else word for place, word in enumerate(text)]


def found(
    folder: Path,
    texts: Sequence[Sequence[str]],
    config: NearDuplicates = CONFIG,
    answers: Sequence[str] | None = None,
    alive: Sequence[bool] | None = None,
    borders: Sequence[int] = (),
) -> NearResult:
    """The near-duplicates among the texts, in parts that begin at 0 and at the `borders`."""
    parts = []
    for number, (start, end) in enumerate(zip([0, *borders], [*borders, len(texts)], strict=True)):
        table = word_table([" ".join(text) for text in texts[start:end]])
        save_signatures(signatures(table, config, seed=7), folder / str(number))
        parts.append(NearPart(start, folder / str(number)))
    keys, _ = keys_of(pl.Series(["same"] * len(texts) if answers is None else answers, dtype=pl.String))
    flags = np.ones(len(texts), dtype=bool) if alive is None else np.array(alive, dtype=bool)
    return find_near_duplicates(parts, flags, keys, config)
