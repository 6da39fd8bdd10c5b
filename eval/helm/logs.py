"""What the log of `helm-run` tells: which runs it planned and began, when, and which requests failed."""

import re
from dataclasses import dataclass
from datetime import datetime

LOGGED = re.compile(r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) [A-Z ]{8} (?P<text>.*)")
BEGINS = re.compile(r"  Running (?P<name>\S.*) \{")  # deeper, it is the line of a prompt
RUNS_PLANNED = re.compile(r"(\d+) entries produced (\d+) run specs")
PLANNED = re.compile(r"    RunSpec\(name='([^']+)'.*")  # deeper, it is the line of a prompt
TRACEBACK = "Traceback (most recent call last)"
FEW_SHOWN = re.compile(r"\s*only (\d+) training instances, wanted (\d+)")
FAILED = re.compile(
    r"Retrying \(attempt|Failed to (make request|tokenize|decode)|Request error: |Local Model error: |"
    r"Error when running |Traceback \(most recent call last\)"
)


@dataclass(frozen=True)
class TimedRun:
    """One run of HELM, by the name of its folder, and its seconds from the log."""

    name: str
    seconds: float


def begins(line: str) -> str | None:
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
            if name := begins(line):
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


def names_planned(log: str) -> list[str]:
    """The runs that HELM made of the entries, by the names of their folders."""
    texts = (logged["text"] for logged in map(LOGGED.match, log.splitlines()) if logged)
    return [match[1] for match in map(PLANNED.fullmatch, texts) if match]


def failures_by_run(log: str) -> dict[str, list[str]]:
    """What `failures` finds, by the run that had begun; by "" what came before the first.

    A traceback is told by the error that ends it.
    """
    found: dict[str, list[str]] = {}
    run, in_traceback = "", False
    for line in log.splitlines():
        run = begins(line) or run
        if line.startswith(TRACEBACK):
            in_traceback = True
        elif in_traceback and line.strip() and not line.startswith(" "):
            in_traceback = False
            found.setdefault(run, []).append(line)
        elif failures(line):
            found.setdefault(run, []).extend(failures(line))
    if in_traceback:
        found.setdefault(run, []).append(TRACEBACK)
    return found


def demonstrations_lacking(log: str) -> dict[str, str]:
    """The runs whose prompts show fewer solved instances than the scenario wants, as "0 of 5"."""
    found: dict[str, str] = {}
    run = ""
    for line in log.splitlines():
        run = begins(line) or run
        logged = LOGGED.match(line)
        if logged and (match := FEW_SHOWN.fullmatch(logged["text"])):
            found[run] = f"{match[1]} of {match[2]}"
    return found
