"""What a training folder was started from, and which of its checkpoints can be resumed."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from oneday.files import sha256_file, sha256_json, write_json
from oneday.models import model_files
from training.trackers import is_tracking_key

START = "oneday_start.json"
WHOLE = ("trainer_state.json", "optimizer.pt", "scheduler.pt")

# Keys that say where things are or how long a training may take, not what it is: a run that is moved, or given more
# time, is no other one. Nor is one that is tracked.
PLACES = ("output_dir", "dataset_prepared_path", "datasets", "test_datasets", "axolotl_config_path", "plugins")
TIME = ("oneday_budget_hours", "oneday_budget_seconds")


def start_record(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the result of a training: the settings as written, the models and the content of the data."""
    kept = {key: value for key, value in settings.items() if key not in (*PLACES, *TIME) and not is_tracking_key(key)}
    kept["datasets"] = [_without_path(entry) for entry in dataset_entries(settings)]
    record = {
        "settings": sha256_json(json.loads(json.dumps(kept, default=str))),
        "base_model": sha256_json(model_files(str(settings["base_model"]))),
        "data": data_hash(settings),
    }
    teacher = settings.get("oneday_teacher")
    return record if teacher is None else record | {"teacher": sha256_json(model_files(str(teacher)))}


def data_hash(settings: Mapping[str, Any]) -> str:
    """One hash over the content of all local data files that the settings name."""
    files = [Path(str(entry["path"])) for entry in dataset_entries(settings)]
    return sha256_json([sha256_file(file) if file.is_file() else str(file) for file in files])


def dataset_entries(settings: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The entries of `datasets` and `test_datasets`, in order."""
    for key in ("datasets", "test_datasets"):
        yield from settings.get(key) or []


def read_start(model_dir: Path) -> dict[str, Any] | None:
    """The record in a training folder; None if there is none that can be read."""
    try:
        record = json.loads((model_dir / START).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def write_start(model_dir: Path, record: Mapping[str, Any], finished: bool) -> None:
    """Note what the training in this folder was started from and whether it reached its end."""
    write_json(model_dir / START, {**record, "finished": finished})


def same_start(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether a record that was read back is of the start `now`."""
    return all(earlier.get(key) == value for key, value in now.items())


def checkpoints(model_dir: Path) -> list[Path]:
    """The `checkpoint-N` folders, by step."""
    found = [path for path in model_dir.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdigit()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("checkpoint-")))


def set_aside_broken_checkpoints(model_dir: Path) -> list[Path]:
    """Rename checkpoints that were cut off while being written, so that the last whole one is resumed.

    The trainer writes straight into `checkpoint-N`, its state last; Axolotl takes the highest N unchecked.
    """
    moved = []
    for path in checkpoints(model_dir):
        if all(_whole(path / name) for name in WHOLE) and _readable_state(path):
            continue
        target = free_name(path.with_name(f"broken-{path.name}"))
        path.rename(target)
        print(f"Warning: {path} is not a whole checkpoint; set aside as {target.name}", file=sys.stderr)
        moved.append(target)
    return moved


def free_name(path: Path) -> Path:
    """`path`, or `path-2`, `path-3` ... if it is taken."""
    number, candidate = 1, path
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate


def _whole(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _readable_state(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


def _without_path(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "path"}
