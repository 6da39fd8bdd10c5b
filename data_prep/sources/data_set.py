"""What the settings of a data set name -> its files, and its fingerprint.

A local file, a folder of tables, a folder that `datasets` saved, or a hub id with its revision.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.sources.catalogue import source_of
from data_prep.sources.chunks import columns_of
from data_prep.sources.hub import HUB_ID, download
from data_prep.sources.local_files import LocalFiles, local_files
from data_prep.sources.mix_config import DataSet, MixSource, Table
from data_prep.sources.table_source import mapping_of
from oneday.files import sha256_json, sha256_once
from oneday.machine import processors
from oneday.run_paths import located, stage_input

Column = str | tuple[str, ...]


@dataclass(frozen=True)
class Resolved:
    """The files of a data set in their order; `sha256` is over local ones, `commit` is what a hub's revision is."""

    files: tuple[Path, ...]
    sha256: str | None
    commit: str | None


def resolve(data_set: DataSet, work: Path, run_dir: Path | None = None) -> Resolved:
    """The files of a data set; one of the hub is downloaded into `work`, unless it is there already.

    `RUN/` in its path is `run_dir`. FileNotFoundError or ValueError says what is wrong and what to do.
    """
    local = _local(data_set, run_dir)
    if local is not None:
        return Resolved(tuple(path.resolve() for path in local.files), _sha256(local), None)
    assert data_set.revision is not None
    path, commit = download(data_set.path, data_set.config, data_set.split, data_set.revision, work)
    return Resolved((path.resolve(),), None, commit)


def fingerprint(data_set: DataSet, run_dir: Path | None = None) -> dict[str, Any]:
    """What the data is, wherever it lies: a hash over its files' names and contents, or the id and revision.

    Nothing is downloaded. Raises as `resolve` does.
    """
    local = _local(data_set, run_dir)
    if local is not None:
        return {"files": len(local.files), "sha256": _sha256(local)}
    return {
        "hub": data_set.path,
        "revision": data_set.revision,
        "config": data_set.config,
        "split": data_set.split,
    }


@contextmanager
def told_of(place: str) -> Iterator[None]:
    """Put the place in the recipe before what is wrong with the files that it names."""
    try:
        yield
    except (FileNotFoundError, ValueError) as error:
        raise type(error)(f"{place}: {error}") from error


def _local(data_set: DataSet, run_dir: Path | None) -> LocalFiles | None:
    """The files on disk; None for a hub id."""
    path, of_a_stage = located(data_set.path, run_dir), stage_input(data_set.path) is not None
    if data_set.revision is not None and (of_a_stage or path.exists()):
        where = "of the run folder" if of_a_stage else "here"
        raise ValueError(f"revision is for a data set of the hub, but {path} is {where}; remove it")
    if path.exists():
        return local_files(path, data_set.split, data_set.config)
    if of_a_stage:
        raise FileNotFoundError(f"there is no file or folder {path}; run the stage that writes it first")
    if data_set.revision is not None and HUB_ID.fullmatch(data_set.path):
        return None
    hint = ""
    if HUB_ID.fullmatch(data_set.path):
        hint = f". If it is a data set of the hub, name its revision: a commit of huggingface.co/datasets/{path}"
    below = "" if path.is_absolute() else f" below {Path.cwd()}, where the command runs"
    raise FileNotFoundError(f"there is no file or folder {path}{below}{hint}")


def _sha256(local: LocalFiles) -> str:
    with ThreadPoolExecutor(processors()) as pool:  # hashing frees the interpreter, so threads do
        hashes = list(pool.map(sha256_once, local.files))
    names = [ascii(path.relative_to(local.root).as_posix()) for path in local.files]
    return sha256_json(list(zip(names, hashes, strict=True)))


def check_columns(settings: MixSource, files: Sequence[Path]) -> None:
    """Raises ValueError, listing the columns found, if a file lacks one that the source needs."""
    keys = {column: key for key, column in mapping_of(settings).items()} if isinstance(settings, Table) else {}
    require_columns(source_of(settings).columns, files, keys)


def require_columns(columns: Iterable[Column], files: Sequence[Path], keys: Mapping[str, str] | None = None) -> None:
    """Raises ValueError if a file lacks a column (of a tuple: all of them), or if no file has rows.

    `keys` are the keys of the recipe that name the columns.
    """
    wanted, empty = list(columns), True
    for path in files:
        found = columns_of(path)
        missing = [column for column in wanted if not set(_names(column)) & set(found)]
        if found and missing:
            raise ValueError(_complaint(path, missing, wanted, found, keys or {}))
        empty = empty and not found
    if empty:
        raise ValueError(f"there are no rows in {', '.join(map(str, files))}")


def _names(column: Column) -> tuple[str, ...]:
    return (column,) if isinstance(column, str) else column


def _complaint(
    path: Path, missing: Sequence[Column], wanted: Sequence[Column], found: Sequence[str], keys: Mapping[str, str]
) -> str:
    """What a file lacks, what it has, and what was meant."""

    def said(column: Column) -> str:
        name = " or ".join(_names(column))
        return f"{name} ({keys[name]})" if name in keys else name

    near = {name.lower(): name for name in found}
    faults = []
    for column in missing:
        guesses = [difflib.get_close_matches(name.lower(), near, 1) for name in _names(column)]
        guess = next((f", did you mean {near[guess[0]]}?" for guess in guesses if guess), "")
        faults.append(f"no column {said(column)}{guess}")
    return f"{path}: {'; '.join(faults)} - columns found: {', '.join(found)}; wanted: {', '.join(map(said, wanted))}"
