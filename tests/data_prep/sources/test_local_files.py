"""Which files of a folder are a split's, and what is said where there are none."""

from pathlib import Path

import pytest

from data_prep.sources.local_files import local_files, split_of


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text('{"q": "x"}\n', encoding="utf-8")
    return folder


def found(folder: Path, split: str = "train", config: str | None = None) -> list[str]:
    local = local_files(folder, split, config)
    return [path.relative_to(folder).as_posix() for path in local.files]


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train.jsonl", "train"),
        ("dev.csv", "validation"),
        ("my-eval.json", "test"),
        ("train-00000-of-00002.parquet", "train"),
        ("train-00000-of-00001-4fe2df04669d1669.parquet", "train"),
        ("data/train_sft-00000-of-00002.parquet", "train_sft"),
        ("data/train/x.csv", "train"),
        ("test/train.csv", "test"),
        ("plain_text/validation/0000.parquet", "validation"),
        ("quac_sample.json", None),
        ("training_notes/restrained.json", "train"),
        ("trained.json", None),
    ],
)
def test_a_file_is_of_the_split_that_its_name_or_folder_says(path: str, split: str | None) -> None:
    assert split_of(Path(path)) == split


def test_the_files_of_the_split_are_chosen_in_the_order_of_their_names(tmp_path: Path) -> None:
    touch(
        tmp_path, "data/train-00001-of-00002.jsonl", "data/train-00000-of-00002.jsonl", "data/test-00000-of-00001.jsonl"
    )
    assert found(tmp_path) == ["data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl"]
    assert found(tmp_path, "eval") == ["data/test-00000-of-00001.jsonl"]


def test_without_names_of_splits_all_files_count_and_notes_do_not(tmp_path: Path) -> None:
    touch(tmp_path, "b.csv", "a.parquet", "c/d.json", "README.md", "dataset_infos.json", ".cache/x.json", "c/.x.csv")
    assert found(tmp_path) == ["a.parquet", "b.csv", "c/d.json"]


def test_a_split_may_have_any_name_that_a_file_or_folder_has(tmp_path: Path) -> None:
    touch(tmp_path, "train_sft.jsonl", "train_gen.jsonl", "easy/a.jsonl")
    assert found(tmp_path, "train_sft") == ["train_sft.jsonl"]
    assert found(tmp_path, "easy") == ["easy/a.jsonl"]


def test_splits_joined_by_a_plus_sign_come_one_after_the_other(tmp_path: Path) -> None:
    touch(tmp_path, "train.tsv", "dev.tsv", "test.tsv")
    assert found(tmp_path, "train+dev") == ["train.tsv", "dev.tsv"]
    assert found(tmp_path, "test+train+test") == ["test.tsv", "train.tsv"]
    with pytest.raises(ValueError, match="has no files of the split 'trial'; splits there: test, train, validation"):
        local_files(tmp_path, "train+trial", None)


def test_without_names_of_splits_joined_ones_have_every_file_once(tmp_path: Path) -> None:
    assert found(touch(tmp_path, "a.tsv", "b.tsv"), "train+test") == ["a.tsv", "b.tsv"]


@pytest.mark.parametrize("folder", ["data", "."])
def test_splits_whose_names_hold_another_are_told_apart(tmp_path: Path, folder: str) -> None:
    shards = [f"{name}-0000{shard}-of-00002.parquet" for name in ("english_train", "hausa_train") for shard in (0, 1)]
    names = [Path(folder, name).as_posix() for name in (*shards, "english_dev-00000-of-00001.parquet")]
    touch(tmp_path, *names)
    assert found(tmp_path, "english_train+english_dev") == [names[0], names[1], names[4]]


def test_a_split_that_is_not_there_lists_those_that_are(tmp_path: Path) -> None:
    touch(tmp_path, "train.jsonl", "dev.jsonl")
    with pytest.raises(
        ValueError, match="has no files of the split 'test'; splits there: train, validation; change split"
    ):
        local_files(tmp_path, "test", None)


def test_config_is_the_name_of_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, "3.0.0/train-00000-of-00001.parquet", "1.0.0/train-00000-of-00001.parquet")
    assert found(tmp_path, config="3.0.0") == ["3.0.0/train-00000-of-00001.parquet"]
    with pytest.raises(ValueError, match=r"has no folder '2\.0\.0'; folders there: 1\.0\.0, 3\.0\.0; change config"):
        local_files(tmp_path, "train", "2.0.0")
    with pytest.raises(ValueError, match=r"config is for data sets of several parts, but .* is one file; remove it"):
        local_files(tmp_path / "3.0.0/train-00000-of-00001.parquet", "train", "3.0.0")


def test_one_file_is_used_whatever_the_split(tmp_path: Path) -> None:
    local = local_files(touch(tmp_path, "train.jsonl") / "train.jsonl", "test", None)
    assert (local.root, local.files) == (tmp_path, (tmp_path / "train.jsonl",))


def test_what_is_no_table_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    with pytest.raises(ValueError, match=r"notes\.txt is no table; allowed: a folder, or a file in \.parquet, \.jsonl"):
        local_files(tmp_path / "notes.txt", "train", None)
    with pytest.raises(FileNotFoundError, match=r"holds no tables \(\.parquet, \.jsonl, \.json, \.csv, \.tsv\)"):
        local_files(tmp_path, "train", None)


def save(folder: Path) -> Path:
    from datasets import Dataset, DatasetDict

    splits = {name: Dataset.from_list([{"q": f"{name} {number}"} for number in range(3)]) for name in ("train", "dev")}
    DatasetDict(splits).save_to_disk(str(folder), num_shards={"train": 2, "dev": 1})
    return folder


def test_the_files_of_a_saved_split_are_read_as_they_are(tmp_path: Path) -> None:
    from data_prep.sources.chunks import plan_chunks, read_chunk

    local = local_files(save(tmp_path / "saved"), "train", None)
    assert [path.name for path in local.files] == ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    rows = [row for chunk in plan_chunks(local.files) for _, row in read_chunk(chunk)]
    assert rows == [{"q": f"train {number}"} for number in range(3)]
    assert local_files(tmp_path / "saved" / "train", "test", None) == local


def test_the_files_of_joined_saved_splits_come_one_after_the_other(tmp_path: Path) -> None:
    local = local_files(save(tmp_path / "saved"), "dev+train", None)
    assert local.root == tmp_path / "saved"
    assert [path.relative_to(local.root).parts[0] for path in local.files] == ["dev", "train", "train"]


def test_a_saved_data_set_lists_its_splits_and_says_what_is_missing(tmp_path: Path) -> None:
    folder = save(tmp_path / "saved")
    with pytest.raises(ValueError, match="has no split 'test'; splits there: train, dev; change split"):
        local_files(folder, "test", None)
    (folder / "dev" / "data-00000-of-00001.arrow").unlink()
    with pytest.raises(ValueError, match=r"is no whole saved data set: data-00000-of-00001\.arrow is missing"):
        local_files(folder, "dev", None)
    for content in ("{", '{"_data_files": [{"name": "x"}]}'):
        (folder / "train" / "state.json").write_text(content, encoding="utf-8")
        with pytest.raises(ValueError, match=r"state\.json is damaged"):
            local_files(folder, "train", None)
