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
from data_prep.predictions import MadeFrom
from data_prep.same_input import normalised
from data_prep.tasks import read_tasks
from oneday.files import read_json, read_jsonl
from oneday.prompt import task_prompt
from oneday.records import Example, HeldOut, Prediction
from oneday.stage import Report, StageError, execute
from serve.tokens import load_tokenizer
from serve.transformers_engine import TransformersEngine

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
    """All rows, by task in the order of names."""
    files = sorted((pipeline.run_dir / "02_predict" / "predictions").glob("*.jsonl"))
    return [row for path in files for row in read_jsonl(path, Prediction)]


def made(pipeline: Pipeline) -> dict[str, MadeFrom]:
    return {
        path.stem: read_json(path, MadeFrom) for path in (pipeline.run_dir / "02_predict" / "made_from").glob("*.json")
    }


def times(pipeline: Pipeline) -> dict[str, int]:
    """When each task's predictions were written: a task that is not redone keeps its file."""
    files = (pipeline.run_dir / "02_predict" / "predictions").glob("*.jsonl")
    return {path.stem: path.stat().st_mtime_ns for path in files}


def redone(before: dict[str, int], pipeline: Pipeline) -> set[str]:
    return {name for name, time in times(pipeline).items() if before.get(name) != time}


def test_every_instance_is_answered_once_with_its_few_shot_prompt(finished: Pipeline) -> None:
    tasks = dict(read_tasks(finished.run_dir / "01_collect" / "tasks"))
    expected = [(name, instance) for name, task in tasks.items() for instance in task.instances]
    found = predictions(finished)
    counts = finished.run("predict")[-1].counts
    assert counts == {"tasks": 3, "predictions": 21, "fewer_demonstrations": 0}
    assert [(row.task, row.id) for row in found] == [(name, instance.id) for name, instance in expected]
    preamble = finished.recipe.load().data.preamble
    for row, (name, instance) in zip(found, expected, strict=True):
        assert row.few_shot_prompt == task_prompt(preamble, tasks[name], instance.input, demonstrations=1)
        assert (row.orig_input, row.answer, row.score) == (instance.input, instance.output, None)
    assert len({row.prediction for row in found}) > 3


