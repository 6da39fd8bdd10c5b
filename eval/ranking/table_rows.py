"""CSV and JSON files as rows of named fields, each with its file and line."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGEST = 300  # digits of an integer that certainly is a double too
COLUMNS = "entry, scenario, metric, value (or entry, scenario, win_rate)"


@dataclass(frozen=True)
class Row:
    """A row's fields, or an entry's name with its values by heading, as in the published ranks."""

    place: str
    fields: dict[str, Any]
    published_entry: str | None = None


def read_rows(path: Path) -> list[Row]:
    """The rows of a .csv or .json file. ValueError names the file and, if it can, the line."""
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return list(_csv_rows(path))
    if suffix == ".json":
        return list(_json_rows(path))
    raise ValueError(f"{path}: not a table that can be read; it is to be a .csv or .json file with {COLUMNS}")


def _csv_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            head = [cell.strip() for cell in next(reader, [])]
            if len(set(head)) < len(head):
                raise ValueError(f"{path}:1: a column is there twice: {', '.join(head)}")
            for cells in reader:
                place = f"{path}:{reader.line_num}"
                if not cells:
                    continue
                if len(cells) != len(head):
                    raise ValueError(f"{place}: {len(cells)} cells, but the head names {len(head)}: {', '.join(head)}")
                yield Row(place, dict(zip(head, (cell.strip() for cell in cells), strict=True)))
        except csv.Error as error:
            raise ValueError(f"{path}:{reader.line_num}: not CSV: {error}") from error
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: not UTF-8: {error}") from error


def _json_rows(path: Path) -> Iterator[Row]:
    """The items of a list: objects, or pairs of a name and an object."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8: {error}") from error
    for line, item in _items(path, text):
        place = f"{path}:{line}"
        match item:
            case dict():
                yield Row(place, item)
            case [str() as name, dict() as values]:
                yield Row(place, values, published_entry=name)
            case _:
                raise ValueError(f"{place}: neither an object with {COLUMNS} nor a pair of a name and an object")


def _items(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    """The items of a JSON list, each with the line where it begins."""
    decoder = json.JSONDecoder(object_pairs_hook=_no_key_twice, parse_int=_integer)
    try:
        if not isinstance(json.loads(text, parse_int=_integer), list):
            raise ValueError(f"{path}:1: not a list of objects with {COLUMNS}")
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    except RecursionError as error:
        raise ValueError(f"{path}: the JSON is nested too deep to read") from error
    position = text.index("[") + 1
    while (position := _skip(text, position)) < len(text) and text[position] != "]":
        line = text.count("\n", 0, position) + 1
        try:
            item, position = decoder.raw_decode(text, position)
        except _KeyTwice as error:
            raise ValueError(f"{path}:{line}: the key '{error}' is there twice") from error
        yield line, item


def _integer(digits: str) -> float:
    """The integer; one of very many digits as a double, which is infinite where it is too large for one."""
    return int(digits) if len(digits) <= LONGEST else float(digits)


def _skip(text: str, position: int) -> int:
    """The next position that has neither white space nor a comma."""
    while position < len(text) and text[position] in " \t\r\n,":
        position += 1
    return position


class _KeyTwice(Exception):
    """A key that an object has twice."""


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in pairs:
        if key in fields:
            raise _KeyTwice(key)
        fields[key] = value
    return fields
