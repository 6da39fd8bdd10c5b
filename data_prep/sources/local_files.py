"""The files of a data set on disk: one file, a folder of tables, or a folder that `datasets` saved.

In a folder, the files of one split are taken by their names, as `datasets` does.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.sources.tables import TABLE_SUFFIXES

SUFFIXES = (*TABLE_SUFFIXES, ".tsv")
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "dev", "val"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
SEPARATORS = re.compile(r"[-._ 0-9]+")
SHARD = re.compile(r"(\w+(?:\.\w+)*)-\d{5}-of-\d{5}.*")  # data/train-00000-of-00002.parquet
NOTES = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "config.json")


@dataclass(frozen=True)
class LocalFiles:
    """Files below a folder, in the order in which they are read."""

    root: Path
    files: tuple[Path, ...]


def local_files(path: Path, split: str, config: str | None) -> LocalFiles:
    """The files of a split, or of several that a plus sign joins, one after the other.

    FileNotFoundError or ValueError says what is there and what to do.
    """
    if path.is_file():
        if path.suffix not in SUFFIXES:
            raise ValueError(f"{path} is no table; allowed: a folder, or a file in {', '.join(SUFFIXES)}")
        if config is not None:
            raise ValueError(f"config is for data sets of several parts, but {path} is one file; remove it")
        return LocalFiles(path.parent, (path,))
    folder = _configured(path, config)
    splits = split.split("+")
    if (folder / "dataset_dict.json").is_file():
        saved = [_saved(_saved_split(folder, part)) for part in dict.fromkeys(splits)]
        joined = LocalFiles(folder, tuple(file for part in saved for file in part.files))
        return joined if len(saved) > 1 else saved[0]
    if (folder / "state.json").is_file():
        return _saved(folder)
    tables = [
        file
        for file in sorted(folder.rglob("*"))
        if file.suffix in SUFFIXES and file.is_file() and file.name not in NOTES
        if not any(part.startswith(".") for part in file.relative_to(folder).parts)
    ]
    if not tables:
        raise FileNotFoundError(f"{folder} holds no tables ({', '.join(SUFFIXES)}); name the folder that does")
    chosen = dict.fromkeys(file for part in splits for file in choose_split(tables, folder, part))
    return LocalFiles(folder, tuple(chosen))


def _configured(folder: Path, config: str | None) -> Path:
    """The part of a data set: the folder of its name."""
    if config is None:
        return folder
    if (folder / config).is_dir():
        return folder / config
    there = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    raise ValueError(f"{folder} has no folder {config!r}; folders there: {', '.join(there) or 'none'}; change config")


def choose_split(files: list[Path], root: Path, split: str) -> list[Path]:
    """The files named after the split; all of them if none is named after any. ValueError lists the splits found."""
    by_split: dict[str | None, list[Path]] = defaultdict(list)
    for path in files:
        by_split[split_of(path.relative_to(root))].append(path)
    wanted = SPLIT_WORDS.get(split, split)
    if wanted in by_split:
        return by_split[wanted]
    named_so = [path for path in files if split in _names_of(path.relative_to(root))]
    if named_so:
        return named_so
    found = sorted(name for name in by_split if name is not None)
    if not found:
        return files
    raise ValueError(f"{root} has no files of the split {split!r}; splits there: {', '.join(found)}; change split")


def _names_of(path: Path) -> Iterator[str]:
    """What a split may be called for a file to be its: the file without suffix and number of the shard, its folders."""
    shard = SHARD.fullmatch(path.name)
    yield path.stem if shard is None else shard[1]
    yield from path.parts[:-1]


def split_of(path: Path) -> str | None:
    """The split that a file is named after, by its path below the data set's folder; the folders' names count first."""
    *folders, name = path.parts
    shard = SHARD.fullmatch(name)
    if shard and folders[-1:] == ["data"]:
        return SPLIT_WORDS.get(shard[1], shard[1])
    words = (word for part in (*folders, name) for word in SEPARATORS.split(part))
    return next((SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS), None)


def _saved_split(folder: Path, split: str) -> Path:
    splits = _note(folder / "dataset_dict.json", "splits")
    if split not in splits:
        found = ", ".join(map(str, splits)) or "none"
        raise ValueError(f"{folder} has no split {split!r}; splits there: {found}; change split")
    return folder / split


def _saved(folder: Path) -> LocalFiles:
    """The files of a saved split, in their order."""
    try:
        files = [folder / Path(file["filename"]).name for file in _note(folder / "state.json", "_data_files")]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{folder / 'state.json'} is damaged; save the data set again") from error
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        raise ValueError(f"{folder} is no whole saved data set: {missing[0]} is missing; save it again")
    return LocalFiles(folder, tuple(files))


def _note(path: Path, key: str) -> list[Any]:
    """A list in one of the notes that `datasets` saves."""
    try:
        values = json.loads(path.read_bytes())[key]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged or missing; save the data set again") from error
    return list(values) if isinstance(values, list) else []
