"""The soak's requests are the same for a seed, and every wrong answer of a server is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from benchmarks import serving
from benchmarks.serving_requests import KINDS, Sent, fault_of_answer, largest_requests, mixed_requests
from benchmarks.serving_servers import Server
from benchmarks.serving_soak import Outcome, fault_of, gauges, leave, make_model, send, tracebacks

SAID = {
    "text": "ab",
    "tokens": [{"text": "a", "logprob": -0.5}, {"text": "b", "logprob": -0.25}],
    "logprob": -0.75,
    "request_time": 0.1,
}


def test_requests_are_those_of_the_seed() -> None:
    first, again, other = (mixed_requests(300, seed, 128, 2048, 320) for seed in (1, 1, 2))
    assert [one.body for one in first] == [one.body for one in again] != [one.body for one in other]
    assert len({one.kind for one in first}) == len(KINDS)
    for one in first:
        assert one.kind == "oversize body" or len(one.body or b"") <= 2048 or one.kind == "invalid body"


def test_the_largest_requests_fit_into_a_body_and_ask_for_all_alternatives() -> None:
    largest = largest_requests(6, 128, 4096)
    assert all(1024 < len(one.body or b"") < 4096 for one in largest)
    asked = [json.loads(one.body or b"") for one in largest if one.path == "/process"]
    assert {body["top_k_per_token"] for body in asked} == {100}
    assert [body.get("num_samples", 1) for body in asked] == [1, 4] * 2


def test_the_texts_are_of_every_plane_and_can_be_sent() -> None:
    prompts = [
        json.loads(one.body or b"")["prompt"]
        for one in mixed_requests(2000, 0, 128, 2048, 320)
        if "unicode" in one.kind
    ]
    planes = {ord(character) >> 16 for prompt in prompts for character in prompt}
    assert planes == {0, 1, 2, 3, 14, 15, 16}
    assert not any(0xD800 <= ord(character) < 0xE000 for prompt in prompts for character in prompt)


@pytest.mark.parametrize(
    ("body", "changes", "fault"),
    [
        ({"prompt": "p"}, {}, None),
        ({"prompt": "p", "num_samples": 2}, {}, "1 completions, not 2"),
        ({"prompt": "p", "num_return_sequences": 2}, {"completions": [SAID, SAID]}, None),
        ({"prompt": "p"}, {"request_time": -1}, "a negative request_time"),
        ({"prompt": "p"}, {"text": "abc"}, "the tokens do not join to the text"),
        ({"prompt": "p"}, {"tokens": [{"text": "ab", "logprob": 0.5}]}, "a log-probability that is none"),
        ({"prompt": "p"}, {"tokens": [{"text": "ab", "logprob": float("-inf")}]}, "a log-probability that is none"),
        ({"prompt": "p"}, {"logprob": -1}, "logprob is not the sum of its tokens'"),
        ({"prompt": "p", "echo_prompt": True}, {}, "the prompt is not echoed"),
        ({"prompt": "a", "echo_prompt": True}, {}, None),
        ({"prompt": "\u0013a", "echo_prompt": True}, {}, None),
        ({"prompt": "p", "stop_sequences": ["b"]}, {}, "a stop sequence is in the text"),
        ({"prompt": "ab", "echo_prompt": True, "stop_sequences": ["b"]}, {}, None),
    ],
)
def test_what_is_wrong_with_an_answer_is_named(
    body: dict[str, Any], changes: dict[str, Any], fault: str | None
) -> None:
    assert fault_of_answer(body, SAID | changes) == fault


def test_another_status_is_a_fault() -> None:
    sent = Sent("any", "/process", b"{}", frozenset({422}))
    assert fault_of(sent, httpx.Response(422, json={})) is None
    assert str(fault_of(sent, httpx.Response(500, text="oh"))).startswith("status 500, not [422]: oh")


def test_memory_is_compared_between_the_first_quarter_and_the_end() -> None:
    flat = Outcome(memory=[50, 90, *[100] * 18])
    grown = Outcome(memory=[*[100] * 18, 106, 106])
    assert flat.growth() == 0.0
    assert grown.growth() == pytest.approx(0.06)


def test_gauges_without_labels_are_read() -> None:
    lines = ["# TYPE oneday_running gauge", "oneday_running 2.0", 'oneday_requests_total{path="/x"} 7.0']
    assert gauges(lines) == {"oneday_running": 2.0}


def test_a_traceback_in_the_log_is_found(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('ready\n{"traceback": "Traceback (most recent call last)"}\n')
    assert len(tracebacks(log)) == 1


@asynccontextmanager
async def toy_server(answers: Callable[[bytes], bytes]) -> AsyncIterator[tuple[Server, list[bytes]]]:
    """A server that answers what it has read of a connection, and keeps it."""
    read: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while got := await reader.read(65536):
            read.append(got)
            writer.write(answers(got))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield Server("toy", f"http://127.0.0.1:{port}", cast(Any, None)), read


def test_a_full_server_is_asked_again_after_the_time_that_it_says() -> None:
    replies = [
        b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ]

    async def work() -> Outcome:
        outcome = Outcome()
        async with (
            toy_server(lambda got: replies.pop(0)) as (server, _),
            httpx.AsyncClient(base_url=server.url) as http,
        ):
            await send(server, http, Sent("any", "/process", b"{}"), outcome)
        return outcome

    outcome = asyncio.run(work())
    assert (outcome.retries, outcome.faults, outcome.statuses["any"]["200"]) == (1, [], 1)


def test_a_connection_that_breaks_is_a_fault() -> None:
    async def work() -> Outcome:
        outcome = Outcome()
        async with (
            toy_server(lambda got: b"no HTTP\r\n\r\n") as (server, _),
            httpx.AsyncClient(base_url=server.url) as http,
        ):
            await send(server, http, Sent("any", "/process", b"{}"), outcome)
        return outcome

    outcome = asyncio.run(work())
    assert outcome.faults[0].startswith("any: RemoteProtocolError")


@pytest.mark.parametrize(("seconds", "body"), [(0.0, b"12"), (0.01, b"1234")])
def test_a_client_leaves_with_its_body_half_sent_or_without_its_answer(seconds: float, body: bytes) -> None:
    async def work() -> bytes:
        async with toy_server(lambda got: b"") as (server, read):
            await leave(server, Sent("any", "/process", b"1234", gone=seconds), seconds)
            await asyncio.sleep(0.05)
            return b"".join(read)

    assert asyncio.run(work()).endswith(b"Content-Length: 4\r\n\r\n" + body)


def test_the_model_has_the_tokenizers_tokens(tiny_model_dir: Path, tmp_path: Path) -> None:
    from serve.transformers_engine import load_model

    assert make_model(tiny_model_dir, tmp_path) == load_model(str(tmp_path)).model.config.vocab_size


@pytest.mark.slow
def test_a_short_soak_finds_no_fault(tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = serving.main(["soak", "--model", str(tiny_model_dir), "--requests", "400", "--clients", "6"])
    output = capsys.readouterr()
    assert code == 0, output.err
    assert "400 requests by 6 clients" in output.out
