"""Files that are whole or absent: atomic writes, hashes, JSON lines read with line numbers."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, TypeVar

from pydantic import BaseModel, ValidationError

Record = TypeVar("Record", bound=BaseModel)


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
    """The records of a JSON Lines file.

    Raises FileNotFoundError, or ValueError that names file and line of the first record that is no `model`.
    """
    records = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                records.append(parse_line(path, number, line, model))
    return records


def parse_line(path: Path, number: int, line: bytes, model: type[Record]) -> Record:
    """The record in one line; ValueError names the place and the first thing wrong."""
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        reason = f"{key}: {first['msg']}" if key else first["msg"]
        raise ValueError(f"{path}:{number}: not a {model.__name__.lower()} record: {reason}") from error


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_json(value: Any) -> str:
    """The SHA-256 of a value's canonical JSON, in hex."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
