"""The texts that `compress.yaml` names -> one text after the other, as they are.

JSON Lines, JSON, CSV, TSV and Parquet are read as the stage mix reads them, .txt by the line. A folder stands for all
such files in it. Nothing is normalised, and nothing is kept in memory but a part of a file. A null or blank value is
no text; a field that is not there is an error.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compress.config import CorpusFile
from data_prep.sources.chunks import FORM_OF_SUFFIX, FORMATS, form_of
from data_prep.sources.example_source import Drop, Row
from data_prep.sources.local_files import NOTES
from data_prep.sources.task_json import json_type
from oneday.files import read_lines
from oneday.run_paths import located

SUFFIXES = (*FORM_OF_SUFFIX, ".txt")
NO_DATA = (*NOTES, "stage.json", "report.json")  # what lies beside data in a data set's or a stage's folder


@dataclass(frozen=True)
class Text:
    """One text with its language, whether it is counted or only measured, and the file that it is from."""

    text: str
    language: str
    split: str
    path: Path


def texts(files: Sequence[CorpusFile], run_dir: Path | None) -> Iterator[Text]:
    """Every text of the files, in their order.

    `RUN/` in a path is the run folder. FileNotFoundError names a path that is not there; ValueError names file, line
    and field of what is no text, and the fields that there are.
    """
    for entry in files:
        for path in files_of(entry, run_dir):
            for text in _texts_of(path, entry.fields):
                yield Text(text, entry.language, entry.split, path)


def files_of(entry: CorpusFile, run_dir: Path | None) -> list[Path]:
    """The files that an entry names, sorted."""
    path = located(entry.path, run_dir)
    if path.is_file():
        if path.suffix not in SUFFIXES:
            raise ValueError(f"{path} cannot be read as texts; allowed: a folder, or a file in {', '.join(SUFFIXES)}")
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"corpus: there is no file or folder {path}; give another path")
    found = [file for file in sorted(path.rglob("*")) if file.suffix in SUFFIXES and file.is_file()]
    found = [file for file in found if file.name not in NO_DATA and not _is_hidden(file, path)]
    if not found:
        raise FileNotFoundError(f"corpus: {path} holds no files in {', '.join(SUFFIXES)}; name the folder that does")
    return found


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _texts_of(path: Path, fields: Sequence[str]) -> Iterator[str]:
    if path.suffix == ".txt":
        if fields:
            raise ValueError(f"{path} is plain text, which has no fields; remove fields: {', '.join(fields)}")
        yield from (text for _, line in _decoded(path) if (text := line.rstrip("\r\n")).strip())
        return
    if not fields:
        names = FORMATS[form_of(path)].columns(path)
        raise ValueError(f"{path}: fields is empty; name those that hold text, of: {', '.join(names)}")
    for number, row in _rows(path):
        for field in fields:
            yield from (text for text in _values(row, field, f"{path}:{number}") if text.strip())


def _rows(path: Path) -> Iterator[tuple[int, Row]]:
    """The rows of a table, a part of the file at a time, with their lines where rows are lines."""
    form = FORMATS[form_of(path)]
    for part in form.plan(path):
        for number, row in form.read(path, part):
            number += form.header_lines
            if isinstance(row, Drop):
                raise ValueError(f"{path}:{number}: {row.reason.replace('_', ' ')}; mend the row or take it out")
            yield number, row


def _decoded(path: Path) -> Iterator[tuple[int, str]]:
    """The numbered lines; ValueError names the one that is not UTF-8."""
    for number, line in read_lines(path):
        try:
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}:{number}: not UTF-8 text; save the file as UTF-8") from error


def _values(row: Row, field: str, place: str) -> Iterator[str]:
    """The texts at a dotted field; lists on the way, such as messages, are gone through."""
    here: list[Any] = [row]
    for key in [field] if field in row else field.split("."):
        here = [item for value in here for item in (value if isinstance(value, list) else [value])]
        here = [_value(item, key, field, place) for item in here if item is not None]
    for value in here:
        for item in value if isinstance(value, list) else [value]:
            if item is not None and not isinstance(item, str):
                raise ValueError(f"{place}: the field {field!r} is {json_type(item)}, expected text")
            yield item or ""


def _value(item: Any, key: str, field: str, place: str) -> Any:
    if not isinstance(item, dict):
        raise ValueError(f"{place}: no field {field!r}: {json_type(item)} stands where {key!r} is looked for")
    if key not in item:
        raise ValueError(f"{place}: no field {field!r}; fields there: {', '.join(map(str, item)) or 'none'}")
    return item[key]
