"""Texts that come and go in the same steps are what each prompt gives alone."""

import math
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
import torch

from serve.completing import slots as slots_module
from serve.completing.job import Job
from serve.completing.request import Completion, CompletionRequest, Sampling
from serve.completing.slot_model import SlotModel
from serve.completing.slots import Slots
from serve.transformers_engine import LoadedModel
from tests.serve.completing.completing_models import KINDS, MAX_LENGTH, greedy_alone, ids, logprobs_alone, make

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

WORDS = random.Random(1).choices(range(3, 298), k=MAX_LENGTH)


class Desk:
    """Slots with a waiting list, run step by step."""

    def __init__(self, loaded: LoadedModel, slots: int = 3, cached: int = 0, ends: Sequence[int] = ()) -> None:
        self.tokenizer = loaded.tokenizer
        self.slots = Slots(SlotModel(loaded.model, slots, MAX_LENGTH), cached, ends)
        self.waiting: list[Job] = []
        self.done: dict[CompletionRequest, Completion | RuntimeError] = {}

    def bring(self, request: CompletionRequest) -> Job:
        job = Job(request, self.tokenizer, lambda outcome: self.done.update({request: outcome}))
        self.waiting.append(job)
        return job

    def turn(self) -> None:
        with torch.inference_mode():
            self.slots.drop_gone()
            self.waiting = [job for job in self.waiting if not job.gone]
            self.slots.admit(self.waiting)
            self.slots.step()

    def run(self) -> None:
        while self.waiting or self.slots.jobs:
            self.turn()

    def completion(self, request: CompletionRequest) -> Completion:
        outcome = self.done[request]
        assert isinstance(outcome, Completion)
        return outcome

    def complete(self, *requests: CompletionRequest) -> list[Completion]:
        """The completions of requests that come at once."""
        for request in requests:
            self.bring(request)
        self.run()
        return [self.completion(request) for request in requests]


@pytest.fixture(scope="module")
def own(tiny_tokenizer: "PreTrainedTokenizerFast") -> dict[str, LoadedModel]:
    """The models as they are, to compare with."""
    return {kind: make(kind, tiny_tokenizer) for kind in KINDS}


@pytest.fixture
def llama(tiny_tokenizer: "PreTrainedTokenizerFast") -> LoadedModel:
    return make("llama", tiny_tokenizer)


def prompts(count: int, seed: int = 0, longest: int = 120) -> list[tuple[int, ...]]:
    """Prompts of very different lengths, some of which share a beginning."""
    dice = random.Random(seed)
    found = []
    for _ in range(count):
        shared, new = dice.choice([0, 0, 40, 90]), dice.randint(1, longest)
        found.append((*WORDS[:shared], *dice.choices(range(3, 298), k=new)))
    return found


@pytest.mark.parametrize("cached", [0, 300])
@pytest.mark.parametrize("kind", KINDS)
def test_texts_that_join_and_leave_at_any_time_are_those_of_the_model_alone(
    own: dict[str, LoadedModel], tiny_tokenizer: "PreTrainedTokenizerFast", kind: str, cached: int
) -> None:
    """Windows of 16 tokens are shorter than most of these texts; 5 tokens that are often said end them too."""
    ends = [tiny_tokenizer.eos_token_id, *range(40, 44)]
    desk = Desk(make(kind, tiny_tokenizer), 3, cached, ends)
    desk.slots._piece = 50  # so that prompts are read in several pieces
    dice = random.Random(5)
    asked = [CompletionRequest(prompt, dice.randint(1, 20)) for prompt in prompts(14)]
    coming = list(asked)
    while coming or desk.waiting or desk.slots.jobs:
        while coming and dice.random() < 0.3:
            desk.bring(coming.pop())
        desk.turn()
        assert len(desk.slots.jobs) <= 3
        assert desk.slots.prefixes.tokens <= cached
    expected = [greedy_alone(own[kind], request.prompt, request.max_new_tokens, ends) for request in asked]
    assert [ids(desk.completion(request)) for request in asked] == expected
    reasons = {desk.completion(request).finish_reason for request in asked}
    assert reasons == {"stop", "length"} or kind != "llama"
    assert (desk.slots.counts.cached > 0) is (cached > 0)


