"""What a metric is: statistics of each row that can be added up, and the value of their sum.

So the bootstrap of any metric, of a mean or of a whole corpus, is a matrix product: the statistics of a resample are
the sum of its rows', weighted by how often each was drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer as a metric sees it. `references` is not empty; `confidence` is the probability of a chosen option."""

    prediction: str
    references: Sequence[str]
    confidence: float | None = None


class Metric(Protocol):
    """A number between 0 and 1 for a set of answers."""

    @property
    def name(self) -> str:
        """The key in files, such as 'rouge_l'."""
        ...

    @property
    def title(self) -> str:
        """As a reader knows it, such as 'ROUGE-L F'."""
        ...

    @property
    def higher_is_better(self) -> bool:
        """False for an error, such as the calibration error."""
        ...

    @property
    def resampling_biases(self) -> bool:
        """True if the values of resamples lie to one side of the observed one, as a sum of absolute gaps does."""
        ...

    def statistics(self, rows: Sequence[Judged]) -> Floats:
        """One row of numbers an answer, [rows, width]; the width may depend on the rows (their labels)."""
        ...

    def value(self, totals: Floats) -> Floats:
        """The metric of each sum of statistics, [..., width] -> [...]."""
        ...
