"""The benchmark of sampling rules: recipes that the checks accept, training sets of one size, tables from files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.sampling_pays import (
    BASELINE,
    BASES,
    SIZES,
    TRAINED,
    TUNED,
    UNSEEN,
    Run,
    TrainingSet,
    Work,
    check_sizes,
    cut,
    link,
    main,
    read_scores,
    report,
    rules,
    run_benchmark,
    training_set,
    write_recipe,
)
from data_prep.collect import STAGE as COLLECT
from eval.scores import ScoredRow
from oneday.files import read_jsonl, write_jsonl
from oneday.records import Example, HeldOut
from oneday.stage import execute
from training.validate import check_recipe


def example(number: int, words: int) -> Example:
    text = " ".join(["word"] * words)
    return Example(question=text, answer="", source="toy", task="toy", id=f"toy-{number}", input=text)


def words_of(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


@pytest.mark.parametrize("size", SIZES)
def test_the_recipe_of_every_rule_passes_the_checks(size: str, tmp_path: Path) -> None:
    for rule in rules(SIZES[size]):
        recipe = write_recipe(tmp_path / f"{rule}-7", SIZES[size], rule=rule, seed=7)
        check_recipe(recipe.folder)
        assert (recipe.data.seed, recipe.train.values["seed"], recipe.data.sample.rule) == (7, 7, rule)
        assert recipe.train.values["output_dir"] == f"runs/{rule}-7/06_train/model"
        assert [variant.name for variant in recipe.eval.variants] == [TUNED]


def test_the_rules_differ_in_the_sample_alone(tmp_path: Path) -> None:
    one, other = (write_recipe(tmp_path / "same", SIZES["small"], rule=rule) for rule in ("uniform", "birbal"))
    assert one.data.sample != other.data.sample
    assert one.data.model_copy(update={"sample": other.data.sample}) == other.data
    assert (one.eval, one.train.values) == (other.eval, other.train.values)


@pytest.mark.parametrize("size", SIZES)
def test_every_task_has_the_rows_that_a_size_sets_apart(size: str, tmp_path: Path) -> None:
    limits = SIZES[size]
    for unseen, tasks, count in ((False, TRAINED, limits.held_out), (True, UNSEEN, limits.unseen_held_out)):
        run_dir = tmp_path / str(unseen)
        execute(COLLECT, write_recipe(tmp_path / "recipe", limits, unseen=unseen), run_dir, lambda line: None)
        rows = [row.task for row in read_jsonl(run_dir / "01_collect/held_out.jsonl", HeldOut)]
        assert {task: rows.count(task) for task in tasks} == dict.fromkeys(tasks, count)


def test_no_task_is_both_trained_and_unseen() -> None:
    assert not set(TRAINED) & set(UNSEEN)


def test_a_sample_is_cut_at_random_to_a_budget_of_tokens(tmp_path: Path) -> None:
    path = tmp_path / "sampled.jsonl"
    rows = [example(number, 1 + number % 9) for number in range(200)]

    def left(seed: int) -> list[Example]:
        write_jsonl(path, rows)
        counts = cut(path, 300, seed, words_of)
        kept = read_jsonl(path, Example)
        assert counts == (200, len(kept))
        assert kept == [row for row in rows if row in kept], "the order of the file is kept"
        return kept

    kept = left(1)
    assert sum(words_of([row.question for row in kept])) == 300
    assert 4 < sum(words_of([row.question for row in kept])) / len(kept) < 6, "no length is preferred"
    assert left(1) == kept
    assert left(2) != kept


def test_a_sample_too_small_for_the_budget_is_an_error_that_says_what_to_raise(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "sampled.jsonl", [example(1, 9)])
    with pytest.raises(ValueError, match="1 rows have 9 tokens, too few for a budget of 10; raise instances"):
        cut(tmp_path / "sampled.jsonl", 10, 1, words_of)


def test_training_sets_more_than_two_percent_apart_are_refused() -> None:
    sets = {Run("uniform", 1): TrainingSet({}, 1000, 0), Run("birbal", 1): TrainingSet({}, 980, 0)}
    check_sizes(sets)
    with pytest.raises(ValueError, match="birbal-1 has 979 tokens and uniform-1 1,000, more than 2% apart"):
        check_sizes(sets | {Run("birbal", 1): TrainingSet({}, 979, 0)})


def test_a_link_follows_a_folder_that_was_made_anew_and_spares_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    for _ in range(2):
        link(tmp_path / "shared", tmp_path / "run/01_collect")
    assert (tmp_path / "run/01_collect").resolve() == tmp_path / "shared"
    (tmp_path / "run/03_score").mkdir()
    with pytest.raises(ValueError, match="03_score is no link"):
        link(tmp_path / "shared", tmp_path / "run/03_score")


def write_rows(work: Work, name: str, variants: Sequence[str], score: float) -> None:
    """Scores of two tasks: the first row as given, the others wrong."""
    rows = [
        ScoredRow(
            variant=variant,
            task=task,
            id=f"{task}-{number}",
            input="a",
            answer=["b"],
            raw="b",
            prediction="b",
            score=score if number == 0 else 0.0,
        )
        for variant in variants
        for task in ("first", "second")
        for number in range(4)
    ]
    write_jsonl(work.run_dir(name) / "08_eval_score/rows.jsonl", rows)


def test_the_report_holds_the_scores_of_the_base_model_and_of_every_run(tmp_path: Path) -> None:
    work = Work(tmp_path, replace(SIZES["small"], seeds=(1, 2)))
    score = {"uniform": 0.2, "birbal": 0.4, "weighted": 0.8}
    for group, ending in (("trained", ""), ("unseen", "-unseen")):
        write_rows(work, group, list(BASES), 0.0)
        for run in work.runs():
            write_rows(work, f"{run.name}{ending}", [TUNED], score[run.rule] + 0.2 * (run.seed == 2))
    scores = read_scores(work, unseen=True)
    assert list(scores) == ["first", "second"]
    assert scores["first"]["birbal"].tolist() == [[0.4, 0, 0, 0], [pytest.approx(0.6), 0, 0, 0]]
    assert scores["first"]["base_few_shot"].tolist() == [[0, 0, 0, 0]]
    sets = {run: TrainingSet({"first": 3, "second": 4}, 15_000, run.seed) for run in work.runs()}
    text = report(work, "small", sets)
    assert "| weighted-2 | 7 | 15,000 | 2 |" in text
    assert text.count("| birbal | 0.125 |") == 2
    assert text.count("| 0.100, 0.150 | +0.050 |") == 2
    assert "| first | 4 | 0.000 | 0.000 | 0.075 (3) | 0.125 (3) | 0.225 (3) |" in text


def test_the_baseline_is_one_of_the_rules() -> None:
    assert BASELINE in rules(SIZES["small"])


def test_an_unknown_size_is_named_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--size", "huge"]) == 1
    assert "--size huge: no such size; allowed: small, gpu" in capsys.readouterr().err


@pytest.mark.slow
def test_the_whole_benchmark_runs_on_a_toy_model_and_again_skips_every_stage(
    tmp_path: Path, tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy = {
        "base_model": str(tiny_model_dir),
        "oneday_base_model_from": None,
        "special_tokens": {"eos_token": "<eos>", "pad_token": "<pad>"},
        "sequence_len": 2048,
    }
    size = replace(
        SIZES["small"],
        tokens=40_000,
        instances=20,
        max_input_words=60,
        held_out=2,
        unseen_held_out=2,
        seeds=(1,),
        train=toy,
    )
    work = Work(tmp_path, size)
    text = run_benchmark(work, "toy")
    assert (tmp_path / "report.md").read_text() == f"{text}\n"
    sets = [training_set(work.run_dir(run.name), words_of) for run in work.runs()]
    assert all(sum(one.tasks.values()) > 50 for one in sets)
    assert all(set(one.tasks) <= set(TRAINED) for one in sets)
    capsys.readouterr()
    assert run_benchmark(work, "toy") == text
    lines = [line for line in capsys.readouterr().out.splitlines() if line and not line.startswith("|")]
    assert len(lines) == 8 + 3 * (2 + 5)
    assert all("unchanged, skipped" in line for line in lines)
