"""Files of rows -> the chunks to work on, and the rows of a chunk, whatever the format.

A row that cannot be read comes as a named Drop in its place; a file that cannot be read is a ValueError.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os.path import commonpath
from pathlib import Path
from typing import Literal

from data_prep.sources.arrow_rows import ARROW, PARQUET
from data_prep.sources.csv_rows import CSV
from data_prep.sources.example_source import Drop, Row
from data_prep.sources.json_rows import JSON_LINES, JSON_LIST, holds_lines
from data_prep.sources.row_ranges import RowFormat, RowRange
from data_prep.sources.tsv_rows import TSV

Form = Literal["json_lines", "json", "csv", "tsv", "parquet", "arrow"]
FORMATS: dict[Form, RowFormat] = {
    "json_lines": JSON_LINES,
    "json": JSON_LIST,
    "csv": CSV,
    "tsv": TSV,
    "parquet": PARQUET,
    "arrow": ARROW,
}
FORM_OF_SUFFIX: dict[str, Form] = {
    ".jsonl": "json_lines",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".arrow": "arrow",
}


@dataclass(frozen=True)
class Chunk:
    """A part of a file; see RowRange. `label` begins the name of every row: 'train' that of 'train-17'."""

    path: str
    form: Form
    label: str
    first: int
    start: int
    end: int


def plan_chunks(files: Sequence[Path]) -> list[Chunk]:
    """The chunks of the files, in their order. ValueError names a file that cannot be read."""
    return [
        Chunk(str(path), form, label, part.first, part.start, part.end)
        for path, label in zip(files, labels_of(files), strict=True)
        for form in [form_of(path)]
        for part in FORMATS[form].plan(path)
    ]


def read_chunk(chunk: Chunk) -> Iterator[tuple[str, Row | Drop]]:
    """Each row of a chunk with its name, which is unique among the files that were planned together."""
    part = RowRange(chunk.first, chunk.start, chunk.end)
    for number, row in FORMATS[chunk.form].read(Path(chunk.path), part):
        yield f"{chunk.label}-{number}", row


def columns_of(path: Path) -> list[str]:
    """The names of the columns of a file, by its header, its schema or its first rows; none if it has no rows."""
    return FORMATS[form_of(path)].columns(path)


def form_of(path: Path) -> Form:
    """The format of a file, by its name; what is in a .json file is looked at. ValueError for other names."""
    if path.suffix not in FORM_OF_SUFFIX:
        raise ValueError(f"{path} is no table; allowed are files in {', '.join(FORM_OF_SUFFIX)}")
    return "json_lines" if path.suffix == ".json" and holds_lines(path) else FORM_OF_SUFFIX[path.suffix]


def labels_of(files: Sequence[Path]) -> list[str]:
    """A label for each file: its name without suffix, or, if two have the same, its path below their common folder."""
    stems = [path.stem for path in files]
    if len(set(stems)) == len(stems):
        return stems
    root = Path(commonpath([path.parent for path in files]))
    return [path.relative_to(root).as_posix() for path in files]
