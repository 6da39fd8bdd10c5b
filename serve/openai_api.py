"""POST /v1/completions and GET /v1/models: for OpenAI's clients, and lm-evaluation-harness' `local-completions`.

The model's own words: no prompt is wrapped, no rule of the recipe runs. Scores need each token where it is, so a
prompt that does not fit into the window is refused here and not cut.
"""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

from serve.answering import Answering, seed_of
from serve.completing.request import Completion, CompletionRequest, Sampling, ScoredToken
from serve.facts import Facts
from serve.limits import deadline
from serve.openai_schema import Choice, CompletionsBody, CompletionsResponse, Logprobs, Usage
from serve.prompt_window import fit_prompt
from serve.refusals import Refused, invalid
from serve.returned_text import TextToken, echoed, returned
from serve.text_tokens import decode

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Prompt:
    """A prompt's tokens; `special` of them at the front are the model's own and none of the text's."""

    ids: tuple[int, ...]
    special: int


@dataclass(frozen=True)
class Answer:
    """A completion, and the end-of-sequence token behind it if that was scored."""

    completion: Completion
    end: ScoredToken | None = None


async def openai_completions(
    answering: Answering, body: CompletionsBody, facts: Facts, name: str
) -> CompletionsResponse:
    """The answer to /v1/completions. A greedy completion is worked out once for each prompt."""
    if body.stream:
        raise Refused(400, "no_streaming", "stream: this server sends whole answers; leave it out or make it false")
    answering.check_completions("n", body.n)
    sampling = Sampling(body.temperature, top_p=body.top_p, seed=body.seed)
    distinct = 1 if sampling.greedy else body.n
    if len(body.prompts) * distinct > answering.admission.places:
        raise invalid(f"prompt: this server works on at most {answering.admission.places} completions of a request")
    with answering.admission.hold(len(body.prompts) * distinct):
        async with deadline(answering.config.limits.deadline_seconds):
            prompts = await answering.prompts.run(_prompts, answering, body)
            requests = [
                _request(body, prompt, replace(sampling, seed=seed_of(body.seed, number)))
                for prompt in prompts
                for number in range(distinct)
            ]
            answers = await _complete(answering, body, requests)
            choices = await answering.prompts.run(_choices, answering, body, prompts, answers, distinct)
    facts.prompt_tokens = sum(len(prompt.ids) for prompt in prompts)
    facts.new_tokens = sum(len(answer.completion.tokens) for answer in answers)
    return CompletionsResponse(
        id=f"cmpl-{uuid.uuid4().hex}",
        created=int(time.time()),
        model=name,
        choices=choices,
        usage=Usage(
            prompt_tokens=facts.prompt_tokens,
            completion_tokens=facts.new_tokens * (body.n // distinct),
            total_tokens=facts.prompt_tokens + facts.new_tokens * (body.n // distinct),
        ),
    )


def _prompts(answering: Answering, body: CompletionsBody) -> list[Prompt]:
    """The prompts' tokens. Refused (422) for a token that the model has not, and for what does not fit."""
    tokenizer, window = answering.engine.tokenizer, answering.engine.max_length
    prompts = []
    for place, given in enumerate(body.prompts):
        if isinstance(given, str):
            fitted = fit_prompt(tokenizer, given, body.max_tokens, window, None)
            prompt, fits = Prompt(fitted.ids, fitted.special), fitted.max_new_tokens == body.max_tokens
            fits = fits and fitted.cut == 0
        else:
            _check_tokens(tokenizer, place, given)
            prompt, fits = Prompt(tuple(given), 0), len(given) + body.max_tokens <= window
        if not fits:
            raise invalid(f"prompt {place}: with max_tokens it is longer than the window of {window} tokens")
        prompts.append(prompt)
    return prompts


def _check_tokens(tokenizer: "PreTrainedTokenizerBase", place: int, ids: list[int]) -> None:
    try:
        decode(tokenizer, ids)
    except ValueError as error:
        raise invalid(f"prompt {place}: {error}") from error


def _request(body: CompletionsBody, prompt: Prompt, sampling: Sampling) -> CompletionRequest:
    return CompletionRequest(
        prompt=prompt.ids,
        max_new_tokens=body.max_tokens,
        sampling=sampling,
        stop=tuple(body.stops),
        score_prompt=body.echo and body.logprobs is not None,
        alternatives=body.logprobs or 0,
    )


async def _complete(answering: Answering, body: CompletionsBody, requests: Sequence[CompletionRequest]) -> list[Answer]:
    """The completions; where log-probabilities are wanted, with the end-of-sequence token that ended them, if one did.

    OpenAI's lists have it, and lm-evaluation-harness takes the last entry to be new in any case. The engine leaves it
    out, so it is scored behind the completion, as a prompt's last token.
    """
    if body.max_tokens == 0 and not body.echo:
        return [Answer(Completion((), "length"))] * len(requests)
    answers = [Answer(completion) for completion in await answering.complete(requests)]
    end = answering.engine.tokenizer.eos_token_id
    if body.logprobs is None or end is None:
        return answers
    ended = [
        place
        for place, answer in enumerate(answers)
        if _ended(answering, body, requests[place].prompt, answer.completion)
    ]
    behind = [_with_end(requests[place], answers[place].completion, end) for place in ended]
    for place, scored in zip(ended, await answering.complete(behind), strict=True):
        answers[place] = replace(answers[place], end=scored.prompt_tokens[-1])
    return answers


def _ended(answering: Answering, body: CompletionsBody, before: tuple[int, ...], completion: Completion) -> bool:
    """Whether the model ended the text itself."""
    if completion.finish_reason != "stop":
        return False
    text = returned(completion.tokens, answering.engine.tokenizer, before, (), ()).text
    return not any(stop in text for stop in body.stops)


def _with_end(request: CompletionRequest, completion: Completion, end: int) -> CompletionRequest:
    ids = (*request.prompt, *(token.id for token in completion.tokens), end)
    return CompletionRequest(ids, 0, score_prompt=True, alternatives=request.alternatives)


def _choices(
    answering: Answering, body: CompletionsBody, prompts: Sequence[Prompt], answers: Sequence[Answer], each: int
) -> list[Choice]:
    """The choices of all prompts; where one completion stands for `n` equal ones, it comes as often."""
    choices: list[Choice] = []
    for place, prompt in enumerate(prompts):
        own = list(answers[place * each : (place + 1) * each]) * (body.n // each)
        first = len(choices)
        choices += [_choice(answering, body, prompt, answer, first + number) for number, answer in enumerate(own)]
    return choices


def _choice(answering: Answering, body: CompletionsBody, prompt: Prompt, answer: Answer, index: int) -> Choice:
    """One choice. No token is left out, even without a text: clients tell them apart by their number."""
    tokenizer, completion = answering.engine.tokenizer, answer.completion
    scored = (*(completion.prompt_tokens or (ScoredToken(token, 0.0) for token in prompt.ids)), *completion.tokens)
    shown = echoed(scored, tokenizer, prompt.special).tokens if body.echo else ()
    new = echoed(scored, tokenizer, len(prompt.ids)).tokens
    if any(stop in "".join(token.text for token in new) for stop in body.stops):
        new = returned(completion.tokens, tokenizer, prompt.ids, body.stops, ()).tokens
    tokens = [*shown[: len(prompt.ids) - prompt.special], *new]
    text = "".join(token.text for token in tokens)
    if answer.end is not None:
        tokens.append(TextToken(answer.end.id, "", answer.end.logprob))
    first_is_free = body.echo and not prompt.special
    logprobs = None if body.logprobs is None else _logprobs(tokens, first_is_free)
    return Choice(index=index, text=text, logprobs=logprobs, finish_reason=completion.finish_reason)


def _logprobs(tokens: Sequence[TextToken], first_is_free: bool) -> Logprobs:
    """The lists of OpenAI's form; `first_is_free`: the first token has nothing before it."""
    scores: list[float | None] = [token.logprob for token in tokens]
    tops: list[dict[str, float] | None] = [_top(token) for token in tokens]
    if first_is_free:
        scores[0] = tops[0] = None
    return Logprobs(
        tokens=[token.text for token in tokens],
        token_logprobs=scores,
        top_logprobs=tops,
        text_offset=list(accumulate((len(token.text) for token in tokens[:-1]), initial=0))[: len(tokens)],
    )


def _top(token: TextToken) -> dict[str, float]:
    """The alternatives and the token itself by their texts; of those with the same text, the likeliest."""
    found = sorted([*token.alternatives, (token.text, token.logprob)], key=lambda entry: entry[1])
    return dict(found)
