"""The settings of `zindi.yaml`: how the Buzuzu-Mavi challenge's tasks are answered, and how the answers are scored."""

from typing import Literal

from pydantic import Field

from eval.config import Bootstrap
from oneday.config import Settings

Normalise = Literal["none", "tokens", "bytes"]
ModelName = Literal["untuned", "tuned"]


class AnswerTokens(Settings):
    """The most tokens a model may generate, by kind of answer."""

    label: int = Field(ge=1)
    translation: int = Field(ge=1)


class Decoding(Settings):
    """How an answer is found.

    Labels: with `generate` greedily, and by log-likelihood where the text is none of the labels; with `log_likelihood`
    always the label word that is most likely as the whole answer, its log-probability divided by its number of
    tokens or bytes if `normalise` says so. Translations: by `beams` beams.
    """

    label_answers: Literal["generate", "log_likelihood"]
    normalise: Normalise
    max_new_tokens: AnswerTokens
    beams: int = Field(ge=1, le=32)
    batch_size: int = Field(ge=1)


class ZindiConfig(Settings):
    """All of `zindi.yaml`.

    `models` answer the rows of 05_mix/test; `untuned` is the compressed model before it is trained. Of each task at
    most `max_rows_per_task` rows are answered, the first in the file (which is shuffled); all without it.
    `parameter_size` is PARAM_SIZE of the challenge's formula: the parameters of the model that counts as full size.
    """

    models: list[ModelName] = Field(min_length=1)
    max_rows_per_task: int | None = Field(default=None, ge=1)
    decoding: Decoding
    parameter_size: int = Field(ge=1)
    bootstrap: Bootstrap
