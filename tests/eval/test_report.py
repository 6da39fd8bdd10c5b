"""The report of toy runs: two tasks, three rows each, the real stage function and the real command."""

import json
import re
from pathlib import Path

import pytest

from eval.report import STAGE, main, report_stage, run
from eval.reporting.page import duration, shorten
from eval.reporting.reported_run import read_run_folder
from eval.reporting.results import read_training_log
from eval.reporting.task_gains import MOST_IN_PLOT
from eval.reporting.training_plots import smooth
from eval.scores import Scores, read_scores
from eval.table import best_of, render, verdict
from oneday.stage import execute
from tests.eval.reporting.toy_run import (
    LOG,
    RUN,
    page_of,
    tell_settings,
    toy_ablation,
    toy_recipe,
    toy_run,
    toy_scores,
    write,
    write_report,
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a run with three variants and two tasks."""
    return page_of(toy_run(tmp_path_factory.mktemp("run")))


def test_page_fetches_nothing(page: str) -> None:
    assert not re.search(r"https?://|\bsrc=|@import|url\((?!#)", page)
    assert re.findall(r"<script[^>]*>", page) == ['<script type="application/json" id="examples-data">', "<script>"]
    assert re.findall(r"<link[^>]*>", page) == ['<link rel="icon" href="data:,">']
    assert {address for address in re.findall(r'href="([^"]*)"', page) if address[0] != "#"} == {
        "data:,",
        "results.json",
        "../06_train/model/",
        "../06_train/model/training_log.json",
        "../08_eval_score/scores.json",
        "../08_eval_score/rows.jsonl",
    }


def test_page_names_every_task_and_variant(page: str) -> None:
    for task in ("boolq", "xsum"):
        assert f'<th scope="row">{task}</th>' in page
    for name in ("base zero shot", "base few shot", "tuned zero shot"):
        assert f'<th scope="col" class="number">{name}</th>' in page
    assert page.count("<svg") == page.count('role="img" aria-label="') == 5


def test_page_tells_where_rows_went_and_what_it_ran_on(page: str) -> None:
    assert "<li>2 input too long</li>" in page and "never" not in page
    assert "3 min 3 s in all" in page and "only the last attempt is counted: train" in page
    assert page.count("Toy CPU") == 1 and "Toy GPU" in page
    assert "torch 2.13.0" in page and "0123abc-dirty" in page


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    texts = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "$x$", "</svg><b>", "名前")
    page = page_of(toy_run(tmp_path, tasks=(*texts, "xsum"), text=" ".join(texts)))
    assert page.count("<script") == page.count("</script") == 2 and "<img" not in page and "<b>" not in page
    assert page.count("</svg>") == 5
    assert "{{ 7 * 7 }}</th>" in page and "$x$</text>" in page


def test_page_is_the_same_bytes_again(page: str, tmp_path: Path) -> None:
    assert page_of(toy_run(tmp_path)) == page
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(set(ids)) == len(ids)


def test_one_variant_is_enough(tmp_path: Path) -> None:
    folder = toy_run(tmp_path, variants=("only",))
    page = page_of(folder, variants=("only",))
    assert "Only scores 0.100 in macro average over 2 tasks" in page
    assert "highest score" in page and "best of the row" not in page
    assert "best" not in render(read_scores(folder / "08_eval_score/scores.json"))


def test_six_variants_fit(tmp_path: Path) -> None:
    names = [f"variant_{letter}" for letter in "abcdef"]
    page = page_of(toy_run(tmp_path, variants=names), variants=names)
    assert all(f"var(--series-{number}, " in page for number in range(1, 7))


def test_many_tasks_are_all_in_the_table_and_some_in_the_plot(tmp_path: Path) -> None:
    names = [f"task{number:03}" for number in range(MOST_IN_PLOT + 10)]
    page = page_of(toy_run(tmp_path, tasks=names))
    assert all(f'<th scope="row">{name}</th>' in page for name in names)
    assert f"The {MOST_IN_PLOT} tasks that changed most; the table has all {len(names)}." in page


def test_results_hold_the_scores_unchanged(tmp_path: Path) -> None:
    folder = toy_run(tmp_path)
    outcome = run(toy_recipe(), folder, folder / "09_report")
    results = json.loads((folder / "09_report/results.json").read_text())
    assert results["scores"] == json.loads((folder / "08_eval_score/scores.json").read_text())
    assert results["training"]["steps"] == 2 and results["training"]["final_loss"] == 2.0
    assert [stage["stage"] for stage in results["stages"]] == ["sample", "train", "eval_score"]
    assert results["total_seconds"] == 183.0
    assert outcome.counts == {"tasks": 2, "held_out_rows": 6}


def test_the_page_says_what_the_training_took_and_how_it_ended(tmp_path: Path) -> None:
    folder = toy_run(tmp_path)
    assert "Ended by" not in page_of(folder)
    write(folder / "06_train/model/run.json", json.dumps(RUN))
    page = page_of(folder)
    for text in (
        "its deadline, 23 h 50 min after the first launch, of 24 h 0 min, in 2 attempts",
        "steps 22 h 13 min, evaluations 50 min 0 s, checkpoints 5 min 0 s, the rest 41 min 40 s",
        "160,000,000, of them 40,000,000 with a label; 2,000 a second",
        "18.2 GiB reserved on the GPU",
        "step 2, evaluation loss 0.750",
    ):
        assert text in page, text
    run(toy_recipe(), folder, folder / "09_report")
    assert json.loads((folder / "09_report/results.json").read_text())["run"]["attempts"] == 2
    assert (folder / "09_report/report.html").read_text(encoding="utf-8") == page


def test_the_page_puts_the_training_beside_its_plan(tmp_path: Path) -> None:
    folder = toy_run(tmp_path)
    write(folder / "06_train/model/run.json", json.dumps(RUN))
    assert "No comparison: 06_train has no plan.json" in page_of(folder)
    plan = {
        "card": "toy card",
        "gpu": None,
        "devices": 1,
        "measured_before": False,
        "tokens": 200_000_000,
        "steps": 4,
        "evaluations": 1,
        "saves": 1,
        "seconds": {"start": 100, "train": 76000, "evaluate": 3000, "save": 300},
        "peak_memory_gib": 20.5,
        "offered_memory_gib": 22.0,
    }
    write(folder / "06_train/plan.json", json.dumps({"plan": plan}))
    page = page_of(folder)
    assert "Planned for toy card, which has 22.0 GiB for programs" in page and "time in all 108 %" in page
    for planned, measured in (("20.5 GiB", "18.2 GiB"), ("4", "2"), ("22 h 3 min", "23 h 50 min")):
        assert f'<td class="number">{planned}</td><td class="number">{measured}</td>' in page
    assert 'href="../06_train/plan.json"' in page


def test_a_settings_file_cannot_leave_its_place(tmp_path: Path) -> None:
    folder = toy_run(tmp_path)
    write_report(folder / "06_train", {"adapter": "</pre><b>", "seed": 1})
    page = page_of(folder)
    assert "<b>" not in page and "&lt;/pre&gt;&lt;b&gt;" in page


def test_training_log_reads_numbers_written_as_strings(tmp_path: Path) -> None:
    write(tmp_path / "log.json", json.dumps(LOG))
    training = read_training_log(tmp_path / "log.json")
    assert training.losses == [(1, 3.0), (2, 2.0)] and training.eval_losses == [(0, 3.5), (2, 2.5)]
    assert (training.mean_loss, training.seconds) == (2.5, 12.5)


def test_training_log_counts_losses_that_are_not_finite(tmp_path: Path) -> None:
    write(tmp_path / "log.json", '[{"step": 1, "loss": NaN}, {"step": 2, "loss": "nan"}, {"step": 3, "loss": 1.5}]')
    training = read_training_log(tmp_path / "log.json")
    assert training.losses == [(3, 1.5)] and training.not_finite == 2


def test_log_without_losses_gives_a_page_without_a_curve(tmp_path: Path) -> None:
    folder = toy_run(tmp_path)
    write(folder / "06_train/model/training_log.json", "[]")
    page = page_of(folder)
    assert "No training loss was logged." in page and page.count("<svg") == 4


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("06_train/model/training_log.json", '[{"step": 1, "loss": 3'),
        ("06_train/model/training_log.json", '{"step": 1}'),
        ("06_train/model/training_log.json", '[{"step": 1, "loss": "much"}]'),
        ("06_train/model/training_log.json", '[{"loss": 3.0}]'),
        ("08_eval_score/scores.json", '{"variants": ["a"'),
        ("08_eval_score/scores.json", json.dumps(toy_scores() | {"variants": ["other"]})),
        ("08_eval_score/scores.json", json.dumps(toy_scores() | {"macro": {}})),
        ("08_eval_score/rows.jsonl", '{"variant": "a"}'),
        ("08_eval_score/rows.jsonl", ""),
        ("04_sample/tasks.json", "\x00"),
    ],
)
def test_damaged_input_is_named_and_leaves_no_page(tmp_path: Path, name: str, content: str) -> None:
    folder = toy_run(tmp_path)
    write(folder / name, content)
    with pytest.raises(ValueError, match=re.escape(Path(name).name)):
        run(toy_recipe(), folder, folder / "09_report")
    assert not (folder / "09_report/report.html").exists()


def test_stage_runs_once_and_is_then_skipped(tmp_path: Path) -> None:
    folder, lines = toy_run(tmp_path), list[str]()
    for _ in range(2):
        execute(STAGE, toy_recipe(), folder, lines.append)
    assert "skipped" not in lines[0] and "skipped" in lines[1]


def test_table_is_ascii_and_marks_the_best() -> None:
    text = render(Scores.model_validate(toy_scores()), width=100)
    assert text.isascii() and "\x1b" not in text
    assert re.search(r"\| boolq +\| accuracy +\| +0\.100 +\| +0\.200 +\| +0\.300\* +\| +3 +\|", text)
    assert "0.250 to 0.350" in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_table_prints_brackets_in_names_as_they_are() -> None:
    assert "a[bold]b" in render(Scores.model_validate(toy_scores(tasks=("a[bold]b", "xsum"))))


def test_verdict_admits_a_loss_and_an_unclear_result() -> None:
    scores = Scores.model_validate(
        toy_scores()
        | {
            "differences": [
                {"baseline": "base_zero_shot", "candidate": "tuned_zero_shot", "score": 0.2, "low": 0.1, "high": 0.3},
                {"baseline": "tuned_zero_shot", "candidate": "base_few_shot", "score": -0.1, "low": -0.2, "high": 0.0},
            ]
        }
    )
    first, second = verdict(scores, ("tuned_zero_shot", "base_few_shot"))
    assert "Base few shot scores 0.200" in first and "0.100 less than tuned zero shot" in first
    assert "do not show which is better" in first and "do not show" not in second


def test_equal_scores_have_no_best() -> None:
    assert best_of({"a": 0.5, "b": 0.5}) == set()
    assert best_of({"a": 0.5, "b": 0.5001, "c": 0.1}) == {"a", "b"}


def test_smoothing_keeps_a_constant_and_follows_a_step() -> None:
    assert smooth([2.0] * 5) == pytest.approx([2.0] * 5)
    smoothed = smooth([4.0, 4.0, 1.0, 1.0])
    assert smoothed == sorted(smoothed, reverse=True) and 1 < smoothed[-1] < 4


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "under 0.1 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 0 s"),
        (193, "3 min 13 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_duration_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_long_text_loses_its_middle_at_words() -> None:
    assert shorten("one two three four five six", 15) == "one two [\N{HORIZONTAL ELLIPSIS}] six"
    assert shorten("x" * 20, 6) == "xxxx [\N{HORIZONTAL ELLIPSIS}] xx" and shorten("short", 5) == "short"


def test_the_stage_keeps_its_plots_as_images_of_the_same_bytes(tmp_path: Path) -> None:
    images = []
    for name in ("one", "two"):
        folder = toy_run(tmp_path / name)
        report = execute(STAGE, toy_recipe(), folder, lambda line: None)
        images.append({path: digest for path, digest in report.outputs.items() if path.startswith("plots/")})
    assert images[0] == images[1]
    assert sorted(images[0]) == [f"plots/{name}.png" for name in ("loss", "macro", "sampler", "scores", "seconds")]
    assert (folder / "09_report/plots/loss.png").read_bytes().startswith(b"\x89PNG")


def test_measured_rules_bring_the_page_up_to_date(tmp_path: Path) -> None:
    folder, lines = toy_run(tmp_path), list[str]()
    execute(report_stage(folder), toy_recipe(), folder, lines.append)
    write(folder / "12_ablate/ablation.json", toy_ablation().model_dump_json())
    write(folder / "12_ablate/ablation.html", "<!doctype html>")
    execute(report_stage(folder), toy_recipe(), folder, lines.append)
    assert "What the rules on the answers gain" not in (folder / "09_report/report.html").read_text()
    write_report(folder / "12_ablate")
    execute(report_stage(folder), toy_recipe(), folder, lines.append)
    page = (folder / "09_report/report.html").read_text()
    assert "unchanged" in lines[1] and "12_ablate/ablation.json changed" in lines[2]
    assert "1 of 1 rules pay: <code>cut_at_blank_line</code>" in page
    assert 'href="../12_ablate/ablation.html"' in page and "+0.100" in page


def test_a_run_folder_needs_no_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tell_settings(toy_run(tmp_path / "toy"))
    assert main([str(folder), "--png", str(tmp_path / "images")]) == 0
    page = (folder / "report.html").read_text()
    assert "Report of toy" in page and "LoRA, rank 8" in page and 'href="08_eval_score/rows.jsonl"' in page
    written = [line.split()[-1] for line in capsys.readouterr().out.splitlines()]
    assert written == [str(folder / "report.html"), *map(str, (tmp_path / "images" / name for name in images()))]
    assert not (folder / "09_report").exists()


def images() -> list[str]:
    return ["macro.png", "scores.png", "loss.png", "sampler.png", "seconds.png"]


def test_several_runs_give_a_page_of_the_first_against_the_others(tmp_path: Path) -> None:
    folders = [tell_settings(toy_run(tmp_path / name)) for name in ("one", "two")]
    assert main([*map(str, folders), "--page", str(tmp_path / "pages/both.html")]) == 0
    page = (tmp_path / "pages/both.html").read_text()
    assert "<title>one, two compared</title>" in page and "Compared on the 2 tasks" in page
    assert 'href="../one/08_eval_score/rows.jsonl"' in page
    assert main([*map(str, folders)]) == 0 and (folders[0] / "comparison.html").is_file()


@pytest.mark.parametrize("stage", ["04_sample", "06_train", "07_generate", "08_eval_score"])
def test_an_absent_stage_is_named_with_what_to_do(
    tmp_path: Path, stage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, broken = (tell_settings(toy_run(tmp_path / name)) for name in ("whole", "broken"))
    (broken / stage / "report.json").unlink()
    assert main([str(whole), str(broken)]) == 1
    name = stage.partition("_")[2]
    error = capsys.readouterr().err
    assert f"{broken} has no finished stage '{name}'" in error
    assert "a report needs the stages sample, train, generate, eval_score; if the run's recipe has them all" in error
    assert f"python run.py RECIPE --out {broken}" in error
    assert "--until" not in error
    assert not (whole / "comparison.html").exists()


def test_a_compressed_recipe_keeps_its_name_and_parent(tmp_path: Path) -> None:
    folder = tell_settings(toy_run(tmp_path / "copy"))
    trained = {"base_model": "runs/quickstart/05c_prune/model", "output_dir": "runs/quickstart/06_train/model"}
    write_report(folder / "06_train", trained)
    found = read_run_folder(folder)
    assert (found.name, found.results.base_model) == ("quickstart", "runs/quickstart/05c_prune/model")
    write_report(folder / "09_report", {"recipe": "small", "base_model": "some/parent"})
    found = read_run_folder(folder)
    assert (found.name, found.results.base_model) == ("small", "some/parent")


def test_more_runs_than_colours_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [tell_settings(toy_run(tmp_path / f"run{number}")) for number in range(7)]
    assert main([*map(str, folders)]) == 1 == main([*map(str, folders), "--dry-run"])
    assert "7 runs are named; one page compares at most 6" in capsys.readouterr().err


def test_a_diverged_training_is_called_so(tmp_path: Path) -> None:
    folder = toy_run(tmp_path)
    log = folder / "06_train/model/training_log.json"
    write(log, json.dumps([{"step": 1, "loss": 3.0}, {"step": 2, "loss": float("nan")}]))
    page = page_of(folder)
    assert (
        "The training diverged.</strong> Its last finite loss is 3.000, at step 1" in page
        and "mean over the run" not in page
    )
    write(log, json.dumps([{"step": 1, "loss": float("nan")}, {"step": 2, "loss": float("inf")}]))
    assert "The training diverged: every training loss that was logged is no finite number." in page_of(folder)
    write(log, json.dumps([{"step": 1, "loss": float("nan")}, {"step": 2, "loss": 2.0}]))
    assert "diverged" not in page_of(folder)


def test_a_resumed_training_has_the_time_and_the_mean_of_all_its_attempts(tmp_path: Path) -> None:
    folder = toy_run(tmp_path)
    log = [entry | ({"train_loss": 0.5} if "train_loss" in entry else {}) for entry in LOG]  # too low after a resume
    write(folder / "06_train/model/training_log.json", json.dumps(log))
    assert "2 steps; the last attempt took 12 s" in page_of(folder)
    write(folder / "06_train/model/run.json", json.dumps(RUN))
    page = page_of(folder)
    assert "2 steps in 23 h 50 min, in 2 attempts with what lay between them." in page
    assert "mean over the run 2.500" in page
    write(folder / "06_train/model/run.json", json.dumps(RUN | {"attempts": 1}))
    page = page_of(folder)
    assert "2 steps in 12 s." in page and "mean over the run 0.500" in page


def test_settings_that_no_report_tells_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tell_settings(toy_run(tmp_path / "toy"))
    write_report(folder / "08_eval_score", {"compare": {"baseline": "base_zero_shot"}})
    assert main([str(folder)]) == 1
    assert "do not tell the evaluation's settings (compare.candidate" in capsys.readouterr().err
    write_report(folder / "06_train")
    tell = {"compare": toy_recipe().eval.compare.model_dump(), "bootstrap": toy_recipe().eval.bootstrap.model_dump()}
    write_report(folder / "08_eval_score", tell)
    assert main([str(folder)]) == 1
    assert "06_train/report.json tells no base_model; a report needs the stages" in capsys.readouterr().err


def test_a_path_that_is_neither_recipe_nor_run_is_refused(tmp_path: Path) -> None:
    folder = tell_settings(toy_run(tmp_path / "toy"))
    assert main([str(folder), str(tmp_path / "nothing")]) == 2
    assert main([str(tmp_path / "nothing")]) == 2


def test_out_is_for_one_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tell_settings(toy_run(tmp_path / "toy"))
    assert main([str(folder), "--out", str(folder)]) == 1
    assert "--out is for one recipe" in capsys.readouterr().err


def test_a_run_named_twice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tell_settings(toy_run(tmp_path / "toy"))
    assert main([str(folder), str(folder)]) == 1
    assert "is named twice" in capsys.readouterr().err


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [tell_settings(toy_run(tmp_path / name)) for name in ("one", "two")]
    assert main([*map(str, folders), "--dry-run"]) == 0
    assert f"would compare {folders[0]}, {folders[1]}" in capsys.readouterr().out
    assert not (folders[0] / "comparison.html").exists()
