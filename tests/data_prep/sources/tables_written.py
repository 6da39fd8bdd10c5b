"""The same rows as files of every format that a converter may meet."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FORMS = ("rows.jsonl", "rows.parquet", "rows.tsv")


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """The rows in the format that the name says; in TSV, numbers are written as texts and null as nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.suffix:
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        case ".tsv":
            values = [["" if value is None else str(value) for value in row.values()] for row in rows]
            lines = ["\t".join(line) for line in [list(rows[0]), *values]]
            path.write_bytes(("\ufeff" + "\r\n".join(lines) + "\r\n").encode())
        case _:
            from pyarrow import Table
            from pyarrow.parquet import write_table

            write_table(Table.from_pylist(list(rows)), path)
    return path
