"""Several runs on the tasks that they share, on toy runs and against the scores of the stage eval_score."""

import json
from pathlib import Path
from typing import Any

import pytest

from eval.reporting.comparison import compare_runs, comparison_plots
from eval.reporting.reported_run import ReportedRun, read_run_folder
from eval.score import compare, score_table
from eval.scores import ScoredRow
from oneday.files import read_jsonl
from tests.eval.reporting.toy_run import THREE, tell_settings, toy_run, write


def made(folder: Path, **changes: Any) -> ReportedRun:
    """A toy run, every row of its candidate changed."""
    tell_settings(toy_run(folder))
    path = folder / "08_eval_score/rows.jsonl"
    rows = [row | changes if row["variant"] == THREE[-1] else row for row in map(json.loads, path.open())]
    write(path, "\n".join(map(json.dumps, rows)))
    return read_run_folder(folder)


def test_a_run_alone_has_the_interval_of_its_own_scores(tmp_path: Path) -> None:
    first = made(tmp_path / "one")
    found = compare_runs([first, made(tmp_path / "two", score=0.9)])
    bootstrap = found.bootstrap
    rows = read_jsonl(first.folder / "08_eval_score/rows.jsonl", ScoredRow)
    macro, _ = compare(score_table(rows, list(THREE)), list(THREE), [], bootstrap)
    assert found.runs[0].macro == macro[THREE[-1]]
    difference = found.runs[1].difference
    assert found.runs[0].difference is None and difference is not None
    assert difference.score == pytest.approx(0.9 - first.rows[-1].score)


def test_a_task_with_other_rows_or_in_one_run_only_is_left_out(tmp_path: Path) -> None:
    one = made(tmp_path / "one")
    tell_settings(toy_run(tmp_path / "two", tasks=("boolq", "piqa")))
    found = compare_runs([one, read_run_folder(tmp_path / "two")])
    assert [task.result.task for task in found.tasks] == ["boolq"] and found.held_out == 3
    assert found.left_out == {"xsum": "not in two", "piqa": "not in one"}
    assert [plot.name for plot in comparison_plots(found)] == ["comparison-macro", "comparison"]


def test_runs_that_share_no_row_get_no_average(tmp_path: Path) -> None:
    found = compare_runs([made(tmp_path / "one"), made(tmp_path / "two", input="another question")])
    assert found.left_out == dict.fromkeys(("boolq", "xsum"), "other held-out rows")
    assert [run.macro for run in found.runs] == [None, None] and not comparison_plots(found)


def test_runs_of_one_recipe_go_by_their_folders(tmp_path: Path) -> None:
    folders = tmp_path / "a/toy", tmp_path / "b/toy", tmp_path / "other"
    found = compare_runs([made(folder) for folder in folders])
    assert [run.name for run in found.runs] == [str(folders[0]), str(folders[1]), "other"]
