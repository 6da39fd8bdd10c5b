"""Percentile bootstrap intervals of many macro averages and differences at once, all on the same draws of rows.

The draws are those of `eval.score.compare`: rows with replacement within each task, tasks in order. They are kept as
how often each row was drawn, so that the resampled means of any number of choices are one matrix product a task.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eval.config import Bootstrap
from eval.scores import Interval
from postprocess.ablation_record import Gain, Verdict
from postprocess.sign_test import shown

Floats = NDArray[np.float64]
DECIMALS = 12  # of what is reported: a sum that is 0 on paper must not come out as 1e-17 on one side of 0


class Draws:
    """How often each row of each task was drawn, for every resample: a byte or two a row and resample."""

    def __init__(self, rows: Sequence[int], config: Bootstrap) -> None:
        rng = np.random.default_rng(config.seed)
        self._counts = [_counts(rng.integers(0, n, size=(config.resamples, n))) for n in rows]
        self._confidence = config.confidence
        self._tails = [50 * (1 - config.confidence), 50 * (1 + config.confidence)]

    def interval(self, scores: Sequence[Floats]) -> Interval:
        """The macro average of the rows' scores, an array a task, with its interval."""
        ((score, low, high),) = self._summaries([row[np.newaxis] for row in scores])
        return Interval(score=score, low=low, high=high)

    def gains(self, differences: Sequence[Sequence[Floats]], texts: Sequence[int]) -> list[Gain]:
        """The macro average of each list of paired differences, an array a task, with its interval and verdict.

        `texts` counts the rows of each list that read otherwise. They are resampled as differences, so that rows that
        do not differ add exactly nothing.
        """
        if not differences:
            return []
        stacked = [np.stack(of_task) for of_task in zip(*differences, strict=True)]
        rows = np.round(np.concatenate(stacked, axis=1), DECIMALS)
        signs = zip((rows > 0).sum(axis=1).tolist(), (rows < 0).sum(axis=1).tolist(), strict=True)
        return [
            self._gain(*summary, changed, *better_worse)
            for summary, changed, better_worse in zip(self._summaries(stacked), texts, signs, strict=True)
        ]

    def _gain(self, gain: float, low: float, high: float, texts: int, better: int, worse: int) -> Gain:
        verdict: Verdict = "not shown" if texts else "changes nothing"
        if shown(better, worse, self._confidence):
            if low > 0 and better > worse:
                verdict = "pays"
            elif high < 0 and worse > better:
                verdict = "harms"
        return Gain(gain=gain, low=low, high=high, texts=texts, better=better, worse=worse, verdict=verdict)

    def _summaries(self, values: Sequence[Floats]) -> list[tuple[float, float, float]]:
        """Mean, lower and upper bound of each of the choices; `values` is [choices, rows] for each task."""
        tasks = len(self._counts)
        observed = sum(of_task.mean(axis=1) for of_task in values) / tasks
        resampled = sum(
            of_task @ counts.T.astype(np.float64) / (of_task.shape[1] * tasks)
            for of_task, counts in zip(values, self._counts, strict=True)
        )
        bounds = np.percentile(resampled, self._tails, axis=1)
        return [tuple(row) for row in np.round(np.stack([observed, *bounds], axis=1), DECIMALS).tolist()]


def _counts(drawn: NDArray[np.int64]) -> NDArray[np.unsignedinteger]:
    """How often each row is among the drawn ones, [resamples, rows]."""
    resamples, rows = drawn.shape
    places = drawn + rows * np.arange(resamples)[:, np.newaxis]
    counts = np.bincount(places.ravel(), minlength=resamples * rows).reshape(resamples, rows)
    return counts.astype(np.min_scalar_type(rows))
