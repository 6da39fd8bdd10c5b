"""chrF and chrF++ in statistics that can be added up: those of a resampled corpus are sums of its sentences'.

chrF2 with the settings that sacrebleu's CHRF has by default: character n-grams of 1 to 6, white space left out, case
kept, orders that one side has no n-gram of passed over; chrF++ has the words and pairs of words besides. Of several
references the one that scores best by itself counts. Between 0 and 1, where sacrebleu says 0 to 100.
"""

import string
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from eval.metrics.metric import Floats, Judged
from eval.metrics.overlap import shared

ORDERS = 6
WORD_ORDERS = 2  # of chrF++
RECALL_WEIGHT = 2**2  # beta = 2, squared: Popovic (2016), chrF deconstructed
WIDTH = 3 * ORDERS
PUNCTUATION = frozenset(string.punctuation)

Grams = list[Sequence[Hashable]]
"""For each order all n-grams of a text: of characters without white space, then of words."""


@dataclass(frozen=True)
class Chrf:
    """The metric of a corpus; with `words` it is chrF++."""

    name: str
    title: str
    words: bool
    higher_is_better: bool = True
    resampling_biases: bool = False

    def statistics(self, rows: Sequence[Judged]) -> Floats:
        """One row an answer, of its best reference, [rows, 3 * orders]."""
        best = [self._best(row) for row in rows]
        return np.array(best, dtype=np.float64).reshape(len(rows), 3 * (ORDERS + WORD_ORDERS if self.words else ORDERS))

    def value(self, totals: Floats) -> Floats:
        """The score of each corpus, [..., width] -> [...]."""
        return chrf(totals)

    def _best(self, row: Judged) -> list[int]:
        mine = _all_ngrams(row.prediction, self.words)
        each = [_statistics(mine, _all_ngrams(text, self.words)) for text in row.references]
        return each[int(chrf(np.array(each, dtype=np.float64)).argmax())] if len(each) > 1 else each[0]


def chrf_statistics(hypotheses: Sequence[str], references: Sequence[str]) -> Floats:
    """One row a sentence, [sentences, WIDTH]: for each order the n-grams of hypothesis, of reference, and common."""
    rows = [
        _statistics(_all_ngrams(mine, words=False), _all_ngrams(right, words=False))
        for mine, right in zip(hypotheses, references, strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(len(rows), WIDTH)


def chrf(statistics: Floats) -> Floats:
    """The score of each corpus, [...], of the summed statistics of its sentences, [..., 3 * orders]."""
    width = statistics.shape[-1]
    counts = statistics.reshape(*statistics.shape[:-1], width // 3, 3)
    hypothesis, reference, common = counts[..., 0], counts[..., 1], counts[..., 2]
    counted = (hypothesis > 0) & (reference > 0)
    orders = np.maximum(counted.sum(axis=-1), 1)
    precision = (np.where(counted, common, 0) / np.where(counted, hypothesis, 1)).sum(axis=-1) / orders
    recall = (np.where(counted, common, 0) / np.where(counted, reference, 1)).sum(axis=-1) / orders
    weighted = RECALL_WEIGHT * precision + recall
    return np.asarray((1 + RECALL_WEIGHT) * precision * recall / np.where(weighted > 0, weighted, 1))


def _statistics(mine: Grams, right: Grams) -> list[int]:
    numbers = []
    for ours, theirs in zip(mine, right, strict=True):
        # Where the reference is too short for an order, sacrebleu counts none of the hypothesis either.
        numbers += [len(ours) if theirs else 0, len(theirs), shared(ours, theirs)]
    return numbers


def _all_ngrams(text: str, words: bool) -> Grams:
    solid = "".join(text.split())
    found: Grams = [
        [solid[start : start + order] for start in range(len(solid) - order + 1)] for order in range(1, ORDERS + 1)
    ]
    if words:
        pieces = [piece for word in text.split() for piece in _pieces(word)]
        found += [pieces, list(pairwise(pieces))]
    return found


def _pieces(word: str) -> Iterator[str]:
    """A word with one mark taken off its end, else off its start: of '(hi)' the marks are not both taken off."""
    if len(word) > 1 and word[-1] in PUNCTUATION:
        yield from (word[:-1], word[-1])
    elif len(word) > 1 and word[0] in PUNCTUATION:
        yield from (word[0], word[1:])
    else:
        yield word
