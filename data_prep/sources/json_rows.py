"""Rows of JSON Lines files, and of JSON files that hold one list of rows (or an object with such a list in `data`).

A line that is no row is a named Drop. A JSON file is one value, so that a fault in it is an error.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from data_prep.sources.example_source import Drop, Row
from data_prep.sources.row_ranges import CHUNK_BYTES, ROWS_LOOKED_AT, RowFormat, RowRange, by_rows
from data_prep.sources.tables import is_json_lines
from data_prep.sources.task_json import json_type
from oneday.files import MAX_LINE

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LIST_BYTES = 4 * CHUNK_BYTES  # of a range of a list: larger, because every range costs a parse of the whole file
LARGEST_JSON = 2**28  # bytes; all of such a file, about eight times as much, is in memory at once
WHOLE_FILE = RowRange(1, 0, 2**63)


def plan_lines(path: Path, start: int = 0) -> list[RowRange]:
    """Byte ranges of about CHUNK_BYTES, from the byte `start` on, that end at line ends."""
    ranges: list[RowRange] = []
    number = 1
    with path.open("rb") as file:
        file.seek(start)
        while block := file.read(CHUNK_BYTES):
            lines = block.count(b"\n")
            if not block.endswith(b"\n"):
                _skip_line(file)
                lines += 1
            ranges.append(RowRange(number, start, file.tell()))
            number, start = number + lines, file.tell()
    return ranges


def read_lines(path: Path, part: RowRange) -> Iterator[tuple[int, Row | Drop]]:
    """The rows of a byte range by line number; blank lines are none."""
    for number, line in lines_of(path, part):
        row = line if isinstance(line, Drop) else _parse_line(line)
        if row is not None:
            yield number, row


def lines_of(path: Path, part: RowRange) -> Iterator[tuple[int, bytes | Drop]]:
    """The numbered lines of a byte range, without the file's byte order mark; one above MAX_LINE is a Drop."""
    number, position = part.first, part.start
    with path.open("rb") as file:
        file.seek(position)
        while position < part.end and (line := file.readline(MAX_LINE + 1)):
            if len(line) > MAX_LINE:
                if not line.endswith(b"\n"):
                    _skip_line(file)
                position = file.tell()
                yield number, Drop("line_too_long")
            else:
                yield number, line if position else line.removeprefix(BYTE_ORDER_MARK)
                position += len(line)
            number += 1


def _skip_line(file: BinaryIO) -> None:
    """Go behind the end of the line, or of the file."""
    while (rest := file.readline(CHUNK_BYTES)) and not rest.endswith(b"\n"):
        pass


def _parse_line(line: bytes) -> Row | Drop | None:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        if not line.strip():
            return None
        try:
            row = _parse_leniently(line)
        except UnicodeDecodeError:
            return Drop("not_utf8")
        except (ValueError, RecursionError):
            return Drop("not_json")
    return row if isinstance(row, dict) else Drop("wrong_type")


def _parse_leniently(content: bytes) -> Any:
    """What orjson refuses but Python reads: lone surrogates, NaN, deep nesting."""
    return json.loads(content.decode())


def plan_list(path: Path) -> list[RowRange]:
    """Ranges of the rows in the file's list."""
    rows = len(load_list(path))
    return by_rows(rows, path.stat().st_size, LIST_BYTES, max(rows, 1))


def read_list(path: Path, part: RowRange) -> Iterator[tuple[int, Row | Drop]]:
    """The rows of a range of the file's list. The whole file is parsed for it."""
    for number, row in enumerate(load_list(path)[part.start : part.end], start=part.first):
        yield number, row if isinstance(row, dict) else Drop("wrong_type")


def load_list(path: Path) -> list[Any]:
    """The list of rows in a JSON file. ValueError names the file, and the place of the fault."""
    size = path.stat().st_size
    if size > LARGEST_JSON:
        most = LARGEST_JSON // 2**20
        raise ValueError(f"{path} has {size / 2**20:,.0f} MiB; above {most} MiB give JSON Lines, one row a line")
    content = path.read_bytes().removeprefix(BYTE_ORDER_MARK)
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        value = _value_or_fault(path, content)
    rows = value.get("data") if isinstance(value, dict) else value
    if not isinstance(rows, list):
        found = f"an object with {', '.join(map(repr, value)) or 'no keys'}" if isinstance(value, dict) else None
        raise ValueError(
            f"{path}: the top level is {found or json_type(value)}; expected a list of rows, an object with such a "
            f"list in 'data', or one row a line"
        )
    return rows


def _value_or_fault(path: Path, content: bytes) -> Any:
    try:
        return _parse_leniently(content)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: byte 0x{content[error.start]:02x} at {error.start:,}") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from error
    except RecursionError as error:
        raise ValueError(f"{path} is not a list of rows: its JSON is nested too deeply") from error


def holds_lines(path: Path) -> bool:
    """Whether a .json file has a row a line, rather than one value."""
    with path.open("rb") as file:
        start = file.read(4096).removeprefix(BYTE_ORDER_MARK).lstrip()
    return not start.startswith(b"[") and is_json_lines(path)


def _columns(rows: Iterable[tuple[int, Row | Drop]]) -> list[str]:
    """The keys of the first rows."""
    first = islice((row for _, row in rows if not isinstance(row, Drop)), ROWS_LOOKED_AT)
    return list(dict.fromkeys(key for row in first for key in row))


JSON_LINES = RowFormat(plan_lines, read_lines, lambda path: _columns(read_lines(path, WHOLE_FILE)))
JSON_LIST = RowFormat(plan_list, read_list, lambda path: _columns(read_list(path, WHOLE_FILE)))
