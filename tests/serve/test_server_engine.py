"""A server's texts are the model's own, and whatever goes wrong on the way is said in words.

The failures come from a small HTTP server that answers as it is told; the texts from `transformers serve`.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from oneday.machine import free_port
from serve import server_engine
from serve.engine import EngineChoice, load_engine, load_transformers_engine
from serve.server_engine import ServerEngine

pytest.importorskip("openai")

Reply = Callable[[dict[str, Any]], tuple[int, Any]]
MODELS = {"object": "list", "data": [{"id": "small", "object": "model", "owned_by": "me"}]}


def completion(text: str | None) -> dict[str, Any]:
    return {"id": "1", "object": "text_completion", "model": "small", "choices": [{"index": 0, "text": text}]}


def shortened(completion_tokens: int) -> dict[str, Any]:
    """An answer that ended for want of room."""
    usage = {"prompt_tokens": 1, "completion_tokens": completion_tokens, "total_tokens": 1 + completion_tokens}
    choice = {"index": 0, "text": "cut", "finish_reason": "length"}
    return completion(None) | {"choices": [choice], "usage": usage}


def echo(body: dict[str, Any]) -> tuple[int, Any]:
    return 200, completion(f"<{body['prompt']}>")


def refuse(status: int, message: str, **more: str) -> Reply:
    return lambda body: (status, {"error": {"message": message, **more}})


class Server:
    """Answers /v1/models with `models` and /v1/completions with `reply`; keeps what it was asked and with what key."""

    def __init__(self, reply: Reply, models: tuple[int, Any]) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.working = self.most_working = 0
        self.lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(*(models if self.path == "/v1/models" else (404, {"detail": "Not Found"})))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with server.lock:
                    server.asked.append(body)
                    server.keys.add(self.headers["Authorization"])
                    server.working += 1
                    server.most_working = max(server.most_working, server.working)
                status, content = reply(body) if self.path == "/v1/completions" else (404, {"detail": "Not Found"})
                with server.lock:
                    server.working -= 1
                self.answer(status, content)

            def answer(self, status: int, content: Any) -> None:
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/html" if data.startswith(b"<") else "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.send_header("retry-after-ms", "1")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"


@contextmanager
def serving(reply: Reply = echo, models: tuple[int, Any] = (200, MODELS)) -> Iterator[Server]:
    server = Server(reply, models)
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def answers(engine: ServerEngine, prompts: list[str], done: set[int] | None = None) -> dict[int, str]:
    found = [answer for batch in engine.generate(prompts, 7, "\n\n", done or set()) for answer in batch]
    assert len(dict(found)) == len(found)
    return dict(found)


def test_each_prompt_is_answered_once_whatever_the_order() -> None:
    prompts = [f"prompt {number} é\n\n中" for number in range(50)]

    def slow_for_some(body: dict[str, Any]) -> tuple[int, Any]:
        time.sleep(0.02 if body["prompt"].startswith("prompt 1") else 0)
        return echo(body)

    with serving(slow_for_some) as server:
        found = answers(ServerEngine(server.url, "small", 8), prompts)
    assert found == {number: f"<prompt {number} é\n\n" for number in range(50)}
    assert len(server.asked) == 50


def test_a_request_asks_for_greedy_text() -> None:
    with serving() as server:
        answers(ServerEngine(server.url, "small", 1), ["a"])
    assert server.asked == [
        {
            "model": "small",
            "prompt": "a",
            "max_tokens": 7,
            "temperature": 0,
            "frequency_penalty": 0,
            "stop": ["\n\n"],
        }
    ]


@pytest.mark.parametrize("owner", ["vllm", "sglang"])
def test_servers_that_follow_the_models_repetition_penalty_are_told_not_to(owner: str) -> None:
    models = {"object": "list", "data": [{"id": "small", "object": "model", "owned_by": owner}]}
    with serving(models=(200, models)) as server:
        answers(ServerEngine(server.url, "small", 1), ["a"])
    assert server.asked[0]["repetition_penalty"] == 1.0


@pytest.mark.parametrize(
    ("text", "cut"),
    [("a", "a"), ("", ""), ("a\n\n", "a\n\n"), ("a\n\nb\n\nc", "a\n\n"), ("\n\n\n", "\n\n"), ("a\nb", "a\nb")],
)
def test_a_text_is_cut_after_the_first_stop(text: str, cut: str) -> None:
    with serving(lambda body: (200, completion(text))) as server:
        assert answers(ServerEngine(server.url, "small", 1), ["a"]) == {0: cut}


def test_a_text_of_as_many_tokens_as_asked_for_is_whole() -> None:
    with serving(lambda body: (200, shortened(completion_tokens=7))) as server:
        assert answers(ServerEngine(server.url, "small", 1), ["a"]) == {0: "cut"}


def test_what_is_done_is_not_asked_again() -> None:
    with serving() as server:
        engine = ServerEngine(server.url, "small", 2)
        assert answers(engine, ["a", "b", "c"], {0, 2}) == {1: "<b>"}
        assert answers(engine, ["a"], {0}) == {}
        assert answers(engine, []) == {}
    assert [body["prompt"] for body in server.asked] == ["b"]


def test_so_many_requests_run_at_once_and_no_more() -> None:
    def slow(body: dict[str, Any]) -> tuple[int, Any]:
        time.sleep(0.05)
        return echo(body)

    with serving(slow) as server:
        batches = list(ServerEngine(server.url, "small", 4).generate([str(n) for n in range(14)], 1, "."))
    assert server.most_working == 4
    assert sorted(map(len, batches)) == [2, 4, 4, 4]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_failure_is_tried_again(status: int) -> None:
    failures = [status] * server_engine.RETRIES
    with serving(lambda body: (failures.pop(), {}) if failures else echo(body)) as server:
        assert answers(ServerEngine(server.url, "small", 1), ["a"]) == {0: "<a>"}
    assert len(server.asked) == server_engine.RETRIES + 1


def test_a_lasting_failure_ends_the_run_with_the_servers_words() -> None:
    with (
        serving(refuse(503, "out of memory")) as server,
        pytest.raises(ConnectionError, match=r"failed at prompt 0, 6 times \(503: out of memory\)"),
    ):
        answers(ServerEngine(server.url, "small", 1), ["a"])


def test_a_failed_prompt_keeps_those_that_wait_from_being_asked() -> None:
    with serving(refuse(400, "no")) as server, pytest.raises(ValueError, match="refused prompt"):
        answers(ServerEngine(server.url, "small", 2), ["a"] * 100)
    assert len(server.asked) < 20


def test_a_server_that_is_not_there_is_named_at_once() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    with pytest.raises(ConnectionError, match=f"cannot reach {url} .*refused.*is the server running there"):
        ServerEngine(url, "small", 1)


def test_a_server_that_stays_silent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_engine, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(server_engine, "RETRIES", 0)

    def silent(body: dict[str, Any]) -> tuple[int, Any]:
        time.sleep(1)
        return echo(body)

    with serving(silent) as server, pytest.raises(TimeoutError, match="did not answer prompt 0 within 0 s"):
        answers(ServerEngine(server.url, "small", 1), ["a"])


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        pytest.param(
            refuse(404, "The model `small` does not exist."),
            r"no completions for the model small \(404: The model `small` does not exist.\); the server lists small; "
            "choose one with --served-model",
            id="wrong model",
        ),
        pytest.param(
            refuse(400, "This model's maximum context length is 512 tokens. However, your prompt contains 600."),
            "prompt 0 is too long for the server: This model's maximum context length is 512",
            id="prompt too long, as vLLM says it",
        ),
        pytest.param(
            refuse(400, "too much", code="context_length_exceeded"),
            "prompt 0 is too long for the server: too much",
            id="prompt too long, as OpenAI says it",
        ),
        pytest.param(
            lambda body: (200, shortened(completion_tokens=3)),
            "prompt 0 is too long for the server: 7 new tokens do not fit behind it, only 3 do",
            id="no room for the whole answer, which vLLM does not say",
        ),
        pytest.param(
            lambda body: (400, {"detail": "Server is pinned to 'big'"}),
            r"refused prompt 0 \(400: Server is pinned to 'big'\)",
            id="anything else that is wrong",
        ),
        pytest.param(refuse(422, "x" * 1000), r"\(422: x{300}\.\.\.\)", id="many words"),
        pytest.param(lambda body: (200, {"object": "text_completion"}), "without a text in `choices`", id="no choices"),
        pytest.param(lambda body: (200, completion(None)), "without a text in `choices`", id="no text"),
        pytest.param(
            lambda body: (200, {"choices": []}), "answered prompt 0 without a text in `choices`", id="empty choices"
        ),
        pytest.param(lambda body: (200, b"<html>"), "is it an OpenAI-compatible completions API", id="a web page"),
        pytest.param(lambda body: (200, {"choices": [{}]}), "without a text in `choices`", id="another API's choice"),
    ],
)
def test_a_refusal_is_explained(reply: Reply, message: str) -> None:
    with serving(reply) as server, pytest.raises(ValueError, match=message):
        answers(ServerEngine(server.url, "small", 1), ["a"])


def test_a_wrong_address_is_explained() -> None:
    with serving() as server, pytest.raises(ValueError, match=r"404.*lists no models; does the address end in /v1"):
        answers(ServerEngine(server.url.removesuffix("/v1"), "small", 1), ["a"])


def test_an_answer_that_is_cut_off_is_named() -> None:
    with serving(lambda body: (200, b'{"choices": [')) as server, pytest.raises(ConnectionError, match="no usable"):
        answers(ServerEngine(server.url, "small", 1), ["a"])


def test_an_address_may_end_in_a_slash() -> None:
    with serving() as server:
        assert answers(ServerEngine(f"{server.url}/", "small", 1), ["a"]) == {0: "<a>"}


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_is_explained_and_not_shown(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with (
        serving(refuse(status, "Incorrect key sk-secret")) as server,
        pytest.raises(PermissionError, match="set OPENAI_API_KEY") as caught,
    ):
        answers(ServerEngine(server.url, "small", 1), ["a"])
    assert "sk-secret" not in str(caught.value)
    assert server.keys == {"Bearer sk-secret"}


def test_a_key_that_the_model_list_wants_is_missed_before_any_prompt() -> None:
    with (
        serving(models=(401, {"error": {"message": "no key"}})) as server,
        pytest.raises(PermissionError, match="401"),
    ):
        ServerEngine(server.url, "small", 1)
    assert server.asked == []


@pytest.mark.parametrize("models", [(404, {}), (500, {}), (200, b"<html>"), (200, {"object": "list"})])
def test_a_server_without_a_list_of_models_answers_all_the_same(models: tuple[int, Any]) -> None:
    with serving(models=models) as server:
        assert answers(ServerEngine(server.url, "small", 1), ["a"]) == {0: "<a>"}


@pytest.mark.parametrize(("served", "asked"), [(None, "the/base-model"), ("small", "small")])
def test_the_base_model_is_asked_for_unless_another_name_is_given(served: str | None, asked: str) -> None:
    with serving() as server:
        engine = load_engine(EngineChoice("server", server.url, served), "the/base-model", 5)
        list(engine.generate(["a"], 1, "."))
    assert server.asked[0]["model"] == asked


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_engine, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r'openai is not installed; run: pip install -e "\.\[server\]"'):
        ServerEngine("http://127.0.0.1:1/v1", "small", 1)


@pytest.fixture(scope="module")
def transformers_server(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `transformers serve` with the tiny model."""
    folder = tmp_path_factory.mktemp("server")
    port = free_port()
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(tiny_model_dir)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    environment = os.environ | {"HF_HOME": str(folder), "OMP_NUM_THREADS": "1"}
    with (folder / "log").open("w") as log, subprocess.Popen(command, env=environment, stdout=log, stderr=log) as run:
        try:
            for _ in range(600):
                try:
                    urlopen(f"http://127.0.0.1:{port}/health").close()
                    break
                except URLError:
                    assert run.poll() is None, (folder / "log").read_text()
                    time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            run.terminate()


@pytest.mark.slow
@pytest.mark.parametrize("stop", ["\n\n", "l", ""])
def test_a_real_server_says_what_the_model_says(transformers_server: str, tiny_model_dir: Path, stop: str) -> None:
    prompts = [f"### Input:\n{'word ' * number}end {number}\n\n### Response:\n" for number in (3, 0, 9, 1, 5, 12)]
    here = load_transformers_engine(str(tiny_model_dir), 2)
    there = load_engine(EngineChoice("server", transformers_server, None, 3), str(tiny_model_dir), 2)

    def texts(batches: Iterator[list[tuple[int, str]]]) -> list[str]:
        found = dict(answer for batch in batches for answer in batch)
        return ["".join(found[position].partition(stop or "\0")[:2]) for position in range(len(prompts))]

    expected = texts(here.generate(prompts, 12, stop))
    assert len(set(expected)) > 3
    assert texts(there.generate(prompts, 12, stop)) == expected
