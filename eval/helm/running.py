"""`run_helm`, `run_conf` and `summarize`: HELM's own commands in its own virtual environment.

HELM talks to the server that HELM_HTTP_MODEL_BASE_URL names. All that it writes is below one work folder.
"""

import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from eval.helm.logs import RUNS_PLANNED, TRACEBACK, TimedRun, begins, failures, names_planned, timed_runs
from oneday.stage import StageError

OUTPUT, SUITE = "benchmark_output", "oneday"  # below the work folder: what HELM writes, and the suite's name in it
SCENARIOS = f"{OUTPUT}/scenarios"  # files that HELM's scenarios read
RUN_LOG, SUMMARY_LOG = "helm-run.log", "helm-summarize.log"
THREADS = 4  # HELM's default, and the judges'
SECONDS = 1800.0  # after which a command of HELM is ended; a request that always fails takes it 150
POLL = 5.0  # seconds between two looks at the server while a command of HELM runs
TAIL = 25  # lines of a log that an error shows
MODEL = "neurips/local"  # HELM's name for whatever HELM_HTTP_MODEL_BASE_URL serves; the judges' too
PLUGIN = Path(__file__).with_name("plugin.py")
SKIPPED = "because run is completed and all output files exist"
Gone = Callable[[], str | None]  # why the server is no more, if it is
WHOLE = tuple(f"{name}.json" for name in ("run_spec", "scenario", "scenario_state", "stats", "per_instance_stats"))


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

    def has_module(self, name: str) -> bool:
        """Whether a Python module, top level, is installed in it."""
        return any(self.folder.glob(f"lib/python*/site-packages/{name}"))


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
    gone: Gone = lambda: None,
) -> HelmRun:
    """Evaluate run entries by one `helm-run`, so that its imports are paid for once; runs and retries are announced.

    HELM tries a failed request five times, which nothing but its log tells (`failures`), and its HELM_RETRIES does not
    change. Raises StageError with the end of the log if it ends with an error, or why the server is gone.
    """
    command = [environment.command("helm-run"), "--run-entries", *entries, "--suite", SUITE, "--disable-cache"]
    options = ["--max-eval-instances", max_instances, "--num-threads", THREADS, "--output-path", OUTPUT]
    begun: list[str] = []

    def watch(line: str) -> None:
        if match := begins(line):
            begun.append(match)
            announce(f"helm-run    [{len(begun)}/{len(entries)}] {match}")
        _announce_failure(line, announce)

    log = work / RUN_LOG
    _run([*command, *options], log, work, helm_variables(url, work), watch, gone)
    return HelmRun(log, timed_runs(log.read_text(encoding="utf-8")))


def run_conf(
    conf: Path,
    url: str,
    work: Path,
    environment: HelmEnvironment,
    max_instances: int,
    announce: Callable[[str], None] = print,
    gone: Gone = lambda: None,
    planned: Callable[[Sequence[str]], None] = lambda names: None,
) -> tuple[HelmRun, str | None]:
    """Evaluate a conf file's entries that are not finished yet, with our plugin; why helm-run failed, if it did.

    `planned` gets the names of the runs that HELM made of the entries, before the first one ends. One run that fails
    does not end the others, a server that is gone does. There is no limit of time.
    """
    command = [environment.command("helm-run"), "--conf-paths", conf.absolute(), "--models-to-run", MODEL]
    options = ["--plugins", PLUGIN, "--skip-completed-runs", "--suite", SUITE, "--disable-cache"]
    sizes = ["--max-eval-instances", max_instances, "--num-threads", THREADS, "--output-path", OUTPUT]
    log, begun, count = work / RUN_LOG, 0, 0

    def watch(line: str) -> None:
        nonlocal begun, count
        if match := RUNS_PLANNED.search(line):
            count = int(match[2])
        if name := begins(line):
            if begun == 0:
                planned(names_planned(log.read_text(encoding="utf-8", errors="replace")))
            begun += 1
            announce(f"helm-run    [{begun}/{count}] {name}")
        elif SKIPPED in line:
            announce("            is finished, and kept")
        _announce_failure(line, announce)

    why: str | None = None
    try:
        _run([*command, *options, *sizes], log, work, helm_variables(url, work), watch, gone, limited=False)
    except StageError as error:
        why = str(error)
    return HelmRun(log, timed_runs(log.read_text(encoding="utf-8"))), why


def _announce_failure(line: str, announce: Callable[[str], None]) -> None:
    """Tell of a failed request or a retry at once; a traceback's first line says nothing."""
    for failure in failures(line):
        if not failure.startswith(TRACEBACK):
            announce(f"            {failure}")


def is_whole(folder: Path) -> bool:
    """Whether HELM finished the run of that folder: the same files that its --skip-completed-runs looks for."""
    return all((folder / name).is_file() for name in WHOLE)


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
    command: Sequence[object],
    log: Path,
    work: Path,
    variables: Mapping[str, str],
    watch: Callable[[str], None],
    gone: Gone = lambda: None,
    limited: bool = True,
) -> None:
    """Run a command in `work`, its output into `log` and line by line to `watch`. StageError unless it ends with 0.

    It is ended once the server is `gone` and, if `limited`, after SECONDS.
    """
    Path(variables["NLTK_DATA"]).mkdir(parents=True, exist_ok=True)  # NLTK writes where it finds a folder
    words = [str(word) for word in command]
    with log.open("w", encoding="utf-8", buffering=1) as file:
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
        if limited:
            limit.start()
        ended, lost = threading.Event(), list[str]()
        threading.Thread(target=_end_without_server, args=(process, gone, ended, lost), daemon=True).start()
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
            timed_out = limited and not limit.is_alive()
            limit.cancel()
            ended.set()
    if lost:
        raise StageError(f"{Path(words[0]).name} was ended: {lost[0]}")
    if code != 0:
        why = f"was ended after {SECONDS:.0f} s" if timed_out else f"ended with exit code {code}"
        raise StageError(f"{Path(words[0]).name} {why}. The end of {log}:\n{tail(log)}")


def _end_without_server(process: "subprocess.Popen[str]", gone: Gone, ended: threading.Event, lost: list[str]) -> None:
    """End the process once the server is gone, and put the reason into `lost`."""
    while not ended.wait(POLL):
        if (why := gone()) is not None:
            lost.append(why)
            process.kill()
            return


def tail(log: Path, lines: int = TAIL) -> str:
    """The last lines of a log, or that it is absent or empty."""
    if not log.is_file():
        return f"({log} is absent)"
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]) or f"({log} is empty)"
