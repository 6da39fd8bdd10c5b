"""The report of toy runs: two tasks, three rows each, the real stage function."""

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from eval.config import Compare, Variant
from eval.report import STAGE, run
from eval.reporting.page import MOST_IN_PLOT, duration, shorten
from eval.reporting.plots import smooth
from eval.reporting.results import read_training_log
from eval.scores import Scores, read_scores
from eval.table import best_of, render, verdict
from oneday.files import sha256_file
from oneday.recipe import Recipe, load_recipe
from oneday.stage import execute

ROOT = Path(__file__).parents[2]
THREE = ("base_zero_shot", "base_few_shot", "tuned_zero_shot")
LOG = [
    {"step": 0, "eval_loss": "3.5"},
    {"step": 1, "loss": "3.0", "grad_norm": "1.0", "learning_rate": "2e-4"},
    {"step": 2, "loss": 2.0, "epoch": 1},
    {"step": 2, "eval_loss": 2.5},
    {"step": 2, "learning_rate": 0.0},
    {"step": 2, "train_runtime": "12.5", "train_loss": 2.5},
]


def toy_recipe(variants: Sequence[str] = THREE) -> Recipe:
    recipe = load_recipe(ROOT / "recipes/quickstart")
    models = [
        Variant(name=name, model="tuned" if "tuned" in name else "base", demonstrations=3 if "few" in name else 0)
        for name in variants
    ]
    compare = Compare(baseline=variants[0], candidate=variants[-1])
    return dataclasses.replace(
        recipe, eval_settings=recipe.eval.model_copy(update={"variants": models, "compare": compare})
    )


def toy_scores(variants: Sequence[str] = THREE, tasks: Sequence[str] = ("boolq", "xsum")) -> dict[str, Any]:
    values = {name: (number + 1) / 10 for number, name in enumerate(variants)}
    kinds = [("generation", "rouge_l_f") if name == "xsum" else ("exact_match", "accuracy") for name in tasks]
    pairs = [(name, variants[-1]) for name in variants if name != variants[-1]] or [(variants[0], variants[0])]
    return {
        "variants": list(variants),
        "confidence": 0.95,
        "resamples": 1000,
        "tasks": [
            {"task": task, "kind": kind, "metric": metric, "rows": 3, "scores": values}
            for task, (kind, metric) in zip(tasks, kinds, strict=True)
        ],
        "macro": {name: {"score": value, "low": value - 0.05, "high": value + 0.05} for name, value in values.items()},
        "differences": [
            {"baseline": old, "candidate": new, "score": values[new] - values[old], "low": -0.01, "high": 0.3}
            for old, new in pairs
        ],
    }


def toy_run(
    folder: Path, variants: Sequence[str] = THREE, tasks: Sequence[str] = ("boolq", "xsum"), text: str = "yes"
) -> Path:
    """A run folder as the stages before the report leave it."""
    scores = toy_scores(variants, tasks)
    rows = [
        {
            "variant": name,
            "task": task["task"],
            "id": f"{task['task']}-{number}",
            "input": f"{text} input",
            "answer": [f"{text} reference"],
            "raw": text,
            "prediction": text,
            "score": task["scores"][name],
        }
        for name in variants
        for task in scores["tasks"]
        for number in range(task["rows"])
    ]
    sampled = [
        {
            "task": name,
            "kind": "exact_match",
            "category": "Question Answering",
            "score": 0.5,
            "available": 9,
            "wrong": 5,
            "taken": 4,
            "dropped": {"answered_right": 4, "over_quota": 1},
            "rule": "up to 4",
        }
        for name in tasks
    ]
    write(folder / "04_sample/tasks.json", json.dumps(sampled))
    write(folder / "06_train/model/training_log.json", json.dumps(LOG))
    write(folder / "08_eval_score/scores.json", json.dumps(scores))
    write(folder / "08_eval_score/rows.jsonl", "\n".join(json.dumps(row) for row in rows))
    for stage in ("04_sample", "06_train", "08_eval_score"):
        write_report(folder / stage)
    return folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_report(folder: Path) -> None:
    name = folder.name.partition("_")[2]
    files = [path for path in folder.rglob("*") if path.is_file()]
    versions = {"torch": "2.13.0"} if name == "train" else {}
    report = {
        "stage": name,
        "start": {"stage": name, "config": {}, "inputs": {}, "code": "0", "versions": versions},
        "counts": {"rows": 3},
        "dropped": {"input_too_long": 2, "never": 0},
        "details": {},
        "outputs": {path.relative_to(folder).as_posix(): sha256_file(path) for path in files},
        "seed": 42,
        "seconds": 61.0,
        "resumed": name == "train",
        "finished_at": "2026-01-01T00:00:00Z",
        "git_commit": "0123abc-dirty",
        "hardware": {
            "cpu": "Toy CPU",
            "processors": 2,
            "memory_gib": 8.0,
            "gpu": "Toy GPU" if name == "train" else None,
            "system": "Linux x86_64",
            "python": "3.11.7",
        },
    }
    write(folder / "report.json", json.dumps(report))


