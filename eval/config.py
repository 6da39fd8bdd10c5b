"""The settings of `eval.yaml`: which models answer the held-out rows, how answers are judged and compared."""

from typing import Literal, Self

from pydantic import Field, model_validator

from data_prep.config import NewTokens
from oneday.config import Settings


class Variant(Settings):
    """One column of the result table: a model and how many demonstrations its prompts show."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    model: Literal["base", "tuned"]
    demonstrations: int = Field(ge=0, le=32)


class Compare(Settings):
    """The two variants whose difference is tested."""

    baseline: str
    candidate: str


class Bootstrap(Settings):
    """Resampling of the held-out rows, within tasks."""

    resamples: int = Field(ge=100)
    confidence: float = Field(gt=0, lt=1)
    seed: int = Field(ge=0)


class EvalConfig(Settings):
    """All of `eval.yaml`.

    `stop_at_blank_line`: whether a generation ends at the first blank line. It saves time; without it the texts are
    whole, so that `postprocess.ablate` can tell what the rule that cuts there is worth.
    """

    variants: list[Variant] = Field(min_length=1)
    max_new_tokens: NewTokens
    batch_size: int = Field(ge=1)
    stop_at_blank_line: bool
    compare: Compare
    bootstrap: Bootstrap

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        names = [variant.name for variant in self.variants]
        if len(set(names)) < len(names):
            raise ValueError("two variants have the same name")
        for role in (self.compare.baseline, self.compare.candidate):
            if role not in names:
                raise ValueError(f"compare names '{role}', which is no variant; allowed: {', '.join(names)}")
        return self
