"""The stage train_1: which file it trains by, what it reads, and where the second training goes on."""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import training.first
import training.train
from oneday.console import stage_main
from oneday.recipe import Recipe, load_recipe
from training.plan_record import Planned, PlannedSeconds, PlanRecord, settings_hash, write_plan
from training.running.checkpoints import read_start, start_record, write_start

if TYPE_CHECKING:
    from tests.conftest import RecipeFolder

INKUBA = Path(__file__).parents[2] / "recipes/inkuba-40m"


@pytest.fixture
def two(recipe: "RecipeFolder", tiny_model_dir: Path) -> Recipe:
    """The quickstart with two trainings in turn, without compression."""
    recipe.use_model(tiny_model_dir)
    values = yaml.safe_load((recipe.path / "train.yaml").read_text(encoding="utf-8"))
    (recipe.path / "train.yaml").unlink()
    again = {"base_model": "runs/quickstart/05d_train_1/model", "output_dir": "runs/quickstart/06_train/model"}
    for name, changes in (("1-part", {"output_dir": "runs/quickstart/05d_train_1/model"}), ("2-whole", again)):
        (recipe.path / f"train-{name}.yaml").write_text(yaml.safe_dump(values | changes), encoding="utf-8")
    return recipe.load()


def test_a_recipe_of_one_training_has_no_first_one(
    recipe: "RecipeFolder", tiny_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.use_model(tiny_model_dir)
    assert training.first.STAGE.inputs_for(recipe.load()) == ()
    assert stage_main(training.first.STAGE, [str(recipe.path), "--out", str(tmp_path / "run")]) == 1
    told = capsys.readouterr().err
    assert "there is no train-1-NAME.yaml" in told and "run training.train" in told


def test_each_training_reads_the_rows_that_its_file_names_and_the_model_before_it(two: Recipe) -> None:
    rows = ("05_mix/train.jsonl", "05_mix/eval.jsonl")
    assert training.first.STAGE.inputs_for(two) == rows
    assert training.train.STAGE.inputs_for(two) == (*rows, "05d_train_1/model")
    inkuba = load_recipe(INKUBA)
    of_translation = ("05_mix/train-translation.jsonl", "05_mix/eval-translation.jsonl")
    assert training.first.STAGE.inputs_for(inkuba) == (*of_translation, "05c_prune/model")
    assert training.train.STAGE.inputs_for(inkuba) == (*rows, "05d_train_1/model")


def test_a_change_of_one_training_s_file_is_no_change_of_the_other_s(two: Recipe) -> None:
    assert two.first_training is not None
    assert training.first.STAGE.settings(two) == two.first_training.values
    assert training.train.STAGE.settings(two) == two.train.values


@pytest.fixture
def launched(two: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was launched: in the place of Axolotl, a training that ends at once. There are rows; no plan is made."""
    found = list[str]()
    (tmp_path / "run/05_mix").mkdir(parents=True)
    for name in ("train", "eval"):
        (tmp_path / f"run/05_mix/{name}.jsonl").write_text("{}\n", encoding="utf-8")

    def launch(settings_file: Path, output_dir: Path) -> None:
        values = yaml.safe_load(settings_file.read_text(encoding="utf-8"))
        model_dir = Path(values["output_dir"])
        found.append(f"{settings_file.name} -> {model_dir.relative_to(output_dir.parent)}")
        model_dir.mkdir(parents=True, exist_ok=True)
        (model_dir / "training_log.json").write_text(json.dumps([{"step": 3, "loss": 2.5}]), encoding="utf-8")
        write_start(model_dir, start_record(values), finished=True)

    def plan_beside(train_file: Path, run_dir: Path, stage_dir: Path) -> AbstractContextManager[None]:
        found.append(f"plan of {train_file.name}")
        return nullcontext()

    monkeypatch.setattr(training.train, "launch", launch)
    monkeypatch.setattr(training.train, "plan_beside", plan_beside)
    return found


def test_it_trains_by_the_first_file_and_takes_over_what_has_finished(
    two: Recipe, tmp_path: Path, launched: list[str]
) -> None:
    run_dir = tmp_path / "run"
    outcomes = [training.first.run(two, run_dir, run_dir / "05d_train_1") for _ in range(2)]
    assert [outcome.counts for outcome in outcomes] == [{"steps": 3}] * 2
    assert launched == ["plan of train-1-part.yaml", "train-1-part.yaml -> 05d_train_1/model"]


PLAN = Planned(
    card="cpu",
    gpu=None,
    devices=1,
    measured_before=False,
    tokens=100,
    steps=3,
    evaluations=1,
    saves=1,
    seconds=PlannedSeconds(start=1, train=2, evaluate=1, save=1),
    peak_memory_gib=1,
    offered_memory_gib=2,
)


def of_these_settings(values: Mapping[str, Any]) -> PlanRecord:
    return PlanRecord(plan=PLAN, settings=settings_hash(values))


def of_more_hours(values: Mapping[str, Any]) -> PlanRecord:
    return of_these_settings({**values, "oneday_budget_hours": 48})


def only_a_reason(values: Mapping[str, Any]) -> PlanRecord:
    return PlanRecord(reason="the planner was not ready", settings=settings_hash(values))


@pytest.mark.parametrize(
    ("planned", "kept"), [(of_these_settings, True), (of_more_hours, False), (only_a_reason, False), (None, False)]
)
def test_a_training_that_goes_on_keeps_the_plan_of_its_settings_alone(
    two: Recipe, tmp_path: Path, launched: list[str], planned: Any, kept: bool
) -> None:
    assert two.first_training is not None
    run_dir, stage_dir = tmp_path / "run", tmp_path / "run/05d_train_1"
    training.first.run(two, run_dir, stage_dir)
    record = read_start(stage_dir / "model")
    assert record is not None
    write_start(stage_dir / "model", record, finished=False)
    if planned is not None:
        write_plan(stage_dir, planned(two.first_training.values))
    training.first.run(two, run_dir, stage_dir)
    assert len(launched) == (3 if kept else 4), "twice Axolotl, and a plan each time that there was none"
