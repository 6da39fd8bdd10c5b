import json
from pathlib import Path

import pytest

from eval.rank import main, named_folder
from eval.ranking.records import Ranking
from tests.eval.ranking.written_runs import write_run

HEAD = "entry,scenario,metric,value\n"


def suites(tmp_path: Path, base: dict[str, float], tuned: dict[str, float]) -> list[str]:
    for name, scores in (("base", base), ("tuned", tuned)):
        write_run(tmp_path / name / "runs/suite", "gsm:model=m", scores, "exact_match_indicator")
    return [str(tmp_path / "base"), str(tmp_path / "tuned")]


def test_helm_folders_are_ranked_and_written_in_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = suites(tmp_path, {"a": 0.0, "b": 1.0}, {"a": 1.0, "b": 1.0})
    out = tmp_path / "out/ranking.json"
    assert main([*runs, "--json", str(out), "--resamples", "200", "--confidence", "0.9", "--seed", "7"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("| rank | entry | GSM8K | open     | plain mean | ranks, 90 % interval |")
    assert "| 1    | tuned | 0.500 | 0.500    | 1.000 " in printed
    assert "200 resamples of instances, the same for all entries; seed 7." in printed
    ranking = Ranking.model_validate_json(out.read_text())
    tuned, base = ranking.entries
    assert (tuned.name, tuned.open) == ("tuned", pytest.approx(0.5))
    assert base.open is not None
    assert 0 < base.open < 1e-300


def test_a_table_adds_entries_to_helm_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = suites(tmp_path, {"a": 0.0, "b": 1.0}, {"a": 1.0, "b": 1.0})
    table = tmp_path / "others.csv"
    table.write_text(HEAD + "other,GSM8K,EM,0.75\n")
    assert main([*runs, "--table", str(table)]) == 0
    printed = capsys.readouterr().out
    order = [line.split("|")[2].strip() for line in printed.splitlines()[2:5]]
    assert order == ["tuned", "other", "base"]
    assert "Note: resampled over scenarios, not over instances: other has a value of GSM8K EM" in printed


def test_a_table_of_own_scenarios_is_ranked_by_the_mean_win_rate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "maze.json"
    rows = [{"entry": e, "scenario": "maze", "metric": "steps", "value": v} for e, v in (("slow", 9), ("quick", 3))]
    table.write_text(json.dumps(rows))
    assert main(["--table", str(table), "--own-scenarios", "--lower", "steps"]) == 0
    assert "| 1    | quick | 0.500 | 0.500" in capsys.readouterr().out


def test_win_rates_are_ranked_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "rates.csv"
    table.write_text("entry,scenario,win_rate\na,MMLU,0.25\na,MATH,0.5\nb,MMLU,0.5\nb,MATH,0\n")
    assert main(["--table", str(table)]) == 0
    printed = capsys.readouterr().out
    assert "| 1    | a     | 0.250 | 0.500 | 0.250 | 0.500    | 0.417 |" in printed
    assert "A win rate of 0 counts as 5e-324 in a geometric mean" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name folders of HELM's output, or a table with --table FILE"),
        (["--lower", "x"], "it needs --table and --own-scenarios"),
        (["=x"], "'=x' is neither a folder nor NAME=FOLDER"),
        (["a=nowhere"], "nowhere has no runs of HELM; there is no such folder"),
        (["--table", "absent.csv"], "No such file or directory: absent.csv"),
    ],
)
def test_what_cannot_be_ranked_is_told_with_exit_code_1(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert message in capsys.readouterr().err


def test_win_rates_beside_runs_and_one_name_twice_are_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, _ = suites(tmp_path, {"a": 0.0}, {"a": 1.0})
    table = tmp_path / "rates.csv"
    table.write_text("entry,scenario,win_rate\na,MMLU,0.25\nb,MMLU,0.5\n")
    assert main([base, "--table", str(table)]) == 1
    assert "has win rates, which hold among its own entries alone" in capsys.readouterr().err
    assert main([base, base]) == 1
    assert "several entries are called base; name them apart, as NAME=FOLDER" in capsys.readouterr().err
    assert main([base, f"again={base}"]) == 0


def test_too_few_resamples_are_a_wrong_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--resamples", "10"]) == 2
    assert "--resamples" in capsys.readouterr().err


def test_a_folder_with_an_equals_sign_in_its_name_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "size=7b"
    folder.mkdir()
    assert named_folder(str(folder)) == ("size=7b", folder)
    assert named_folder(f"big={tmp_path}") == ("big", tmp_path)