@pytest.mark.parametrize("kind", KINDS)
def test_prompt_scores_are_those_of_a_plain_pass(
    own: dict[str, LoadedModel], tiny_tokenizer: "PreTrainedTokenizerFast", kind: str
) -> None:
    desk = Desk(make(kind, tiny_tokenizer), cached=500)
    desk.slots._scored_piece = 30
    shared = tuple(WORDS[:80])
    asked = [CompletionRequest((*shared, *tail), 0, score_prompt=True, alternatives=2) for tail in prompts(5, 3, 20)]
    for request, completion in zip(asked, desk.complete(*asked), strict=True):
        assert completion.tokens == ()
        assert completion.finish_reason == "length"
        assert [token.id for token in completion.prompt_tokens] == list(request.prompt)
        expected = logprobs_alone(own[kind], request.prompt)
        first, *others = completion.prompt_tokens
        assert (first.logprob, first.alternatives) == (0.0, ())
        for place, token in enumerate(others):
            assert token.logprob == pytest.approx(float(expected[place, token.id]), abs=2e-3)
            assert len(token.alternatives) == 2
            assert token.alternatives[0][1] == pytest.approx(float(expected[place].max()), abs=2e-3)
    # What they share was read once, though its scores were asked for.
    assert desk.slots.counts.cached >= 4 * (len(shared) - 1)


def test_a_prompt_is_scored_and_gone_on_with(own: dict[str, LoadedModel], llama: LoadedModel) -> None:
    request = CompletionRequest(tuple(WORDS[:33]), 5, score_prompt=True)
    (completion,) = Desk(llama).complete(request)
    tokens = [*request.prompt, *ids(completion)]
    expected = logprobs_alone(own["llama"], tokens)
    given = [token.logprob for token in (*completion.prompt_tokens, *completion.tokens)][1:]
    assert given == pytest.approx([float(expected[place, token]) for place, token in enumerate(tokens[1:])], abs=2e-3)


def test_a_prompt_of_one_token_is_scored(llama: LoadedModel) -> None:
    (completion,) = Desk(llama).complete(CompletionRequest((7,), 0, score_prompt=True))
    assert [(token.id, token.logprob) for token in completion.prompt_tokens] == [(7, 0.0)]


def test_requests_that_share_a_beginning_read_it_once_even_if_they_come_at_once(llama: LoadedModel) -> None:
    asked = [CompletionRequest((*WORDS[:200], 50 + number, 60), 3) for number in range(8)]
    desk = Desk(llama, slots=8, cached=1000)
    desk.slots._piece = 64
    desk.complete(*asked)
    assert desk.slots.counts.read == 202 + 7 * 2
    assert desk.slots.counts.cached == 7 * 200
    assert desk.slots.prefixes.tokens == 202


