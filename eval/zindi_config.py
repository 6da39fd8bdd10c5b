"""The settings of `zindi.yaml`: how the Buzuzu-Mavi challenge's tasks are answered, and how the answers are scored."""

from typing import Literal

from pydantic import Field, field_validator

from eval.config import Bootstrap
from oneday.config import Settings

Normalise = Literal["none", "tokens", "bytes", "batch"]
ModelName = Literal["untuned", "tuned"]


class AnswerTokens(Settings):
    """The most tokens a model may generate, by kind of answer."""

    label: int = Field(ge=1)
    translation: int = Field(ge=1)


class Decoding(Settings):
    """How an answer is found.

    Labels: with `generate` greedily, and by log-likelihood where the text is none of the labels; with `log_likelihood`
    always the label word whose tokens are likeliest after the prompt (an end of sequence behind them is not scored),
    their log-probability divided by their number, or by that of the word's bytes, or each label's probability divided
    by its mean over the task's rows, if `normalise` says so (see `eval.label_choice.batch_calibrated`).
    Translations: by `beams` beams, tokens of the prompt and of the text so far less likely by `repetition_penalty`,
    that of transformers; labels have none.
    """

    label_answers: Literal["generate", "log_likelihood"]
    normalise: Normalise
    max_new_tokens: AnswerTokens
    beams: int = Field(ge=1, le=32)
    repetition_penalty: float = Field(ge=1)
    batch_size: int = Field(ge=1)


class ZindiConfig(Settings):
    """All of `zindi.yaml`.

    `models`, each named once, answer the rows of 05_mix/test; `untuned` is the compressed model before it is trained.
    Of each task at most `max_rows_per_task` rows are answered, the first in the file (which is shuffled); all without.
    `parameter_size` is PARAM_SIZE of the challenge's formula: the parameters of the model that counts as full size.
    """

    models: list[ModelName] = Field(min_length=1)
    max_rows_per_task: int | None = Field(default=None, ge=1)
    decoding: Decoding
    parameter_size: int = Field(ge=1)
    bootstrap: Bootstrap

    @field_validator("models")
    @classmethod
    def _each_model_once(cls, models: list[ModelName]) -> list[ModelName]:
        if twice := sorted({name for name in models if models.count(name) > 1}):
            raise ValueError(f"{twice[0]} is named twice; name each model once")
        return models
