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
from pydantic import ValidationError

from eval.helm.running import tail
from oneday.recipe import Recipe
from oneday.stage import StageError
from serve.model_choice import ModelChoice, RecipeModel, choose_model
from serve.schema import HealthResponse

READY = re.compile(r"^Ready: .*?(https?://[^\s/]+)/process", re.MULTILINE)
START_SECONDS = 600.0  # loading a large model from a slow disk
STOP_SECONDS = 90.0  # the server finishes what runs; HELM has had all its answers
ANSWERED = "oneday_requests"  # the server's counter, by path and status
OURS = "it must be a server of `python -m serve`"
HEALTH_SECONDS = 30.0
STRIKES = 3  # looks at /health in a row that find no server


def recipe_model(recipe: Recipe, run_dir: Path, model: RecipeModel) -> ModelChoice:
    """The model that `recipe_server` serves. ValueError if it is not there, with the command that makes it."""
    try:
        return choose_model(recipe, run_dir, model, None, None)
    except ValueError as error:
        reason = str(error).partition(", or name one by --base-model")[0]  # an option that HELM's commands have not
        raise ValueError(f"{reason}, or name a server that has one by --url") from error


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
            code = process.poll()
            ended = "" if code is None else f"\nThe server had ended with exit code {code}."
            raise StageError(f"{error}{ended}\nThe end of the server's log, {log}:\n{tail(log)}") from error
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
    _health(url)


def served_name(url: str) -> str:
    """What the server calls its model. StageError if it names none."""
    try:
        return HealthResponse.model_validate_json(_health(url).content).model
    except ValidationError as error:
        raise StageError(f"{url}/health names no model; {OURS}") from error


def _health(url: str) -> httpx.Response:
    try:
        response = httpx.get(f"{url}/health", timeout=HEALTH_SECONDS, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise StageError(f"{url}/health does not answer ({error}); is the server up, and the address right?") from error
    if response.status_code != 200:
        raise StageError(f"{url}/health answers {response.status_code}, not 200; see the server's log")
    return response


class ServerWatch:
    """Looks at a server's /health: `reason` is why it is gone, once that failed STRIKES times in a row.

    An answer that takes long is no failure: the server may be busy.
    """

    def __init__(self, url: str):
        self.url = url
        self.reason: str | None = None
        self._strikes = 0

    def gone(self) -> str | None:
        """Look once more; the reason."""
        try:
            check_health(self.url)
            self._strikes = 0
        except StageError as error:
            self._strikes += not isinstance(error.__cause__, httpx.TimeoutException)
            if self._strikes >= STRIKES:
                self.reason = str(error)
        return self.reason


def answered(url: str) -> Counter[tuple[str, str]]:
    """How many requests the server has answered, by (path, status), from its /metrics. StageError if it tells none."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        response = httpx.get(f"{url}/metrics", timeout=30, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise StageError(f"{url}/metrics: {error}; {OURS}") from error
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    if ANSWERED not in families:
        raise StageError(f"{url}/metrics has no {ANSWERED}; {OURS}")
    counts: Counter[tuple[str, str]] = Counter()
    for sample in families[ANSWERED].samples:
        if sample.name == f"{ANSWERED}_total":
            counts[sample.labels["path"], sample.labels["status"]] += int(sample.value)
    return counts
