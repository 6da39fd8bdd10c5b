"""Experiment trackers that Axolotl brings: which a train file switches on, what is wrong with it, where they write.

All are off until a key of the file names one. What they write goes to `tracking/` in the training's folder, and by
default nothing of a training leaves the machine. Light: nothing of a tracker is imported until the training needs it.
"""

import functools
import importlib
import importlib.util
import inspect
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.running.processes import first_process

FOLDER = "tracking"
WANDB_MODES = ("offline", "online", "disabled", "shared")
NAMES = re.compile(r"(use_(tensorboard|wandb|trackio|mlflow|comet)|(hf_mlflow|wandb|trackio|mlflow|comet)_\w+)")
SECRET_PLACES = re.compile(r"[@?#]")  # of an address: after a name or a token, and before a query or a fragment
# comet_ml reads it when it is imported, and transformers imports comet_ml before Axolotl asks the plugin.
AT_IMPORT = {"COMET_ERROR_TRACKING_ENABLE": "false"}


@dataclass(frozen=True)
class Tracker:
    """One tracker. Axolotl switches it on by `key`, or by a name in `by_name`; `module` is what it imports."""

    key: str
    by_name: str | None
    module: str
    package: str


TRACKERS = (
    Tracker("use_tensorboard", None, "tensorboard", "tensorboard"),
    Tracker("use_trackio", "trackio_project_name", "trackio", "trackio"),
    Tracker("use_wandb", "wandb_project", "wandb", "wandb"),
    Tracker("use_mlflow", "mlflow_experiment_name", "mlflow", "mlflow"),
    Tracker("use_comet", "comet_project_name", "comet_ml", "comet_ml"),
)


def is_tracking_key(key: str) -> bool:
    """Whether a key of an Axolotl file is about a tracker: it changes what is told of a training, not the training."""
    return NAMES.fullmatch(key) is not None


def switched_on(settings: Mapping[str, Any]) -> Iterator[tuple[Tracker, str]]:
    """The trackers that the settings switch on, each with the key that does."""
    for tracker in TRACKERS:
        if tracker.by_name is not None and settings.get(tracker.by_name):
            yield tracker, tracker.by_name
        elif settings.get(tracker.key):
            yield tracker, tracker.key


def tracker_faults(settings: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with the trackers' keys on this machine: message by key. Values of secrets are not repeated."""
    faults = {
        key: f"{tracker.package} is not installed here: pip install {tracker.package}, or take the key out"
        for tracker, key in switched_on(settings)
        if importlib.util.find_spec(tracker.module) is None
    }
    mode = settings.get("wandb_mode")
    if mode is not None and mode not in WANDB_MODES:
        faults["wandb_mode"] = f"must be one of {', '.join(WANDB_MODES)} (given: {mode})"
    if settings.get("comet_api_key"):
        faults["comet_api_key"] = "a secret: reports and logs repeat the file; set COMET_API_KEY in the environment"
    if SECRET_PLACES.search(str(settings.get("mlflow_tracking_uri") or "")):
        faults["mlflow_tracking_uri"] = (
            'must be without "@", "?" and "#": a secret there would be repeated by reports and logs. Set '
            "MLFLOW_TRACKING_USERNAME and _PASSWORD, MLFLOW_TRACKING_TOKEN, or all of MLFLOW_TRACKING_URI in the "
            "environment"
        )
    return faults


def tracker_environment(settings: Mapping[str, Any], model_dir: Path) -> dict[str, str]:
    """The variables that keep the trackers of a training in its folder, offline and off telemetry."""
    folder = (model_dir / FOLDER).resolve()
    variables = {
        "use_tensorboard": {"TENSORBOARD_LOGGING_DIR": str(folder / "tensorboard")},
        "use_trackio": {"TRACKIO_DIR": str(folder / "trackio"), "GRADIO_ANALYTICS_ENABLED": "False"},
        "use_wandb": {
            "WANDB_MODE": "offline",
            "WANDB_DIR": str(folder),
            "WANDB_DATA_DIR": str(folder / "wandb"),
            "WANDB_CACHE_DIR": str(folder / "wandb"),
            "WANDB_ERROR_REPORTING": "false",
        },
        "use_mlflow": {
            "MLFLOW_TRACKING_URI": _mlflow_database(folder),
            "MLFLOW_EXPERIMENT_NAME": "oneday",  # Axolotl puts mlflow_experiment_name in its place
            "MLFLOW_DISABLE_TELEMETRY": "true",
        },
        "use_comet": {
            "COMET_START_ONLINE": "false",  # Axolotl puts comet_online in its place
            "COMET_OFFLINE_DIRECTORY": str(folder / "comet"),
            "COMET_AUTO_LOG_GIT_PATCH": "false",  # what is not committed, whatever it is
        },
    }
    return {name: value for tracker, _ in switched_on(settings) for name, value in variables[tracker.key].items()}


def set_environment(settings: Mapping[str, Any]) -> None:
    """Set those of the variables that the user has not set. Before a tracker is imported: some read theirs then."""
    if any(switched_on(settings)):
        for name, value in tracker_environment(settings, Path(settings["output_dir"])).items():
            os.environ.setdefault(name, value)


def training_arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the trainer that Axolotl does not pass on: trackio's project."""
    project = settings.get("trackio_project_name")
    return {"project": project} if project else {}


def prepare(settings: Mapping[str, Any]) -> None:
    """Make the folder of the trackers that are on, and what is installed of them fit one another."""
    keys = {tracker.key for tracker, _ in switched_on(settings)}
    if not keys or not first_process():
        return
    folder = (Path(settings["output_dir"]) / FOLDER).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if "use_trackio" in keys:
        _let_trackio_begin()
    if "use_mlflow" in keys and os.environ["MLFLOW_TRACKING_URI"] == _mlflow_database(folder):
        _place_mlflow_artifacts(folder / "mlflow")


def _let_trackio_begin() -> None:
    """Axolotl 0.19 pins trackio 0.19, whose `init` does not know `bucket_id`; transformers 5.16 passes it as None."""
    import trackio

    begin = trackio.init
    if "bucket_id" in inspect.signature(begin).parameters:
        return

    @functools.wraps(begin)
    def without_bucket(*args: Any, bucket_id: None = None, **kwargs: Any) -> Any:
        return begin(*args, **kwargs)

    trackio.init = without_bucket


def _mlflow_database(folder: Path) -> str:
    """A file: MLflow 3 refuses folders of files."""
    return f"sqlite:///{folder / 'mlflow.db'}"


def _place_mlflow_artifacts(folder: Path) -> None:
    """Make the experiment; MLflow itself would put its artefacts into `mlruns` where the command runs."""
    mlflow = importlib.import_module("mlflow")  # no dependency of this project
    name = os.environ["MLFLOW_EXPERIMENT_NAME"]
    if mlflow.get_experiment_by_name(name) is None:
        mlflow.create_experiment(name, artifact_location=folder.as_uri())
