"""The length of training rows in tokens of the recipe's own tokenizer."""

from functools import cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_prep.mixing.config import Mix
from serve.tokens import light_token_counter

Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]
SPECIAL = 16  # tokens that a tokenizer may add to a text, with room


def counts_every_row(mix: Mix) -> bool:
    """Whether tokens are counted exactly, because the recipe has a budget of them; else they are estimated."""
    budgeted = mix.budget is not None and mix.budget.tokens is not None
    return budgeted or any(source.max_tokens is not None for source in mix.sources)


def bytes_of(frame: pl.DataFrame) -> Integers:
    """The length of question and answer together, in bytes of UTF-8."""
    return frame.select(pl.col("question").str.len_bytes() + pl.col("answer").str.len_bytes()).to_series().to_numpy()


def count_tokens(frame: pl.DataFrame, base_model: str) -> Integers:
    """The tokens of question and answer, and one for the end of the sequence."""
    texts = frame.select(pl.concat_str("question", "answer")).to_series().to_list()
    return np.array(_counter(base_model)(texts), dtype=np.int64) + 1


@cache
def _counter(base_model: str) -> Any:
    return light_token_counter(base_model)


def too_many_tokens(frame: pl.DataFrame, most: int, base_model: str) -> Flags:
    """Which rows have more tokens. A token is at least a byte, so that only long rows need counting."""
    suspects = np.flatnonzero(bytes_of(frame) + SPECIAL > most)
    flags = np.zeros(len(frame), dtype=bool)
    if len(suspects):
        flags[suspects] = count_tokens(frame[suspects], base_model) > most
    return flags
