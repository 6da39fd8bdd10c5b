"""The texts that a compression reads, as what its stages depend on: outputs of earlier stages, and files by content."""

from collections.abc import Sequence

from compress.config import CorpusFile
from compress.corpus import files_of
from oneday.files import sha256_once
from oneday.run_paths import stage_input

ABSENT = "absent"


def run_inputs(files: Sequence[CorpusFile]) -> tuple[str, ...]:
    """Those of the texts that an earlier stage wrote, as paths below the run folder."""
    below = (stage_input(file.path) for file in files)
    return tuple(dict.fromkeys(path for path in below if path is not None))


def text_hashes(files: Sequence[CorpusFile]) -> dict[str, str]:
    """The SHA-256 of each text file of the user's own, by path; what is absent is told when it is read."""
    hashes: dict[str, str] = {}
    for file in files:
        if stage_input(file.path) is not None:
            continue
        try:
            hashes |= {str(path): sha256_once(path) for path in files_of(file, None)}
        except FileNotFoundError:
            hashes[file.path] = ABSENT
    return hashes
