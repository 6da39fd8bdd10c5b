import asyncio
import json
import logging
from typing import Any

import pytest

from postprocess.cases import RuleSet
from serve.app import create_app
from serve.logs import JsonLines, log_to_standard_error
from tests.serve.asgi import Client, post
from tests.serve.toy_engine import NO_RULES, ToyEngine, config, rule_set


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    found = [JsonLines().format(record) for record in caplog.records if record.name == "serve"]
    assert not any("\n" in line for line in found)
    return [json.loads(line) for line in found]


def call(client: Client, engine: ToyEngine, rules: RuleSet = NO_RULES) -> Client:
    return asyncio.run(client.call(create_app(engine, config(), "toy", rules)))


def test_a_request_has_one_line_with_its_numbers(tiny_tokenizer: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "serve")
    client = call(post("/process", prompt="abc", temperature=0), ToyEngine(tiny_tokenizer))
    (line,) = lines(caplog)
    assert line["request_id"] == client.answer_headers["x-request-id"]
    wanted = {"level": "info", "method": "POST", "path": "/process", "status": 200, "prompt_tokens": 3}
    assert wanted.items() <= line.items() and line["new_tokens"] == 16 and 0 < line["seconds"] < 5
    assert line["time"].endswith("+00:00")


def test_no_log_has_a_prompt_or_a_text(tiny_tokenizer: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    prompt = "my secret prompt"
    for engine in (ToyEngine(tiny_tokenizer), ToyEngine(tiny_tokenizer, failure=RuntimeError("out of memory"))):
        for body in ({"prompt": prompt}, {"prompt": prompt, "seed": "x"}, {"prompt": [prompt]}, {"text": prompt}):
            for path in ("/process", "/tokenize", "/decode", "/v1/completions"):
                call(post(path, **body), engine)
    everything = "".join(JsonLines().format(record) for record in caplog.records)
    assert "out of memory" in everything
    assert "secret" not in everything and "Paris" not in everything


@pytest.mark.parametrize(
    ("path", "body", "case"),
    [
        ("/process", {"prompt": "Say secret"}, {"case": "told"}),
        ("/process", {"prompt": "Say nothing", "max_new_tokens": 0}, {"case": "default"}),
        ("/process", {"prompt": []}, {}),
        ("/v1/completions", {"prompt": "Say secret"}, {}),
        ("/tokenize", {"text": "Say secret"}, {}),
    ],
)
def test_the_case_of_the_rules_is_logged_where_rules_run(
    tiny_tokenizer: Any, caplog: pytest.LogCaptureFixture, path: str, body: dict[str, Any], case: dict[str, str]
) -> None:
    caplog.set_level(logging.INFO, "serve")
    cases = [{"name": "told", "prompt": {"contains": ["secret"]}, "rules": ["strip"]}]
    call(post(path, **body), ToyEngine(tiny_tokenizer), rule_set("strip", cases=cases))
    (line,) = lines(caplog)
    assert {key: value for key, value in line.items() if key == "case"} == case
    assert "secret" not in json.dumps(line)


def test_a_failed_engine_is_logged_with_its_traceback(tiny_tokenizer: Any, caplog: pytest.LogCaptureFixture) -> None:
    client = call(post("/process", prompt="a"), ToyEngine(tiny_tokenizer, failure=RuntimeError("out of memory")))
    line = lines(caplog)[0]
    assert (line["level"], line["request_id"]) == ("error", client.answer_headers["x-request-id"])
    assert "RuntimeError: out of memory" in line["traceback"] and "toy_engine.py" in line["traceback"]


def test_a_refused_request_has_its_reason(tiny_tokenizer: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "serve")
    call(post("/process"), ToyEngine(tiny_tokenizer))
    assert (lines(caplog)[0]["status"], lines(caplog)[0]["refused"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("given", "kept"),
    [(b"run-7.a_B", True), (b"x" * 64, True), (b"", False), (b"x" * 65, False), (b'a" b', False), (b"\xff", False)],
)
def test_a_plain_request_id_is_kept_and_any_other_replaced(tiny_tokenizer: Any, given: bytes, kept: bool) -> None:
    client = Client("/health", method="GET", headers=[(b"x-request-id", given)])
    call(client, ToyEngine(tiny_tokenizer))
    name = client.answer_headers["x-request-id"]
    assert (name == given.decode("latin-1")) == kept and (kept or len(name) == 32)


def test_a_request_cut_off_by_the_server_s_end_is_logged_as_such(
    tiny_tokenizer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "serve")

    async def run() -> None:
        engine = ToyEngine(tiny_tokenizer, seconds=30)
        client = post("/process", prompt="a")
        request = asyncio.create_task(client.call(create_app(engine, config(), "toy", NO_RULES)))
        while not engine.running:
            await asyncio.sleep(0.001)
        request.cancel()
        await request
        assert (client.status, client.json["error"]["type"], engine.running) == (503, "shutdown", 0)

    asyncio.run(run())
    assert (lines(caplog)[0]["status"], lines(caplog)[0]["refused"]) == (503, "shutdown")


def test_a_long_path_is_cut_in_the_log(tiny_tokenizer: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "serve")
    call(Client("/" + "x" * 5000, method="GET"), ToyEngine(tiny_tokenizer))
    assert len(lines(caplog)[0]["path"]) == 100


def test_what_asyncio_and_uvicorn_warn_of_is_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("serve", "uvicorn", "asyncio")
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger.handlers, logger.propagate, logger.level) for logger in loggers]
    try:
        log_to_standard_error()
        for name in names:
            logging.getLogger(name).warning("two\nlines of %s", name)
    finally:
        for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
    told = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    assert told == [f"two\nlines of {name}" for name in names]
