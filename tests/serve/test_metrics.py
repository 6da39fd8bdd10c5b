import asyncio
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp

from serve.app import create_app
from serve.completing.slots import Counts
from tests.serve.asgi import Client, post
from tests.serve.toy_engine import NO_RULES, ToyEngine, config


async def samples(app: ASGIApp) -> dict[str, float]:
    text = (await Client("/metrics", method="GET").call(app)).body.decode()
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def test_requests_are_counted_by_path_and_status_and_timed(tiny_tokenizer: Any) -> None:
    async def run() -> None:
        app = create_app(ToyEngine(tiny_tokenizer), config(), "toy", NO_RULES)
        for client in (post("/process", prompt="ab"), post("/process"), post("/tokenize", text="a"), post("/nowhere")):
            await client.call(app)
        found = await samples(app)
        assert found['oneday_requests_total{path="/process",status="200"}'] == 1
        assert found['oneday_requests_total{path="/process",status="422"}'] == 1
        assert found['oneday_requests_total{path="/tokenize",status="200"}'] == 1
        assert found['oneday_requests_total{path="other",status="404"}'] == 1
        assert found['oneday_request_seconds_count{path="/process"}'] == 2
        assert found['oneday_rejected_total{reason="invalid_request"}'] == 1
        assert (found["oneday_prompt_tokens_total"], found["oneday_new_tokens_total"]) == (2, 16)

    asyncio.run(run())


def test_what_runs_and_what_waits_are_told_apart(tiny_tokenizer: Any) -> None:
    async def run() -> None:
        engine = ToyEngine(tiny_tokenizer, seconds=0.2, slots=2)
        app = create_app(engine, config(), "toy", NO_RULES)
        requests = [asyncio.create_task(post("/process", prompt="a", temperature=0).call(app)) for _ in range(4)]
        while len(engine.asked) < 4:
            await asyncio.sleep(0.001)
        found = await samples(app)
        names = ("in_flight", "running", "queued")
        assert [found[f"oneday_completions_{name}"] for name in names] == [4, 2, 2]
        assert found["oneday_http_requests"] == 5
        await asyncio.gather(*requests)
        found = await samples(app)
        assert [found[f"oneday_completions_{name}"] for name in names] == [0, 0, 0]

    asyncio.run(run())


def test_each_application_counts_for_itself(tiny_tokenizer: Any) -> None:
    async def run() -> None:
        one, other = (create_app(ToyEngine(tiny_tokenizer), config(), "toy", NO_RULES) for _ in range(2))
        await post("/process", prompt="a").call(one)
        assert 'oneday_requests_total{path="/process",status="200"}' not in await samples(other)

    asyncio.run(run())


def test_an_engine_s_own_counts_are_shown(tiny_tokenizer: Any) -> None:
    @dataclass
    class Counting(ToyEngine):
        @property
        def counts(self) -> Counts:
            return Counts(read=5, cached=7, generated=3, steps=2)

    async def run() -> None:
        found = await samples(create_app(Counting(tiny_tokenizer), config(), "toy", NO_RULES))
        assert found["oneday_engine_read_tokens_total"] == 5
        assert found["oneday_engine_cached_tokens_total"] == 7
        assert found["oneday_engine_generated_tokens_total"] == 3
        assert found["oneday_engine_steps_total"] == 2
        assert "oneday_engine_steps_total" not in await samples(
            create_app(ToyEngine(tiny_tokenizer), config(), "toy", NO_RULES)
        )

    asyncio.run(run())
