"""The arithmetic of the challenge's score: win rates, geometric means, ranks. Leading axes are resamples.

The organisers did not publish the rule; this one gives every number of the published ranks of the 4090 track's
finalists. It is not HELM's own win rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eval.metrics.metric import Floats
from eval.ranking.scenario import Stage

DECIMALS = 12  # of a mean over runs or instances, and digits of a score: equal ones tie, whatever the order of a sum
SMALLEST = 5e-324  # stands for a win rate of zero in a geometric mean: the smallest double
ScoreName = Literal["full", "open", "hidden", "mean_win_rate"]


def win_rates(values: Floats, higher_is_better: bool) -> Floats:
    """Each entry's win rate in a metric, [..., entries] -> [..., entries]; NaN is a null.

    It is (the entries that are strictly worse, plus 1/k if k > 1 entries share the value) / all entries, the own one
    included; so the best of n has (n - 1) / n. Nulls are worst, and share a value.
    """
    order = np.where(np.isnan(values), -np.inf, values if higher_is_better else -values)
    worse = (order[..., :, None] > order[..., None, :]).sum(axis=-1)
    equal = (order[..., :, None] == order[..., None, :]).sum(axis=-1)
    rates: Floats = (worse + np.where(equal > 1, 1 / equal, 0.0)) / values.shape[-1]
    return rates


def geometric_mean(rates: Floats) -> Floats:
    """The geometric mean over the scenarios, [..., scenarios, entries] -> [..., entries], zeros as SMALLEST."""
    return _rounded(np.exp(np.log(np.maximum(rates, SMALLEST)).mean(axis=-2)))


def _rounded(score: Floats) -> Floats:
    """The score with DECIMALS digits, also where it is tiny."""
    digits, exponents = np.frexp(score)
    rounded: Floats = np.ldexp(np.round(digits, DECIMALS), exponents)
    return rounded


@dataclass(frozen=True)
class ScoreArrays:
    """The scores, [..., entries] each. A stage without scenarios has none, and both stages make the full score."""

    mean_win_rate: Floats
    open: Floats | None
    hidden: Floats | None
    full: Floats | None

    @property
    def deciding(self) -> ScoreName:
        """The score that ranks the entries: the full one, else that of the one stage there is, else the mean."""
        names: tuple[ScoreName, ...] = ("full", "open", "hidden")
        return next((name for name in names if self.named(name) is not None), "mean_win_rate")

    def named(self, name: ScoreName) -> Floats | None:
        """The score of that name."""
        scores: dict[ScoreName, Floats | None] = {
            "full": self.full,
            "open": self.open,
            "hidden": self.hidden,
            "mean_win_rate": self.mean_win_rate,
        }
        return scores[name]

    @property
    def decisive(self) -> Floats:
        """The numbers of the deciding score."""
        score = self.named(self.deciding)
        assert score is not None
        return score


def scores(rates: Floats, stages: Sequence[Stage | None]) -> ScoreArrays:
    """The scores that the scenarios' win rates, [..., scenarios, entries], come to."""

    def of_stage(stage: Stage) -> Floats | None:
        own = [row for row, each in enumerate(stages) if each == stage]
        return geometric_mean(rates[..., own, :]) if own else None

    opened, hidden = of_stage("open"), of_stage("hidden")
    full = None if opened is None or hidden is None else _rounded(opened / 3 + 2 * hidden / 3)
    return ScoreArrays(_rounded(rates.mean(axis=-2)), opened, hidden, full)


def ranks(score: Floats) -> NDArray[np.int64]:
    """1 + how many entries have a higher score, [..., entries]; equal scores share a rank."""
    placed: NDArray[np.int64] = 1 + (score[..., None, :] > score[..., :, None]).sum(axis=-1)
    return placed
