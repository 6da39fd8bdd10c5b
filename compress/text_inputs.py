"""The texts that a compression reads, as what its stages depend on: outputs of earlier stages, and files by content."""

from collections.abc import Sequence
from pathlib import Path

from compress.config import CorpusFile
from oneday.files import sha256_once

RUN = "RUN/"
ABSENT = "absent"


def run_inputs(files: Sequence[CorpusFile]) -> tuple[str, ...]:
    """Those of the texts that an earlier stage wrote, as paths below the run folder."""
    return tuple(dict.fromkeys(file.path.removeprefix(RUN) for file in files if file.path.startswith(RUN)))


def text_hashes(files: Sequence[CorpusFile]) -> dict[str, str]:
    """The SHA-256 of each text file of the user's own, by path; of a folder, of every file in it."""
    hashes: dict[str, str] = {}
    for file in files:
        if not file.path.startswith(RUN):
            path = Path(file.path)
            found = sorted(inner for inner in path.rglob("*") if inner.is_file()) if path.is_dir() else [path]
            hashes |= {str(inner): sha256_once(inner) if inner.is_file() else ABSENT for inner in found}
    return hashes
