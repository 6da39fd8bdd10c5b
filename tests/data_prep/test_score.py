"""Score: the recipe's rules first, then all metrics; one table a task, the same whatever the processes."""

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from data_prep.config import Score
from data_prep.score import STAGE, list_jobs, run, score_tasks, write_parquet
from oneday.files import read_json, write_jsonl
from oneday.records import Kind, Prediction, TaskEntry, TaskScore
from oneday.stage import Outcome

if TYPE_CHECKING:
    from tests.conftest import RecipeFolder

KINDS: dict[str, Kind] = {"choice": "exact_match", "text": "generation", "unasked": "exact_match"}
COLUMNS = ["id", "input", "answer", "prediction", "score", "exact_match", "rouge_l_f", "token_f1", "input_words"]


def prediction(text: str, *answers: str, task: str = "choice", **changes: Any) -> Prediction:
    row = Prediction(task=task, id=text, orig_input="in", few_shot_prompt="few", answer=list(answers), prediction=text)
    return row.model_copy(update=changes)


def write_run(run_dir: Path, rows: Mapping[str, Sequence[Prediction]], kinds: Mapping[str, Kind] = KINDS) -> None:
    """What collect and predict leave: a list of tasks, and one file of predictions for each task in `rows`."""
    entries = [
        TaskEntry(task=name, rows=9, definition=["d"], categories=[], kind=kind, positive_examples=[])
        for name, kind in kinds.items()
    ]
    path = run_dir / "01_collect" / "tasks.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(entry.model_dump(mode="json", by_alias=True)) for entry in entries]
    path.write_text("\n".join(lines), encoding="utf-8")
    for name, answered in rows.items():
        write_jsonl(run_dir / "02_predict" / "predictions" / f"{name}.jsonl", answered)


def scored(recipe: "RecipeFolder", run_dir: Path, **rows: Sequence[Prediction]) -> Outcome:
    write_run(run_dir, rows)
    return run(recipe.load(), run_dir, run_dir / "03_score")


def table(run_dir: Path, task: str) -> pl.DataFrame:
    return pl.read_parquet(run_dir / "03_score" / "scored" / f"{task}.parquet")


def task_scores(run_dir: Path) -> list[TaskScore]:
    return read_json(run_dir / "03_score" / "tasks.json", list[TaskScore])


def test_a_prediction_is_cleaned_before_it_is_scored(recipe: "RecipeFolder", tmp_path: Path) -> None:
    rows = [prediction(" B\n\n### Input:\nnext", "B"), prediction("B because", "B")]
    outcome = scored(recipe, tmp_path, choice=rows)
    kept = table(tmp_path, "choice")
    assert kept["prediction"].to_list() == ["B", "B because"]
    assert kept["score"].to_list() == [1.0, 0.0]
    assert kept["id"].to_list() == [row.id for row in rows]
    assert outcome.counts == {"tasks": 1, "predictions": 2, "empty_predictions": 0, "tasks_without_predictions": 2}


def test_without_rules_the_raw_text_is_scored(recipe: "RecipeFolder", tmp_path: Path) -> None:
    recipe.edit("data.yaml", score__rules=[])
    scored(recipe, tmp_path, choice=[prediction("B\n\nnext", "B")])
    assert table(tmp_path, "choice").select("prediction", "score").rows() == [("B\n\nnext", 0.0)]


def test_the_table_holds_every_metric_and_the_length_of_the_input(recipe: "RecipeFolder", tmp_path: Path) -> None:
    row = prediction("b a c d", "x", "a b", task="text", orig_input=" two\t\nwords ")
    scored(recipe, tmp_path, text=[row])
    found = table(tmp_path, "text")
    assert found.columns == COLUMNS
    assert found.schema["answer"] == pl.List(pl.String) and found.schema["input_words"] == pl.UInt32
    assert found.row(0) == (
        "b a c d",
        " two\t\nwords ",
        ["x", "a b"],
        "b a c d",
        pytest.approx(1 / 3),
        False,
        pytest.approx(1 / 3),
        pytest.approx(2 / 3),
        2,
    )


def test_every_row_keeps_its_own_references_in_order(recipe: "RecipeFolder", tmp_path: Path) -> None:
    answers = [["b"], ["a", "c", "a"], ["b"], ["", "x"]]
    rows = [prediction("p", *references, id=str(number)) for number, references in enumerate(answers)]
    scored(recipe, tmp_path, choice=rows)
    assert table(tmp_path, "choice")["answer"].to_list() == answers


def test_a_task_is_scored_by_the_metric_of_its_kind(recipe: "RecipeFolder", tmp_path: Path) -> None:
    rows = [prediction("b a", "a b"), prediction("a b", "a b")]
    for metric in ("rouge_l_f", "token_f1"):
        recipe.edit("data.yaml", score__generation_metric=metric)
        texts = [row.model_copy(update={"task": "text"}) for row in rows]
        scored(recipe, tmp_path, choice=rows, text=texts)
        choice, text = task_scores(tmp_path)
        assert (choice.metric, choice.score) == ("accuracy", 0.5)
        assert (text.metric, text.score) == (metric, {"rouge_l_f": 0.75, "token_f1": 1.0}[metric])
        assert table(tmp_path, "choice")["score"].to_list() == [0.0, 1.0]
        assert table(tmp_path, "text")["score"].to_list() == table(tmp_path, "text")[metric].to_list()


