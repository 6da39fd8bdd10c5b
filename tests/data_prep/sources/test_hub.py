"""A data set of the hub becomes one Parquet file, once; its commit is asked for."""

from pathlib import Path

import pytest

from data_prep.sources.chunks import plan_chunks, read_chunk
from data_prep.sources.hub import commit_of, download, export
from oneday.files import sha256_json

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_an_exported_data_set_has_the_rows_that_were_loaded(tmp_path: Path) -> None:
    from datasets import Dataset

    rows = [{"conversations": ["Why?", "So."], "source": "wikihow"}, {"conversations": [], "source": None}]
    export(Dataset.from_list(rows), tmp_path / "x" / "train.parquet")
    assert list((tmp_path / "x").iterdir()) == [tmp_path / "x" / "train.parquet"]
    chunks = plan_chunks([tmp_path / "x" / "train.parquet"])
    assert [row for chunk in chunks for _, row in read_chunk(chunk)] == rows


def test_a_split_that_is_there_is_not_loaded_again(tmp_path: Path) -> None:
    path = tmp_path / sha256_json(["GAIR/lima", None, "train", COMMIT])[:16] / "train.parquet"
    path.parent.mkdir()
    path.write_bytes(b"there")
    assert download("GAIR/lima", None, "train", COMMIT, tmp_path) == (path, COMMIT)
    with pytest.raises(ValueError, match="could not be loaded"):
        download("GAIR/lima", None, "test", COMMIT, tmp_path)


def test_a_commit_is_itself_and_a_branch_is_unknown_without_the_hub() -> None:
    assert commit_of("GAIR/lima", COMMIT) == COMMIT
    assert commit_of("GAIR/lima", "main") is None
