"""Several runs on the tasks that they share, on toy runs and against the scores of the stage eval_score."""

import json
from pathlib import Path
from typing import Any

import pytest

from eval.reporting.comparison import compare_runs, comparison_plots
from eval.reporting.page import render_page
from eval.reporting.reported_run import ReportedRun, read_run_folder
from eval.score import compare, score_table
from eval.scores import ScoredRow
from oneday.files import read_jsonl
from tests.eval.reporting.toy_run import THREE, tell_settings, toy_run, toy_scores, write


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


def told(folder: Path, **settings: Any) -> ReportedRun:
    """A toy run whose report of eval_score has these settings as well."""
    made(folder)
    report = json.loads((folder / "08_eval_score/report.json").read_text())
    report["start"]["config"] |= settings
    write(folder / "08_eval_score/report.json", json.dumps(report))
    return read_run_folder(folder)


def test_a_task_of_another_metric_is_not_compared(tmp_path: Path) -> None:
    one = made(tmp_path / "one")
    scores = toy_scores()
    scores["tasks"][1] |= {"kind": "exact_match", "metric": "accuracy"}
    write(tell_settings(toy_run(tmp_path / "two")) / "08_eval_score/scores.json", json.dumps(scores))
    found = compare_runs([one, read_run_folder(tmp_path / "two")])
    assert [task.result.task for task in found.tasks] == ["boolq"]
    assert found.left_out == {"xsum": "scored in another way: ROUGE-L F, accuracy"}


def test_generation_is_not_compared_where_words_are_judged_differently(tmp_path: Path) -> None:
    runs = [told(tmp_path / name, tokenizer=name, stemming=name == "one") for name in ("one", "two")]
    found = compare_runs(runs)
    assert [task.result.task for task in found.tasks] == ["boolq"]
    assert found.left_out == {"xsum": "scored in another way: tokenizer one, two; stemming true, false"}
    page = render_page(runs[0], tmp_path / "page.html", runs[1:]).html
    assert "judge words differently (tokenizer one, two; stemming true, false)" in page and "same rules" not in page


def test_other_rules_are_compared_and_told(tmp_path: Path) -> None:
    strip: dict[str, Any] = {"cases": [], "default": ["strip"]}
    one, two, old = (
        told(tmp_path / "1", rules=strip),
        told(tmp_path / "2", rules=[]),
        told(tmp_path / "3", rules=["strip"]),
    )
    assert not compare_runs([one, old]).scoring.rules and compare_runs([one, two]).scoring.rules
    page = render_page(one, tmp_path / "page.html", [two]).html
    assert "do not have the same rules on the answers" in page and "Compared on the 2 tasks" in page


def test_intervals_of_another_level_say_so(tmp_path: Path) -> None:
    two = tell_settings(toy_run(tmp_path / "two"))
    write(two / "08_eval_score/scores.json", json.dumps(toy_scores() | {"confidence": 0.5}))
    page = render_page(made(tmp_path / "one"), tmp_path / "page.html", [read_run_folder(two)]).html
    assert page.count("0.250 to 0.350 (50 %); 2 tasks") == 1 == page.count("0.250 to 0.350; 2 tasks")
