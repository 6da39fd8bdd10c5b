"""The challenge's files: their shape, their quirks, and what is wrong with them by file and line."""

import re
from pathlib import Path

import pytest

from eval.competition_files import CompetitionRow, label_of, read_competition, read_csv
from tests.eval.challenge import (
    ENTAILMENT_ROWS,
    FILES,
    SENTIMENT_ROWS,
    TRANSLATION_ROWS,
    many_rows,
    write_csv,
    write_files,
)


def by_id(folder: Path) -> dict[str, CompetitionRow]:
    return {row.id: row for row in read_competition(folder)}


def test_rows_come_in_the_order_of_the_files(tmp_path: Path) -> None:
    rows = read_competition(write_files(tmp_path))
    assert [row.id for row in rows] == [row["ID"] for own in FILES.values() for row in own]
    assert [(row.kind, row.language) for row in rows] == [
        *[("sentiment", "hausa"), ("sentiment", "swahili")],
        *[("entailment", "hausa"), ("entailment", "swahili")],
        *[("translation", "swahili"), ("translation", "hausa")],
    ]


def test_an_entailment_row_has_both_sentences(tmp_path: Path) -> None:
    row = by_id(write_files(tmp_path))["ID_0a0a0a0a_test_xnli_hau"]
    assert row.text == "Sentence A: Ta tafi kasuwa.\nSentence B: Ba ta fita ba."


def test_the_challenges_900_rows_are_read(tmp_path: Path) -> None:
    assert len(read_competition(write_files(tmp_path, **many_rows(150)))) == 900


def test_byte_order_mark_crlf_quotes_and_a_column_of_numbers_change_nothing(tmp_path: Path) -> None:
    plain, odd = write_files(tmp_path / "plain"), tmp_path / "odd"
    odd.mkdir()
    for name, rows in FILES.items():
        path = write_csv(odd / name, [{"": str(n), **row} for n, row in enumerate(rows)], line_end="\r\n")
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    plain_rows, odd_rows = read_competition(plain), read_competition(odd)
    assert [(row.id, row.text, row.line) for row in odd_rows] == [(row.id, row.text, row.line) for row in plain_rows]
    assert odd_rows[0].text == '@user "ina", son ƙasata'


def test_lines_are_counted_through_values_of_several_lines(tmp_path: Path) -> None:
    rows = [{**SENTIMENT_ROWS[0], "inputs": "one\r\ntwo\nthree"}, SENTIMENT_ROWS[1]]
    first, second, *_ = read_competition(write_files(tmp_path, Sentiment=rows))
    assert (first.text, first.line, second.line) == ("one\ntwo\nthree", 2, 5)


Rows = list[dict[str, str]]


def changed(rows: Rows, **values: str) -> Rows:
    return [rows[0], {**rows[1], **values}]


@pytest.mark.parametrize(
    ("file", "rows", "message"),
    [
        (
            "Sentiment",
            changed(SENTIMENT_ROWS, langs="sw-KE"),
            r"SentimentTest\.csv:3: column langs: .*'sw-KE'.*swahili",
        ),
        ("MT", changed(TRANSLATION_ROWS, langs="hau-eng"), r"MTTest\.csv:3: .*'hau-eng'; allowed: eng-swa, eng-hau"),
        ("MT", changed(TRANSLATION_ROWS, langs="hausa"), r"MTTest\.csv:3: .*'hausa'; allowed: eng-swa, eng-hau"),
        ("Sentiment", changed(SENTIMENT_ROWS, inputs=" "), r"SentimentTest\.csv:3: column inputs is blank"),
        ("XNLI", changed(ENTAILMENT_ROWS, premise=""), r"XNLITest\.csv:3: column premise is blank"),
        ("MT", changed(TRANSLATION_ROWS, ID=""), r"MTTest\.csv:3: column ID is blank"),
        ("MT", changed(TRANSLATION_ROWS, task="sentiment"), r"MTTest\.csv:3: column task says 'sentiment', but MTTest"),
        ("Sentiment", [SENTIMENT_ROWS[0]] * 2, r"SentimentTest\.csv:3: the ID 'ID_f3.*' is in .*Test\.csv:2 already"),
        (
            "MT",
            changed(TRANSLATION_ROWS, ID=SENTIMENT_ROWS[0]["ID"]),
            r"MTTest\.csv:3: the ID 'ID_f3.*' is in .*SentimentTest\.csv:2 already",
        ),
        (
            "Sentiment",
            [{"ID": "1", "langs": "hausa"}],
            r"Test\.csv:1: no column instruction, inputs; .*there: ID, langs",
        ),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(file: str, rows: Rows, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read_competition(write_files(tmp_path, **{file: rows}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ID,Response\nx,\xff\n", r"s\.csv:2: not UTF-8 \(byte 0xff\)"),
        (b'ID,Response\nx,"open\n', r"s\.csv:2: not CSV"),
        (b"ID,Response\n\nx,1,2\n", r"s\.csv:3: 3 values, but the header has 2 columns"),
        (b"ID,ID,Response\n", r"s\.csv:1: two columns are called 'ID'"),
        (b"", r"s\.csv:1: no column ID, Response; the columns there: none"),
    ],
)
def test_what_is_no_such_csv_is_told_with_file_and_line(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        list(read_csv(path, ("ID", "Response")))


def test_absent_files_are_all_named(tmp_path: Path) -> None:
    write_files(tmp_path)
    (tmp_path / "XNLITest.csv").unlink()
    (tmp_path / "MTTest.csv").unlink()
    with pytest.raises(FileNotFoundError, match=re.escape("holds no XNLITest.csv and no MTTest.csv")):
        read_competition(tmp_path)


@pytest.mark.parametrize(("target", "number"), [("Kyakkyawa", 0), (" Tsaka-tsaki", 1), ("Korau", 2), ("2", 2)])
def test_a_target_is_a_label_word_or_its_number(target: str, number: int, tmp_path: Path) -> None:
    rows = [{**SENTIMENT_ROWS[0], "targets": target}, SENTIMENT_ROWS[1]]
    assert label_of(read_competition(write_files(tmp_path, Sentiment=rows))[0]) == number


@pytest.mark.parametrize("target", ["Chanya", "positive", "3", ""])
def test_a_target_that_is_no_label_is_told_with_what_is_allowed(target: str, tmp_path: Path) -> None:
    rows = [{**SENTIMENT_ROWS[0], "targets": target}, SENTIMENT_ROWS[1]]
    (row, *_) = read_competition(write_files(tmp_path, Sentiment=rows))
    with pytest.raises(
        ValueError, match=r"SentimentTest\.csv:2: column targets: .*Kyakkyawa, Tsaka-tsaki, Korau, 0, 1"
    ):
        label_of(row)
