"""The stage answer: which rows are asked, of which models, and what is refused."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
import yaml

from eval.answer import STAGE, model_of, read_questions, run
from eval.questions import Answered
from oneday.config import ConfigError
from oneday.files import read_jsonl, write_jsonl
from oneday.recipe import Recipe, load_recipe
from oneday.records import Example
from oneday.stage import StageError
from serve.transformers_engine import LoadedModel, load_model

if TYPE_CHECKING:
    from tests.conftest import RecipeFolder

ZINDI = {
    "models": ["untuned", "tuned"],
    "max_rows_per_task": 2,
    "decoding": {
        "label_answers": "generate",
        "normalise": "tokens",
        "max_new_tokens": {"label": 3, "translation": 4},
        "beams": 2,
        "repetition_penalty": 1.2,
        "batch_size": 4,
    },
    "parameter_size": 1000,
    "bootstrap": {"resamples": 100, "confidence": 0.95, "seed": 1},
}
TASKS = ["sentiment_hausa", "translation_swahili", "sentiment_hausa", "entailment_hausa", "sentiment_hausa"]


def example(number: int, task: str) -> Example:
    question = f"### Input:\nrow {number}\n\n### Response:\n"
    return Example(question=question, answer=f"a{number}", source="toy", task=task, id=f"toy-{number}", input="row")


def write_rows(path: Path, tasks: Sequence[str] = TASKS) -> Path:
    rows = [example(number, task) for number, task in enumerate(tasks)]
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        write_jsonl(path, rows)
    else:
        pl.DataFrame([row.model_dump() for row in rows]).write_parquet(path)
    return path


@pytest.fixture
def zindi_recipe(recipe: "RecipeFolder", tiny_model_dir: Path) -> Recipe:
    """The quickstart's recipe with the challenge's evaluation and a tiny model."""
    recipe.use_model(tiny_model_dir)
    recipe.edit("data.yaml", mix__test_share=0.1)
    (recipe.path / "zindi.yaml").write_text(yaml.safe_dump(ZINDI))
    return load_recipe(recipe.path)


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_the_first_rows_of_each_task_are_asked(tmp_path: Path, form: str) -> None:
    questions, left_out = read_questions(write_rows(tmp_path / f"test.{form}"), 2)
    assert [question.id for question in questions] == [f"toy/toy-{number}" for number in range(4)]
    assert left_out == 1
    first = questions[0]
    assert (first.kind, first.language, first.prompt) == ("sentiment", "hausa", example(0, TASKS[0]).question)
    assert first.reference == "a0"


def test_without_a_limit_all_rows_are_asked(tmp_path: Path) -> None:
    questions, left_out = read_questions(write_rows(tmp_path / "test.jsonl"), None)
    assert (len(questions), left_out) == (5, 0)


def test_rows_of_one_source_and_id_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    write_jsonl(path, [example(number, TASKS[0]) for number in (0, 1, 0)])
    questions, _ = read_questions(path, None)
    assert [question.id for question in questions] == ["toy/toy-0", "toy/toy-1", "toy/toy-0#2"]


@pytest.mark.parametrize(("form", "place"), [("jsonl", r"test\.jsonl:3"), ("parquet", r"test\.parquet, row 3")])
def test_a_task_of_another_kind_is_named_with_its_row(tmp_path: Path, form: str, place: str) -> None:
    path = write_rows(tmp_path / f"test.{form}", ["sentiment_hausa", "translation_hausa", "summary_hausa"])
    with pytest.raises(StageError, match=place + r" \(source toy, id toy-2\): unknown task 'summary_hausa'; allowed"):
        read_questions(path, 1)


def test_a_damaged_row_is_named(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "test.jsonl")
    path.write_text(path.read_text() + "{}\n")
    with pytest.raises(ValueError, match=r"test\.jsonl:6: not a example record"):
        read_questions(path, None)


def test_both_models_answer_every_row(zindi_recipe: Recipe, tiny_model_dir: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "05_mix/test.jsonl")
    (tmp_path / "06_train").mkdir()
    (tmp_path / "06_train/model").symlink_to(tiny_model_dir)
    outcome = run(zindi_recipe, tmp_path, tmp_path / "07_answer")
    untuned, tuned = (read_jsonl(tmp_path / f"07_answer/{name}.jsonl", Answered) for name in ("untuned", "tuned"))
    assert untuned == tuned  # they are one model here
    assert [row.id for row in untuned] == [f"toy/toy-{number}" for number in range(4)]
    assert [len(row.label_scores) for row in untuned] == [3, 0, 3, 3]
    assert outcome.counts == {
        "rows": 4,
        "entailment_hausa": 1,
        "sentiment_hausa": 2,
        "translation_swahili": 1,
        "models": 2,
    }
    assert outcome.dropped == {"beyond_max_rows_per_task": 1}
    assert json.loads(json.dumps(outcome.details))["tuned"] == {
        "texts_that_are_no_label": {"entailment_hausa": 1, "sentiment_hausa": 2}
    }


def test_the_models_answer_in_float32(zindi_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On any device, as the published ones: what `load_model` is asked for."""
    write_rows(tmp_path / "05_mix/test.jsonl")
    asked: list[str | None] = []

    def load(folder: str, adapter: Path | None = None, dtype: Any = None) -> LoadedModel:
        asked.append(dtype)
        return load_model(zindi_recipe.base_model, None, dtype)

    monkeypatch.setattr("eval.answer.load_model", load)
    run(zindi_recipe, tmp_path, tmp_path / "07_answer")
    assert asked == ["float32", "float32"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"models": ["tuned", "tuned"]}, "models: tuned is named twice; name each model once", id="models"),
        pytest.param({"decoding__repetition_penalty": 0.9}, "decoding.repetition_penalty: .*1", id="penalty below 1"),
        pytest.param({"decoding": {}}, "decoding.repetition_penalty", id="no penalty"),
    ],
)
def test_settings_that_are_wrong_are_told(
    zindi_recipe: Recipe, recipe: "RecipeFolder", changes: dict[str, Any], message: str
) -> None:
    recipe.edit("zindi.yaml", **changes)
    with pytest.raises(ConfigError, match=message):
        load_recipe(recipe.path)


