"""A deterministic engine for the server's tests: known tokens, at a known pace, and what it was asked."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.testclient import TestClient

from postprocess.cases import RuleSet
from serve.app import create_app
from serve.completing.request import Completion, CompletionEngine, CompletionRequest, ScoredToken
from serve.config import ServeConfig

CONFIG: dict[str, Any] = {
    "engine": "transformers",
    "precision": "float32",
    "max_length": 256,
    "wrap": None,
    "batching": {"slots": 2, "prefix_cache_tokens": 0},
    "limits": {
        "queue": 2,
        "deadline_seconds": 20,
        "body_bytes": 100_000,
        "completions": 4,
        "shutdown_seconds": 5,
    },
}


def config(limits: dict[str, Any] | None = None, **changes: Any) -> ServeConfig:
    """The settings of a small server."""
    return ServeConfig.model_validate(CONFIG | changes | {"limits": CONFIG["limits"] | (limits or {})})


NO_RULES = RuleSet(default=())


def rule_set(*default: Any, cases: Sequence[dict[str, Any]] = ()) -> RuleSet:
    """The rules of every prompt, as rules.yaml names them, but of those that have a case."""
    return RuleSet.model_validate({"cases": list(cases), "default": list(default)})


def with_beginning(tokenizer: Any) -> Any:
    """A copy of the tokenizer that puts a special token before every text, as Llama's do."""
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    inner.add_special_tokens(["<s>"])
    mark = [("<s>", inner.token_to_id("<s>"))]
    inner.post_processor = TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=mark)
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="<eos>", pad_token="<pad>")


@dataclass
class ToyEngine:
    """Says `answer` to every prompt, one completion in `slots` at a time, and no faster than `seconds` each.

    A seed other than None is said behind the answer when it draws. `failure` is raised instead.
    """

    tokenizer: Any
    answer: str = " Paris.\n\nQ: more"
    seconds: float = 0.0
    slots: int = 2
    max_length: int = 256
    failure: Exception | None = None
    asked: list[CompletionRequest] = field(default_factory=list)
    finished: int = 0
    running: int = 0
    closed: bool = False
    failed: bool = False

    def __post_init__(self) -> None:
        self.free = asyncio.Semaphore(self.slots)

    async def complete(self, request: CompletionRequest) -> Completion:
        """See `CompletionEngine.complete`."""
        self.asked.append(request)
        if self.failure is not None:
            raise self.failure
        if self.closed:
            raise RuntimeError("the engine is closed")
        async with self.free:
            self.running += 1
            try:
                await asyncio.sleep(self.seconds)
            finally:
                self.running -= 1
        self.finished += 1
        seed = "" if request.sampling.greedy or request.sampling.seed is None else f" {request.sampling.seed}"
        ids = self.tokenizer(self.answer + seed, add_special_tokens=False)["input_ids"]
        tokens = [self._scored(token, request) for token in ids[: request.max_new_tokens]]
        prompt = [self._scored(token, request) for token in request.prompt] if request.score_prompt else []
        prompt[:1] = [ScoredToken(request.prompt[0], 0.0)] if prompt else []
        return Completion(tuple(tokens), "length" if len(ids) >= request.max_new_tokens else "stop", tuple(prompt))

    def _scored(self, token: int, request: CompletionRequest) -> ScoredToken:
        likeliest = tuple((token + other, -0.5 - other) for other in range(request.alternatives))
        return ScoredToken(token, math.log(1 / (2 + token)), likeliest)

    async def close(self) -> None:
        """See `CompletionEngine.close`."""
        self.closed = True


def client_of(engine: CompletionEngine, settings: ServeConfig | None = None, rules: RuleSet = NO_RULES) -> TestClient:
    """A client of the application on an engine."""
    return TestClient(create_app(engine, settings or config(), "tiny", rules))
