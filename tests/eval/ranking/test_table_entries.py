import csv
import json
from pathlib import Path

import pytest

from eval.ranking.challenge import CHALLENGE, published_headings
from eval.ranking.ranking import rank
from eval.ranking.table_entries import read_table

HEAD = "entry,scenario,metric,value\n"
BIG = '[{{"entry": "a", "scenario": "MMLU", "metric": "EM", "value": {}}}]'


def write(tmp_path: Path, text: str, name: str = "table.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_json_and_the_published_layout_give_the_same_ranking(tmp_path: Path) -> None:
    headings = published_headings()
    published = [[f"e{i}", {head: (i * 7 + j * 3) % 5 / 5 for j, head in enumerate(headings)}] for i in range(4)]
    published[2][1]["sam_sum - Stereotypes (race)"] = None  # type: ignore[index]
    rows = [
        {"entry": name, "scenario": headings[head][0], "metric": headings[head][1], "value": value}
        for name, values in published
        for head, value in values.items()  # type: ignore[attr-defined]
    ]
    paths = [tmp_path / name for name in ("published.json", "rows.json", "rows.csv")]
    paths[0].write_text(json.dumps(published))
    paths[1].write_text(json.dumps(rows, indent=1))
    with paths[2].open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["entry", "scenario", "metric", "value"])
        writer.writeheader()
        writer.writerows(rows)
    rankings = [rank(read_table(path, CHALLENGE).entries()) for path in paths]
    assert rankings[0] == rankings[1] == rankings[2]
    assert len(rankings[0].scenarios) == 9
    assert rankings[0].entries[-1].full is not None


def test_the_published_layouts_own_win_rates_and_scores_are_not_read(tmp_path: Path) -> None:
    values = {"GSM8K - EM": 0.5, "GSM8K Mean Win Rate": 0.9, "Score_full": 0.1}
    entries = read_table(write(tmp_path, json.dumps([["a", values]]), "ranks.json"), CHALLENGE).entries()
    assert entries[0].values == {"GSM8K": {"EM": 0.5}}


def test_the_published_headings_are_all_metrics_of_the_challenge() -> None:
    assert sorted(published_headings().values()) == sorted((s.name, m.name) for s in CHALLENGE for m in s.metrics)


def test_an_empty_cell_and_null_are_nulls(tmp_path: Path) -> None:
    entries = read_table(write(tmp_path, HEAD + "a,GSM8K,EM,\nb,GSM8K,EM,null\nc,GSM8K,EM,0.5\n"), CHALLENGE).entries()
    assert [entry.value("GSM8K", "EM") for entry in entries] == [None, None, 0.5]


def test_win_rates_are_told_by_their_column(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "entry,scenario,win_rate\na,MMLU,0.5\nb,MMLU,0\n"), CHALLENGE)
    assert table.has_win_rates
    assert table.win_rates() == {"a": {"MMLU": 0.5}, "b": {"MMLU": 0.0}}


def test_own_scenarios_take_any_names_and_directions(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, HEAD + "a,maze,steps,9\nb,maze,steps,3\n"), None)
    (maze,) = table.own_scenarios(["steps"])
    assert (maze.stage, maze.metrics[0].higher_is_better) == (None, False)
    with pytest.raises(ValueError, match=r"--lower stps: .* has no such metric; did you mean 'steps'\?"):
        table.own_scenarios(["stps"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "a,GSM8K,EM,0.5\na,MLMU,EM,0.5\n", r"table.csv:3: unknown scenario 'MLMU'; did you mean 'MMLU'\?"),
        (HEAD + "a,zz,EM,0.5\n", "unknown scenario 'zz'; there are: MMLU, TruthfulQA"),
        (
            HEAD + "a,MMLU,EM (Fairnes),0.5\n",
            r":2: MMLU has no metric 'EM \(Fairnes\)'; did you mean 'EM \(Fairness\)'",
        ),
        (HEAD + "a,MMLU,EM,0.5\nb,MMLU,EM,1\na,MMLU,EM,0.6\n", r":4: MMLU EM of a is in .*:2 already"),
        (HEAD + "a,MMLU,EM,high\n", ":2: value is 'high', not a finite number"),
        (HEAD + "a,MMLU,EM,inf\n", ":2: value is 'inf', not a finite number"),
        (HEAD + "a,MMLU,EM,nan\n", ":2: value is 'nan', not a finite number"),
        (HEAD + ",MMLU,EM,0.5\n", ":2: entry is '', which is no name"),
        (HEAD + "a,MMLU,EM\n", ":2: 3 cells, but the head names 4"),
        (HEAD + '"a,MMLU,EM,0.5\n', "not CSV: unexpected end of data"),
        (HEAD, "there is no row; a table has entry, scenario, metric, value"),
        ("", "there is no row"),
        ("entry,scenario,score\na,MMLU,1\n", ":2: columns entry, scenario, score; a table has entry, scenario, metric"),
        ("entry,entry\na,b\n", ":1: a column is there twice"),
        ("entry,scenario,win_rate\na,MMLU,1.5\n", ":2: win_rate is '1.5', not a number from 0 to 1"),
        ("entry,scenario,win_rate\na,MMLU,\n", ":2: win_rate is '', not a number from 0 to 1"),
    ],
)
def test_what_is_wrong_in_a_csv_file_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_table(write(tmp_path, text), CHALLENGE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[\n {"entry": "a", "scenario": "MMLU", "metric": "EM", "value": "x"}]', ":2: value is 'x', not a finite"),
        ('[{"entry": "a", "scenario": "MMLU", "metric": "EM", "value": true}]', ":1: value is True, not a finite"),
        ('[{"entry": "a", "scenario": "MMLU", "metric": "EM", "value": NaN}]', ":1: value is nan, not a finite"),
        ('[{"entry": 1, "scenario": "MMLU", "metric": "EM", "value": 1}]', ":1: entry is 1, which is no name"),
        (BIG.format("9" * 400), ":1: value is inf, not a finite number"),
        (BIG.format("9" * 5000), ":1: value is inf, not a finite number"),
        ('[\n\n{"entry": "a", "entry": "b"}]', ":3: the key 'entry' is there twice"),
        ('[\n["a", {"GSM8K - ME": 1}]]', r":2: a has an unknown 'GSM8K - ME'; did you mean 'GSM8K - EM'\?"),
        ("[\n3]", ":2: neither an object with entry, scenario"),
        ('{"a": 1}', ":1: not a list of objects"),
        ("[" * 100_000, "the JSON is nested too deep to read"),
        ('[\n{"entry" 1}]', ":2: not JSON: Expecting ':' delimiter"),
        (
            '[{"entry": "a", "scenario": "MMLU", "win_rate": 1},\n'
            '{"entry": "a", "scenario": "MMLU", "metric": "EM", "value": 1}]',
            "some rows have a win_rate and some a metric",
        ),
    ],
)
def test_what_is_wrong_in_a_json_file_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_table(write(tmp_path, text, "table.json"), CHALLENGE)


def test_files_of_another_kind_and_coding_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"table\.txt: not a table that can be read; it is to be a \.csv or \.json"):
        read_table(write(tmp_path, HEAD, "table.txt"), CHALLENGE)
    for name in ("latin.csv", "latin.json"):
        (tmp_path / name).write_bytes(HEAD.encode() + "é,MMLU,EM,1\n".encode("latin-1"))
        with pytest.raises(ValueError, match="not UTF-8"):
            read_table(tmp_path / name, CHALLENGE)
