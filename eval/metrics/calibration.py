"""The expected calibration error: by how much a model's confidence in its choices misses how often they are right.

Choices are put into ten bins of equal width by their confidence; the error is the mean, over all choices, of the gap
between mean confidence and share right of the choice's bin (Guo et al. 2017): `get_ece` of the library that HELM uses,
uncertainty-calibration. HELM's `ece_10_bin` is that library's `get_ece_em`, with bins of equally many choices, whose
edges depend on all rows: its numbers differ, and do not add up over rows.

Of few choices the error is too large, as chance alone makes gaps: about 0.09 of 100 choices whose confidence is right.
Resampling adds as much again, which `resample(..., centred=True)` takes off: the interval then is about the error that
as many other choices would show, not about the error of endless ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.metrics.metric import Floats, Judged
from eval.metrics.scorer import exact_match

BINS = 10
EDGES = np.arange(1, BINS) / BINS  # a confidence on an edge belongs to the bin above


@dataclass(frozen=True)
class CalibrationError:
    """The metric of a set of choices, each right by exact match."""

    name: str = "calibration_error"
    title: str = "calibration error"
    higher_is_better: bool = False
    resampling_biases: bool = True

    def statistics(self, rows: Sequence[Judged]) -> Floats:
        """[rows, 3 * BINS]: for each bin a 1 if the choice is in it, its confidence, and whether it is right.

        ValueError names the first row without a confidence, or with one outside 0 to 1.
        """
        confidences = np.array([_confidence(number, row) for number, row in enumerate(rows)], dtype=np.float64)
        right = np.array([exact_match(row.prediction, row.references) for row in rows], dtype=np.float64)
        within = np.digitize(confidences, EDGES)[:, None] == np.arange(BINS)
        numbers = np.stack([np.ones(len(rows)), confidences, right], axis=-1)
        return np.asarray((within[:, :, None] * numbers[:, None, :]).reshape(len(rows), 3 * BINS))

    def value(self, totals: Floats) -> Floats:
        """The error of each set, [..., 3 * BINS] -> [...]."""
        bins = totals.reshape(*totals.shape[:-1], BINS, 3)
        return np.asarray(np.abs(bins[..., 1] - bins[..., 2]).sum(axis=-1) / bins[..., 0].sum(axis=-1))


def _confidence(number: int, row: Judged) -> float:
    if row.confidence is None:
        raise ValueError(
            f"row {number} (counted from 0) has no confidence, which calibration_error needs: the probability of the "
            "chosen option; leave the metric out for rows without options"
        )
    if not 0 <= row.confidence <= 1:
        raise ValueError(f"row {number} has the confidence {row.confidence}; a probability from 0 to 1 is needed")
    return row.confidence