def page_of(folder: Path, variants: Sequence[str] = THREE) -> str:
    run(toy_recipe(variants), folder, folder / "09_report")
    return (folder / "09_report/report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a run with three variants and two tasks."""
    return page_of(toy_run(tmp_path_factory.mktemp("run")))


def test_page_fetches_nothing(page: str) -> None:
    assert not re.search(r"https?://|\bsrc=|<script|@import|url\((?!#)", page)
    assert re.findall(r"<link[^>]*>", page) == ['<link rel="icon" href="data:,">']
    assert set(re.findall(r'href="(.)', page)) == {"#", "d"}


def test_page_names_every_task_and_variant(page: str) -> None:
    for task in ("boolq", "xsum"):
        assert f'<th scope="row">{task}</th>' in page
    for name in ("base zero shot", "base few shot", "tuned zero shot"):
        assert f'<th scope="col" class="number">{name}</th>' in page
    assert page.count("<svg") == page.count('role="img" aria-label="') == 4


def test_page_tells_where_rows_went_and_what_it_ran_on(page: str) -> None:
    assert "<li>2 input too long</li>" in page and "never" not in page
    assert "3 min 3 s in all" in page and "only the last attempt is counted: train" in page
    assert page.count("Toy CPU") == 1 and "Toy GPU" in page
    assert "torch 2.13.0" in page and "0123abc-dirty" in page


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    texts = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "$x$", "</svg><b>", "名前")
    page = page_of(toy_run(tmp_path, tasks=(*texts, "xsum"), text=" ".join(texts)))
    assert "<script" not in page and "<img" not in page and "<b>" not in page
    assert page.count("</svg>") == 4
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


RUN = {
    "train_file": "train.yaml",
    "base_model": "some/model",
    "started_at": "2026-01-01T00:00:00Z",
    "ended_at": "2026-01-01T23:50:00Z",
    "ended_by": "deadline",
    "attempts": 2,
    "budget_seconds": 86400,
    "wall_seconds": 85800,
    "seconds": {"train": 80000, "evaluate": 3000, "save": 300, "other": 2500},
    "steps": 2,
    "epochs": 1.5,
    "tokens": 160000000,
    "supervised_tokens": 40000000,
    "tokens_per_second": 2000.4,
    "seconds_per_step": 16.4,
    "evaluations": 1,
    "seconds_per_evaluation": 300,
    "saves": 1,
    "seconds_per_save": 30,
    "peak_memory_gib": 18.25,
    "peak_memory_of": "cuda",
    "processes": 1,
    "last_learning_rate": 1e-5,
    "learning_rate_floor": 1e-5,
    "best_step": 2,
    "best_eval_loss": 0.75,
    "preflight": {},
    "hardware": {},
    "versions": {},
}


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
    assert json.loads((folder / "09_report/results.json").read_text())["run"]["attempts"] == 2


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
    assert "No training loss was logged." in page and page.count("<svg") == 3


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
