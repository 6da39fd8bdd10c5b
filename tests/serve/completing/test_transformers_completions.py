"""The engine in its thread: callers come, go and are cancelled; failures and the end are told to all who wait."""

import asyncio
import random
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from serve.completing.request import Completion, CompletionRequest, Sampling
from serve.completing.transformers_completions import TransformersCompletions, load_transformers_completions
from serve.config import Batching, Limits, ServeConfig
from serve.transformers_engine import LoadedModel, load_model
from tests.serve.completing.completing_models import MAX_LENGTH, answers, greedy_alone, ids, make

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from transformers import PreTrainedTokenizerFast

PROMPTS = [tuple(random.Random(number).choices(range(3, 298), k=3 + 5 * number)) for number in range(9)]
CONFIG = ServeConfig(
    engine="transformers",
    precision="float32",
    max_length=MAX_LENGTH,
    wrap=None,
    batching=Batching(slots=3, prefix_cache_tokens=200),
    limits=Limits(queue=8, deadline_seconds=9.0, body_bytes=9999, completions=4, shutdown_seconds=1.0),
)


@pytest.fixture
def engine(tiny_model_dir: Path) -> "Iterator[TransformersCompletions]":
    engine = load_transformers_completions(str(tiny_model_dir), None, CONFIG, "cpu")
    yield engine
    asyncio.run(engine.close())


@pytest.fixture(scope="module")
def own(tiny_model_dir: Path) -> LoadedModel:
    """The model as it is, to compare with."""
    return load_model(str(tiny_model_dir), device="cpu")


def run(work: "Coroutine[Any, Any, Any]") -> Any:
    """The work's result; TimeoutError if it hangs."""
    return asyncio.run(asyncio.wait_for(work, 120))


async def until(holds: "Callable[[], bool]") -> None:
    """Wait until something holds."""
    while not holds():
        await asyncio.sleep(0.002)


def slow_steps(engine: TransformersCompletions, seconds: float = 0.02) -> None:
    """Let each step take a while, so that others come in between."""
    assert engine._slots is not None
    step = engine._slots.step

    def slow() -> None:
        time.sleep(seconds)
        step()

    engine._slots.step = slow  # type: ignore[method-assign]


def test_requests_at_once_get_what_each_gets_alone(engine: TransformersCompletions, own: LoadedModel) -> None:
    asked = [CompletionRequest(prompt, 4 + number) for number, prompt in enumerate(PROMPTS)]
    completions = run(answers(engine, *asked))
    expected = [greedy_alone(own, r.prompt, r.max_new_tokens, sorted(engine.ends)) for r in asked]
    assert [ids(completion) for completion in completions] == expected


def test_counts_tell_what_was_done(engine: TransformersCompletions) -> None:
    assert engine.counts.steps == 0
    prompt = PROMPTS[-1]
    run(answers(engine, *[CompletionRequest((*prompt, number), 3) for number in range(2)]))
    counts = engine.counts
    assert (counts.read, counts.cached, counts.generated) == (len(prompt) + 2, len(prompt), 6)
    assert 4 <= counts.steps <= 6
    run(answers(engine, CompletionRequest(prompt, 1)))
    assert counts.generated == 6  # what was given out does not change


def test_callers_in_different_threads_and_loops_are_all_answered(
    engine: TransformersCompletions, own: LoadedModel
) -> None:
    found: dict[int, Completion] = {}

    def ask(number: int) -> None:
        found[number] = run(engine.complete(CompletionRequest(PROMPTS[number], 6)))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for number in range(6):
        assert ids(found[number]) == greedy_alone(own, PROMPTS[number], 6, sorted(engine.ends))


