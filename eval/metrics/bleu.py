"""BLEU of a corpus, in statistics that can be added up: counts by sacrebleu, with its default settings.

Tokeniser 13a, n-grams of 1 to 4, smoothing 'exp', several references in sacrebleu's way (an n-gram counts as often as
the reference that has most of it; the length is that of the closest). Between 0 and 1, where sacrebleu says 0 to 100.
The tokeniser is for languages that write spaces: of Chinese, Japanese or Thai, chrF tells more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.metrics.metric import Floats, Judged

ORDERS = 4
WIDTH = 2 + 2 * ORDERS


@dataclass(frozen=True)
class Bleu:
    """The metric of a corpus."""

    name: str = "bleu"
    title: str = "BLEU"
    higher_is_better: bool = True
    resampling_biases: bool = False

    def statistics(self, rows: Sequence[Judged]) -> Floats:
        """[rows, WIDTH]: words of the prediction, of the closest reference, then common and all n-grams by order."""
        from sacrebleu.metrics.bleu import BLEU

        # The effective order, which a sentence's own score wants, does not enter the counts.
        peer = BLEU(effective_order=True, force=True)
        counted = (peer.sentence_score(row.prediction, row.references) for row in rows)
        numbers = [[one.sys_len, one.ref_len, *one.counts, *one.totals] for one in counted]
        return np.array(numbers, dtype=np.float64).reshape(len(numbers), WIDTH)

    def value(self, totals: Floats) -> Floats:
        """BLEU of each corpus, [..., WIDTH] -> [...]."""
        return bleu(totals)


def bleu(statistics: Floats) -> Floats:
    """BLEU of each corpus, [...], of the summed statistics of its sentences, [..., WIDTH].

    0 where nothing is common, or where no prediction is long enough for the highest order.
    """
    common, total = statistics[..., 2 : 2 + ORDERS], statistics[..., 2 + ORDERS :]
    # 'exp', that of mteval-v13a: the first order without a common n-gram counts a half, the next a quarter, and so on.
    halved = 0.5 ** np.cumsum(common == 0, axis=-1)
    precisions = np.where(common == 0, halved, common) / np.maximum(total, 1)
    scored = common.any(axis=-1) & (total > 0).all(axis=-1)
    ours, theirs = np.maximum(statistics[..., 0], 1), statistics[..., 1]
    brevity = np.exp(np.minimum(1 - theirs / ours, 0))
    return np.asarray(np.where(scored, brevity * np.exp(np.log(precisions).mean(axis=-1)), 0))
