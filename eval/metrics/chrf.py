"""chrF of translations, in statistics that can be added up: those of a resampled corpus are sums of its sentences'.

chrF2 with the settings that sacrebleu's CHRF has by default: character n-grams of 1 to 6, none of words, white space
left out, case kept, orders that one side has no n-gram of passed over. Between 0 and 1, where sacrebleu says 0 to 100.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ORDERS = 6
RECALL_WEIGHT = 2**2  # beta = 2, squared: Popovic (2016), chrF deconstructed
WIDTH = 3 * ORDERS

Floats = NDArray[np.float64]


def chrf_statistics(hypotheses: Sequence[str], references: Sequence[str]) -> Floats:
    """One row a sentence, [sentences, WIDTH]: for each order the n-grams of hypothesis, of reference, and common."""
    rows = [_statistics(mine, right) for mine, right in zip(hypotheses, references, strict=True)]
    return np.array(rows, dtype=np.float64).reshape(len(rows), WIDTH)


def chrf(statistics: Floats) -> Floats:
    """The chrF of each corpus, [...], of the summed statistics of its sentences, [..., WIDTH]."""
    counts = statistics.reshape(*statistics.shape[:-1], ORDERS, 3)
    hypothesis, reference, common = counts[..., 0], counts[..., 1], counts[..., 2]
    counted = (hypothesis > 0) & (reference > 0)
    orders = np.maximum(counted.sum(axis=-1), 1)
    precision = (np.where(counted, common, 0) / np.where(counted, hypothesis, 1)).sum(axis=-1) / orders
    recall = (np.where(counted, common, 0) / np.where(counted, reference, 1)).sum(axis=-1) / orders
    weighted = RECALL_WEIGHT * precision + recall
    return np.asarray((1 + RECALL_WEIGHT) * precision * recall / np.where(weighted > 0, weighted, 1))


def _statistics(hypothesis: str, reference: str) -> list[int]:
    mine, right = "".join(hypothesis.split()), "".join(reference.split())
    numbers = []
    for order in range(1, ORDERS + 1):
        ours, theirs = _ngrams(mine, order), _ngrams(right, order)
        # Where the reference is too short for an order, sacrebleu counts none of the hypothesis either.
        numbers += [ours.total() if theirs else 0, theirs.total(), (ours & theirs).total()]
    return numbers


def _ngrams(text: str, order: int) -> Counter[str]:
    return Counter(text[start : start + order] for start in range(len(text) - order + 1))
