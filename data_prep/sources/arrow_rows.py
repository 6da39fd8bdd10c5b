"""Rows of Parquet files, and of Arrow streams, which are what `datasets` saves.

Ranges are of rows; those of a Parquet file need not end where its row groups do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.sources.example_source import Drop, Row
from data_prep.sources.row_ranges import RowFormat, RowRange, by_rows

if TYPE_CHECKING:
    from pyarrow import RecordBatch  # type: ignore[import-untyped]
    from pyarrow.ipc import RecordBatchStreamReader  # type: ignore[import-untyped]
    from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]

BATCH = 1_000


@contextmanager
def _parquet(path: Path) -> "Iterator[ParquetFile]":
    """The opened file. ValueError, also while it is used, if it is damaged."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            yield file
    except FileNotFoundError:
        raise
    except (ArrowException, OSError) as error:
        raise ValueError(f"{path} is not a whole Parquet file: {error}; get it again") from error


@contextmanager
def _stream(path: Path) -> "Iterator[RecordBatchStreamReader]":
    """The opened stream. ValueError, also while it is used, if it is damaged."""
    from pyarrow import ArrowException, memory_map
    from pyarrow.ipc import open_stream

    try:
        with memory_map(str(path)) as file, open_stream(file) as stream:
            yield stream
    except FileNotFoundError:
        raise
    except (ArrowException, OSError) as error:
        raise ValueError(f"{path} is not a whole Arrow file: {error}; save the data set again") from error


def plan_parquet(path: Path) -> list[RowRange]:
    """Ranges of rows, by their size before compression."""
    with _parquet(path) as file:
        notes = file.metadata
        size = sum(notes.row_group(group).total_byte_size for group in range(notes.num_row_groups))
        return by_rows(notes.num_rows, size)


def read_parquet(path: Path, part: RowRange) -> Iterator[tuple[int, Row | Drop]]:
    """The rows of a range; only the row groups that hold them are read."""
    with _parquet(path) as file:
        groups, first, row = [], 0, 0
        for group in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if row + rows <= part.start:
                first = row + rows
            elif row < part.end:
                groups.append(group)
            row += rows
        yield from _rows(file.iter_batches(batch_size=BATCH, row_groups=groups), first, part)


def plan_stream(path: Path) -> list[RowRange]:
    """Ranges of rows, by the size of the file."""
    with _stream(path) as stream:
        return by_rows(sum(batch.num_rows for batch in stream), path.stat().st_size)


def read_stream(path: Path, part: RowRange) -> Iterator[tuple[int, Row | Drop]]:
    """The rows of a range; the file is mapped, so that others are not read."""
    with _stream(path) as stream:
        yield from _rows(iter(stream), 0, part)


def _rows(batches: "Iterator[RecordBatch]", row: int, part: RowRange) -> Iterator[tuple[int, Row | Drop]]:
    """The rows of a range, from batches of which the first begins at `row`."""
    for batch in batches:
        start, end = max(part.start - row, 0), min(part.end - row, batch.num_rows)
        for offset in range(start, end, BATCH):
            taken = batch.slice(offset, min(BATCH, end - offset))
            yield from enumerate(_values(taken), start=row + offset + 1)
        row += batch.num_rows
        if row >= part.end:
            return


def _values(batch: "RecordBatch") -> list[Any]:
    """The rows of a batch; one whose text is no UTF-8 is a Drop."""
    try:
        rows: list[Any] = batch.to_pylist()
    except UnicodeDecodeError:
        if batch.num_rows == 1:
            return [Drop("not_utf8")]
        return [row for number in range(batch.num_rows) for row in _values(batch.slice(number, 1))]
    return rows


def parquet_columns(path: Path) -> list[str]:
    """The names of the file's columns."""
    with _parquet(path) as file:
        return list(file.schema_arrow.names)


def stream_columns(path: Path) -> list[str]:
    """The names of the stream's columns."""
    with _stream(path) as stream:
        return list(stream.schema.names)


PARQUET = RowFormat(plan_parquet, read_parquet, parquet_columns)
ARROW = RowFormat(plan_stream, read_stream, stream_columns)
