"""Score: the recipe's rules first, then the metric of the task's kind."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from data_prep.score import run
from oneday.files import read_jsonl, write_json, write_jsonl
from oneday.records import Kind, Prediction, Task
from oneday.stage import Outcome

if TYPE_CHECKING:
    from tests.conftest import RecipeFolder


def prediction(task: str, text: str, *answers: str) -> Prediction:
    return Prediction(task=task, id=text, orig_input="in", few_shot_prompt="few", answer=list(answers), prediction=text)


def scored(recipe: "RecipeFolder", run_dir: Path, kinds: dict[str, Kind], *rows: Prediction) -> Outcome:
    for name, kind in kinds.items():
        task = Task(definition=["d"], categories=[], kind=kind, positive_examples=[], instances=[])
        write_json(run_dir / "01_collect" / "tasks" / f"{name}.json", task.model_dump(by_alias=True))
    write_jsonl(run_dir / "02_predict" / "predictions.jsonl", rows)
    return run(recipe.load(), run_dir, run_dir / "03_score")


KINDS: dict[str, Kind] = {"text": "generation", "choice": "exact_match", "unasked": "exact_match"}


def test_a_prediction_is_cleaned_before_it_is_scored(recipe: "RecipeFolder", tmp_path: Path) -> None:
    rows = [prediction("choice", " B\n\n### Input:\nnext", "B"), prediction("choice", "B because", "B")]
    outcome = scored(recipe, tmp_path, KINDS, *rows)
    kept = read_jsonl(tmp_path / "03_score" / "scored.jsonl", Prediction)
    assert [(row.prediction, row.score) for row in kept] == [("B", 1.0), ("B because", 0.0)]
    assert [row.id for row in kept] == [row.id for row in rows]
    assert outcome.counts == {"predictions": 2, "tasks": 1}


def test_without_rules_the_raw_text_is_scored(recipe: "RecipeFolder", tmp_path: Path) -> None:
    recipe.edit("data.yaml", score__rules=[])
    scored(recipe, tmp_path, KINDS, prediction("choice", "B\n\nnext", "B"))
    (row,) = read_jsonl(tmp_path / "03_score" / "scored.jsonl", Prediction)
    assert (row.prediction, row.score) == ("B\n\nnext", 0.0)


def test_a_generation_task_is_scored_by_its_best_reference(recipe: "RecipeFolder", tmp_path: Path) -> None:
    scored(recipe, tmp_path, KINDS, prediction("text", "a b c d", "x", "a b"), prediction("text", "", "a"))
    best, empty = read_jsonl(tmp_path / "03_score" / "scored.jsonl", Prediction)
    assert best.score == pytest.approx(2 / 3)
    assert empty.score == 0


def test_task_scores_are_means_by_task(recipe: "RecipeFolder", tmp_path: Path) -> None:
    rows = [prediction("text", "a", "a"), prediction("choice", "B", "B"), prediction("choice", "C", "B")]
    scored(recipe, tmp_path, KINDS, *rows, prediction("text", "b", "a"), prediction("text", "b c", "a"))
    assert json.loads((tmp_path / "03_score" / "tasks.json").read_text(encoding="utf-8")) == [
        {"task": "choice", "kind": "exact_match", "metric": "accuracy", "instances": 2, "score": 0.5},
        {"task": "text", "kind": "generation", "metric": "rouge_l_f", "instances": 3, "score": pytest.approx(1 / 3)},
    ]