def test_a_cancelled_request_frees_its_slot_and_others_go_on(engine: TransformersCompletions, own: LoadedModel) -> None:
    slow_steps(engine)
    long = [CompletionRequest(prompt, 300) for prompt in PROMPTS[:3]]
    short = CompletionRequest(PROMPTS[4], 5)

    async def work() -> Completion:
        tasks = [asyncio.create_task(engine.complete(request)) for request in long]
        await until(lambda: engine.running == 3)
        waits = asyncio.create_task(engine.complete(CompletionRequest(PROMPTS[5], 5)))
        last = asyncio.create_task(engine.complete(short))
        await asyncio.sleep(0.05)
        for task in (tasks[1], waits):
            task.cancel()
        completion = await last
        assert not tasks[0].done()
        for task in tasks:
            task.cancel()
        await until(lambda: engine.running == 0)
        results = await asyncio.gather(*tasks, waits, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        return completion

    # None of the long ones may end by itself while this runs.
    engine._slots.ends = frozenset()  # type: ignore[union-attr]
    assert ids(run(work())) == greedy_alone(own, short.prompt, 5, [])[:5]
    assert engine.counts.generated < 3 * 300


def test_a_deadline_cancels(engine: TransformersCompletions) -> None:
    slow_steps(engine, 0.05)

    async def work() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(engine.complete(CompletionRequest(PROMPTS[0], 300)), 0.2)
        await until(lambda: engine.running == 0)

    engine._slots.ends = frozenset()  # type: ignore[union-attr]
    run(work())


def test_a_closed_event_loop_does_not_break_the_engine(engine: TransformersCompletions, own: LoadedModel) -> None:
    slow_steps(engine)
    loop = asyncio.new_event_loop()
    task = loop.create_task(engine.complete(CompletionRequest(PROMPTS[1], 20)))
    loop.run_until_complete(until(lambda: engine.running == 1))
    loop.close()
    completion = run(engine.complete(CompletionRequest(PROMPTS[2], 25)))
    assert ids(completion) == greedy_alone(own, PROMPTS[2], 25, sorted(engine.ends))
    assert not task.done()
    task._log_destroy_pending = False  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("shape"), IndexError("index")]
)
def test_a_step_that_fails_fails_its_requests_and_the_next_ones_are_served(
    engine: TransformersCompletions, own: LoadedModel, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    assert engine._slots is not None
    model: Any = engine._slots.model.model
    broken = model.register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(error))

    async def fail() -> list[Any]:
        return await asyncio.gather(
            *(engine.complete(CompletionRequest(prompt, 5)) for prompt in PROMPTS[:3]), return_exceptions=True
        )

    outcomes = run(fail())
    assert [type(outcome) for outcome in outcomes] == [RuntimeError] * 3
    assert str(error) in str(outcomes[0])
    assert "requests are given up" in caplog.text
    broken.remove()
    completion = run(engine.complete(CompletionRequest(PROMPTS[3], 5)))
    assert ids(completion) == greedy_alone(own, PROMPTS[3], 5, sorted(engine.ends))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("error", [torch.AcceleratorError("device-side assert", 710), KeyError("a fault of ours")])
def test_an_engine_that_cannot_go_on_says_so_to_all_who_wait_and_come(
    engine: TransformersCompletions, error: Exception
) -> None:
    assert engine._slots is not None
    model: Any = engine._slots.model.model
    model.register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(error))

    async def work() -> list[Any]:
        return await asyncio.gather(
            *(engine.complete(CompletionRequest(prompt, 5)) for prompt in PROMPTS[:6]), return_exceptions=True
        )

    for outcome in run(work()):
        assert isinstance(outcome, RuntimeError)
        assert "the engine has failed" in str(outcome)
    with pytest.raises(RuntimeError, match="the engine has failed"):
        run(engine.complete(CompletionRequest(PROMPTS[0], 5)))
    assert engine.failed and engine.running == 0


