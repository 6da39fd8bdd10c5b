import json
import logging
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from postprocess.cases import RuleSet
from postprocess.chain import apply_rules
from serve.__main__ import main
from tests.serve.toy_engine import CONFIG

COMMAND = [sys.executable, "-m", "serve"]
RULES = {
    "cases": [
        {"name": "options", "prompt": {"options": 2}, "rules": [{"cut_at_stop": {"stops": ["e", "a", " "]}}]},
        {
            "name": "short",
            "prompt": {"ends_with": ["In short:"]},
            "rules": [{"cut_at_stop": {"stops": ["i", "n", "o"]}}],
        },
    ],
    "default": [],
}
LONG = {"prompt": "a", "temperature": 0, "max_new_tokens": 1500}  # which takes the tiny model about a second


def with_serve_yaml(recipe: Any) -> Any:
    """The recipe with settings for a tiny model, and rules."""
    limits = {"queue": 4, "deadline_seconds": 60, "body_bytes": 100_000, "completions": 4, "shutdown_seconds": 20}
    settings = CONFIG | {"max_length": 4096, "limits": limits}
    (recipe.path / "serve.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    (recipe.path / "rules.yaml").write_text(yaml.safe_dump(RULES), encoding="utf-8")
    return recipe


@pytest.fixture
def served(recipe: Any) -> Any:
    """A recipe that can be served and spoilt."""
    return with_serve_yaml(recipe)


@pytest.fixture(autouse=True)
def _loggers() -> Iterator[None]:
    """The command sets up logging; the tests after it in this process have theirs back."""
    loggers = [logging.getLogger(name) for name in ("serve", "uvicorn", "asyncio")]
    before = [(logger.handlers, logger.propagate, logger.level) for logger in loggers]
    yield
    for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def test_help_teaches_with_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert 'curl http://127.0.0.1:8080/process -d \'{"prompt": ' in shown
    assert "ONEDAY_BASE_MODEL" in shown and "ONEDAY_ADAPTER" in shown


def test_a_dry_run_says_what_would_be_served_where(served: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(served.path), "--dry-run", "--model", "base", "--port", "90", "--precision", "bfloat16"]) == 0
    shown = capsys.readouterr().out
    assert "quickstart-base" in shown and "bfloat16" in shown and "127.0.0.1, port 90" in shown
    assert "; rules: options (a prompt with at least 2 options): cut_at_stop: {stops: [e, a, ' ']}; short (" in shown
    assert "; default (any other prompt): none\n" in shown


def test_a_recipe_without_serve_yaml_is_a_wrong_recipe(served: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (served.path / "serve.yaml").unlink()
    assert main([str(served.path), "--dry-run"]) == 2
    assert "serve.yaml: no such file" in capsys.readouterr().err


def test_a_model_that_is_not_trained_ends_with_1_and_the_command(
    served: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(served.path), "--out", str(tmp_path / "run")]) == 1
    assert "make it with `python run.py " in capsys.readouterr().err


