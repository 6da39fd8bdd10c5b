"""`run_helm` and `summarize`: HELM's own commands in its own virtual environment, and what their logs tell.

HELM talks to the server that HELM_HTTP_MODEL_BASE_URL names. All that it writes is below one work folder.
"""

import os
import re
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from oneday.stage import StageError

OUTPUT, SUITE = "benchmark_output", "oneday"  # below the work folder: what HELM writes, and the suite's name in it
SCENARIOS = f"{OUTPUT}/scenarios"  # files that HELM's scenarios read
RUN_LOG, SUMMARY_LOG = "helm-run.log", "helm-summarize.log"
THREADS = 4  # HELM's default, and the judges'
SECONDS = 1800.0  # after which a command of HELM is ended; a request that always fails takes it 150
TAIL = 25  # lines of a log that an error shows
LOGGED = re.compile(r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) [A-Z ]{8} (?P<text>.*)")
BEGINS = re.compile(r"  Running (?P<name>\S.*) \{")  # deeper, it is the line of a prompt
RUNS_PLANNED = re.compile(r"(\d+) entries produced (\d+) run specs")
FAILED = re.compile(
    r"Retrying \(attempt|Failed to (make request|tokenize|decode)|Request error: |Local Model error: |"
    r"Error when running |Traceback \(most recent call last\)"
)


@dataclass(frozen=True)
class HelmEnvironment:
    """The virtual environment that HELM lives in."""

    folder: Path

    def command(self, name: str) -> Path:
        """The path of one of HELM's commands. FileNotFoundError, with what makes it, if it is not there."""
        path = self.folder.absolute() / "bin" / name
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is absent: HELM has a virtual environment of its own; `make helm-smoke` makes .venv-helm, "
                "--helm-env names another"
            )
        return path


@dataclass(frozen=True)
class TimedRun:
    """One run of HELM, by the name of its folder, and its seconds from the log."""

    name: str
    seconds: float


@dataclass(frozen=True)
class HelmRun:
    """What `helm-run` did: its log, and its runs in their order."""

    log: Path
    runs: tuple[TimedRun, ...]

    def folder(self, work: Path, run: TimedRun) -> Path:
        """Where HELM wrote that run."""
        return runs_folder(work) / run.name


def runs_folder(work: Path) -> Path:
    """Where HELM writes the runs, and helm-summarize its tables."""
    return work / OUTPUT / "runs" / SUITE


def run_helm(
    entries: Sequence[str],
    url: str,
    work: Path,
    environment: HelmEnvironment,
    max_instances: int,
    announce: Callable[[str], None] = print,
) -> HelmRun:
    """Evaluate run entries by one `helm-run`, so that its imports are paid for once; each run is announced.

    HELM tries a failed request five times, which nothing but its log tells (`failures`), and its HELM_RETRIES does not
    change. Raises StageError with the end of the log if it ends with an error.
    """
    command = [environment.command("helm-run"), "--run-entries", *entries, "--suite", SUITE, "--disable-cache"]
    options = ["--max-eval-instances", max_instances, "--num-threads", THREADS, "--output-path", OUTPUT]
    begun: list[str] = []

    def watch(line: str) -> None:
        if match := _begins(line):
            begun.append(match)
            announce(f"helm-run    [{len(begun)}/{len(entries)}] {match}")

    log = work / RUN_LOG
    _run([*command, *options], log, work, helm_variables(url, work), watch)
    return HelmRun(log, timed_runs(log.read_text(encoding="utf-8")))


def summarize(work: Path, environment: HelmEnvironment) -> Path:
    """HELM's tables of the suite; the log. Raises StageError with the end of the log if it fails."""
    command = [environment.command("helm-summarize"), "--suite", SUITE, "--output-path", OUTPUT]
    log = work / SUMMARY_LOG
    _run(command, log, work, helm_variables("", work), lambda line: None)
    return log


def helm_variables(url: str, work: Path) -> dict[str, str]:
    """The environment of HELM's commands: the server's address, never through a proxy; NLTK's files in `work`."""
    host = urlsplit(url).hostname or "127.0.0.1"
    left_out = ",".join(filter(None, (os.environ.get("NO_PROXY"), host)))
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return kept | {
        "HELM_HTTP_MODEL_BASE_URL": url.rstrip("/"),
        "HELM_LOG_LEVEL": "INFO",
        "HF_HUB_OFFLINE": "1",
        "NLTK_DATA": str((work / "nltk_data").absolute()),
        "NO_PROXY": left_out,
        "no_proxy": left_out,
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _run(
    command: Sequence[object], log: Path, work: Path, variables: Mapping[str, str], watch: Callable[[str], None]
) -> None:
    """Run a command in `work`, its output into `log` and line by line to `watch`. StageError unless it ends with 0."""
    Path(variables["NLTK_DATA"]).mkdir(parents=True, exist_ok=True)  # NLTK writes where it finds a folder
    words = [str(word) for word in command]
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            words,
            cwd=work,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        limit = threading.Timer(SECONDS, process.kill)
        limit.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                file.write(line)
                watch(line)
            code = process.wait()
        except BaseException:  # the user's Ctrl-C too
            process.kill()
            process.wait()
            raise
        finally:
            timed_out = not limit.is_alive()
            limit.cancel()
    if code != 0:
        why = f"was ended after {SECONDS:.0f} s" if timed_out else f"ended with exit code {code}"
        raise StageError(f"{Path(words[0]).name} {why}. The end of {log}:\n{tail(log)}")


def tail(log: Path, lines: int = TAIL) -> str:
    """The last lines of a log, or that it is absent or empty."""
    if not log.is_file():
        return f"({log} is absent)"
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]) or f"({log} is empty)"


def _begins(line: str) -> str | None:
    """The run that a line of HELM's log begins."""
    logged = LOGGED.match(line)
    match = BEGINS.fullmatch(logged["text"].rstrip()) if logged else None
    return match["name"] if match else None


def timed_runs(log: str) -> tuple[TimedRun, ...]:
    """The runs of a log, in their order. A run lasts until the next one begins, the last one until the log's end."""
    starts: list[tuple[str, datetime]] = []
    last: datetime | None = None
    for line in log.splitlines():
        if logged := LOGGED.match(line):
            last = datetime.fromisoformat(logged["time"])
            if name := _begins(line):
                starts.append((name, last))
    ends = [begin for _, begin in starts[1:]] + ([last] if last is not None else [])
    return tuple(
        TimedRun(name, (end - begin).total_seconds()) for (name, begin), end in zip(starts, ends, strict=False)
    )


def failures(log: str) -> list[str]:
    """The lines of a log that tell of a failed request, a retry or an error, without HELM's time stamps."""
    return [line.split("  ")[-1].strip() for line in log.splitlines() if FAILED.search(line)]


def runs_planned(log: str) -> int | None:
    """How many runs HELM made of the entries, or None if the log does not say."""
    match = RUNS_PLANNED.search(log)
    return int(match[2]) if match else None