@pytest.mark.parametrize("batches", [0, 1, 2])
def test_prediction_that_was_killed_goes_on_and_gives_the_same_bytes(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    """The second task is cut off after some batches; the first is not touched again."""
    folder = pipeline.run_dir / "02_predict"
    whole = {path.name: path.read_bytes() for path in (folder / "predictions").iterdir()}
    (folder / "report.json").unlink()
    for name in ("piqa", "siqa"):
        (folder / "made_from" / f"{name}.json").unlink()
    before = times(pipeline)
    generate = TransformersEngine.generate
    asked: list[str] = []

    def dies(self, prompts, max_new_tokens, stop, done=()):  # type: ignore[no-untyped-def]
        for number, batch in enumerate(generate(self, prompts, max_new_tokens, stop, done)):
            if number == batches:
                raise KeyboardInterrupt
            yield batch

    def counts(self, prompts, max_new_tokens, stop, done=()):  # type: ignore[no-untyped-def]
        for batch in generate(self, prompts, max_new_tokens, stop, done):
            asked.extend(prompts[position] for position, _ in batch)
            yield batch

    monkeypatch.setattr(TransformersEngine, "generate", dies)
    with pytest.raises(KeyboardInterrupt):
        pipeline.run("predict")
    monkeypatch.setattr(TransformersEngine, "generate", counts)
    report = pipeline.run("predict")[-1]
    assert report.resumed
    assert report.details["tasks_finished_before"] == 1
    assert len(asked) == 14 - 3 * batches
    assert redone(before, pipeline) == {"piqa", "siqa"}
    assert {path.name: path.read_bytes() for path in (folder / "predictions").iterdir()} == whole
    assert not list((folder / "work").glob("*.jsonl"))


def test_a_new_task_is_answered_alone_and_one_that_is_left_out_goes(pipeline: Pipeline) -> None:
    before = times(pipeline)
    pipeline.recipe.edit("data.yaml", collect__tasks=["piqa", "siqa", "openbookqa"])
    report = pipeline.run("predict")[-1]
    assert redone(before, pipeline) == {"openbookqa"}
    assert set(times(pipeline)) == set(made(pipeline)) == {"piqa", "siqa", "openbookqa"}
    assert report.details["tasks_finished_before"] == 2
    assert sorted(report.outputs) == sorted(
        f"{folder}/{name}.{kind}"
        for folder, kind in (("predictions", "jsonl"), ("made_from", "json"))
        for name in ("piqa", "siqa", "openbookqa")
    )


def test_a_task_that_comes_back_is_not_answered_again(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {path.name: path.read_bytes() for path in (pipeline.run_dir / "02_predict" / "predictions").iterdir()}
    pipeline.recipe.edit("data.yaml", collect__tasks=["piqa"])
    pipeline.run("predict")
    assert set(times(pipeline)) == {"piqa"}
    pipeline.recipe.edit("data.yaml", collect__tasks=["piqa", "siqa", "asdiv"])
    monkeypatch.setattr(TransformersEngine, "generate", lambda *_: pytest.fail("a finished task was answered again"))
    pipeline.run("predict")
    again = {path.name: path.read_bytes() for path in (pipeline.run_dir / "02_predict" / "predictions").iterdir()}
    assert again == whole


def test_a_limit_for_one_kind_of_task_redoes_that_kind_alone(pipeline: Pipeline) -> None:
    before = times(pipeline)
    pipeline.recipe.edit("data.yaml", predict__max_new_tokens={"exact_match": 2, "generation": 6})
    pipeline.run("predict")
    assert redone(before, pipeline) == {"asdiv"}


def test_more_demonstrations_than_there_are_redo_nothing(pipeline: Pipeline) -> None:
    before = times(pipeline)
    pipeline.recipe.edit("data.yaml", predict__batch_size=4, predict__max_prompt_tokens=1000)
    assert pipeline.run("predict")[-1].details["tasks_finished_before"] == 3
    assert redone(before, pipeline) == set()


def test_predictions_of_another_model_are_named_and_made_again(
    pipeline: Pipeline, tiny_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, old = times(pipeline), made(pipeline)["piqa"].model
    other = Path(shutil.copytree(tiny_model_dir, tmp_path / "other"))
    (other / "config.json").write_text((other / "config.json").read_text(encoding="utf-8") + "\n", encoding="utf-8")
    pipeline.recipe.use_model(other)
    pipeline.run("predict")
    new = made(pipeline)["piqa"].model
    assert redone(before, pipeline) == {"piqa", "siqa", "asdiv"}
    warning = capsys.readouterr().err
    assert "asdiv.jsonl was made by another base model" in warning
    assert old[:12] in warning
    assert new[:12] in warning


def test_a_file_of_predictions_that_no_stage_wrote_stops_the_stage(pipeline: Pipeline) -> None:
    (pipeline.run_dir / "02_predict" / "report.json").unlink()
    foreign = pipeline.run_dir / "02_predict" / "predictions" / "mine.jsonl"
    foreign.write_text("{}\n", encoding="utf-8")
    with pytest.raises(StageError, match=r"mine\.jsonl is a file that no stage wrote; move it away"):
        pipeline.run("predict")
    assert foreign.is_file()
    assert set(made(pipeline)) == {"piqa", "siqa", "asdiv"}


def token_counts(pipeline: Pipeline) -> list[int]:
    tokenizer = load_tokenizer(pipeline.recipe.load().base_model)
    return sorted(len(tokenizer(row.few_shot_prompt)["input_ids"]) for row in predictions(pipeline))


def test_prompts_that_are_too_long_lose_their_demonstration(pipeline: Pipeline) -> None:
    limit = token_counts(pipeline)[3]
    pipeline.recipe.edit("data.yaml", predict__max_prompt_tokens=limit)
    report = pipeline.run("predict")[-1]
    shorter = [row for row in predictions(pipeline) if row.few_shot_prompt.count("### Input:") == 1]
    assert token_counts(pipeline)[-1] <= limit
    assert report.counts["fewer_demonstrations"] == len(shorter) > 5
    assert report.counts["predictions"] + report.dropped["prompt_too_long"] == 21


def test_prompts_that_never_fit_are_dropped_with_a_count(pipeline: Pipeline) -> None:
    pipeline.recipe.edit("data.yaml", predict__demonstrations=0)
    pipeline.run("predict")
    limit = token_counts(pipeline)[4]
    pipeline.recipe.edit("data.yaml", predict__max_prompt_tokens=limit)
    report = pipeline.run("predict")[-1]
    assert report.counts["predictions"] == len(token_counts(pipeline)) >= 5
    assert report.dropped == {"prompt_too_long": 21 - report.counts["predictions"]}
    assert token_counts(pipeline)[-1] == limit


def test_a_limit_that_no_prompt_meets_is_an_error(pipeline: Pipeline) -> None:
    pipeline.recipe.edit("data.yaml", predict__max_prompt_tokens=16)
    with pytest.raises(StageError, match=r"no prompt fits into predict\.max_prompt_tokens 16; raise it"):
        pipeline.run("predict")


def test_a_limit_beyond_the_models_context_is_an_error(pipeline: Pipeline) -> None:
    pipeline.recipe.edit("data.yaml", predict__max_prompt_tokens=4094, predict__demonstrations=0)
    with pytest.raises(StageError, match=r"ask for 4099 tokens, but the context of .* is 4096; lower them"):
        pipeline.run("predict")


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
    assert mix.counts["read"] == mix.counts["train"] + mix.counts["eval"] + sum(mix.dropped.values())
    assert mix.counts["read"] == sample.counts["taken"] > 0


def test_a_finished_run_is_skipped_and_a_new_split_runs_the_mix_alone(pipeline: Pipeline, finished: Pipeline) -> None:
    before = pipeline.run()
    assert before == finished.run()
    pipeline.recipe.edit("data.yaml", mix__eval_share=0.4)
    assert [old == new for old, new in zip(before, pipeline.run(), strict=True)] == [True, True, True, True, False]


def test_spoilt_predictions_stop_the_score_that_reads_them(pipeline: Pipeline) -> None:
    path = pipeline.run_dir / "02_predict" / "predictions" / "siqa.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    (pipeline.run_dir / "03_score" / "report.json").unlink()
    with pytest.raises(StageError, match=r"siqa\.jsonl is not what the stage 'predict' wrote"):
        execute(data_prep.score.STAGE, pipeline.recipe.load(), pipeline.run_dir)


def test_spoilt_predictions_are_made_again_alone(pipeline: Pipeline) -> None:
    path = pipeline.run_dir / "02_predict" / "predictions" / "siqa.jsonl"
    whole, before = path.read_bytes(), times(pipeline)
    path.write_bytes(whole[:-10])
    pipeline.run()
    assert path.read_bytes() == whole
    assert redone(before, pipeline) == {"siqa"}


def test_a_preamble_for_predictions_alone_leaves_them_as_they_are(pipeline: Pipeline) -> None:
    """Moved from the recipe to `predict`, it gives the same prompts; the training prompts lose it."""
    before, preamble = times(pipeline), pipeline.recipe.load().data.preamble
    settings = data_prep.predict.STAGE.settings(pipeline.recipe.load())
    pipeline.recipe.edit("data.yaml", preamble="", predict__preamble=preamble)
    pipeline.run("sample")
    assert redone(before, pipeline) == set()
    assert data_prep.predict.STAGE.settings(pipeline.recipe.load()) == settings
    sampled = read_jsonl(pipeline.run_dir / "04_sample/sampled.jsonl", Example)
    assert sampled and all(row.question.startswith("### Instruction:\n") for row in sampled)
    assert all(row.few_shot_prompt.startswith(preamble) for row in predictions(pipeline))


def test_another_preamble_for_predictions_redoes_them(pipeline: Pipeline) -> None:
    before = times(pipeline)
    pipeline.recipe.edit("data.yaml", predict__preamble="")
    pipeline.run("predict")
    assert redone(before, pipeline) == set(before)
    assert all(row.few_shot_prompt.startswith("### Instruction:\n") for row in predictions(pipeline))
