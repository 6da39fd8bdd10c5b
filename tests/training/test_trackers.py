"""Experiment trackers by a recipe's keys: which are on, what is refused, and a real training that is tracked."""

import importlib.util
import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from benchmarks.tiny_mistral import make_tiny_mistral, on_cpu, write_rows
from oneday.config import load_document
from training import trackers
from training.plan_record import read_plan
from training.run_record import read_run
from training.running.processes import Refused
from training.validate import check_train

if TYPE_CHECKING:
    from tests.conftest import RecipeFolder

ROOT = Path(__file__).parents[2]
ABSENT = "comet_ml"  # of the trackers' packages, the one that nothing here installs
BY_KEY: dict[str, dict[str, Any]] = {
    "tensorboard": {"use_tensorboard": True},
    "trackio": {"use_trackio": True, "trackio_run_name": "first"},
    "trackio by its project": {"trackio_project_name": "mine"},
    "wandb": {"use_wandb": True, "wandb_mode": "online", "wandb_name": "first"},
    "wandb by its project": {"wandb_project": "mine"},
}


@pytest.mark.parametrize("keys", BY_KEY.values(), ids=BY_KEY)
def test_a_tracker_is_switched_on_by_its_key_in_a_valid_recipe(recipe: "RecipeFolder", keys: dict[str, Any]) -> None:
    assert not list(trackers.switched_on(recipe.load().train.values)), "off by default"
    recipe.edit("train.yaml", **keys)
    document = load_document(recipe.path / "train.yaml")
    assert check_train(document) == []
    (on,) = trackers.switched_on(document.values)
    assert on[1] in keys


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"use_comet": True}, ("use_comet", "pip install comet_ml, or take the key out")),
        ({"comet_project_name": "mine"}, ("comet_project_name", "comet_ml is not installed here")),
        ({"use_wandb": True, "wandb_mode": "ofline"}, ("wandb_mode", "one of offline, online, disabled, shared")),
        ({"comet_api_key": "s3cret"}, ("comet_api_key", "set COMET_API_KEY in the environment")),
        *(
            ({"mlflow_tracking_uri": uri}, ("mlflow_tracking_uri", "MLFLOW_TRACKING_TOKEN"))
            for uri in (
                "https://me:s3cret@host/x",
                "https://s3cret@host/mlflow",
                "http://me:pa/s3cret@host",
                "me:s3cret@host/x",
                "https://host/mlflow?token=s3cret",
                "https://host/mlflow#s3cret",
            )
        ),
    ],
)
def test_what_cannot_be_tracked_is_a_fault_without_the_secret(
    recipe: "RecipeFolder", keys: dict[str, Any], fault: tuple[str, str]
) -> None:
    assert importlib.util.find_spec(ABSENT) is None, "the test needs a tracker that is not installed"
    recipe.edit("train.yaml", **keys)
    faults = check_train(load_document(recipe.path / "train.yaml"))
    assert [found.key for found in faults] == [fault[0]]
    assert fault[1] in faults[0].message and "s3cret" not in faults[0].message


@pytest.mark.parametrize("uri", ["http://127.0.0.1:5000", "sqlite:////data/mlflow.db", "databricks", "./mlruns"])
def test_an_address_without_a_secret_is_none(uri: str) -> None:
    assert trackers.tracker_faults({"mlflow_tracking_uri": uri}) == {}


def test_mlflow_is_a_fault_exactly_where_its_package_is_absent() -> None:
    faults = trackers.tracker_faults({"use_mlflow": True})
    if importlib.util.find_spec("mlflow") is None:
        assert faults == {"use_mlflow": "mlflow is not installed here: pip install mlflow, or take the key out"}
    else:
        assert faults == {}


def test_the_plugin_refuses_a_tracker_that_is_absent_before_anything_is_loaded(tmp_path: Path) -> None:
    from training.plugin import OneDayPlugin

    with pytest.raises(Refused, match="use_comet: comet_ml is not installed here"):
        OneDayPlugin().register({"base_model": "some/model", "use_comet": True, "output_dir": str(tmp_path)})


