"""Predict, and the way from raw rows to training data: the same bytes each time, whatever happens on the way."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import data_prep.collect
import data_prep.mix
import data_prep.predict
import data_prep.sample
import data_prep.score
from data_prep.mix import normalised
from data_prep.tasks import read_tasks
from oneday.files import read_jsonl
from oneday.prompt import task_prompt
from oneday.records import Example, HeldOut, Prediction
from oneday.stage import Report, StageError, execute
from serve.batch import Answer

if TYPE_CHECKING:
    from tests.conftest import RecipeFolder

MODULES = (data_prep.collect, data_prep.predict, data_prep.score, data_prep.sample, data_prep.mix)


@dataclass(frozen=True)
class Pipeline:
    """A small recipe on the tiny model, and the run folder that its five stages write to."""

    recipe: "RecipeFolder"
    run_dir: Path

    def run(self, until: str = "mix") -> list[Report]:
        """The reports of the stages up to `until`, brought up to date."""
        stages = [module.STAGE for module in MODULES]
        last = [stage.name for stage in stages].index(until)
        recipe = self.recipe.load()
        return [execute(stage, recipe, self.run_dir, announce=lambda line: None) for stage in stages[: last + 1]]

    def rows(self, name: str) -> list[Example]:
        return read_jsonl(self.run_dir / "05_mix" / name, Example)


@pytest.fixture(scope="module")
def finished(
    copy_recipe: Callable[[Path], "RecipeFolder"], tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Pipeline:
    """A finished run; tests that change anything copy it."""
    folder = tmp_path_factory.mktemp("finished")
    recipe = copy_recipe(folder)
    recipe.use_model(tiny_model_dir)
    recipe.edit(
        "data.yaml",
        collect__tasks=["piqa", "siqa", "asdiv"],
        collect__max_input_words=40,
        collect__demonstrations=1,
        collect__held_out_per_task=4,
        collect__max_instances_per_task=7,
        predict__demonstrations=1,
        predict__max_new_tokens={"exact_match": 2, "generation": 5},
        predict__batch_size=3,
        mix__eval_share=0.2,
    )
    recipe.edit("eval.yaml", variants__1__demonstrations=1)
    pipeline = Pipeline(recipe, folder / "run")
    pipeline.run()
    return pipeline


@pytest.fixture
def pipeline(finished: Pipeline, tmp_path: Path) -> Pipeline:
    """A copy of the finished run and its recipe."""
    shutil.copytree(finished.recipe.path, tmp_path / "quickstart")
    shutil.copytree(finished.run_dir, tmp_path / "run")
    return Pipeline(type(finished.recipe)(tmp_path / "quickstart"), tmp_path / "run")


def predictions(pipeline: Pipeline) -> list[Prediction]:
    return read_jsonl(pipeline.run_dir / "02_predict" / "predictions.jsonl", Prediction)


def test_every_instance_is_answered_once_with_its_few_shot_prompt(finished: Pipeline) -> None:
    tasks = read_tasks(finished.run_dir / "01_collect" / "tasks")
    expected = [(name, instance) for name, task in tasks.items() for instance in task.instances]
    found = predictions(finished)
    assert finished.run("predict")[-1].counts == {"tasks": 3, "predictions": 21}
    assert [(row.task, row.id) for row in found] == [(name, instance.id) for name, instance in expected]
    preamble = finished.recipe.load().data.preamble
    for row, (name, instance) in zip(found, expected, strict=True):
        assert row.few_shot_prompt == task_prompt(preamble, tasks[name], instance.input, demonstrations=1)
        assert (row.orig_input, row.answer, row.score) == (instance.input, instance.output, None)
    assert len({row.prediction for row in found}) > 3


def test_prediction_that_was_killed_goes_on_and_gives_the_same_bytes(pipeline: Pipeline) -> None:
    folder = pipeline.run_dir / "02_predict"
    whole, journal = (folder / "predictions.jsonl").read_bytes(), folder / "work" / "answers.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    (folder / "report.json").unlink()
    (folder / "predictions.jsonl").unlink()
    journal.write_bytes(b"".join(lines[:10]) + lines[10][:20])
    assert pipeline.run("predict")[-1].resumed
    assert (folder / "predictions.jsonl").read_bytes() == whole
    assert journal.read_bytes().startswith(b"".join(lines[:10]))
    assert {answer.id for answer in read_jsonl(journal, Answer)} == {row.id for row in predictions(pipeline)}


def test_answers_of_another_model_are_not_gone_on_with(
    pipeline: Pipeline, tiny_model_dir: Path, tmp_path: Path
) -> None:
    folder = pipeline.run_dir / "02_predict"
    (folder / "report.json").unlink()
    journal = folder / "work" / "answers.jsonl"
    journal.write_text(journal.read_text(encoding="utf-8").replace('"text":"', '"text":"OLD '), encoding="utf-8")
    other = Path(shutil.copytree(tiny_model_dir, tmp_path / "other"))
    (other / "config.json").write_text((other / "config.json").read_text(encoding="utf-8") + "\n", encoding="utf-8")
    pipeline.recipe.use_model(other)
    assert not pipeline.run("predict")[-1].resumed
    assert not any("OLD" in row.prediction for row in predictions(pipeline))


def test_two_runs_give_the_same_training_files_to_the_byte(finished: Pipeline, tmp_path: Path) -> None:
    again = Pipeline(finished.recipe, tmp_path / "elsewhere")
    assert [report.outputs for report in again.run()] == [report.outputs for report in finished.run()]
    for name in ("train.jsonl", "eval.jsonl"):
        content = (finished.run_dir / "05_mix" / name).read_bytes()
        assert content
        assert content == (again.run_dir / "05_mix" / name).read_bytes()


def test_no_held_out_row_reaches_training(finished: Pipeline) -> None:
    held_out = read_jsonl(finished.run_dir / "01_collect" / "held_out.jsonl", HeldOut)
    mixed = finished.rows("train.jsonl") + finished.rows("eval.jsonl")
    assert len(held_out) == 12
    assert len(mixed) > 10
    assert not {row.id for row in held_out} & {example.id for example in mixed}
    for row in held_out:
        assert not any(normalised(row.input) in normalised(example.question) for example in mixed)


def test_rows_are_accounted_for_from_collect_to_mix(finished: Pipeline) -> None:
    collect, predict, score, sample, mix = finished.run()
    assert collect.counts["instances"] == predict.counts["predictions"] == score.counts["predictions"]
    assert sample.counts["scored"] == sample.counts["taken"] + sum(sample.dropped.values()) == 21
    assert mix.counts["sampled"] == mix.counts["train"] + mix.counts["eval"] + sum(mix.dropped.values())
    assert mix.counts["sampled"] == sample.counts["taken"] > 0


def test_a_finished_run_is_skipped_and_a_new_split_runs_the_mix_alone(pipeline: Pipeline, finished: Pipeline) -> None:
    before = pipeline.run()
    assert before == finished.run()
    pipeline.recipe.edit("data.yaml", mix__eval_share=0.4)
    assert [old == new for old, new in zip(before, pipeline.run(), strict=True)] == [True, True, True, True, False]


def test_spoilt_predictions_stop_the_score_that_reads_them(pipeline: Pipeline) -> None:
    path = pipeline.run_dir / "02_predict" / "predictions.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    (pipeline.run_dir / "03_score" / "report.json").unlink()
    with pytest.raises(StageError, match=r"predictions\.jsonl is not what the stage 'predict' wrote"):
        execute(data_prep.score.STAGE, pipeline.recipe.load(), pipeline.run_dir)


def test_spoilt_predictions_are_mended_from_the_journal(pipeline: Pipeline) -> None:
    path = pipeline.run_dir / "02_predict" / "predictions.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    pipeline.run()
    assert path.read_bytes() == whole
