"""Rows of CSV files: commas, double quotes, a header. All values are text.

A record that does not fit the header is a named Drop. A record may have several lines, so that ranges are found by
reading the file.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from data_prep.sources.example_source import Drop, Row
from data_prep.sources.json_rows import BYTE_ORDER_MARK
from data_prep.sources.row_ranges import CHUNK_BYTES, RowFormat, RowRange
from oneday.files import MAX_LINE


def plan(path: Path) -> list[RowRange]:
    """Byte ranges of about CHUNK_BYTES that end with a record; the header is in none of them."""
    with path.open("rb") as file:
        _, start = _header(path, file)
        end = path.stat().st_size
        if end - start <= CHUNK_BYTES:
            return [RowRange(1, start, end)] if end > start else []
        ranges: list[RowRange] = []
        first = rows = 1
        for position, _ in _records(file, start, end):
            rows += 1
            if position - start >= CHUNK_BYTES:
                ranges.append(RowRange(first, start, position))
                first, start = rows, position
    return [*ranges, RowRange(first, start, end)] if start < end else ranges


def read(path: Path, part: RowRange) -> Iterator[tuple[int, Row | Drop]]:
    """The rows of a byte range; blank lines are none."""
    with path.open("rb") as file:
        names, _ = _header(path, file)
        file.seek(part.start)
        for number, (_, record) in enumerate(_records(file, part.start, part.end), start=part.first):
            if isinstance(record, Drop):
                yield number, record
            elif len(record) != len(names):
                yield number, Drop("wrong_number_of_fields")
            else:
                yield number, dict(zip(names, record, strict=True))


def columns(path: Path) -> list[str]:
    """The names in the header."""
    with path.open("rb") as file:
        return _header(path, file)[0]


def _header(path: Path, file: BinaryIO) -> tuple[list[str], int]:
    """The names of the columns, and where the rows begin; `file` is there then. ValueError names what is wrong."""
    start = len(BYTE_ORDER_MARK) if file.read(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK else 0
    file.seek(start)
    position, names = next(_records(file, start, 2**63), (start, []))
    if isinstance(names, Drop):
        raise ValueError(f"{path}: the header cannot be read: {names.reason.replace('_', ' ')}")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"{path}: two columns are called {twice[0]!r}")
    return names, position


def _records(file: BinaryIO, position: int, end: int) -> Iterator[tuple[int, list[str] | Drop]]:
    """Each record up to the byte `end`, with the byte after it."""
    readable = True

    def lines() -> Iterator[str]:
        nonlocal position, readable
        while position < end and (line := file.readline(MAX_LINE)):
            position += len(line)
            try:
                yield line.decode()
            except UnicodeDecodeError:
                readable = False
                yield line.decode(errors="replace")

    reader = csv.reader(lines(), strict=True)  # an open quote is a fault, not a value up to the file's end
    while True:
        readable = True
        try:
            record = _next_record(reader)
        except csv.Error:
            yield position, Drop("not_csv")
            continue
        if record is None:
            return
        if not readable:
            yield position, Drop("not_utf8")
        elif record:
            yield position, record


def _next_record(reader: Iterator[list[str]]) -> list[str] | None:
    """The next record, with fields of any size; None at the end. The limit of `csv` is one for the whole process."""
    limit = csv.field_size_limit(MAX_LINE)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(limit)


CSV = RowFormat(plan, read, columns, header_lines=1)
