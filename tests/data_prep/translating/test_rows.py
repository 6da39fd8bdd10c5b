"""The first rows of each label are taken, in the order of the data; every other row has a reason."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from data_prep.translating.rows import Selection, select_rows
from tests.data_prep.translating.toys import settings


def write(path: Path, rows: list[Any]) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def row(premise: Any, hypothesis: Any, label: Any, **more: Any) -> dict[str, Any]:
    return {"premise": premise, "hypothesis": hypothesis, "label": label, **more}


def select(tmp_path: Path, rows: list[Any], **changes: Any) -> Selection:
    data = write(tmp_path / "train.jsonl", rows)
    return select_rows(settings(data, "model", **changes), tmp_path, tmp_path / "work")


def test_the_first_rows_of_each_label_are_taken(tmp_path: Path) -> None:
    rows = [row(f"p{number}", f"h{number}", number % 3) for number in range(12)]
    selection = select(tmp_path, rows, max_rows_per_label=2)
    assert [chosen.place for chosen in selection.rows] == [f"train-{number}" for number in range(1, 7)]
    assert selection.dropped == {"over_label_cap": 6}
    assert selection.read_of_label == {"0": 4, "1": 4, "2": 4}
    assert selection.taken_of_label == {"0": 2, "1": 2, "2": 2}
    assert selection.read == 12


def test_a_row_without_texts_or_label_is_counted_by_its_reason(tmp_path: Path) -> None:
    rows = [
        row("p", "h", 0),
        row(None, "h", 0),
        row("p", " \n ", 0),
        row("p", ["h"], 0),
        row("p", "h", None),
        row("p", "h", " "),
        "{not json",
        "[1]",
        row("p", "h", "0"),
    ]
    selection = select(tmp_path, rows)
    assert [chosen.label for chosen in selection.rows] == ["0", "0"]
    dropped = dict(selection.dropped)
    assert dropped.pop("missing_field") == dropped.pop("blank_field") == dropped.pop("not_json") == 1
    assert dropped == {"missing_label": 2, "wrong_type": 2}
    assert selection.read == len(selection.rows) + selection.dropped.total()


def test_a_text_is_read_in_nfc_and_equal_texts_are_one(tmp_path: Path) -> None:
    selection = select(tmp_path, [row(" e\u0301ko ", "h", 0), row("\u00e9ko", "h", 1)])
    assert selection.texts == ["\u00e9ko", "h"]
    assert selection.rows[0].values["premise"] == " e\u0301ko "


def test_half_of_a_surrogate_pair_is_no_text(tmp_path: Path) -> None:
    halves = [row("p", "\ud800", 0), row("\udfff p", "h", 0), row("p", "h", "\ud800")]
    data = tmp_path / "train.jsonl"
    data.write_text("".join(json.dumps(half) + "\n" for half in [*halves, row("p", "h", 0)]))
    selection = select_rows(settings(data, "model"), tmp_path, tmp_path / "work")
    assert selection.dropped == {"lone_surrogate": 3}
    assert selection.texts == ["p", "h"]


def test_texts_are_compared_with_the_competition_as_the_stage_mix_does(tmp_path: Path) -> None:
    theirs = write(tmp_path / "theirs.jsonl", [{"inputs": "stra\u00dfe"}, {"inputs": "CAF\u00c9"}])
    table = {"source": "table", "name": "XNLITrain", "path": str(theirs), "fields": ["inputs"]}
    rows = [row("p", "STRASSE", 0), row("p", "cafe\u0301", 0)]
    selection = select(tmp_path, rows, competition_rows=[table])
    assert [chosen.texts["hypothesis"] for chosen in selection.rows] == ["STRASSE"]


def test_each_field_of_the_competition_is_compared_by_itself(tmp_path: Path) -> None:
    theirs = write(tmp_path / "theirs.jsonl", [{"premise": "p", "inputs": "h"}])
    table = {"source": "table", "name": "XNLITrain", "path": str(theirs), "fields": ["premise", "inputs"]}
    rows = [row("p", "x", 0), row("x", "h", 0), row("x", "p h", 0)]
    assert [chosen.place for chosen in select(tmp_path, rows, competition_rows=[table]).rows] == ["train-3"]


def test_rows_of_the_competition_are_left_out_before_the_cap(tmp_path: Path) -> None:
    theirs = write(tmp_path / "theirs.jsonl", [{"inputs": "Mtoto  ANASOMA ", "other": None}, {"inputs": None}])
    table = {"source": "table", "name": "XNLITrain", "path": str(theirs), "fields": ["inputs", "other"]}
    rows = [row("p", "mtoto anasoma", 0), row("Mtoto anasoma", "h", 0), row("p", "mtoto anasoma sana", 0)]
    selection = select(tmp_path, rows, competition_rows=[table], max_rows_per_label=1)
    assert selection.dropped == {"competition_row": 2}
    assert [chosen.place for chosen in selection.rows] == ["train-3"]


@pytest.mark.parametrize(
    ("rows", "fields", "message"),
    [
        ([{"inputs": 3}], ["inputs"], "XNLITrain: row theirs-1: inputs is a int, not text"),
        ([{"inputs": " "}], ["inputs"], "XNLITrain: there is no text in inputs"),
        ([{"inputs": "x"}, "{"], ["inputs"], "XNLITrain: row theirs-2 cannot be read"),
        ([{"inputs": "x"}], ["input"], "no column input, did you mean inputs"),
    ],
)
def test_competition_rows_that_cannot_be_read_are_an_error(
    tmp_path: Path, rows: list[Any], fields: list[str], message: str
) -> None:
    theirs = write(tmp_path / "theirs.jsonl", rows)
    table = {"source": "table", "name": "XNLITrain", "path": str(theirs), "fields": fields}
    with pytest.raises(ValueError, match=message):
        select(tmp_path, [row("p", "h", 0)], competition_rows=[table])


def test_an_absent_column_is_told_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"no column hypotesis \(translate.fields\), did you mean hypothesis\?"
    ) as told:
        select(tmp_path, [row("p", "h", 0)], fields=["premise", "hypotesis"])
    assert "columns found: premise, hypothesis, label" in str(told.value)
    with pytest.raises(ValueError, match=r"no column lable \(translate.label\)"):
        select(tmp_path, [row("p", "h", 0)], label="lable")


@pytest.mark.parametrize("label", [0.5, [1], {"a": 1}])
def test_a_label_that_is_none_is_refused(tmp_path: Path, label: Any) -> None:
    with pytest.raises(
        ValueError, match=r"row train-2: the label .* in the column label is a .*; allowed: text, whole"
    ):
        select(tmp_path, [row("p", "h", 0), row("p", "h", label)])


def test_rows_of_a_stage_and_of_parquet_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "05_mix").mkdir()
    pl.DataFrame([row("p", "h", 2)]).write_parquet(tmp_path / "05_mix" / "train.parquet")
    of_stage = settings(Path("x"), "model", data={"path": "RUN/05_mix/train.parquet"})
    assert [chosen.label for chosen in select_rows(of_stage, tmp_path, tmp_path / "work").rows] == ["2"]
    absent = settings(Path("x"), "model", data={"path": "RUN/05_mix/absent.jsonl"})
    with pytest.raises(FileNotFoundError, match=r"translate.data: there is no file .*absent.jsonl; run the stage"):
        select_rows(absent, tmp_path, tmp_path / "work")
