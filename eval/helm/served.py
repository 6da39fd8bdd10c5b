"""The server that HELM asks: started from a recipe and ended again, or one that runs already; and its own count."""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from eval.helm.running import tail
from oneday.stage import StageError
from serve.model_choice import RecipeModel

READY = re.compile(r"^Ready: .*?(https?://[^\s/]+)/process", re.MULTILINE)
START_SECONDS = 600.0  # loading a large model from a slow disk
STOP_SECONDS = 90.0  # the server finishes what runs; HELM has had all its answers
ANSWERED = "oneday_requests"  # the server's counter, by path and status


@contextmanager
def recipe_server(
    recipe: Path, run_dir: Path, log: Path, announce: Callable[[str], None], model: RecipeModel = "tuned"
) -> Iterator[str]:
    """`python -m serve RECIPE --model MODEL` on a free port of this machine; its address once it is ready.

    The variables that would have it serve another model are not passed on. At the end it gets SIGTERM. Raises
    StageError, with the end of its log, if it does not start or does not end with 0.
    """
    command = [sys.executable, "-m", "serve", str(recipe), "--out", str(run_dir), "--model", model, "--port", "0"]
    kept = {name: value for name, value in os.environ.items() if name not in ("ONEDAY_BASE_MODEL", "ONEDAY_ADAPTER")}
    began = time.monotonic()
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=kept | {"PYTHONUNBUFFERED": "1"})
    try:
        url = _ready(process, log)
        announce(f"server      ready at {url} after {time.monotonic() - began:.1f} s")
        try:
            yield url
        except StageError as error:
            raise StageError(f"{error}\nThe end of the server's log, {log}:\n{tail(log)}") from error
        _stop(process, log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _ready(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """The address that the server tells once it is ready."""
    for _ in range(round(START_SECONDS / 0.2)):
        if match := READY.search(log.read_text(encoding="utf-8", errors="replace")):
            check_health(match[1])
            return match[1]
        if (code := process.poll()) is not None:
            raise StageError(
                f"the server ended with exit code {code} before it was ready. The end of {log}:\n{tail(log)}"
            )
        time.sleep(0.2)
    raise StageError(f"the server was not ready after {START_SECONDS:.0f} s. The end of {log}:\n{tail(log)}")


def _stop(process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Tell the server to stop and wait until it has."""
    process.terminate()
    try:
        code = process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        raise StageError(
            f"the server still ran {STOP_SECONDS:.0f} s after SIGTERM. The end of {log}:\n{tail(log)}"
        ) from None
    if code != 0:
        raise StageError(f"the server ended with exit code {code} after SIGTERM. The end of {log}:\n{tail(log)}")


def check_health(url: str) -> None:
    """Raise StageError unless /health answers 200."""
    try:
        status = httpx.get(f"{url}/health", timeout=30, trust_env=False).status_code
    except httpx.HTTPError as error:
        raise StageError(f"{url}/health does not answer ({error}); is the server up, and the address right?") from error
    if status != 200:
        raise StageError(f"{url}/health answers {status}, not 200; see the server's log")


def served_name(url: str) -> str:
    """What the server calls its model."""
    health = httpx.get(f"{url}/health", timeout=30, trust_env=False).json()
    return str(health["model"])


def answered(url: str) -> Counter[tuple[str, str]]:
    """How many requests the server has answered, by (path, status), from its /metrics. StageError if it tells none."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        response = httpx.get(f"{url}/metrics", timeout=30, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise StageError(f"{url}/metrics: {error}; it must be a server of `python -m serve`") from error
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    if ANSWERED not in families:
        raise StageError(f"{url}/metrics has no {ANSWERED}; it must be a server of `python -m serve`")
    counts: Counter[tuple[str, str]] = Counter()
    for sample in families[ANSWERED].samples:
        if sample.name == f"{ANSWERED}_total":
            counts[sample.labels["path"], sample.labels["status"]] += int(sample.value)
    return counts