def test_the_environment_names_the_model_too(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ONEDAY_BASE_MODEL", "org/some-model")
    monkeypatch.setenv("ONEDAY_ADAPTER", "")
    assert main([str(served.path), "--out", str(tmp_path / "run"), "--dry-run"]) == 0
    assert "org/some-model" in capsys.readouterr().out


def test_a_port_in_use_ends_with_1_before_the_model_is_loaded(
    served: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        arguments = ["--base-model", str(tmp_path / "none"), "--port", str(taken.getsockname()[1])]
        assert main([str(served.path), *arguments]) == 1
    assert "name another by --port" in capsys.readouterr().err


def test_a_folder_without_a_model_ends_with_1(served: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(served.path), "--base-model", str(tmp_path), "--port", "0", "--device", "cpu"]) == 1
    assert str(tmp_path) in capsys.readouterr().err


class Process:
    """`python -m serve` on a tiny model, ready."""

    def __init__(self, recipe: Path, model: Path, *options: str) -> None:
        arguments = [str(recipe), "--base-model", str(model), "--port", "0", "--device", "cpu", *options]
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            COMMAND + arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self.log: list[str] = []
        assert self.process.stderr is not None and self.process.stdout is not None
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr or ()), daemon=True)
        self.reader.start()
        self.ready = self.process.stdout.readline()
        found = re.search(r"http://[^/]+", self.ready)
        assert found, f"no address in {self.ready!r}; the log: {self.log}"
        self.url = found[0]

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(40)
        self.reader.join(5)
        return code

    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines of its log."""
        return [json.loads(line) for line in self.log if line.startswith("{")]


@pytest.fixture(scope="module")
def server(copy_recipe: Any, tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server that the tests share; none of them stops it."""
    started = Process(with_serve_yaml(copy_recipe(tmp_path_factory.mktemp("served"))).path, tiny_model_dir)
    yield started
    started.end(signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "host", "warned"), [(signal.SIGTERM, "127.0.0.1", False), (signal.SIGINT, "0.0.0.0", True)]
)
def test_a_request_that_runs_is_finished_after_the_signal_and_the_exit_code_is_0(
    served: Any, tiny_model_dir: Path, number: signal.Signals, host: str, warned: bool
) -> None:
    server = Process(served.path, tiny_model_dir, "--host", host)
    whole = httpx.post(f"{server.url}/process", json=LONG, timeout=60).json()
    answers: list[httpx.Response] = []
    slow = threading.Thread(
        target=lambda: answers.append(httpx.post(f"{server.url}/process", json=LONG, timeout=60)), daemon=True
    )
    slow.start()
    while "oneday_completions_running 1.0" not in httpx.get(f"{server.url}/metrics").text:
        time.sleep(0.005)
    assert server.end(number) == 0
    slow.join(20)
    assert answers[0].status_code == 200 and answers[0].json()["text"] == whole["text"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/health")
    lines = server.lines()
    assert [line["status"] for line in lines if line.get("path") == "/process"] == [200, 200]
    assert not any("traceback" in line for line in lines)
    assert any(line.startswith("Warning: listening at 0.0.0.0") for line in server.log) == warned


@pytest.mark.slow
def test_the_ready_line_has_a_request_that_works(server: Process) -> None:
    found = re.search(r"curl (\S+) -d '(.+)'", server.ready)
    assert found and httpx.post(found[1], content=found[2]).json()["text"]
    assert httpx.get(f"{server.url}/health").json() == {"status": "ready", "model": "tiny-llama"}


@pytest.mark.slow
def test_the_recipes_rules_run_on_the_prompts_that_they_are_for(server: Process) -> None:
    """The tiny model says nonsense, of which the rules cut something off."""

    def texts(prompt: str) -> tuple[str, str]:
        """With the rules, and without any, as OpenAI's clients have it."""
        body = {"prompt": prompt, "temperature": 0}
        cleaned = httpx.post(f"{server.url}/process", json=body | {"max_new_tokens": 60}, timeout=60).json()
        whole = httpx.post(f"{server.url}/v1/completions", json=body | {"max_tokens": 60}, timeout=60).json()
        return str(cleaned["text"]), str(whole["choices"][0]["text"])

    rules = RuleSet.model_validate(RULES)
    for prompt in ("Which one?\nA. bank\nB. bridge\n", "Say it. In short: ", "Say it."):
        text, whole = texts(prompt)
        assert text == apply_rules(whole, rules.for_prompt(prompt).rules)
        assert (text == whole) == (prompt == "Say it."), (text, whole)
    assert any(line.startswith("Loading") and "short (a prompt ending in 'In short:')" in line for line in server.log)
    until = time.monotonic() + 10
    while [line["case"] for line in server.lines() if "case" in line][-3:] != ["options", "short", "default"]:
        assert time.monotonic() < until, server.log  # which a thread reads
        time.sleep(0.05)


@pytest.mark.slow
def test_a_connection_that_breaks_cancels_its_generation(server: Process) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server.url}/process", json=LONG, timeout=0.1)
    deadline = time.monotonic() + 10
    while 'oneday_cancelled_total{reason="disconnect"} 1.0' not in (text := httpx.get(f"{server.url}/metrics").text):
        assert time.monotonic() < deadline, text
        time.sleep(0.05)
    assert "oneday_completions_in_flight 0.0" in text


@pytest.mark.slow
def test_an_oversize_body_is_refused_over_a_real_connection(server: Process) -> None:
    for content in (b" " * 100_001, iter([b" " * 60_000] * 3)):
        assert httpx.post(f"{server.url}/process", content=content).status_code == 413
    assert httpx.get(f"{server.url}/health").status_code == 200


@pytest.mark.slow
def test_an_idle_server_ends_without_taking_its_libraries_apart(served: Any, tiny_model_dir: Path) -> None:
    server = Process(served.path, tiny_model_dir)
    fields = Path(f"/proc/{server.process.pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    before = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    others = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert server.end(signal.SIGTERM) == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - others.ru_utime - others.ru_stime - before
    assert spent < 0.4, f"{spent:.2f} s of CPU after the signal"
