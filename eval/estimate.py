"""A number with its interval, as the files of results hold it."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A part of a result's file; it does not change."""

    model_config = ConfigDict(frozen=True)


class Estimate(Record):
    """A number with its bootstrap interval."""

    value: float
    low: float
    high: float

    @property
    def includes_zero(self) -> bool:
        """Whether the rows leave the sign open."""
        return self.low <= 0 <= self.high
