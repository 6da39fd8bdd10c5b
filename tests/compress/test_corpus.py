import json
import unicodedata
from pathlib import Path

import pytest

from compress.config import CorpusFile
from compress.corpus import texts


def read(path: Path, *fields: str, run_dir: Path | None = None) -> list[str]:
    entry = CorpusFile(path=str(path), language="swa", fields=list(fields))
    return [text.text for text in texts([entry], run_dir)]


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def test_json_lines_give_dotted_fields_in_their_order(tmp_path: Path) -> None:
    row = {"translation": {"en": "one", "hau": "ɗaya"}, "note": "n"}
    path = write(tmp_path / "a.jsonl", json.dumps(row) + "\n" + json.dumps(row | {"note": "m"}) + "\n")
    assert read(path, "translation.hau", "note") == ["ɗaya", "n", "ɗaya", "m"]


def test_a_field_whose_name_has_a_dot_is_found(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.jsonl", '{"a.b": "x"}\n'), "a.b") == ["x"]


def test_lists_on_the_way_are_gone_through(tmp_path: Path) -> None:
    rows = [{"messages": [{"content": "a"}, {"content": "b"}], "answers": ["c", "d"]}]
    path = write(tmp_path / "a.json", json.dumps(rows))
    assert read(path, "messages.content", "answers") == ["a", "b", "c", "d"]


def test_quotes_in_tsv_are_characters(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", 'tweet\tlabel\n"Haba\tpositive\nsay "no"\tnegative\n')
    assert read(path, "tweet") == ['"Haba', 'say "no"']


def test_quotes_in_csv_enclose_values(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.csv", 'text,n\n"a, b",1\n'), "text") == ["a, b"]


def test_parquet_is_read(tmp_path: Path) -> None:
    import polars

    polars.DataFrame({"t": ["a", None, "b"]}).write_parquet(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", "t") == ["a", "b"]


def test_plain_text_is_read_by_the_line_without_blank_ones(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.txt", "one \r\n\n  \ntwo")) == ["one ", "two"]


def test_a_folder_gives_its_files_in_order_without_hidden_ones_and_notes(tmp_path: Path) -> None:
    for name in ("b/x.jsonl", "a.jsonl", ".hidden/x.jsonl"):
        write(tmp_path / name, json.dumps({"t": name}) + "\n")
    for name in ("report.json", "stage.json", "dataset_info.json", "README.md"):
        write(tmp_path / name, "{}")
    assert read(tmp_path, "t") == ["a.jsonl", "b/x.jsonl"]


def test_run_stands_for_the_run_folder(tmp_path: Path) -> None:
    write(tmp_path / "05_mix/train.jsonl", '{"t": "x"}\n')
    assert read(Path("RUN/05_mix/train.jsonl"), "t", run_dir=tmp_path) == ["x"]


def test_texts_are_not_normalised(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "é ﬁ")
    assert read(write(tmp_path / "a.txt", decomposed)) == [decomposed]


def test_language_split_and_path_come_with_each_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "x\n")
    entry = CorpusFile(path=str(path), language="hau", split="report")
    (text,) = texts([entry], None)
    assert (text.language, text.split, text.path) == ("hau", "report", path)


def test_run_without_a_run_folder_is_refused() -> None:
    with pytest.raises(ValueError, match=r"RUN/05_mix/a\.txt is below a run folder"):
        read(Path("RUN/05_mix/a.txt"))


def test_a_run_path_that_is_no_stages_is_refused() -> None:
    with pytest.raises(ValueError, match=r"RUN/ is followed by the folder of a stage, as in RUN/05_mix/train\.jsonl"):
        CorpusFile(path="RUN/prompts.txt", language="swa")


def test_an_absent_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file or folder .*nothing.txt"):
        read(tmp_path / "nothing.txt")


def test_a_folder_without_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no files in \.jsonl"):
        read(tmp_path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a.pdf cannot be read as texts; allowed: .*\.tsv"):
        read(write(tmp_path / "a.pdf", "x"))


def test_fields_of_plain_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"plain text, which has no fields; remove fields: t"):
        read(write(tmp_path / "a.txt", "x"), "t")


@pytest.mark.parametrize(
    ("name", "content"), [("a.tsv", "tweet\tlabel\nx\ty\n"), ("a.jsonl", '{"tweet": "x", "label": "y"}\n')]
)
def test_a_table_without_fields_is_refused_with_its_columns(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(ValueError, match="fields is empty; name those that hold text, of: tweet, label"):
        read(write(tmp_path / name, content))


def test_a_missing_field_is_told_with_line_and_fields(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"t": "x", "u": 1}\n{"u": 2}\n')
    with pytest.raises(ValueError, match=r"a.jsonl:2: no field 't'; fields there: u"):
        read(path, "t")


def test_a_field_below_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a.jsonl:1: no field 't.sw': .* stands where 'sw' is looked for"):
        read(write(tmp_path / "a.jsonl", '{"t": "x"}\n'), "t.sw")


def test_a_value_that_is_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a.jsonl:1: the field 't' is .*, expected text"):
        read(write(tmp_path / "a.jsonl", '{"t": 5}\n'), "t")


def test_a_null_value_is_no_text(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.jsonl", '{"t": null}\n{"t": "x"}\n'), "t") == ["x"]


def test_a_row_of_tsv_with_other_values_than_the_header_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a.tsv:2: wrong number of fields; mend the row or take it out"):
        read(write(tmp_path / "a.tsv", "a\tb\n1\t2\t3\n"), "a")


def test_a_line_that_is_no_json_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a.jsonl:1: not json; mend the row"):
        read(write(tmp_path / "a.jsonl", "{\n"), "t")


def test_text_in_another_encoding_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"ok\n\xe9\n")
    with pytest.raises(ValueError, match=r"a.txt:2: not UTF-8 text"):
        read(tmp_path / "a.txt")
