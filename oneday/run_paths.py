"""Paths in a recipe that mean the run folder, wherever it is: RUN/05_mix/train.jsonl."""

import re
from pathlib import Path

RUN = "RUN/"
STAGE_FOLDER = re.compile(r"\d\d[a-z]?_\w+(/.*)?")


def checked(path: str) -> str:
    """The path, for a validator. ValueError if it is below the run folder but not in the folder of a stage."""
    if path.startswith(RUN) and not STAGE_FOLDER.fullmatch(path.removeprefix(RUN)):
        raise ValueError("RUN/ is followed by the folder of a stage, as in RUN/05_mix/train.jsonl")
    return path


def stage_input(path: str) -> str | None:
    """The path below the run folder, as a stage names its inputs; None if it is not below it."""
    return path.removeprefix(RUN) if path.startswith(RUN) else None


def located(path: str, run_dir: Path | None) -> Path:
    """Where the file or folder lies. ValueError if it is below a run folder, but there is none."""
    below = stage_input(path)
    if below is None:
        return Path(path).expanduser()
    if run_dir is None:
        raise ValueError(f"{path} is below a run folder, but there is none here; give the path of a file")
    return run_dir / below
