"""Rows and files -> drafts, as a part is made of them; settings of a source; the real samples."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from data_prep.sources.catalogue import source_of
from data_prep.sources.chunks import plan_chunks, read_chunk
from data_prep.sources.data_set import check_columns, resolve
from data_prep.sources.example_source import Draft, Drop, Row, Unusable
from data_prep.sources.mix_config import DataSet, MixSource

SAMPLES = Path(__file__).parents[3] / "../shared/data"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="needs the samples of real data sets")


def settings(source: str, **keys: Any) -> MixSource:
    """The settings of a source, from the keys of a recipe."""
    values = {"source": source, "path": "data"} | keys
    checked: MixSource = TypeAdapter(MixSource).validate_python(values)
    return checked


def results(chosen: MixSource, *rows: Row) -> list[Draft | str]:
    """What becomes of rows, named row-1, row-2 ...: a draft, or the reason of a drop."""
    return list(_results(chosen, ((f"row-{number}", row) for number, row in enumerate(rows, start=1))))


def results_of_files(chosen: MixSource, work: Path) -> list[Draft | str]:
    """What becomes of all rows that the settings name."""
    assert isinstance(chosen, DataSet)
    files = resolve(chosen, work).files
    check_columns(chosen, files)
    return list(_results(chosen, (row for chunk in plan_chunks(files) for row in read_chunk(chunk))))


def _results(chosen: MixSource, rows: Iterable[tuple[str, Row | Drop]]) -> Iterable[Draft | str]:
    source = source_of(chosen)
    for place, row in rows:
        if isinstance(row, Drop):
            yield row.reason
            continue
        try:
            for draft in source.convert(row, place, chosen):
                yield draft.reason if isinstance(draft, Drop) else draft
        except Unusable as error:
            yield error.reason
