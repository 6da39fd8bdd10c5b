"""The bodies of OpenAI's completions API, as far as this server has it.

Unlike for /process, a setting that would change the answer and is not to be had here is refused, not ignored.
"""

from typing import Annotated, Literal

from annotated_types import MinLen
from pydantic import BaseModel, FailFast, Field, model_validator

from serve.completing.request import FinishReason
from serve.schema import Alternatives, Completions, Count, RequestBody, StopSequence, TokenId


class FirstFault(FailFast):
    """pydantic's, with a hash: Python 3.11.2, which Debian 12 has, makes no union of types without one."""

    __hash__ = object.__hash__


Texts = Annotated[list[str], MinLen(1), FirstFault()]
TokenIds = Annotated[list[TokenId], MinLen(1), FirstFault()]
TokenIdLists = Annotated[list[TokenIds], MinLen(1), FirstFault()]
NoPenalty = Annotated[float, Field(ge=0, le=0)]


class CompletionsBody(RequestBody):
    """One prompt or several, as texts or as the model's tokens; the defaults are OpenAI's. Any `model` is this one."""

    model: str | None = None
    prompt: str | Texts | TokenIds | TokenIdLists
    max_tokens: Count = 16
    temperature: float = Field(1.0, ge=0, le=100)
    top_p: float = Field(1.0, gt=0, le=1)
    n: Completions = 1
    seed: Count | None = None
    stop: StopSequence | Annotated[list[StopSequence], Field(max_length=16)] = Field(default_factory=list)
    echo: bool = False
    logprobs: Alternatives | None = None
    stream: bool = False
    best_of: int | None = None
    suffix: str = Field("", max_length=0)
    presence_penalty: NoPenalty = 0.0
    frequency_penalty: NoPenalty = 0.0
    logit_bias: dict[str, float] = Field(default_factory=dict, max_length=0)

    @model_validator(mode="after")
    def _best_of_is_n(self) -> "CompletionsBody":
        if self.best_of not in (None, self.n):
            raise ValueError("best_of: this server gives all completions that it makes; leave it out, or make it n")
        return self

    @property
    def stops(self) -> list[str]:
        """The stop sequences as a list."""
        return [self.stop] if isinstance(self.stop, str) else self.stop

    @property
    def prompts(self) -> list[str | list[int]]:
        """The prompts as a list."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        if isinstance(self.prompt[0], int):
            return [[token for token in self.prompt if isinstance(token, int)]]
        return [prompt for prompt in self.prompt if not isinstance(prompt, int)]


class Logprobs(BaseModel):
    """What the tokens of a choice are, one entry each; None for a first token that has nothing before it.

    `top_logprobs` have the token itself, too. `text_offset`: where each token begins in the choice's text.
    """

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class Choice(BaseModel):
    """A completion, with its prompt before it if that was to be echoed."""

    index: int
    text: str
    logprobs: Logprobs | None
    finish_reason: FinishReason


class Usage(BaseModel):
    """Tokens read and written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionsResponse(BaseModel):
    """The choices: `n` for each prompt, in the prompts' order."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


class ServedModel(BaseModel):
    """The one model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "oneday"


class ServedModels(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[ServedModel]
