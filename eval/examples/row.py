"""An example as any file gives it, and the same with a model's answer."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ExampleRow(BaseModel):
    """A prompt with the answers that count as right. With `options` the model chooses one of them; else it writes.

    Each reference of a row with options is one of them, and at least one of them is none. A pair (task, id) occurs once
    among the rows of an evaluation.
    `input` is the part of the prompt that is the question, from its character `input_start` on, where that is known:
    eval.robustness changes it alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str = Field(min_length=1)
    id: str
    prompt: str = Field(pattern=r"\S")
    references: tuple[str, ...] = Field(min_length=1)
    options: tuple[str, ...] = ()
    category: str = ""
    language: str = ""
    input: str = ""
    input_start: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _input_is_of_the_prompt(self) -> Self:
        if not self.prompt.startswith(self.input, self.input_start):
            raise ValueError(
                f"the input {self.input[:60]!r} does not stand at character {self.input_start} of the prompt; it must, "
                "letter by letter"
            )
        return self

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        if len(self.options) == 1:
            raise ValueError(f"there is one option, {self.options[0]!r}; give two or more, or none")
        if "" in self.options or len(set(self.options)) < len(self.options):
            raise ValueError(f"the options {list(self.options)} are not all different and none empty")
        if self.options and not set(self.references) <= set(self.options):
            raise ValueError(f"the answers {list(self.references)} are not all among the options {list(self.options)}")
        if self.options and set(self.references) == set(self.options):
            raise ValueError(f"all options, {list(self.options)}, are right answers; at least one must be wrong")
        return self

    @property
    def key(self) -> tuple[str, str]:
        """What names the row."""
        return self.task, self.id


class AnsweredRow(BaseModel):
    """A row with a model's answer: the option it chose, or its text after the rules; `raw` is the text before them.

    Of each option, `option_log_likelihoods` has the summed log-probability and `option_tokens` the number of tokens it
    is of; `option_scores` are the numbers that were compared, and `confidence` is the chosen option's share of their
    softmax. `prompt_tokens_cut` counts the prompt's first tokens that the model's context had no room for. `scores` has
    the metrics that mean something for one row alone; it is empty until the row is scored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    row: ExampleRow
    raw: str
    prediction: str
    option_log_likelihoods: tuple[float, ...] = ()
    option_tokens: tuple[int, ...] = ()
    option_scores: tuple[float, ...] = ()
    confidence: float | None = None
    prompt_tokens_cut: int = 0
    scores: dict[str, float] = Field(default_factory=dict)