def test_a_prompt_that_waits_for_another_is_looked_at_once(llama: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing hundreds of long prompts with all that is known takes milliseconds, and would for every step."""
    desk = Desk(llama, slots=8, cached=1000)
    desk.slots._piece = 10
    looked: list[CompletionRequest] = []
    longest = desk.slots.prefixes.longest
    monkeypatch.setattr(desk.slots.prefixes, "longest", lambda request: looked.append(request) or longest(request))
    asked = [CompletionRequest((*WORDS[:200], 50 + number, 60), 1) for number in range(60)]
    jobs = [desk.bring(request) for request in asked]
    for _ in range(20):
        desk.turn()
    assert looked == asked
    assert len(desk.waiting) == 59
    desk.run()
    assert desk.slots.counts.read == 202 + 59 * 2
    assert all(job.awaited is None for job in jobs)  # else each would keep all before it in memory


def test_without_a_prefix_cache_nobody_waits(llama: LoadedModel) -> None:
    desk = Desk(llama, slots=8, cached=0)
    for number in range(8):
        desk.bring(CompletionRequest((*WORDS[:100], 50 + number), 3))
    desk.turn()
    assert len(desk.slots.jobs) == 8
    assert desk.slots.counts.cached == 0


def test_those_who_wait_for_a_beginning_go_on_when_its_reader_is_gone(llama: LoadedModel) -> None:
    desk = Desk(llama, slots=4, cached=1000)
    desk.slots._piece = 20
    first, second = (CompletionRequest((*WORDS[:100], 50 + number), 3) for number in range(2))
    reader = desk.bring(first)
    desk.bring(second)
    desk.turn()
    assert [job.request for job in desk.slots.jobs] == [first]
    reader.gone = True
    desk.run()
    assert len(desk.completion(second).tokens) == 3
    assert first not in desk.done


def test_a_long_prompt_does_not_stall_a_text_that_grows(llama: LoadedModel) -> None:
    desk = Desk(llama)
    desk.slots._piece = 10
    short = CompletionRequest((5, 6, 7), 8)
    desk.bring(short)
    desk.turn()
    long = desk.bring(CompletionRequest(tuple(WORDS[:300]), 1))
    for _ in range(7):
        desk.turn()
    assert short in desk.done
    assert long.read == 70


def test_a_job_that_nobody_waits_for_leaves_its_slot(own: dict[str, LoadedModel], llama: LoadedModel) -> None:
    desk = Desk(llama, slots=2)
    asked = [CompletionRequest((number, number + 1, 9), 12) for number in range(10, 16)]
    jobs = [desk.bring(request) for request in asked]
    desk.turn()
    jobs[0].gone = jobs[3].gone = True
    desk.turn()
    assert [job.request for job in desk.slots.jobs] == [asked[1], asked[2]]
    desk.run()
    assert set(desk.done) == {asked[1], asked[2], asked[4], asked[5]}
    for request in desk.done:
        assert ids(desk.completion(request)) == greedy_alone(own["llama"], request.prompt, 12, [1])


@pytest.mark.parametrize("rule", [{}, {"top_k": 20}, {"top_p": 0.8}, {"top_k": 50, "top_p": 0.9}])
def test_a_seed_gives_the_same_text_whatever_else_is_in_the_batch(llama: LoadedModel, rule: dict[str, Any]) -> None:
    desk = Desk(llama, slots=5, cached=200)
    sampled = [CompletionRequest(p, 15, Sampling(1.2, seed=number, **rule)) for number, p in enumerate(prompts(6, 8))]
    alone = {request: desk.complete(request)[0] for request in sampled}
    beside = [CompletionRequest(prompt, 9, Sampling(0.5 * (number % 3))) for number, prompt in enumerate(prompts(6, 9))]
    mixed = [request for pair in zip(beside, sampled, strict=True) for request in pair]
    desk.complete(*mixed)
    assert [ids(desk.completion(request)) for request in sampled] == [ids(alone[request]) for request in sampled]


def test_other_seeds_and_no_seed_give_other_texts(llama: LoadedModel) -> None:
    desk = Desk(llama)
    rules = [Sampling(3.0), Sampling(3.0), Sampling(3.0, seed=0), Sampling(3.0, seed=1)]
    texts = [tuple(ids(desk.complete(CompletionRequest((8, 9), 12, rule))[0])) for rule in rules]
    assert len(set(texts)) == 4


def test_logprobs_of_a_drawn_text_are_those_of_the_raw_logits(own: dict[str, LoadedModel], llama: LoadedModel) -> None:
    request = CompletionRequest(tuple(WORDS[:9]), 12, Sampling(2.0, top_k=40, seed=3), alternatives=4)
    (completion,) = Desk(llama).complete(request)
    tokens = [*request.prompt, *ids(completion)]
    expected = logprobs_alone(own["llama"], tokens)
    for place, token in enumerate(completion.tokens, start=len(request.prompt) - 1):
        assert token.logprob == pytest.approx(float(expected[place, token.id]), abs=2e-3)
        assert [logprob for _, logprob in token.alternatives] == pytest.approx(
            expected[place].topk(4).values.tolist(), abs=2e-3
        )


def test_a_stop_string_ends_the_text_with_the_token_that_completes_it(
    own: dict[str, LoadedModel], llama: LoadedModel
) -> None:
    prompt = tuple(WORDS[:12])
    said = greedy_alone(own["llama"], prompt, 30, [1])
    text = llama.tokenizer.decode(said)
    desk = Desk(llama)
    for stop in (text[3:5], text[10:16], text[:1]):
        (completion,) = desk.complete(CompletionRequest(prompt, 30, stop=("\0never", stop)))
        count = next(n for n in range(31) if stop in llama.tokenizer.decode(said[:n]))
        assert ids(completion) == said[:count]
        assert completion.finish_reason == "stop"


def test_a_stop_string_completed_by_the_last_token_is_a_stop(own: dict[str, LoadedModel], llama: LoadedModel) -> None:
    prompt = tuple(WORDS[:12])
    said = greedy_alone(own["llama"], prompt, 5, [1])
    last = llama.tokenizer.decode(said)[-1]
    count = next(n for n in range(6) if last in llama.tokenizer.decode(said[:n]))
    desk = Desk(llama)
    assert desk.complete(CompletionRequest(prompt, count, stop=(last,)))[0].finish_reason == "stop"
    assert desk.complete(CompletionRequest(prompt, 5))[0].finish_reason == "length"


def test_an_end_token_ends_the_text_and_is_not_in_it(own: dict[str, LoadedModel], llama: LoadedModel) -> None:
    prompt = tuple(WORDS[:12])
    said = greedy_alone(own["llama"], prompt, 10, [1])
    end = said[4]
    (completion,) = Desk(llama, ends=[end]).complete(CompletionRequest(prompt, 10))
    assert ids(completion) == said[: said.index(end)]
    assert completion.finish_reason == "stop"


def test_texts_reach_the_longest_length(own: dict[str, LoadedModel], llama: LoadedModel) -> None:
    request = CompletionRequest(tuple(WORDS[: MAX_LENGTH - 10]), 10)
    (completion,) = Desk(llama).complete(request)
    assert ids(completion) == greedy_alone(own["llama"], request.prompt, 10, [1])
    assert len(completion.tokens) == 10


def test_a_prompt_is_only_read_where_no_token_is_wanted(llama: LoadedModel) -> None:
    desk = Desk(llama, cached=500)
    prompt = tuple(WORDS[:60])
    (completion,) = desk.complete(CompletionRequest(prompt, 0))
    assert completion == Completion((), "length")
    desk.complete(CompletionRequest(prompt, 1))
    assert desk.slots.counts.cached == 59


def test_logits_that_are_not_numbers_fail_their_own_request_only(
    own: dict[str, LoadedModel], llama: LoadedModel
) -> None:
    """The token's embedding is not a number; neither is what stays in the slot, until it is cleared."""
    desk = Desk(llama, slots=2)
    with torch.no_grad():
        desk.slots.model.model.get_input_embeddings().weight[298] = math.nan
    bad = CompletionRequest((5, 298, 8, 9, 10, 11), 4)
    good = CompletionRequest((5, 6, 8, 9), 6)
    desk.bring(good)
    desk.bring(bad)
    desk.run()
    assert isinstance(desk.done[bad], RuntimeError)
    assert "not numbers" in str(desk.done[bad])
    expected = greedy_alone(own["llama"], good.prompt, 6, [1])
    assert ids(desk.completion(good)) == expected
    again = [CompletionRequest(good.prompt, 6, stop=(f"\0{number}",)) for number in range(2)]
    assert [ids(completion) for completion in desk.complete(*again)] == [expected] * 2


def test_what_a_job_that_is_given_up_leaves_in_its_slot_reaches_no_other(
    own: dict[str, LoadedModel], llama: LoadedModel
) -> None:
    """Its keys are not numbers, which its logits have not shown yet; a longer text beside has them multiplied by 0."""
    desk = Desk(llama, slots=2)
    desk.slots._piece = 10
    with torch.no_grad():
        desk.slots.model.model.get_input_embeddings().weight[298] = math.nan
    longer = CompletionRequest(tuple(WORDS[:12]), 9)
    desk.bring(longer)
    desk.turn()
    desk.turn()
    bad = desk.bring(CompletionRequest((*range(5, 14), *[298] * 30), 4))
    desk.turn()
    desk.turn()
    bad.gone = True
    good = CompletionRequest((5, 6, 7, 8, 9, 10, 11, 12), 6)
    desk.bring(good)
    desk.run()
    for request in (longer, good):
        assert ids(desk.completion(request)) == greedy_alone(own["llama"], request.prompt, request.max_new_tokens, [1])


def test_room_grows_with_the_texts_and_no_further_than_they_may(llama: LoadedModel) -> None:
    desk = Desk(llama, slots=3)
    assert not desk.slots.model.cache.layers[0].is_initialized
    desk.complete(CompletionRequest((5, 6), 3))
    assert desk.slots.model.cache.layers[0].keys.shape[::2] == (1, 256)
    desk.complete(*[CompletionRequest(tuple(WORDS[:300]), number) for number in range(30, 33)])
    assert desk.slots.model.cache.layers[0].keys.shape[::2] == (3, MAX_LENGTH)


def test_pieces_are_bounded(llama: LoadedModel) -> None:
    desk = Desk(llama)
    assert desk.slots._piece == slots_module.PIECE_ON_CPU
    assert desk.slots._scored_piece == slots_module.SCORED_LOGITS // len(llama.tokenizer)