def test_all_that_a_tracker_writes_is_below_the_training_and_stays_here(tmp_path: Path) -> None:
    everything = {tracker.key: True for tracker in trackers.TRACKERS}
    variables = trackers.tracker_environment(everything, tmp_path)
    places = {name: value for name, value in variables.items() if name.endswith(("_DIR", "_DIRECTORY", "_URI"))}
    assert len(places) == 7 and all(str(tmp_path / "tracking") in place for place in places.values())
    assert variables["WANDB_MODE"] == "offline" and variables["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert variables["COMET_START_ONLINE"] == "false" and variables["COMET_AUTO_LOG_GIT_PATCH"] == "false"
    assert trackers.tracker_environment({"use_wandb": False, "learning_rate": 1}, tmp_path) == {}


def test_what_the_user_has_set_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    monkeypatch.setattr(os, "environ", dict(os.environ) | {"WANDB_MODE": "online"})
    trackers.set_environment({"use_wandb": True, "output_dir": str(tmp_path)})
    assert os.environ["WANDB_MODE"] == "online"
    assert os.environ["WANDB_DIR"] == str(tmp_path / "tracking")


@pytest.mark.parametrize("keys", [{}, {"comet_online": True}])
def test_comet_is_online_only_where_the_file_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keys: dict[str, Any]
) -> None:
    import os

    from axolotl.utils.comet_ import setup_comet_env_vars
    from axolotl.utils.dict import DictDefault

    monkeypatch.setattr(os, "environ", dict(os.environ))
    settings = DictDefault({"use_comet": True, "output_dir": str(tmp_path)} | keys)
    trackers.set_environment(settings)
    setup_comet_env_vars(settings)  # Axolotl does this after the plugin
    assert os.environ["COMET_START_ONLINE"] == ("true" if keys else "false")


def test_trackio_gets_its_project(tmp_path: Path) -> None:
    assert trackers.training_arguments({"trackio_project_name": "mine"}) == {"project": "mine"}
    assert trackers.training_arguments({}) == {}


def test_keys_of_trackers_are_told_from_the_others() -> None:
    assert all(map(trackers.is_tracking_key, ("use_wandb", "wandb_mode", "trackio_space_id", "mlflow_run_name")))
    assert not any(map(trackers.is_tracking_key, ("use_ray", "use_eaft", "output_dir", "wandb", "lora_r")))


@pytest.mark.slow
def test_a_training_is_tracked_planned_and_timed(recipe: "RecipeFolder", tmp_path: Path) -> None:
    """The train stage on the tiny Mistral, six steps, with three trackers at once and no network."""
    from training.train import run

    base, run_dir = make_tiny_mistral(tmp_path / "base"), tmp_path / "run"
    values = yaml.safe_load((ROOT / "recipes/mistral-7b-oneday/train.yaml").read_text(encoding="utf-8"))
    changes: dict[str, Any] = {
        "sequence_len": 128,
        "max_steps": 6,
        "eval_steps": 3,
        "save_steps": 6,
        "logging_steps": 1,
    }
    changes |= {"gradient_accumulation_steps": 1, "oneday_budget_hours": None}
    changes |= {"use_tensorboard": True, "wandb_project": "mine", "trackio_project_name": "mine"}
    write_rows(run_dir / "05_mix", 60, 16)
    default = Path("runs/quickstart")
    settings = on_cpu(values, base, default / "05_mix", default / "06_train", **changes)
    (recipe.path / "train.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")

    run(recipe.load(), run_dir, run_dir / "06_train")

    model_dir = run_dir / "06_train/model"
    log = json.loads((model_dir / "training_log.json").read_text(encoding="utf-8"))
    steps = [entry for entry in log if "loss" in entry]
    assert [entry["step"] for entry in steps] == list(range(1, 7))
    measured, planned = read_run(model_dir), read_plan(run_dir / "06_train")
    assert 0 < log[0]["seconds"] < log[-1]["seconds"] <= measured.wall_seconds
    assert planned.plan is not None, planned.reason
    assert (planned.plan.steps, planned.plan.devices) == (measured.steps, measured.processes)
    assert planned.plan.tokens == pytest.approx(measured.tokens, rel=0.15)

    losses = [entry["loss"] for entry in steps]
    tracking = model_dir / "tracking"
    assert tensorboard_losses(tracking / "tensorboard") == pytest.approx(losses, rel=1e-6)
    assert trackio_losses(tracking / "trackio/mine.db") == losses
    (offline,) = tracking.glob("wandb/offline-run-*/*.wandb")
    written = offline.read_bytes()
    assert all(json.dumps(entry[key]).encode() in written for entry in steps for key in ("loss", "learning_rate"))
    assert not (ROOT / "wandb").exists() and not (ROOT / "mlruns").exists()


def tensorboard_losses(folder: Path) -> list[float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return [scalar.value for scalar in events.Scalars("train/loss")]


def trackio_losses(database: Path) -> list[float]:
    with sqlite3.connect(database) as connection:
        rows = [json.loads(metrics) for (metrics,) in connection.execute("SELECT metrics FROM metrics ORDER BY step")]
    return [row["train/loss"] for row in rows if "train/loss" in row]