def test_closing_gives_up_what_is_left_and_frees_the_model(engine: TransformersCompletions) -> None:
    slow_steps(engine)

    async def work() -> list[Any]:
        tasks = [asyncio.create_task(engine.complete(CompletionRequest(prompt, 300))) for prompt in PROMPTS[:5]]
        await until(lambda: engine.running == 3)
        await engine.close()
        return await asyncio.gather(*tasks, return_exceptions=True)

    engine._slots.ends = frozenset()  # type: ignore[union-attr]
    outcomes = run(work())
    assert [str(outcome) for outcome in outcomes] == ["the engine is closed"] * 5
    assert all(isinstance(outcome, RuntimeError) for outcome in outcomes)
    assert not engine._thread.is_alive()
    assert engine._slots is None
    assert engine.running == 0
    with pytest.raises(RuntimeError, match="closed"):
        run(engine.complete(CompletionRequest(PROMPTS[0], 1)))
    run(engine.close())  # twice does no harm


def test_an_idle_engine_uses_no_processor_time(engine: TransformersCompletions) -> None:
    run(engine.complete(CompletionRequest(PROMPTS[0], 2)))
    clock = time.pthread_getcpuclockid(engine._thread.ident)  # type: ignore[arg-type]
    before = time.clock_gettime(clock)
    time.sleep(0.5)
    assert time.clock_gettime(clock) - before < 0.02


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (CompletionRequest((), 1), "at least one token"),
        (CompletionRequest((5,) * MAX_LENGTH, 1), f"at most {MAX_LENGTH} together"),
        (CompletionRequest((5,), MAX_LENGTH), f"at most {MAX_LENGTH} together"),
        (CompletionRequest((5,), -1), "-1 new ones"),
        (CompletionRequest((5, 298 + 100), 1), "outside of the model's"),
        (CompletionRequest((-1,), 1), "outside of the model's"),
        (CompletionRequest((5,), 1, stop=("a", "")), "empty stop string"),
    ],
)
def test_requests_that_no_caller_may_make_are_refused(
    engine: TransformersCompletions, request_: CompletionRequest, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run(engine.complete(request_))
    assert engine.counts.steps == 0


def test_a_window_beyond_the_model_s_is_refused_with_both_numbers(tiny_model_dir: Path) -> None:
    config = CONFIG.model_copy(update={"max_length": 5000})
    with pytest.raises(ValueError, match=r"max_length: 5000 .* 4096"):
        load_transformers_completions(str(tiny_model_dir), None, config, "cpu")


def test_positions_that_depend_on_the_text_s_length_are_refused(tiny_tokenizer: "PreTrainedTokenizerFast") -> None:
    loaded = make("llama", tiny_tokenizer)
    loaded.model.config.rope_parameters = {
        "rope_type": "dynamic",
        "rope_theta": 10000.0,
        "factor": 2.0,
        "original_max_position_embeddings": 128,
    }
    with pytest.raises(ValueError, match="beyond 128 tokens"):
        TransformersCompletions(loaded, 129, 2, 0)


@pytest.mark.parametrize("kind", ["mamba", "llama4", "gpt_oss", "qwen3_next"])
def test_models_without_keys_for_each_token_are_refused(kind: str, tiny_tokenizer: "PreTrainedTokenizerFast") -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    text = {
        "vocab_size": 299,
        "hidden_size": 64,
        "intermediate_size": 64,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "pad_token_id": 2,
        "num_local_experts": 2,
        "num_experts": 2,
        "num_experts_per_tok": 1,
        "moe_intermediate_size": 16,
        "state_size": 4,
    }
    if kind == "llama4":
        from transformers import Llama4ForCausalLM, Llama4TextConfig

        model: Any = Llama4ForCausalLM(Llama4TextConfig(**text, attention_chunk_size=16))
    else:
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **text))
    with pytest.raises(ValueError, match="engine: vllm"):
        TransformersCompletions(LoadedModel(model, tiny_tokenizer), 64, 2, 0)


def test_a_seed_gives_the_same_text_alone_and_beside_others(engine: TransformersCompletions) -> None:
    asked = [CompletionRequest(p, 12, Sampling(1.5, top_p=0.9, seed=n)) for n, p in enumerate(PROMPTS)]
    together = run(answers(engine, *asked))
    assert [ids(run(engine.complete(request))) for request in asked] == [ids(each) for each in together]
