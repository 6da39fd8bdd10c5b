"""Files of every format give the same rows, however they are cut; what cannot be read is a named drop in its place."""

import csv
import json
import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from data_prep.sources import csv_rows, json_rows, row_ranges
from data_prep.sources.chunks import Chunk, columns_of, plan_chunks, read_chunk
from data_prep.sources.example_source import Drop, Row

Rows = list[dict[str, Any]]
ROWS: Rows = [{"q": f"question {number},\nin two lines", "a": f'"answer" {number}'} for number in range(57)]
ONE_LINE_ROWS: Rows = [{name: value.replace("\n", " ") for name, value in row.items()} for row in ROWS]
WRITTEN = pytest.mark.parametrize(
    ("form", "expected"),
    [(form, ROWS) for form in ("a.jsonl", "a.json", "list.json", "a.csv", "a.parquet", "groups.parquet", "a.arrow")]
    + [("a.tsv", ONE_LINE_ROWS)],
)


def write(path: Path, rows: Rows) -> Path:
    """The rows in the format that the name says."""
    match path.name:
        case "list.json":
            path.write_text(json.dumps(rows), encoding="utf-8")
        case "a.jsonl" | "a.json":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        case "a.csv":
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        case "a.tsv":
            lines = ["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        case _:
            write_arrow(path, rows)
    return path


def write_arrow(path: Path, rows: Rows) -> None:
    from pyarrow import Table
    from pyarrow.ipc import new_stream
    from pyarrow.parquet import write_table

    table = Table.from_pylist(rows)
    if path.suffix == ".arrow":
        with path.open("wb") as file, new_stream(file, table.schema) as stream:
            stream.write_table(table, max_chunksize=10)
    else:
        write_table(table, path, row_group_size=10 if path.stem == "groups" else None)


def read(*files: Path) -> list[tuple[str, Row | Drop]]:
    return [row for chunk in plan_chunks(files) for row in read_chunk(chunk)]


def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of few rows."""
    for module in (csv_rows, json_rows):
        monkeypatch.setattr(module, "CHUNK_BYTES", 200)
    monkeypatch.setattr(json_rows, "LIST_BYTES", 200)
    monkeypatch.setattr(row_ranges, "MOST_ROWS", 7)


@WRITTEN
def test_every_row_is_read_once_with_its_number(tmp_path: Path, form: str, expected: Rows) -> None:
    rows = read(write(tmp_path / form, expected))
    assert [row for _, row in rows] == expected
    assert [place for place, _ in rows] == [f"{Path(form).stem}-{number}" for number in range(1, 58)]
    assert columns_of(tmp_path / form) == ["q", "a"]


@WRITTEN
def test_small_chunks_hold_the_same_rows(
    tmp_path: Path, form: str, expected: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / form, expected)
    (whole,), rows = plan_chunks([path]), read(path)
    small_chunks(monkeypatch)
    chunks = plan_chunks([path])
    assert len(chunks) > 5
    assert whole.end == chunks[-1].end
    assert [row for chunk in chunks for row in read_chunk(chunk)] == rows
    assert all(list(read_chunk(chunk)) for chunk in chunks)


def test_a_chunk_can_be_sent_to_a_worker(tmp_path: Path) -> None:
    (chunk,) = plan_chunks([write(tmp_path / "a.jsonl", ROWS)])
    assert pickle.loads(pickle.dumps(chunk)) == chunk
    assert Chunk(**json.loads(json.dumps(asdict(chunk)))) == chunk


def test_files_without_rows_have_no_chunks(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"")
    (tmp_path / "a.csv").write_text("q,a\n", encoding="utf-8")
    (tmp_path / "a.tsv").write_text("q\ta\n", encoding="utf-8")
    (tmp_path / "b.tsv").write_bytes(b"")
    (tmp_path / "a.json").write_text("[]", encoding="utf-8")
    write_arrow(tmp_path / "a.parquet", [{"q": "x"}])
    assert plan_chunks([tmp_path / name for name in ("a.jsonl", "a.csv", "a.tsv", "b.tsv", "a.json")]) == []
    assert [columns_of(tmp_path / name) for name in ("a.tsv", "b.tsv")] == [["q", "a"], []]


def test_the_label_is_the_path_where_two_files_have_one_name(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("x/a.jsonl", "y/a.jsonl", "y/b.jsonl")]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_text('{"q": "x"}\n', encoding="utf-8")
    assert [place for place, _ in read(*paths)] == ["x/a.jsonl-1", "y/a.jsonl-1", "y/b.jsonl-1"]
    assert [place for place, _ in read(*paths[1:])] == ["a-1", "b-1"]


def test_json_lines_that_are_no_rows_are_named_drops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "MAX_LINE", 40)
    lines = [
        b'\xef\xbb\xbf{"q": "first"}\r',
        b'{"q": "cut',
        b"",
        b'["no", "object"]',
        b'{"q": "\xff"}',
        b'{"q": "' + b"x" * 40 + b'"}',
        b'{"q": "' + b"x" * 30 + b'"}',
        b'{"q": NaN}',
        b'{"q": "last"}',
    ]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    found = [(place, row.reason if isinstance(row, Drop) else row) for place, row in read(tmp_path / "a.jsonl")]
    assert found.pop(6)[0] == "a-8"
    assert found == [
        ("a-1", {"q": "first"}),
        ("a-2", "not_json"),
        ("a-4", "wrong_type"),
        ("a-5", "not_utf8"),
        ("a-6", "line_too_long"),
        ("a-7", {"q": "x" * 30}),
        ("a-9", {"q": "last"}),
    ]


def test_a_line_that_is_longer_than_a_chunk_ends_with_its_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_chunks(monkeypatch)
    monkeypatch.setattr(json_rows, "MAX_LINE", 300)
    long = json.dumps({"q": "x" * 900})
    (tmp_path / "a.jsonl").write_text(f'{{"q": 1}}\n{long}\n{{"q": 2}}\n{long}', encoding="utf-8")
    drop = Drop("line_too_long")
    assert read(tmp_path / "a.jsonl") == [("a-1", {"q": 1}), ("a-2", drop), ("a-3", {"q": 2}), ("a-4", drop)]


@pytest.mark.parametrize(
    "content", [r'{"q": "x \ud800 y"}', r'[{"q": "x \ud800 y"}]', r'{"data": [{"q": "x \ud800 y"}]}']
)
def test_a_lone_surrogate_comes_through(tmp_path: Path, content: str) -> None:
    path = tmp_path / ("a.jsonl" if content.startswith('{"q') else "a.json")
    path.write_text(content, encoding="utf-8")
    assert read(path) == [("a-1", {"q": "x \ud800 y"})]


def test_a_deeply_nested_line_is_no_row(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"q": ' + "[" * 100_000 + "]" * 100_000 + "}\n", encoding="utf-8")
    assert read(tmp_path / "a.jsonl") == [("a-1", Drop("not_json"))]


def test_a_value_in_a_json_list_that_is_no_object_is_a_drop(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"q": "x"}, 3]', encoding="utf-8")
    assert read(tmp_path / "a.json") == [("a-1", {"q": "x"}), ("a-2", Drop("wrong_type"))]


def test_csv_records_that_do_not_fit_the_header_are_named_drops(tmp_path: Path) -> None:
    lines = [b"\xef\xbb\xbfq,a", b"1,2", b"", b"1", b"1,2,3", b"\xff,2", b"x\ry,2", b'"1\n2",3', b"4,5"]
    (tmp_path / "a.csv").write_bytes(b"\n".join(lines))
    found = [row.reason if isinstance(row, Drop) else row for _, row in read(tmp_path / "a.csv")]
    assert found == [
        {"q": "1", "a": "2"},
        "wrong_number_of_fields",
        "wrong_number_of_fields",
        "not_utf8",
        "not_csv",
        {"q": "1\n2", "a": "3"},
        {"q": "4", "a": "5"},
    ]


def test_tsv_lines_that_do_not_fit_the_header_are_named_drops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "MAX_LINE", 40)
    lines = [b"\xef\xbb\xbfq\ta", b'"1\t2', b"", b"1", b"1\t2\t3", b"\xff\t2", b"x" * 41, b"\t", '4\u2028"\t5'.encode()]
    (tmp_path / "a.tsv").write_bytes(b"\r\n".join(lines))
    found = [(place, row.reason if isinstance(row, Drop) else row) for place, row in read(tmp_path / "a.tsv")]
    assert found == [
        ("a-1", {"q": '"1', "a": "2"}),
        ("a-3", "wrong_number_of_fields"),
        ("a-4", "wrong_number_of_fields"),
        ("a-5", "not_utf8"),
        ("a-6", "line_too_long"),
        ("a-7", {"q": "", "a": ""}),
        ("a-8", {"q": '4\u2028"', "a": "5"}),
    ]


def test_a_csv_field_may_be_large_without_a_change_of_the_limit_of_others(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    (tmp_path / "a.csv").write_text(f"q,a\n{'x' * 2 * limit},y\n", encoding="utf-8")
    assert read(tmp_path / "a.csv") == [("a-1", {"q": "x" * 2 * limit, "a": "y"})]
    assert csv.field_size_limit() == limit


def test_parquet_text_that_is_no_utf8_drops_its_row_alone(tmp_path: Path) -> None:
    from pyarrow import Table, array
    from pyarrow.parquet import write_table

    texts = array([b"x", b"\xff", b"y"]).view("string")
    write_table(Table.from_arrays([texts], names=["q"]), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [("a-1", {"q": "x"}), ("a-2", Drop("not_utf8")), ("a-3", {"q": "y"})]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.parquet", b"PAR1 no", r"a\.parquet is not a whole Parquet file: "),
        ("a.arrow", b"no", r"a\.arrow is not a whole Arrow file: "),
        ("a.json", b'[{"q": 1},\n{]', r"a\.json is not JSON: .*\(line 2, column 2\)"),
        ("a.json", b'["\xff"]', r"a\.json is not UTF-8 text: byte 0xff at 2"),
        ("a.json", b"", r"a\.json is not JSON"),
        ("a.json", b"[" * 100_000, r"a\.json is not a list of rows: its JSON is nested too deeply"),
        ("a.json", b'{"rows": [], "n": 3}', r"the top level is an object with 'rows', 'n'; expected a list of rows"),
        ("a.json", b'"text"', r"the top level is text; expected a list of rows"),
        ("a.csv", b"q,q\n1,2\n", r"a\.csv: two columns are called 'q'"),
        ("a.csv", b"\xff,q\n1,2\n", r"a\.csv: the header cannot be read: not utf8"),
        ("a.tsv", b"q\tq\n1\t2\n", r"a\.tsv: two columns are called 'q'"),
        ("a.tsv", b"\xff\tq\n1\t2\n", r"a\.tsv: the header cannot be read: not utf8"),
        ("a.tsv", b"\nq\ta\n", r"a\.tsv: the first line is blank; it must name the columns"),
        ("a.txt", b"", r"a\.txt is no table; allowed are files in \.jsonl, \.json, \.csv, \.tsv, \.parquet, \.arrow"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error_that_names_it(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        plan_chunks([tmp_path / name])


def test_a_json_file_above_the_limit_should_be_json_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "LARGEST_JSON", 3)
    (tmp_path / "a.json").write_text("[{}]", encoding="utf-8")
    with pytest.raises(ValueError, match="give JSON Lines, one row a line"):
        plan_chunks([tmp_path / "a.json"])


@pytest.mark.parametrize("name", ["groups.parquet", "a.arrow"])
def test_a_file_that_is_cut_after_its_chunks_were_planned_is_an_error(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, ROWS)
    planned = plan_chunks([path])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=rf"{name} is not a whole"):
        [row for chunk in planned for row in read_chunk(chunk)]


def test_a_damaged_row_group_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "groups.parquet", ROWS)
    content = path.read_bytes()
    path.write_bytes(content[:100] + bytes(300) + content[400:])
    planned = plan_chunks([path])
    with pytest.raises(ValueError, match=r"groups\.parquet is not a whole Parquet file"):
        [row for chunk in planned for row in read_chunk(chunk)]
