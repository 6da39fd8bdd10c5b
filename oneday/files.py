"""Files that are whole or absent: atomic writes, hashes, JSON lines read with line numbers."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TextIO, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

Record = TypeVar("Record", bound=BaseModel)
Content = TypeVar("Content")
MAX_LINE = 64 * 2**20  # bytes; a longer line is a damaged file, and reading it whole could fill the memory


@contextmanager
def atomic_write(path: Path) -> Iterator[TextIO]:
    """A text file that takes the name `path` only once it is wholly on disk; on any error nothing is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic_write(path) as file:
        json.dump(value, file, ensure_ascii=False, indent=2)
        file.write("\n")


def write_jsonl(path: Path, records: Iterable[BaseModel]) -> None:
    """Write one JSON object a line, atomically."""
    with atomic_write(path) as file:
        for record in records:
            file.write(record.model_dump_json() + "\n")


def read_jsonl(path: Path, model: type[Record]) -> list[Record]:
    """The records of a JSON Lines file; see `iterate_jsonl`."""
    return list(iterate_jsonl(path, model))


def iterate_jsonl(path: Path, model: type[Record]) -> Iterator[Record]:
    """The records of a JSON Lines file, one in memory at a time.

    Raises FileNotFoundError, or ValueError that names file and line of the first record that is no `model`.
    """
    return (parse_line(path, number, line, model) for number, line in read_lines(path) if line.strip())


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Each line with its number, from 1. ValueError names a line that is longer than MAX_LINE."""
    with path.open("rb") as file:
        number = 1
        while line := file.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE:
                raise ValueError(
                    f"{path}:{number}: the line is longer than {MAX_LINE // 2**20} MiB; the file is damaged"
                )
            yield number, line
            number += 1


def parse_line(path: Path, number: int, line: bytes, model: type[Record]) -> Record:
    """The record in one line; ValueError names the place and the first thing wrong."""
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        raise ValueError(f"{path}:{number}: not a {model.__name__.lower()} record: {first_fault(error)}") from error


def read_json(path: Path, content: type[Content]) -> Content:
    """The checked content of a JSON file that a stage wrote: a model, or a type such as `list[TaskScore]`.

    Raises FileNotFoundError, or ValueError that names the file and the first fault.
    """
    try:
        return TypeAdapter(content).validate_json(path.read_bytes())
    except ValidationError as error:
        raise ValueError(f"{path} is damaged: {first_fault(error)}; run its stage again") from error


def first_fault(error: ValidationError) -> str:
    """The first thing wrong, as `key.path: what`."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_once(path: Path) -> str:
    """The SHA-256 of a file's content, computed once a process for each size and time: several stages ask for it."""
    state = path.stat()
    return _sha256_of_state(path, state.st_size, state.st_mtime_ns)


@cache
def _sha256_of_state(path: Path, size: int, modified_ns: int) -> str:
    return sha256_file(path)


def sha256_json(value: Any) -> str:
    """The SHA-256 of a value's canonical JSON, in hex."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
