"""How large files are cut: into ranges of rows of fixed size, so that the number of workers changes nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from data_prep.sources.example_source import Drop, Row

CHUNK_BYTES = 16 * 2**20
MOST_ROWS = 50_000
ROWS_LOOKED_AT = 100  # for the columns of a file that has no header


@dataclass(frozen=True)
class RowRange:
    """A part of a file: from `start` up to `end`, which are bytes or rows, by format.

    `first` is the number of the first row, counted from 1; in JSON Lines it is that of the line.
    """

    first: int
    start: int
    end: int


@dataclass(frozen=True)
class RowFormat:
    """A file format: the ranges of a file, the numbered rows of a range, and the columns (none if there are no rows).

    All raise ValueError, naming the file, if it cannot be read. Where rows are lines, `header_lines` are before the
    first of them.
    """

    plan: Callable[[Path], list[RowRange]]
    read: Callable[[Path, RowRange], Iterator[tuple[int, Row | Drop]]]
    columns: Callable[[Path], list[str]]
    header_lines: int = 0


def by_rows(rows: int, size: int, most_bytes: int = CHUNK_BYTES, most_rows: int | None = None) -> list[RowRange]:
    """Ranges of the rows of a file of `size` bytes: about `most_bytes` each, and at most `most_rows` (or MOST_ROWS)."""
    if not rows:
        return []
    step = max(min(MOST_ROWS if most_rows is None else most_rows, most_bytes * rows // max(size, 1)), 1)
    return [RowRange(start + 1, start, min(start + step, rows)) for start in range(0, rows, step)]
