"""A ranking as it is shown and written: pydantic records, in the order of the ranks."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from eval.ranking.scenario import Stage
from eval.ranking.win_rates import ScoreName


class Record(BaseModel):
    """A frozen record without other fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RankedScenario(Record):
    """A scenario as it was ranked. `metrics` have a value in some entry; `main` are those in the plain means."""

    name: str
    stage: Stage | None
    metrics: list[str]
    main: list[str]


class PlainMeans(Record):
    """Means of main metrics instead of win rates; None where a value is missing.

    `scenarios` are means over a scenario's main metrics, the others are means over scenarios.
    """

    scenarios: dict[str, float | None]
    open: float | None
    hidden: float | None
    overall: float | None


class RankedEntry(Record):
    """An entry's place and scores. `nulls` are its metrics without a value, by scenario."""

    name: str
    rank: int
    win_rates: dict[str, float]
    mean_win_rate: float
    open: float | None
    hidden: float | None
    full: float | None
    plain: PlainMeans | None
    nulls: dict[str, list[str]]

    def score(self, name: ScoreName) -> float:
        """The score of that name, which the ranking must have."""
        scores = {"full": self.full, "open": self.open, "hidden": self.hidden, "mean_win_rate": self.mean_win_rate}
        score = scores[name]
        assert score is not None
        return score


class Interval(Record):
    """A percentile interval over the resamples."""

    low: float
    high: float


class EntryStability(Record):
    """How an entry fares in the resamples.

    `scores` are intervals of each score. `rank_shares[k]` is the share of resamples at rank k + 1, and the ranks from
    `rank_low` to `rank_high` are an interval too. `better_than` is the share in which its score is above another
    entry's, equal scores counting half.
    """

    scores: dict[ScoreName, Interval]
    rank_shares: list[float]
    rank_low: int
    rank_high: int
    better_than: dict[str, float]


class Stability(Record):
    """What resampling shows. `over`: instances within HELM runs, the same for all entries, or scenarios within stages.

    `fixed` are the metrics, by scenario, that keep their value, as fewer than two entries have it by instance.
    """

    over: Literal["instances", "scenarios"]
    resamples: int
    confidence: float
    seed: int
    entries: dict[str, EntryStability]
    fixed: dict[str, list[str]]


class LeftOut(Record):
    """The ranking without one entry. `swapped`: pairs, by name, that change places; the first was ahead before."""

    absent: str
    ranks: dict[str, int]
    swapped: list[tuple[str, str]]


class Ranking(Record):
    """Entries in the order of their ranks, which `score` decides. `left_out` is None where it cannot be known."""

    score: ScoreName
    scenarios: list[RankedScenario]
    entries: list[RankedEntry]
    stability: Stability | None
    left_out: list[LeftOut] | None
    notes: list[str]
