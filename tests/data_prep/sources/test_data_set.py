"""What a path may name, when data counts as changed, and what is said of columns that are not there."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from data_prep.sources.data_set import check_columns, fingerprint, require_columns, resolve
from data_prep.sources.mix_config import DataSet
from tests.data_prep.sources.drafts import settings

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def data_set(path: Path | str, **keys: Any) -> DataSet:
    return DataSet(path=str(path), **keys)


def write(path: Path, text: str = '{"question": "x", "answer": "y"}\n') -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_local_files_are_whole_paths_with_one_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "data" / "train.jsonl")
    monkeypatch.chdir(tmp_path)
    resolved = resolve(data_set("data"), tmp_path / "work")
    assert resolved.files == (path.resolve(),)
    assert resolved.commit is None
    assert fingerprint(data_set("data")) == {"files": 1, "sha256": resolved.sha256}
    assert not (tmp_path / "work").exists()


def test_the_fingerprint_is_of_the_names_and_contents_of_the_split(tmp_path: Path) -> None:
    write(tmp_path / "one" / "train.jsonl")
    write(tmp_path / "one" / "test.jsonl")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    first = fingerprint(data_set(tmp_path / "one"))
    assert fingerprint(data_set(tmp_path / "two")) == first
    write(tmp_path / "two" / "test.jsonl", "{}")
    assert fingerprint(data_set(tmp_path / "two")) == first
    write(tmp_path / "two" / "train.jsonl", '{"question": "other", "answer": "y"}\n')
    changed = fingerprint(data_set(tmp_path / "two"))
    (tmp_path / "one" / "train.jsonl").rename(tmp_path / "one" / "training.jsonl")
    renamed = fingerprint(data_set(tmp_path / "one"))
    assert len({str(value) for value in (first, changed, renamed)}) == 3


def test_a_hub_id_is_known_by_its_revision_config_and_split() -> None:
    hub = data_set("GAIR/lima", revision=COMMIT, config="plain_text")
    assert fingerprint(hub) == {"hub": "GAIR/lima", "revision": COMMIT, "config": "plain_text", "split": "train"}


def test_run_in_a_path_is_the_run_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "04a_translate" / "translated.jsonl")
    below = data_set("RUN/04a_translate/translated.jsonl")
    assert resolve(below, tmp_path, tmp_path).files == (path.resolve(),)
    assert fingerprint(below, tmp_path) == fingerprint(data_set(path))
    with pytest.raises(
        ValueError, match=r"RUN/04a_translate/translated\.jsonl is below a run folder, but there is none"
    ):
        resolve(below, tmp_path)


def test_what_no_stage_has_written_yet_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file or folder .*04a_translate/x; run the stage that writes it"):
        resolve(data_set("RUN/04a_translate/x"), tmp_path, tmp_path)
    with pytest.raises(
        ValueError, match=r"revision is for a data set of the hub, but .*/04a_translate is of the run fo"
    ):
        resolve(data_set("RUN/04a_translate", revision="main"), tmp_path, tmp_path)


@pytest.mark.parametrize("split", ["", "+", "train+", "+train", "train++test"])
def test_a_plus_sign_joins_two_splits(split: str) -> None:
    with pytest.raises(ValidationError):
        data_set("data", split=split)


def test_a_path_that_is_nothing_says_so_and_a_hub_id_asks_for_its_revision(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no file or folder .*absent$"):
        resolve(data_set(tmp_path / "absent"), tmp_path)
    with pytest.raises(
        FileNotFoundError, match=r"of the hub, name its revision: a commit of hugg.*/datasets/Some/absent"
    ):
        fingerprint(data_set("Some/absent"))


def test_a_revision_is_not_for_local_data(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl")
    with pytest.raises(ValueError, match=r"revision is for a data set of the hub, but .*a\.jsonl is here; remove it"):
        resolve(data_set(tmp_path / "a.jsonl", revision=COMMIT), tmp_path)


def test_a_data_set_of_the_hub_that_cannot_be_loaded_says_what_to_check(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Some/absent at revision main could not be loaded: .*; check path, revision"):
        resolve(data_set("Some/absent", revision="main"), tmp_path)


def table(**keys: Any) -> Any:
    return settings("table", name="mine", licence="CC0-1.0", **keys)


def test_an_unknown_column_lists_those_found_and_what_was_meant(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl")
    chosen = table(question_answer={"question": "qestion", "answer": "answer"}, id_column="zzz")
    with pytest.raises(ValueError) as error:
        check_columns(chosen, [path])
    assert str(error.value) == (
        f"{path}: no column qestion (question_answer.question), did you mean question?; no column zzz (id_column) - "
        f"columns found: question, answer; "
        f"wanted: qestion (question_answer.question), answer (question_answer.answer), zzz (id_column)"
    )
    check_columns(table(question_answer={"question": "question", "answer": "answer"}), [path])


def test_every_file_must_have_the_columns(tmp_path: Path) -> None:
    files = [write(tmp_path / "a.jsonl"), write(tmp_path / "b.csv", "Question,answer\nx,y\n")]
    with pytest.raises(ValueError, match=r"b\.csv: no column question, did you mean Question\? - columns found: Q"):
        require_columns(["question"], files)


def test_a_column_that_some_of_the_first_rows_lack_is_there(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"q": "x"}\nbroken\n{"q": "x", "input": "y"}\n')
    require_columns(["q", "input"], [path])


def test_files_without_any_rows_are_an_error(tmp_path: Path) -> None:
    empty, full = write(tmp_path / "a.jsonl", ""), write(tmp_path / "b.jsonl")
    require_columns(["question"], [empty, full])
    with pytest.raises(ValueError, match=r"there are no rows in .*a\.jsonl"):
        require_columns(["question"], [empty])


def test_a_source_with_two_published_forms_accepts_either(tmp_path: Path) -> None:
    quac = settings("quac", instruction="Answer.", history=2, unanswerable="keep")
    check_columns(quac, [write(tmp_path / "a.json", '{"data": [{"title": "x", "paragraphs": []}]}')])
    check_columns(quac, [write(tmp_path / "b.jsonl", '{"context": "x", "questions": [], "orig_answers": {}}')])
    with pytest.raises(ValueError, match="no column paragraphs or orig_answers - columns found: context, questions;"):
        check_columns(quac, [write(tmp_path / "c.jsonl", '{"context": "x", "questions": []}')])
