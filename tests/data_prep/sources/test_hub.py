"""A data set of the hub becomes one Parquet file, once; its commit is asked for."""

from pathlib import Path

import pytest

from data_prep.sources.chunks import plan_chunks, read_chunk
from data_prep.sources.hub import commit_of, download, export
from oneday.files import sha256_json
from tests.data_prep.sources.tables_written import write_rows

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


def converted(folder: Path) -> Path:
    """A folder as the hub's branch refs/convert/parquet is: one below it a config, and one in these a split."""
    for config in ("hau", "swa"):
        for split in ("train", "test"):
            write_rows(folder / config / split / "0000.parquet", [{"tweet": f"{config} {split}"}])
    return folder


def test_the_parts_of_a_converted_data_set_are_its_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    name = str(converted(tmp_path / "converted"))
    path, _ = download(name, "hau", "train+test", COMMIT, tmp_path / "work")
    rows = [row for chunk in plan_chunks([path]) for _, row in read_chunk(chunk)]
    assert rows == [{"tweet": "hau train"}, {"tweet": "hau test"}]
    with pytest.raises(ValueError, match=r"could not be loaded: .*; check path, revision, config"):
        download(name, "ibo", "train", COMMIT, tmp_path / "work")


def test_a_config_that_the_data_set_names_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = converted(tmp_path / "named")
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: sw\n  data_files:\n  - split: train\n    path: swa/train/*\n---\n",
        encoding="utf-8",
    )
    path, _ = download(str(folder), "sw", "train", COMMIT, tmp_path / "work")
    assert [row for chunk in plan_chunks([path]) for _, row in read_chunk(chunk)] == [{"tweet": "swa train"}]


def test_a_commit_is_itself_and_a_branch_is_unknown_without_the_hub() -> None:
    assert commit_of("GAIR/lima", COMMIT) == COMMIT
    assert commit_of("GAIR/lima", "main") is None
