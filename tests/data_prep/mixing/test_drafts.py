"""Drafts: rows taken as columns are the same as rows taken one by one; what is odd is named."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from data_prep.mixing import drafts
from data_prep.mixing.config import PersonalData
from data_prep.mixing.drafts import Drafts, converted_rows, framed, plain_columns, read_drafts
from data_prep.sources.chunks import Chunk, plan_chunks
from data_prep.sources.mix_config import MixSource

ANSWER = {"question_answer": {"question": "q", "answer": "a"}}
OUTPUT = {"instruction_output": {"instruction": "i", "input": "q", "output": "a"}, "instruction": "Default."}
IDS = {"task_column": "t", "id_column": "n"}


def table(path: Path, **layout: Any) -> MixSource:
    values = {"source": "table", "name": "mine", "path": str(path), "licence": "none"} | layout
    source: MixSource = TypeAdapter(MixSource).validate_python(values)
    return source


def written(path: Path, rows: list[Any]) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def one_by_one(source: MixSource, chunk: Chunk) -> Drafts:
    dropped: Counter[str] = Counter()
    return Drafts(framed(list(converted_rows(source, chunk, dropped)), dropped), dropped)


def random_rows(count: int) -> list[dict[str, str]]:
    """Texts with everything that a JSON string may hold, some of them empty or of white space."""
    rng = random.Random(1)
    pieces = ["word", " ", "\n", "\t", '"', "\\", "\u00e9", "\u4f60", "\U0001f600", "\u2028", "\x00", "\u00a0", "\x1f"]
    return [
        {key: "".join(rng.choices(pieces, k=rng.choice([0, 1, 5, 40]))) for key in "qai"} | {"t": "task", "n": f"id{n}"}
        for n in range(count)
    ]


@pytest.mark.parametrize("layout", [ANSWER, OUTPUT, ANSWER | IDS, OUTPUT | IDS])
def test_columns_hold_what_the_rows_one_by_one_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: dict[str, Any]
) -> None:
    monkeypatch.setattr(drafts, "BLOCK_BYTES", 500)  # several blocks
    source = table(written(tmp_path / "rows.jsonl", random_rows(400)), **layout)
    (chunk,) = plan_chunks([tmp_path / "rows.jsonl"])
    columns = plain_columns(source, chunk)
    assert columns is not None
    expected = one_by_one(source, chunk)
    assert expected.dropped == {}
    assert columns.to_dicts() == expected.frame.to_dicts()


def test_sampled_rows_keep_their_prompts_either_way(tmp_path: Path) -> None:
    rows = [
        {"question": f"Q{n}\n", "answer": " a ", "source": "s", "task": "t", "id": str(n), "input": "i"}
        for n in range(9)
    ]
    source: MixSource = TypeAdapter(MixSource).validate_python({"source": "sampled"})
    (chunk,) = plan_chunks([written(tmp_path / "sampled.jsonl", rows)])
    columns = plain_columns(source, chunk)
    assert columns is not None
    assert columns.to_dicts() == one_by_one(source, chunk).frame.to_dicts()
    assert columns["question"].to_list() == [f"Q{n}\n" for n in range(9)]
    assert set(columns["answer"]) == {" a "}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param({"q": 7, "a": "x"}, "wrong_type", id="a number"),
        pytest.param({"q": True, "a": "x"}, "wrong_type", id="a truth value"),
        pytest.param({"q": ["x"], "a": "x"}, "wrong_type", id="a list"),
        pytest.param({"q": None, "a": "x"}, "missing_field", id="null"),
        pytest.param({"a": "x"}, "missing_field", id="no field"),
        pytest.param('{"q": "\\ud83d", "a": "x"}', "lone_surrogate", id="half of a surrogate pair"),
        pytest.param('{"q": "x", "a": "y"', "not_json", id="half a line"),
        pytest.param('{"q": "x", "a": "y"},{"q": "x", "a": "y"}', "not_json", id="two rows and a comma"),
        pytest.param('{"q": "x", "a": "y"} {"q": "x", "a": "y"}', "not_json", id="two rows"),
        pytest.param('["x", "y"]', "wrong_type", id="a list for a row"),
        pytest.param('"text"', "wrong_type", id="a text for a row"),
    ],
)
@pytest.mark.parametrize("place", [0, 5, 9])
def test_an_odd_row_is_named_and_the_others_stay(tmp_path: Path, row: Any, reason: str, place: int) -> None:
    rows: list[Any] = [{"q": f"question {n}", "a": "x"} for n in range(9)]
    rows.insert(place, row)
    source = table(written(tmp_path / "rows.jsonl", rows), **ANSWER)
    (chunk,) = plan_chunks([tmp_path / "rows.jsonl"])
    found = read_drafts(source, chunk, None)
    assert found.dropped == {reason: 1}
    assert found.frame["input"].to_list() == [f"question {n}" for n in range(9)]
    assert found.frame["id"].to_list() == [f"rows-{n}" for n in range(1, 11) if n != place + 1]


@pytest.mark.parametrize("text", ["\n\n", "\ufeff", "   \n"])
def test_blank_lines_and_a_byte_order_mark_are_no_rows(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{text}{{"q": "x", "a": "y"}}\n\n{{"q": "z", "a": "y"}}', encoding="utf-8")
    (chunk,) = plan_chunks([path])
    found = read_drafts(table(path, **ANSWER), chunk, None)
    assert found.dropped == {}
    assert found.frame["input"].to_list() == ["x", "z"]


def test_a_chunk_ends_where_the_next_one_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "rows.jsonl", [{"q": f"question {n}", "a": "x"} for n in range(10)])
    lines = path.read_bytes().splitlines(keepends=True)
    middle = sum(map(len, lines[:4]))
    chunks = [
        Chunk(str(path), "json_lines", "rows", 1, 0, middle),
        Chunk(str(path), "json_lines", "rows", 5, middle, path.stat().st_size),
    ]
    frames = [plain_columns(table(path, **ANSWER), chunk) for chunk in chunks]
    assert [list(frame["id"]) for frame in frames if frame is not None] == [
        [f"rows-{n}" for n in range(1, 5)],
        [f"rows-{n}" for n in range(5, 11)],
    ]


def test_personal_data_is_replaced_and_counted_once_a_row(tmp_path: Path) -> None:
    config = PersonalData(email_as="[email]", phone_as="[phone]")
    row = {"i": "Write to a@example.org", "q": "or to b@example.org", "a": "or call +1 650-253-0000"}
    source = table(written(tmp_path / "rows.jsonl", [row]), **OUTPUT)
    (chunk,) = plan_chunks([tmp_path / "rows.jsonl"])
    found = read_drafts(source, chunk, config)
    assert found.frame.row(0)[:3] == ("Write to [email]", "or to [email]", "or call [phone]")
    assert found.replaced == {"email": 2, "phone": 1}
