"""Output: the chosen lines, in their order, in either form; nothing half-written."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data_prep.mixing import output
from data_prep.mixing.output import PartLines, write_lines
from oneday.console import progress
from oneday.records import Example

TEXTS = ["plain", 'quoted "text"\nand a second line', "\u4f60\u597d", "\u00e9\u00e8 \U0001f600"]


@pytest.fixture
def lines(tmp_path: Path) -> PartLines:
    """Twelve rows in three files of four lines."""
    files, sizes = [], []
    for part in range(3):
        rows = [
            Example(question=f"Q{part} {text}", answer="a", source="s", task="t", id=f"{part}-{n}", input=text)
            for n, text in enumerate(TEXTS)
        ]
        written = [row.model_dump_json().encode() + b"\n" for row in rows]
        path = tmp_path / f"{part}.jsonl"
        path.write_bytes(b"".join(written))
        files.append(path)
        sizes += [len(line) for line in written]
    size = np.array(sizes)
    start = np.concatenate([np.cumsum(own) - own for own in size.reshape(3, 4)])
    return PartLines(files, np.repeat(np.arange(3), 4), start, size)


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_the_rows_come_out_in_the_order_asked_for(tmp_path: Path, lines: PartLines, form: str) -> None:
    rows = [11, 0, 5, 2]
    path = tmp_path / f"out.{form}"
    with lines, progress(4, "test", "row") as bar:
        write_lines(lines, rows, path, form, bar)  # type: ignore[arg-type]
        expected = [lines.example(row).model_dump() for row in rows]
    read = pl.read_ndjson(path) if form == "jsonl" else pl.read_parquet(path)
    assert read.to_dicts() == expected
    assert bar.n == 4


def test_more_parts_than_files_may_be_open_are_read(lines: PartLines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "MOST_OPEN", 2)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with lines:
        assert [lines.example(row).id for row in (0, 4, 8, 1, 9, 5)] == ["0-0", "1-0", "2-0", "0-1", "2-1", "1-1"]
        assert len(lines.open) == 2
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_parquet_file_larger_than_one_group_is_whole(
    tmp_path: Path, lines: PartLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "ROWS_OF_A_GROUP", 5)
    with lines, progress(12, "test", "row") as bar:
        write_lines(lines, range(12), tmp_path / "out.parquet", "parquet", bar)
    assert pl.read_parquet(tmp_path / "out.parquet")["input"].to_list() == TEXTS * 3


def test_a_failure_leaves_no_file(tmp_path: Path, lines: PartLines) -> None:
    with pytest.raises(IndexError), lines, progress(2, "test", "row") as bar:
        write_lines(lines, [0, 99], tmp_path / "out.jsonl", "jsonl", bar)
    assert not list(tmp_path.glob("*out*"))
