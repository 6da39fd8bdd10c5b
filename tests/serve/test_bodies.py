import asyncio
import gc
from typing import Any

import pytest
from starlette.types import ASGIApp

from serve import bodies
from serve.app import create_app
from tests.serve.asgi import Client, post
from tests.serve.toy_engine import NO_RULES, ToyEngine, config


def app_of(tokenizer: Any, engine: ToyEngine | None = None, **limits: Any) -> ASGIApp:
    return create_app(engine or ToyEngine(tokenizer), config(limits), "toy", NO_RULES)


def test_a_body_announced_as_too_long_is_refused_unread(tiny_tokenizer: Any) -> None:
    for length in (b"1025", b"9" * 30):
        client = Client("/process", [b"x"], headers=[(b"content-length", length)])
        asyncio.run(client.call(app_of(tiny_tokenizer, body_bytes=1024)))
        assert (client.status, client.received) == (413, 0)
        assert client.json["error"]["type"] == "body_too_long" and "1024 bytes" in client.json["error"]["message"]


def test_a_body_that_grows_too_long_is_refused_as_soon_as_it_does(tiny_tokenizer: Any) -> None:
    client = Client("/process", [b" " * 500] * 10)
    asyncio.run(client.call(app_of(tiny_tokenizer, body_bytes=1024)))
    assert (client.status, client.received) == (413, 3)


def test_a_body_of_the_most_bytes_is_read_whatever_its_parts(tiny_tokenizer: Any) -> None:
    body = b'{"prompt": "a", "temperature": 0}'.ljust(1024)
    for parts in ([body], [body[:7], b"", body[7:]], [bytes([byte]) for byte in body]):
        client = asyncio.run(Client("/process", parts).call(app_of(tiny_tokenizer, body_bytes=1024)))
        assert (client.status, client.json["text"]) == (200, " Paris.\n\nQ: more")


def test_a_body_that_does_not_end_in_time_gets_408(tiny_tokenizer: Any) -> None:
    client = Client("/process", [b'{"prompt"'], endless=True)
    asyncio.run(client.call(app_of(tiny_tokenizer, deadline_seconds=0.05)))
    assert (client.status, client.json["error"]["type"]) == (408, "slow_body")


def test_a_body_still_to_come_when_the_server_stops_gets_503_at_once(tiny_tokenizer: Any) -> None:
    app = create_app(ToyEngine(tiny_tokenizer), config({"deadline_seconds": 600}), "toy", NO_RULES)

    async def run() -> Client:
        client = Client("/process", [b'{"prompt"'], endless=True)
        call = asyncio.create_task(client.call(app))
        while not client.received:
            await asyncio.sleep(0.001)
        app.state.admission.end_uploads()
        return await asyncio.wait_for(call, 5)

    client = asyncio.run(run())
    assert (client.status, client.json["error"]["type"]) == (503, "stopping")
    assert not app.state.admission.uploads


def test_a_body_whose_time_is_over_as_the_server_stops_is_answered_once(tiny_tokenizer: Any) -> None:
    app = create_app(ToyEngine(tiny_tokenizer), config({"deadline_seconds": 0.01}), "toy", NO_RULES)

    async def run() -> Client:
        client = Client("/process", [b'{"prompt"'], endless=True)
        call = asyncio.create_task(client.call(app))
        limits = app.state.admission.uploads
        while not any(limit.expired() for limit in limits):
            await asyncio.sleep(0)
        app.state.admission.end_uploads()
        return await asyncio.wait_for(call, 5)

    assert asyncio.run(run()).status == 503


def test_all_bodies_together_are_bounded(tiny_tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODIES_IN_MEMORY", 2)

    async def run() -> None:
        engine = ToyEngine(tiny_tokenizer, seconds=0.2)
        app = app_of(tiny_tokenizer, engine, body_bytes=1024)
        long = b'{"prompt": "a", "temperature": 0}'.ljust(1000)
        held = [asyncio.create_task(Client("/process", [long]).call(app)) for _ in range(2)]
        while len(engine.asked) < 2:
            await asyncio.sleep(0.001)
        refused = await Client("/process", [long]).call(app)
        assert (refused.status, refused.json["error"]["type"]) == (503, "bodies_full")
        assert refused.answer_headers["retry-after"] == "1"
        assert [client.status for client in await asyncio.gather(*held)] == [200, 200]
        assert (await Client("/process", [long]).call(app)).status == 200

    asyncio.run(run())


def test_a_client_gone_before_the_end_of_its_body_gets_nothing(tiny_tokenizer: Any) -> None:
    engine = ToyEngine(tiny_tokenizer)
    client = Client("/process", [b'{"prompt"'], endless=True)

    async def run() -> None:
        client.gone.set()
        await client.call(app_of(tiny_tokenizer, engine))

    asyncio.run(run())
    assert client.status is None and engine.asked == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/process", {"prompt": "a", "temperature": 0}),
        ("/process", {"prompt": "a", "temperature": 1, "num_samples": 2}),
        ("/v1/completions", {"prompt": ["a", "b"]}),
    ],
)
def test_a_client_that_hangs_up_frees_its_places_and_counts(
    tiny_tokenizer: Any, path: str, body: dict[str, Any]
) -> None:
    async def run() -> None:
        engine = ToyEngine(tiny_tokenizer, seconds=30)
        app = app_of(tiny_tokenizer, engine)
        client = post(path, **body)
        request = asyncio.create_task(client.call(app))
        while not engine.running:
            await asyncio.sleep(0.001)
        client.gone.set()
        await asyncio.wait_for(request, 5)
        assert (client.status, client.body, engine.running, engine.finished) == (None, b"", 0, 0)
        metrics = (await Client("/metrics", method="GET").call(app)).body.decode()
        assert 'oneday_cancelled_total{reason="disconnect"} 1.0' in metrics
        assert f'oneday_requests_total{{path="{path}",status="499"}} 1.0' in metrics
        assert "oneday_completions_in_flight 0.0" in metrics

    asyncio.run(run())


def test_a_client_that_hangs_up_while_it_waits_never_reaches_the_model(tiny_tokenizer: Any) -> None:
    async def run() -> None:
        engine = ToyEngine(tiny_tokenizer, seconds=0.1, slots=1)
        app = app_of(tiny_tokenizer, engine)
        first, second = (post("/process", prompt="a", temperature=0) for _ in range(2))
        requests = [asyncio.create_task(client.call(app)) for client in (first, second)]
        while len(engine.asked) < 2:
            await asyncio.sleep(0.001)
        second.gone.set()
        await asyncio.gather(*requests)
        assert (first.status, second.status, engine.finished) == (200, None, 1)

    asyncio.run(run())


def test_an_answer_that_has_begun_is_finished_and_its_client_is_not_counted_as_gone(tiny_tokenizer: Any) -> None:
    async def run() -> None:
        app = app_of(tiny_tokenizer)
        client = post("/process", prompt="a", temperature=0)
        client.gone_at_start = True
        await client.call(app)
        assert (client.status, client.json["text"]) == (200, " Paris.\n\nQ: more")
        assert b"oneday_cancelled_total{" not in (await Client("/metrics", method="GET").call(app)).body

    asyncio.run(run())


def test_no_task_is_left_behind(tiny_tokenizer: Any) -> None:
    async def run() -> None:
        app = app_of(tiny_tokenizer)
        for body in (b'{"prompt": "a"}', b"{", b'{"prompt": 1}'):
            await Client("/process", [body]).call(app)
        gc.collect()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())
