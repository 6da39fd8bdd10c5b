"""Copy the chosen lines of the parts, in their new order, into the files of the training set."""

import mmap
import resource
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from oneday.files import atomic_write
from oneday.records import Example
from oneday.stage import StageError

if TYPE_CHECKING:
    from tqdm import tqdm

MOST_OPEN = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0] * 3 // 4, 800)  # files at a time
MOST_MAPPED = 2**31  # bytes of files in memory at a time
WINDOW = 2**16  # bytes that a system maps around a line that is read
ROWS_AT_A_TIME = 1_000  # copied together: what stays in the processor's cache is copied faster
ROWS_OF_A_GROUP = 20_000  # of a Parquet file
SCHEMA = dict.fromkeys(Example.model_fields, pl.String)
Integers = NDArray[np.int64]


class PartLines(AbstractContextManager["PartLines"]):
    """The lines of all parts, by part, first byte and size. Their files are mapped, a bounded part at a time."""

    def __init__(self, files: Sequence[Path], part: NDArray[np.int32], start: Integers, size: Integers) -> None:
        self.files, self.part, self.start, self.size = files, part, start, size
        self.open: dict[int, mmap.mmap] = {}
        self.fits = int(size.sum()) <= MOST_MAPPED
        self.mapped = 0

    def lines(self, rows: Sequence[int]) -> bytes:
        """The lines of the rows, in this order, each with its line end."""
        chosen = np.asarray(rows, dtype=np.int64)
        parts, starts = self.part[chosen].tolist(), self.start[chosen].tolist()
        ends = (self.start[chosen] + self.size[chosen]).tolist()
        if len(set(parts)) > MOST_OPEN:
            half = len(parts) // 2
            return self.lines(rows[:half]) + self.lines(rows[half:])
        files = {part: self._opened(part) for part in set(parts)}
        lines = b"".join([files[part][start:end] for part, start, end in zip(parts, starts, ends, strict=True)])
        if len(lines) != self.size[chosen].sum():
            raise StageError(f"a file below {self.files[parts[0]].parents[1]} is not whole; run the stage again")
        self._give_back(len(parts))
        return lines

    def example(self, row: int) -> Example:
        """The record of a row."""
        return Example.model_validate_json(self.lines([row]))

    def _opened(self, part: int) -> mmap.mmap:
        """The file of a part, mapped; the one that was asked for longest ago is closed for it if there are too many."""
        if part in self.open:
            file = self.open.pop(part)
        else:
            with self.files[part].open("rb") as opened:
                file = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        self.open[part] = file
        if len(self.open) > MOST_OPEN:
            self.open.pop(next(iter(self.open))).close()
        return file

    def _give_back(self, lines: int) -> None:
        """Let go of the memory that shows the files, once it may be too much; the system keeps what it has read."""
        self.mapped += lines * WINDOW
        if not self.fits and self.mapped > MOST_MAPPED:
            self.mapped = 0
            for file in self.open.values():
                file.madvise(mmap.MADV_DONTNEED)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self.open.values():
            file.close()
        self.open.clear()


def write_lines(
    lines: PartLines, rows: Sequence[int], path: Path, form: Literal["jsonl", "parquet"], bar: "tqdm[None]"
) -> None:
    """Write the rows in this order, atomically; memory does not grow with their number."""
    with atomic_write(path) as file:
        if form == "jsonl":
            for group in _groups(rows, ROWS_AT_A_TIME):
                file.buffer.write(lines.lines(group))
                bar.update(len(group))
            return
        from pyarrow.parquet import ParquetWriter  # type: ignore[import-untyped]

        schema = pl.DataFrame(schema=SCHEMA).to_arrow().schema
        with ParquetWriter(file.buffer, schema, compression="zstd") as writer:
            for group in _groups(rows, ROWS_OF_A_GROUP):
                table = pl.read_ndjson(lines.lines(group), schema=SCHEMA)
                writer.write_table(table.to_arrow().cast(schema))
                bar.update(len(group))


def _groups(rows: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (rows[first : first + size] for first in range(0, len(rows), size))
