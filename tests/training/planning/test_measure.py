"""Measuring: the short run's file, what a plan takes over and what not, and real trainings of the tiny Mistral."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.tiny_mistral import make_tiny_mistral, on_cpu, write_rows
from oneday.files import write_json
from oneday.stage import StageError
from tests.training.planning.tiny_models import settings_of
from training import plan
from training.planning import measure
from training.planning.cards import CARDS, Card
from training.planning.settings import TrainSettings
from training.run_record import read_run
from training.train import launch
from training.train_file import load_train_file

PROCESSOR = Card("cpu", 16, 0.1, 0.1, 0, "test")
VALUES: dict[str, Any] = {
    "max_steps": 9,
    "eval_steps": 5,
    "saves_per_epoch": 2,
    "oneday_budget_hours": 2,
    "hub_model_id": "me/mine",
    "wandb_project": "mine",
    "auto_resume_from_checkpoints": True,
    "output_dir": "runs/tiny/06_train/model",
    "test_datasets": [{"path": "eval.jsonl"}],
}


def _measured(of: TrainSettings, **changes: Any) -> measure.Measurement:
    values: dict[str, Any] = {
        "settings": measure.settings_hash(of),
        "gpu": None,
        "processes": 1,
        "steps": 4,
        "tokens_per_second": 100.0,
        "seconds_per_step": 2.0,
        "seconds_per_evaluation": 3.0,
        "seconds_per_save": 1.0,
        "peak_memory_gib": 1.5,
        "peak_memory_of": "process",
        "at": "2026-01-01T00:00:00Z",
    }
    return measure.Measurement.model_validate(values | changes)


def test_the_short_run_neither_resumes_nor_ends_early_nor_publishes_nor_is_tracked() -> None:
    found = measure.short_run(VALUES, Path("work/measure"), 4)
    assert (found["max_steps"], found["eval_steps"], found["save_steps"]) == (4, 4, 4)
    assert found["auto_resume_from_checkpoints"] is False
    assert found["output_dir"] == "work/measure/model"
    assert not {"oneday_budget_hours", "saves_per_epoch", "hub_model_id", "wandb_project"} & found.keys()


def test_without_evaluation_rows_nothing_is_evaluated() -> None:
    found = measure.short_run({"eval_steps": None}, Path("work"), 4)
    assert found["eval_steps"] is None


@pytest.mark.parametrize(
    ("changes", "gpus", "card", "taken"),
    [
        ({}, 1, PROCESSOR, True),
        ({"settings": "another"}, 1, PROCESSOR, False),
        ({}, 2, PROCESSOR, False),
        ({}, 1, CARDS["rtx4090"], False),
        ({"gpu": "NVIDIA GeForce RTX 4090"}, 1, CARDS["rtx4090"], True),
        ({"gpu": "NVIDIA GeForce RTX 4090"}, 1, CARDS["rtx3090"], False),
        ({"seconds_per_step": None}, 1, PROCESSOR, False),
    ],
)
def test_a_measurement_counts_for_the_same_card_and_settings(
    tmp_path: Path, changes: dict[str, Any], gpus: int, card: Card, taken: bool
) -> None:
    settings = settings_of()
    path = measure.measure_folder(tmp_path).with_name("measured.json")
    write_json(path, _measured(settings, **changes).model_dump())
    assert (measure.earlier_measurement(tmp_path, settings, card, gpus) is not None) is taken


def test_how_long_and_how_often_do_not_change_what_a_step_is() -> None:
    settings = settings_of()
    assert measure.settings_hash(settings) == measure.settings_hash(settings_of(num_epochs=9, eval_steps=3))
    assert measure.settings_hash(settings) != measure.settings_hash(settings_of(micro_batch_size=9))


def test_a_damaged_measurement_is_named(tmp_path: Path) -> None:
    path = measure.measure_folder(tmp_path).with_name("measured.json")
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"measured\.json is damaged"):
        measure.earlier_measurement(tmp_path, settings_of(), PROCESSOR, 1)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe that trains the tiny Mistral on a CPU by the settings of mistral-7b-oneday."""
    root = tmp_path_factory.mktemp("measure")
    base, rows = make_tiny_mistral(root / "base"), write_rows(root / "rows", 60, 16)
    values = yaml.safe_load(Path("recipes/mistral-7b-oneday/train.yaml").read_text())
    changes = {"sequence_len": 256, "num_epochs": 2, "eval_steps": 1, "save_steps": 2, "gradient_accumulation_steps": 2}
    changes |= {"micro_batch_size": 1, "lora_r": 8}
    folder = root / "recipes" / "tiny"
    folder.mkdir(parents=True)
    path = folder / "train.yaml"
    path.write_text(yaml.safe_dump(on_cpu(values, base, rows, root / "out", **changes), sort_keys=False))
    return folder


def test_absent_rows_are_an_error(recipe: Path, tmp_path: Path) -> None:
    document = load_train_file(recipe)
    gone = settings_of(datasets=[{"path": str(tmp_path / "gone.jsonl")}])
    with pytest.raises(FileNotFoundError, match=r"gone\.jsonl is absent: --measure trains on the recipe's rows"):
        measure.measure(document, gone, tmp_path, 4)


def test_a_run_without_a_record_is_an_error(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "launch", lambda path, folder: None)
    with pytest.raises(StageError, match=r"must hold training\.plugin\.OneDayPlugin"):
        measure.measure(load_train_file(recipe), settings_of(), tmp_path, 4)


@pytest.mark.slow
def test_steps_evaluations_and_saves_are_those_of_a_real_training(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    plan.main([str(recipe), "--gpu", "cpu", "--json"])
    planned = json.loads(capsys.readouterr().out)
    launch(recipe / "train.yaml", recipe / "log")
    record = read_run(Path(load_train_file(recipe).values["output_dir"]))
    assert planned["steps"] == record.steps
    assert planned["evaluations"] == record.evaluations
    assert planned["computed_tokens"] == pytest.approx(record.tokens / 2, rel=0.15)  # two epochs


@pytest.mark.slow
def test_measured_steps_replace_the_assumption(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan.main([str(recipe), "--gpu", "cpu", "--out", str(tmp_path), "--measure", "3"]) == 0
    text = capsys.readouterr().out
    assert "3 steps on the CPU" in text
    assert "tokens a second, measured" in text
    assert "an assumption" not in text.split("| steps")[1].splitlines()[0]
