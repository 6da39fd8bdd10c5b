"""What the server asks of an engine: `CompletionRequest` -> `Completion`. All in tokens; texts are cut elsewhere.

Engines for this are serve.completing.transformers_completions and serve.completing.vllm_completions. They are not
those of `serve.engine`, which answer whole files of prompts greedily and know no requests that come and go.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

GREEDY_BELOW = 1e-6  # temperatures up to this one mean the likeliest token: HELM sends 1e-7 for 0
FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn. Greedy unless `temperature` is above `GREEDY_BELOW`; then the others count.

    `top_k` 0 and `top_p` 1 leave no token out. Without `seed` every request draws anew.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int | None = None

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is taken each time."""
        return self.temperature <= GREEDY_BELOW


@dataclass(frozen=True)
class CompletionRequest:
    """One prompt, as the model's tokens, its special ones included.

    At least one token, and together with `max_new_tokens` at most the engine's `max_length`. `max_new_tokens` 0 only
    reads the prompt. A text that holds one of `stop` ends. `alternatives`: the likeliest tokens to report each time.
    """

    prompt: tuple[int, ...]
    max_new_tokens: int
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()
    score_prompt: bool = False
    alternatives: int = 0


@dataclass(frozen=True)
class ScoredToken:
    """A token with the natural logarithm of its probability by the model's raw logits, before any sampling rule.

    Always finite. The first token of a prompt has nothing before it, and has 0. `alternatives` are the likeliest
    tokens at its place, (token, logprob), the likeliest first.
    """

    id: int
    logprob: float
    alternatives: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Completion:
    """The new tokens, without the end-of-sequence token that ended them, and the prompt's if they were asked for.

    With a `stop` string, `tokens` reach up to and with the token that completes it; the caller cuts the text.
    `finish_reason` is "length" only if all tokens were used up before an end or a stop came.
    """

    tokens: tuple[ScoredToken, ...]
    finish_reason: FinishReason
    prompt_tokens: tuple[ScoredToken, ...] = ()


class CompletionEngine(Protocol):
    """Works on many requests at once. `max_length`: the most tokens of a prompt and its answer together."""

    tokenizer: "PreTrainedTokenizerBase"
    max_length: int

    async def complete(self, request: CompletionRequest) -> Completion:
        """The completion. Cancelling the caller's task frees the request's place at the engine's next step.

        RuntimeError if the engine has failed or is closed.
        """
        ...

    @property
    def running(self) -> int:
        """Requests that the model works on now, for the metrics; others wait."""
        ...

    @property
    def failed(self) -> bool:
        """Whether it has failed for good: every request from now on gets RuntimeError."""
        ...

    async def close(self) -> None:
        """Refuse new requests, give up those that are left, and free the model."""
        ...
