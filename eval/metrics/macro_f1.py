"""Macro F1 of label numbers, in statistics that can be added up, as those of eval.metrics.chrf."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LABELS = 3  # numbers of the challenge's labels: 0, 1, 2
NO_LABEL = -1  # an answer that is none of them
WIDTH = 3 * LABELS

Floats = NDArray[np.float64]


def f1_statistics(answers: Sequence[int], references: Sequence[int]) -> Floats:
    """One row an answer, [answers, WIDTH]: for each label whether it was answered, was right, and both.

    NO_LABEL is wrong whatever was right, and is no label of its own.
    """
    labels = np.arange(LABELS)
    answered = np.asarray(answers, dtype=np.int64)[:, None] == labels
    right = np.asarray(references, dtype=np.int64)[:, None] == labels
    return np.stack([answered, right, answered & right], axis=-1).reshape(len(answers), WIDTH).astype(np.float64)


def macro_f1(statistics: Floats) -> Floats:
    """The macro F1 of each set of answers, [...], of its summed statistics, [..., WIDTH].

    The mean runs over the labels that occur, as answer or as reference, which is scikit-learn's rule where no labels
    are named: a label that occurs in neither does not count, one that is answered but never right counts 0.
    """
    counts = statistics.reshape(*statistics.shape[:-1], LABELS, 3)
    occurring = counts[..., 0] + counts[..., 1]
    f1 = 2 * counts[..., 2] / np.maximum(occurring, 1)
    return np.asarray(f1.sum(axis=-1) / np.maximum((occurring > 0).sum(axis=-1), 1))


def majority(references: Sequence[int]) -> int:
    """The label that is most often right; of equals the lowest number."""
    return int(np.bincount(np.asarray(references, dtype=np.int64), minlength=LABELS).argmax())
