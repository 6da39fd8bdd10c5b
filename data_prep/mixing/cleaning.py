"""The filters that look at one row alone: length, language, held-out rows."""

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_prep.mixing.config import Mix
from data_prep.mixing.context import Context
from data_prep.mixing.language import foreign
from data_prep.mixing.tokens import too_many_tokens
from data_prep.same_input import normalised
from oneday.files import read_jsonl
from oneday.prompt import WHITE_SPACE
from oneday.records import HeldOut

LONGEST_TEXT = 2**18  # bytes; what is longer is no training row, but a file or a fault
BLANK_LINES = r"\n(?:[^\S\n]*\n)+"
Flags = NDArray[np.bool_]


class Sieve:
    """The rows of a part that are still in, and the count of those that are not, by reason."""

    def __init__(self, frame: pl.DataFrame, dropped: Counter[str]) -> None:
        self.frame, self.dropped = frame, dropped

    def drop(self, flags: pl.Expr | Flags, reason: str) -> None:
        """Take the flagged rows out."""
        kept = self.frame.filter(~flags)
        if len(kept) < len(self.frame):
            self.dropped[reason] += len(self.frame) - len(kept)
            self.frame = kept


def clean(sieve: Sieve, context: Context) -> None:
    """Take out the rows that are too long in tokens, in another language or held out."""
    mix = context.mix
    if mix.max_tokens is not None:
        sieve.drop(too_many_tokens(sieve.frame, mix.max_tokens, context.base_model), "too_many_tokens")
    if mix.language is not None:
        texts = sieve.frame.select(pl.concat_str("input", pl.lit("\n"), "answer")).to_series()
        sieve.drop(foreign(texts, mix.language), "other_language")
    if context.held_out is not None:
        sieve.drop(held_out_rows(sieve.frame, context.held_out), "held_out")


def drop_unusable(sieve: Sieve, mix: Mix) -> None:
    """Take out the rows with empty or endless texts, and those with too few or too many words."""
    sieve.drop(pl.col("input").str.strip_chars(WHITE_SPACE) == "", "empty_input")
    sieve.drop(pl.col("answer").str.strip_chars(WHITE_SPACE) == "", "empty_answer")
    if mix.blank_line_in_answer == "drop":
        sieve.drop(pl.col("answer").str.contains(BLANK_LINES), "blank_line_in_answer")
    elif mix.blank_line_in_answer == "join":
        sieve.frame = sieve.frame.with_columns(pl.col("answer").str.replace_all(BLANK_LINES, "\n"))
    longest = pl.max_horizontal(pl.col("instruction", "input", "answer").str.len_bytes())
    sieve.drop(longest > LONGEST_TEXT, "text_too_long")
    if mix.min_input_words > 1:
        enough = pl.col("input").str.contains(rf"^\s*(?:\S+\s+){{{mix.min_input_words - 1}}}\S")  # reads no further
        sieve.drop(~enough, "input_too_short")
    counted = ["instruction", "input"] if mix.count_instruction else ["input"]
    sieve.drop(has_more_words(sieve.frame.select(counted), mix.max_input_words), "input_too_long")


def has_more_words(texts: pl.DataFrame, most: int) -> Flags:
    """Which rows have more words than `most`, all columns together.

    Words are counted only where there are letters and spaces enough for them.
    """
    flags = np.zeros(len(texts), dtype=bool)
    lengths = texts.select(pl.sum_horizontal(pl.all().str.len_bytes().cast(pl.Int64) + 1)).to_series().to_numpy()
    suspects = np.flatnonzero(lengths > 2 * most)
    some = texts[suspects].select(pl.concat_str(pl.all(), separator=" ")).to_series()
    spaced = some.str.contains(r"[\s--\x20]") | (some.str.count_matches(" ", literal=True) >= most)
    flags[suspects[spaced.to_numpy()]] = some.filter(spaced).str.count_matches(r"\S+").to_numpy() > most
    return flags


def held_out_rows(frame: pl.DataFrame, path: Path) -> Flags:
    """Which rows are held-out rows, by task and id, or by their input without case and white space."""
    ids, inputs = _held_out(path)
    return np.array(
        [
            (task, id_) in ids or (bool(inputs) and normalised(text) in inputs)
            for task, id_, text in frame.select("task", "id", "input").iter_rows()
        ],
        dtype=bool,
    )


@cache
def _held_out(path: Path) -> tuple[frozenset[tuple[str, str]], frozenset[str]]:
    rows = read_jsonl(path, HeldOut)
    return frozenset((row.task, row.id) for row in rows), frozenset(normalised(row.input) for row in rows)


def forget_held_out() -> None:
    """Read the held-out rows anew when they are next asked for."""
    _held_out.cache_clear()
