"""Rows of TSV files: a header, tabs between values, a row a line. A quote is a character as any other.

All values are text. A line that does not fit the header is a named Drop; blank lines are no rows.
"""

from collections.abc import Iterator
from pathlib import Path

from data_prep.sources.example_source import Drop, Row
from data_prep.sources.json_rows import BYTE_ORDER_MARK, lines_of, plan_lines
from data_prep.sources.row_ranges import RowFormat, RowRange
from oneday.files import MAX_LINE


def plan(path: Path) -> list[RowRange]:
    """Byte ranges of about CHUNK_BYTES that end at line ends; the header is in none of them."""
    return plan_lines(path, _header(path)[1])


def read(path: Path, part: RowRange) -> Iterator[tuple[int, Row | Drop]]:
    """The rows of a byte range, counted from the line after the header."""
    names, _ = _header(path)
    for number, line in lines_of(path, part):
        row = line if isinstance(line, Drop) else _row(line, names)
        if row is not None:
            yield number, row


def columns(path: Path) -> list[str]:
    """The names in the header."""
    return _header(path)[0]


def _row(line: bytes, names: list[str]) -> Row | Drop | None:
    content = line.rstrip(b"\r\n")
    if not content:
        return None
    try:
        values = content.decode().split("\t")
    except UnicodeDecodeError:
        return Drop("not_utf8")
    return dict(zip(names, values, strict=True)) if len(values) == len(names) else Drop("wrong_number_of_fields")


def _header(path: Path) -> tuple[list[str], int]:
    """The names of the columns, and the byte after them. ValueError names what is wrong."""
    with path.open("rb") as file:
        line = file.readline(MAX_LINE)
    try:
        text = line.removeprefix(BYTE_ORDER_MARK).rstrip(b"\r\n").decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: the header cannot be read: not utf8") from error
    if line and not text.strip():
        raise ValueError(f"{path}: the first line is blank; it must name the columns")
    names = text.split("\t") if text else []
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"{path}: two columns are called {twice[0]!r}")
    return names, len(line)


TSV = RowFormat(plan, read, columns, header_lines=1)
