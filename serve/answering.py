"""A request's body -> the engine -> the answer's body. Prompts are made to fit, texts are cut and cleaned here."""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from postprocess.cases import Case, RuleSet
from serve.completing.request import Completion, CompletionEngine, CompletionRequest, Sampling
from serve.config import ServeConfig
from serve.facts import Facts
from serve.limits import Admission, TextThreads, deadline
from serve.prompt_window import FittedPrompt, fit_prompt
from serve.refusals import invalid
from serve.returned_text import TextToken, echoed, returned
from serve.schema import (
    LARGEST_INT,
    DecodeRequest,
    DecodeResponse,
    ProcessRequest,
    ProcessResponse,
    TextCompletion,
    Token,
    TokenizeRequest,
    TokenizeResponse,
)
from serve.stop_strings import engine_stops
from serve.text_tokens import decode, tokenize

PROMPT_THREADS, TEXT_THREADS = 2, 2
MOST_TEXTS = 256  # calls of /tokenize and /decode at a time; HELM sends as many as it has threads


class EngineFailed(Exception):
    """The engine could not answer; its own error is the cause."""


@dataclass(frozen=True)
class Answering:
    """What answers requests: an engine within the limits of its settings, and the rules that clean its texts."""

    engine: CompletionEngine
    config: ServeConfig
    rules: RuleSet
    admission: Admission
    prompts: TextThreads
    texts: TextThreads

    @classmethod
    def of(cls, engine: CompletionEngine, config: ServeConfig, rules: RuleSet) -> "Answering":
        """The same, with nothing in work. ValueError for a tokenizer whose tokens cannot be told as texts."""
        fit_prompt(engine.tokenizer, "a", 0, engine.max_length, None)  # a tokenizer that will not do is told of now
        places = config.batching.slots + config.limits.queue
        prompts, texts = TextThreads(PROMPT_THREADS, places), TextThreads(TEXT_THREADS, MOST_TEXTS)
        return cls(engine, config, rules, Admission(places), prompts, texts)

    async def process(self, request: ProcessRequest, facts: Facts) -> ProcessResponse:
        """The completions of a prompt. A greedy one is worked out once, however many are asked for."""
        started = time.monotonic()
        self.check_completions("num_return_sequences", request.completions)
        sampling = Sampling(request.temperature, request.top_k, request.top_p, request.seed)
        distinct = 1 if sampling.greedy else request.completions
        with self.admission.hold(distinct):
            async with deadline(self.config.limits.deadline_seconds):
                completions = await self._completions(request, sampling, distinct, facts)
        completions *= request.completions // distinct
        first, seconds = completions[0], time.monotonic() - started
        others = completions if len(completions) > 1 else None
        return ProcessResponse(
            text=first.text, tokens=first.tokens, logprob=first.logprob, request_time=seconds, completions=others
        )

    async def tokenize(self, request: TokenizeRequest) -> TokenizeResponse:
        """The tokens of a text, without any that the model would put before it."""
        started = time.monotonic()
        self.admission.check_running()
        arguments = (self.engine.tokenizer, request.text, request.truncation, request.max_length)
        tokens = await self.texts.run(tokenize, *arguments)
        return TokenizeResponse(tokens=tokens, request_time=time.monotonic() - started)

    async def decode(self, request: DecodeRequest) -> DecodeResponse:
        """The text of tokens. Refused (422) for a token that the tokenizer does not have."""
        started = time.monotonic()
        self.admission.check_running()
        try:
            text = await self.texts.run(decode, self.engine.tokenizer, request.tokens)
        except ValueError as error:
            raise invalid(f"tokens: {error}") from error
        return DecodeResponse(text=text, request_time=time.monotonic() - started)

    async def close(self) -> None:
        """Refuse everything from now on, and give up what is left."""
        self.admission.stop()
        self.prompts.close()
        self.texts.close()
        await self.engine.close()

    def check_completions(self, field: str, wanted: int) -> None:
        """Refused (422) for more completions than may be asked for."""
        most = min(self.config.limits.completions, self.admission.places)
        if wanted > most:
            raise invalid(f"{field}: this server gives at most {most} completions of a prompt")

    async def complete(self, requests: Sequence[CompletionRequest]) -> list[Completion]:
        """The engine's completions, worked on at once. EngineFailed if it fails; the others are given up then."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._complete(request)) for request in requests]
        except ExceptionGroup as failures:
            raise failures.exceptions[0]  # noqa: B904
        return [task.result() for task in tasks]

    async def _complete(self, request: CompletionRequest) -> Completion:
        try:
            return await self.engine.complete(request)
        except ValueError as error:  # tokens that the tokenizer has and the model has not
            raise invalid(f"prompt: {error}") from error
        except RuntimeError as error:
            self.admission.check_running()
            raise EngineFailed(f"the engine failed: {error}") from error

    async def _completions(
        self, request: ProcessRequest, sampling: Sampling, count: int, facts: Facts
    ) -> list[TextCompletion]:
        """So many completions."""
        case, fitted = await self.prompts.run(self._read, request)
        facts.case, facts.prompt_tokens = case.name, len(fitted.ids)
        if fitted.max_new_tokens == 0 and not request.echo_prompt:
            return [TextCompletion(text="", tokens=[], logprob=0.0)] * count
        stops = engine_stops(request.stop_sequences, case.rules)
        completions = await self.complete(
            [
                CompletionRequest(
                    prompt=fitted.ids,
                    max_new_tokens=fitted.max_new_tokens,
                    sampling=replace(sampling, seed=seed_of(request.seed, number)),
                    stop=stops,
                    score_prompt=request.echo_prompt and number == 0,
                    alternatives=request.top_k_per_token,
                )
                for number in range(count)
            ]
        )
        facts.new_tokens = sum(len(completion.tokens) for completion in completions)
        return await self.prompts.run(self._texts, request, fitted, completions, case)

    def _read(self, request: ProcessRequest) -> tuple[Case, FittedPrompt]:
        """The rules for the prompt as it was sent, and the prompt as the model reads it.

        Only a prompt that gets an answer is wrapped: others are returned or scored as sent.
        """
        wrap = None if request.echo_prompt or request.max_new_tokens == 0 else self.config.wrap
        arguments = (request.prompt, request.max_new_tokens, self.engine.max_length, wrap)
        return self.rules.for_prompt(request.prompt), fit_prompt(self.engine.tokenizer, *arguments)

    def _texts(
        self, request: ProcessRequest, fitted: FittedPrompt, completions: Sequence[Completion], case: Case
    ) -> list[TextCompletion]:
        """What the completions say, each behind the prompt if that is wanted. The rules are not for a prompt."""
        tokenizer = self.engine.tokenizer
        prompt: tuple[TextToken, ...] = ()
        if request.echo_prompt:
            prompt = echoed(completions[0].prompt_tokens, tokenizer, fitted.special).tokens
        answers = [
            returned(completion.tokens, tokenizer, fitted.ids, request.stop_sequences, case.rules).tokens
            for completion in completions
        ]
        return [_text_completion((*prompt, *answer)) for answer in answers]


def seed_of(seed: int | None, number: int) -> int | None:
    """The seed of the completion of that number: the request's own for the first, one hashed from it for the others.

    Neighbouring seeds of requests so share no completion, as adding the number would make them.
    """
    if seed is None or number == 0:
        return seed
    digest = blake2b(f"{seed} {number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) & LARGEST_INT


def _text_completion(tokens: Sequence[TextToken]) -> TextCompletion:
    return TextCompletion(
        text="".join(token.text for token in tokens),
        tokens=[
            Token(text=token.text, logprob=token.logprob, top_logprob=top_logprob(token.alternatives))
            for token in tokens
        ],
        logprob=math.fsum(token.logprob for token in tokens),
    )


def top_logprob(alternatives: Sequence[tuple[str, float]]) -> dict[str, float]:
    """The alternatives by their texts; of tokens with the same text, the likeliest."""
    return dict(reversed(alternatives))
