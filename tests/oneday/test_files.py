"""Files are whole or absent, whatever happens while they are written."""

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from oneday.files import atomic_write, read_jsonl, sha256_file, sha256_json, write_json, write_jsonl


class Row(BaseModel):
    id: str
    size: int = 0


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_atomic_write_makes_parent_folders_and_leaves_one_file(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a" / "b" / "text.txt") as file:
        file.write("first\nsecond\n")
        assert not (tmp_path / "a" / "b" / "text.txt").exists()
    assert names(tmp_path / "a" / "b") == ["text.txt"]
    assert (tmp_path / "a" / "b" / "text.txt").read_bytes() == b"first\nsecond\n"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_atomic_write_leaves_nothing_on_an_error(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), atomic_write(tmp_path / "text.txt") as file:
        file.write("half")
        raise error
    assert names(tmp_path) == []


def test_atomic_write_keeps_the_old_file_on_an_error(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(RuntimeError), atomic_write(path) as file:
        file.write("new")
        raise RuntimeError
    assert names(tmp_path) == ["text.txt"]
    assert path.read_text(encoding="utf-8") == "old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, the disk that is always full")
def test_atomic_write_keeps_the_old_file_on_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    write_json(path, "old")
    (tmp_path / ".rows.json.partial").symlink_to("/dev/full")
    with pytest.raises(OSError) as caught:
        write_json(path, "new")
    assert caught.value.errno == errno.ENOSPC
    assert names(tmp_path) == ["rows.json"]
    assert path.read_text(encoding="utf-8") == '"old"\n'


def test_a_partial_file_of_a_killed_run_is_written_over(tmp_path: Path) -> None:
    (tmp_path / ".rows.json.partial").write_text("x" * 1000, encoding="utf-8")
    write_json(tmp_path / "rows.json", [])
    assert names(tmp_path) == ["rows.json"]
    assert (tmp_path / "rows.json").read_text(encoding="utf-8") == "[]\n"


def test_write_json_that_cannot_be_json_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"path": object()})
    assert names(tmp_path) == []


def test_jsonl_gives_back_what_was_written(tmp_path: Path) -> None:
    rows = [Row(id="é\n\u2028x", size=1), Row(id="")]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    assert read_jsonl(tmp_path / "rows.jsonl", Row) == rows
    assert (tmp_path / "rows.jsonl").read_bytes().count(b"\n") == 2


def test_jsonl_of_no_records_is_an_empty_file(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [])
    assert read_jsonl(tmp_path / "rows.jsonl", Row) == []


def test_write_jsonl_leaves_nothing_when_a_record_fails_midway(tmp_path: Path) -> None:
    def rows() -> Iterator[Row]:
        yield Row(id="a")
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_jsonl(tmp_path / "rows.jsonl", rows())
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param('{"id": "a", "size": "big"}', "size: ", id="wrong type"),
        pytest.param('{"size": 1}', "id: ", id="absent field"),
        pytest.param('{"id": "a", ', "Invalid JSON", id="cut off"),
        pytest.param('["a"]', "Input should be an object", id="no object"),
    ],
)
def test_read_jsonl_names_file_and_line_of_a_wrong_record(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"id": "a"}}\n\n{line}\n{{"id": "b"}}\n', encoding="utf-8")
    with pytest.raises(ValueError) as caught:
        read_jsonl(path, Row)
    assert str(caught.value).startswith(f"{path}:3: not a row record: {reason}")


def test_read_jsonl_of_an_absent_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_jsonl(tmp_path / "absent.jsonl", Row)


def test_sha256_file_is_the_hash_of_the_content(tmp_path: Path) -> None:
    content = os.urandom(100_000)
    (tmp_path / "a").write_bytes(content)
    assert sha256_file(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_sha256_json_does_not_depend_on_the_order_of_keys() -> None:
    assert sha256_json({"a": 1, "b": [1, 2]}) == sha256_json({"b": [1, 2], "a": 1})
    assert sha256_json({"a": [1, 2]}) != sha256_json({"a": [2, 1]})