def test_task_scores_are_means_over_the_rows(recipe: "RecipeFolder", tmp_path: Path) -> None:
    rows = [prediction(text, "a", task="text") for text in ("a", "b", "b c", "a b")]
    scored(recipe, tmp_path, text=rows, choice=[prediction("B", "B")])
    common = {"tokenizer": "rouge_score", "empty_predictions": 0}
    assert [task.model_dump() for task in task_scores(tmp_path)] == [
        {"task": "choice", "kind": "exact_match", "metric": "accuracy", "instances": 1, **common}
        | dict.fromkeys(["score", "accuracy", "rouge_l_f", "token_f1"], 1.0),
        {"task": "text", "kind": "generation", "metric": "rouge_l_f", "instances": 4, **common, "accuracy": 0.25}
        | dict.fromkeys(["score", "rouge_l_f", "token_f1"], pytest.approx((1 + 2 / 3) / 4)),
    ]


def test_empty_predictions_score_0_and_are_counted(recipe: "RecipeFolder", tmp_path: Path) -> None:
    rows = [prediction(text, "a", task="text") for text in ("", " ", "\n\nlate", "a")]
    outcome = scored(recipe, tmp_path, text=rows)
    assert outcome.counts["empty_predictions"] == task_scores(tmp_path)[0].empty_predictions == 3
    assert table(tmp_path, "text")["score"].to_list() == [0.0, 0.0, 0.0, 1.0]


def test_auto_takes_the_tokeniser_that_keeps_the_answers_of_each_task(recipe: "RecipeFolder", tmp_path: Path) -> None:
    recipe.edit("data.yaml", score__tokenizer="auto")
    chinese = [prediction("北京", "北京", task="text")]
    outcome = scored(recipe, tmp_path, choice=[prediction("B", "B")], text=chinese)
    assert [task.tokenizer for task in task_scores(tmp_path)] == ["rouge_score", "unicode"]
    assert outcome.details == {"tasks_by_tokenizer": {"rouge_score": 1, "unicode": 1}}
    assert table(tmp_path, "text")["score"].to_list() == [1.0]


def test_words_are_stemmed_where_the_recipe_says_so(recipe: "RecipeFolder", tmp_path: Path) -> None:
    for stemming, score in ((False, 0.0), (True, 1.0)):
        recipe.edit("data.yaml", score__stemming=stemming)
        scored(recipe, tmp_path, text=[prediction("apples", "apple", task="text")])
        assert task_scores(tmp_path)[0].score == score


def test_a_file_without_predictions_counts_as_none(recipe: "RecipeFolder", tmp_path: Path) -> None:
    outcome = scored(recipe, tmp_path, choice=[prediction("B", "B")], text=[])
    assert outcome.counts["tasks_without_predictions"] == 2
    assert not (tmp_path / "03_score" / "scored" / "text.parquet").exists()


def test_predictions_of_a_task_that_was_not_collected_are_an_error(recipe: "RecipeFolder", tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"strange\.jsonl: there is no task 'strange' among the 3 of .*; remove the"):
        scored(recipe, tmp_path, strange=[prediction("B", "B", task="strange")])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (prediction("C", "B", task="text"), "a row of the task 'text' in the file of 'choice'"),
        (prediction("B", "C"), "the id 'B' was there before, ids must be unique in a task"),
        (prediction("C"), "the row 'C' has no reference answer, one is needed"),
    ],
)
def test_a_bad_row_is_an_error_with_file_and_line(
    recipe: "RecipeFolder", tmp_path: Path, row: Prediction, message: str
) -> None:
    with pytest.raises(ValueError, match=rf"choice\.jsonl:2: {message}; run the stages 'collect' and 'predict' again"):
        scored(recipe, tmp_path, choice=[prediction("B", "B"), row])


def test_a_damaged_line_is_an_error_with_file_and_line(recipe: "RecipeFolder", tmp_path: Path) -> None:
    write_run(tmp_path, {"choice": [prediction("B", "B")]})
    with (tmp_path / "02_predict" / "predictions" / "choice.jsonl").open("a") as file:
        file.write('{"task": "choice"')
    with pytest.raises(ValueError, match=r"choice\.jsonl:2: not a prediction record"):
        run(recipe.load(), tmp_path, tmp_path / "03_score")


def test_the_files_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    rng = random.Random(3)
    words = ["one", "two", "the", "running", "ƙasa", "北京"]
    names: dict[str, Kind] = {f"task{n}": "generation" for n in range(5)}
    rows = {
        name: [
            prediction(" ".join(rng.choices(words, k=5)), " ".join(rng.choices(words, k=5)), task=name, id=str(row))
            for row in range(rng.randint(1, 30))
        ]
        for name in names
    }
    write_run(tmp_path, rows, names)
    config = Score(rules=["strip"], generation_metric="rouge_l_f", tokenizer="auto", stemming=False)
    results = []
    for workers in (1, 2):
        out = tmp_path / f"scored{workers}"
        tasks = score_tasks(list_jobs(tmp_path / "02_predict/predictions", names, out), config, workers)
        results.append((tasks, {path.name: path.read_bytes() for path in out.iterdir()}))
    assert results[0] == results[1]
    assert [task.task for task in results[0][0]] == sorted(names) and len(results[0][1]) == 5


def test_an_interrupted_write_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_off(self: pl.DataFrame, file: Any, **options: Any) -> None:
        file.write(b"PAR1")
        raise KeyboardInterrupt

    path = tmp_path / "scored" / "t.parquet"
    write_parquet(path, pl.DataFrame({"id": ["a"]}))
    before = path.read_bytes()
    monkeypatch.setattr(pl.DataFrame, "write_parquet", cut_off)
    with pytest.raises(KeyboardInterrupt):
        write_parquet(path, pl.DataFrame({"id": ["b"]}))
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_the_stage_depends_on_its_settings_and_on_what_shapes_the_numbers(recipe: "RecipeFolder") -> None:
    settings = STAGE.settings(recipe.load())
    assert {"rules", "generation_metric", "tokenizer", "stemming"} < set(settings)
    assert {"rapidfuzz", "nltk", "regex", "unicode"} < set(settings)