def test_no_rows_are_refused(zindi_recipe: Recipe, tmp_path: Path) -> None:
    write_rows(tmp_path / "05_mix/test.jsonl", [])
    with pytest.raises(StageError, match=r"test\.jsonl has no rows; raise mix\.test_share \(data\.yaml\)"):
        run(zindi_recipe, tmp_path, tmp_path / "07_answer")


def test_the_inputs_are_the_rows_and_the_models_that_are_asked(zindi_recipe: Recipe, recipe: "RecipeFolder") -> None:
    assert STAGE.inputs_for(zindi_recipe) == ("05_mix/test.jsonl", "06_train/model")
    recipe.edit("zindi.yaml", models=["untuned"])
    recipe.edit("data.yaml", mix__output="parquet")
    assert STAGE.inputs_for(load_recipe(recipe.path)) == ("05_mix/test.parquet",)


def test_untuned_is_the_model_that_the_trainings_start_from(
    zindi_recipe: Recipe, recipe: "RecipeFolder", tmp_path: Path
) -> None:
    assert model_of(zindi_recipe, tmp_path, "untuned") == (zindi_recipe.base_model, None)
    for number in ("1", "2"):
        (recipe.path / f"train-{number}-x.yaml").write_text((recipe.path / "train.yaml").read_text())
    (recipe.path / "train.yaml").unlink()
    trained_twice = load_recipe(recipe.path)
    assert model_of(trained_twice, tmp_path, "untuned") == (zindi_recipe.base_model, None)
    assert STAGE.inputs_for(trained_twice) == ("05_mix/test.jsonl", "05d_train_1/model", "06_train/model")


def test_of_a_compressed_recipe_untuned_is_the_compressed_model(tmp_path: Path) -> None:
    recipe = load_recipe(Path(__file__).parents[2] / "recipes/inkuba-50m")
    assert model_of(recipe, tmp_path, "untuned") == (str(tmp_path / "05c_prune/model"), None)
