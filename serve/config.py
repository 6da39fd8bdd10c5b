"""The settings of `serve.yaml`: which engine answers, how a prompt is wrapped, and every limit."""

from typing import Literal

from pydantic import Field

from oneday.config import Settings
from serve.transformers_engine import Precision

CompletionEngineName = Literal["transformers", "vllm"]


class Wrap(Settings):
    """Prompts with fewer blank lines than this are not in the form that the model was trained on: they become the
    input block of one. Never a prompt that is to be echoed, nor one of which no new token is wanted."""

    below_blank_lines: int = Field(ge=1)
    preamble: str = ""


class Batching(Settings):
    """What the transformers engine works on at once. vLLM decides that itself."""

    slots: int = Field(ge=1, le=512)  # requests in the model at once
    prefix_cache_tokens: int = Field(ge=0)  # tokens of earlier prompts whose keys and values are kept


class Limits(Settings):
    """What the server refuses: what is beyond a limit is answered 4xx, 503 or 504, never 500."""

    queue: int = Field(ge=0)  # completions that wait beyond those in the model; more get 503
    deadline_seconds: float = Field(gt=0)  # a request that takes longer is cancelled: 504; its body: 408
    body_bytes: int = Field(ge=1024)  # a longer body gets 413
    completions: int = Field(ge=1, le=128)  # most of num_return_sequences; more gets 422
    shutdown_seconds: float = Field(gt=0)  # how long requests that run may go on after the server is told to stop


class ServeConfig(Settings):
    """All of `serve.yaml`. `max_length`: the window, prompt and answer together; a longer prompt is cut on the left."""

    engine: CompletionEngineName
    precision: Precision
    max_length: int = Field(ge=16)
    wrap: Wrap | None
    batching: Batching
    limits: Limits
