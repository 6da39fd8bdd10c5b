"""Servers for benchmarks/serving.py: each a process of its own that is started, watched from outside and stopped."""

import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from oneday.console import library_environment
from oneday.machine import free_port

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes" / "quickstart"
START_SECONDS, STOP_SECONDS = 180, 90


@dataclass(frozen=True)
class Server:
    """A server that answers at `url`."""

    name: str
    url: str
    process: psutil.Popen

    def cpu_seconds(self) -> float:
        """What the process has used so far, of all its threads."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def memory(self) -> int:
        """The bytes that it holds in memory now."""
        return int(self.process.memory_info().rss)

    def stop(self) -> int:
        """Ask it to stop; its exit code. TimeoutExpired if it does not."""
        self.process.terminate()
        return int(self.process.wait(STOP_SECONDS))


@contextmanager
def running(name: str, command: Sequence[str], threads: int, log: Path) -> Iterator[Server]:
    """Start `command` with a free port behind it, wait for its /health, and stop it in the end, if it still runs.

    ValueError with the end of its log if it does not come up.
    """
    port = free_port()
    environment = os.environ | library_environment() | {"OMP_NUM_THREADS": str(threads)}
    for other in ("ONEDAY_BASE_MODEL", "ONEDAY_ADAPTER"):  # another model than the peer's
        environment.pop(other, None)
    whole = [sys.executable, "-m", *command, "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as output:
        process = psutil.Popen(whole, cwd=ROOT, env=environment, stdout=output, stderr=output)
    server = Server(name, f"http://127.0.0.1:{port}", process)
    try:
        wait_until_healthy(server, log)
        yield server
    finally:
        if process.is_running() and process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except psutil.TimeoutExpired:
                process.kill()


def wait_until_healthy(server: Server, log: Path) -> None:
    """Return once the server takes requests."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.process.poll() is None:
        try:
            if httpx.get(f"{server.url}/health", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(0.2)
    end = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise ValueError(f"the server {server.name} did not come up within {START_SECONDS} s; the end of its log:\n{end}")


def recipe_to_serve(folder: Path, rules: Sequence[str] | None = None, **settings: Any) -> Path:
    """A copy of the quickstart recipe whose serve.yaml has these settings; others stay as they are.

    `rules` are those of every prompt; None for the recipe's own.
    """
    recipe = Path(shutil.copytree(RECIPE, folder / "serving"))
    values = yaml.safe_load((recipe / "serve.yaml").read_text(encoding="utf-8"))
    (recipe / "serve.yaml").write_text(yaml.safe_dump(values | settings), encoding="utf-8")
    if rules is not None:
        (recipe / "rules.yaml").write_text(yaml.safe_dump({"default": list(rules)}), encoding="utf-8")
    return recipe


def ours(recipe: Path, model: Path, engine: str, device: str) -> list[str]:
    """The command of this project's server."""
    command = ["serve", str(recipe), "--base-model", str(model)]
    return command if engine == "vllm" else [*command, "--device", device]


def plain(model: Path, device: str) -> list[str]:
    """The command of the server that answers one request at a time."""
    return ["benchmarks.serving_plain", "--model", str(model), "--device", device]
