"""A container of the image, asked as the challenge's judges ask it, and stopped as Docker stops it."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import psutil

from oneday.machine import free_port
from serve.image.buildah import Buildah, ImageError

HEALTH_BODY = {"prompt": "The capital of France is "}  # all that the judges' script sends
TEXT = "  Paris, Nairobi\n\nand Zürich 🙂"
READY_SECONDS, STOP_SECONDS = 300, 60
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(port: int, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """The JSON that the server answers. ImageError if it is not 200."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"})
    try:
        with DIRECT.open(request, timeout=120) as answer:
            content: dict[str, Any] = json.load(answer)
            return content
    except HTTPError as error:
        raise ImageError(f"{path} answers {error.code}: {error.read()[:500]!r}") from error


def ask_all(port: int) -> None:
    """The judges' health check, then each route. ImageError at the first wrong answer."""
    first = ask(port, "/process", HEALTH_BODY)
    if not first["tokens"] or first["request_time"] <= 0:
        raise ImageError(f"the judges' health check gets no tokens: {first}")
    again = ask(port, "/process", {"prompt": "Question: 2 + 2?\nAnswer:", "max_new_tokens": 4, "temperature": 1e-7})
    if len(again["tokens"]) > 4 or "".join(token["text"] for token in again["tokens"]) != again["text"]:
        raise ImageError(f"4 new tokens were asked for, which join to the text: {again}")
    tokens = ask(port, "/tokenize", {"text": TEXT})["tokens"]
    decoded = ask(port, "/decode", {"tokens": tokens})["text"]
    if decoded != TEXT:
        raise ImageError(f"/decode gives {decoded!r} for the tokens of {TEXT!r}")


@contextmanager
def served(buildah: Buildah, container: str, entry: list[str], log: Path) -> Iterator[tuple[int, psutil.Process]]:
    """The container's server once it answers /health: its port and its process. It is stopped afterwards."""
    port = free_port()
    buildah.run("config", "--env", f"ONEDAY_PORT={port}", container)
    command = [*buildah.command, "run", "--isolation", "chroot", container, "--", *entry, "--host", "127.0.0.1"]
    with log.open("a", encoding="utf-8") as file:
        running = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        wait_until(lambda: _is_healthy(port, running, log), READY_SECONDS, "the container answers /health")
        server = _server_process(running.pid)
        yield port, server
        stop(server, running)
    finally:
        _kill(running)


def stop(server: psutil.Process, running: "subprocess.Popen[bytes]") -> None:
    """Send what `docker stop` sends. ImageError if the server does not end well."""
    server.terminate()
    try:
        code = running.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        raise ImageError(f"the server still runs {STOP_SECONDS} s after SIGTERM") from None
    if code:
        raise ImageError(f"the server ends with {code} after SIGTERM, not with 0")


def _kill(running: "subprocess.Popen[bytes]") -> None:
    """End the container, if it still runs."""
    if running.poll() is None:
        for process in psutil.Process(running.pid).children(recursive=True):
            process.kill()
        running.kill()
    running.wait()


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Return once the condition holds. ImageError after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise ImageError(f"not within {seconds} s: {what}")
        time.sleep(0.5)


def _is_healthy(port: int, running: "subprocess.Popen[bytes]", log: Path) -> bool:
    if running.poll() is not None:
        raise ImageError(f"the container ended with {running.returncode}:\n{log.read_text(encoding='utf-8')[-2000:]}")
    try:
        ask(port, "/health")
    except (URLError, ConnectionError):
        return False
    return True


def _server_process(pid: int) -> psutil.Process:
    """The process in the container that answers: the one that `serve.image.start` became."""
    for process in psutil.Process(pid).children(recursive=True):
        if process.cmdline()[1:3] == ["-m", "serve"]:
            return process
    raise ImageError("no process `python3 -m serve` in the container")
