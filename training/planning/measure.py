"""A few real steps through Axolotl -> seconds a step, an evaluation and a save, and peak memory; in measured.json.

Runs the recipe's own file with max_steps, one evaluation and one save, in 06_train/work/measure of the run folder,
which is emptied first; no checkpoint is taken over, no deadline holds. A later plan takes the numbers if the card and
the settings that matter are the same.
"""

import shutil
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict

from oneday.config import Document
from oneday.files import atomic_write, read_json, sha256_json, write_json
from oneday.stage import StageError
from training.planning.cards import Card
from training.planning.hours import Measured
from training.planning.settings import TrainSettings
from training.run_record import RunRecord, read_run
from training.trackers import is_tracking_key
from training.train import launch

# Keys that say how long, how often and where, not what a step is.
NOT_OF_A_STEP = {
    "num_epochs",
    "max_steps",
    "datasets",
    "test_datasets",
    "seed",
    "oneday_budget_hours",
    "oneday_budget_seconds",
    *(f"{what}_{key}" for what in ("eval", "save") for key in ("steps", "strategy")),
    "evals_per_epoch",
    "saves_per_epoch",
}
LEFT_OUT = (
    "oneday_budget_hours",
    "oneday_budget_seconds",
    "evals_per_epoch",
    "saves_per_epoch",
    "eval_strategy",
    "save_strategy",
    "resume_from_checkpoint",
    "hub_model_id",
    "early_stopping_patience",
)


class Measurement(BaseModel):
    """All of measured.json. `gpu` is CUDA's name of the card, None for the processor."""

    model_config = ConfigDict(frozen=True)

    settings: str
    gpu: str | None
    processes: int
    steps: int
    tokens_per_second: float | None
    seconds_per_step: float | None
    seconds_per_evaluation: float | None
    seconds_per_save: float | None
    peak_memory_gib: float
    peak_memory_of: Literal["cuda", "process"]
    at: str


def settings_hash(settings: TrainSettings) -> str:
    """One hash of the settings that shape a step."""
    return sha256_json(settings.model_dump(mode="json", exclude=NOT_OF_A_STEP))


def measure_folder(run_dir: Path) -> Path:
    """Where the steps are run."""
    return run_dir / "06_train" / "work" / "measure"


def measure(document: Document, settings: TrainSettings, run_dir: Path, steps: int) -> Measurement:
    """Run so many steps of the train file, its paths those of the run folder, and keep what they took.

    Raises FileNotFoundError without the rows, StageError if the training fails or leaves no record.
    """
    for entry in [*settings.datasets, *settings.test_datasets]:
        if not Path(str(entry.get("path"))).exists():
            name = entry.get("path")
            raise FileNotFoundError(f"{name} is absent: --measure trains on the recipe's rows; run the stage mix first")
    folder = measure_folder(run_dir)
    shutil.rmtree(folder, ignore_errors=True)
    path = folder / "train.yaml"
    with atomic_write(path) as file:
        file.write(f"# {document.path} for {steps} steps; written by training.plan --measure\n")
        yaml.safe_dump(short_run(document.values, folder, steps), file, sort_keys=False, allow_unicode=True)
    launch(path, folder)
    try:
        record = read_run(folder / "model")
    except FileNotFoundError as error:
        message = f"the steps were run, but {error.filename} is absent: plugins of {document.path} must hold"
        raise StageError(f"{message} training.plugin.OneDayPlugin, which writes it") from error
    found = _measurement(record, settings)
    write_json(folder.parent / "measured.json", found.model_dump())
    return found


def short_run(values: dict[str, Any], folder: Path, steps: int) -> dict[str, Any]:
    """The keys of a training of so many steps, with one evaluation and one save at the last."""
    kept = {key: value for key, value in values.items() if key not in LEFT_OUT and not is_tracking_key(key)}
    evaluates = bool(values.get("test_datasets") or values.get("val_set_size"))
    kept |= {"max_steps": steps, "save_steps": steps, "save_total_limit": 1, "auto_resume_from_checkpoints": False}
    kept |= {"output_dir": str(folder / "model"), "dataset_prepared_path": str(folder / "prepared")}
    return kept | ({"eval_steps": steps} if evaluates else {})


def _measurement(record: RunRecord, settings: TrainSettings) -> Measurement:
    return Measurement(
        settings=settings_hash(settings),
        gpu=record.hardware.get("gpu"),
        processes=record.processes,
        steps=record.steps,
        tokens_per_second=record.tokens_per_second,
        seconds_per_step=record.seconds_per_step,
        seconds_per_evaluation=record.seconds_per_evaluation,
        seconds_per_save=record.seconds_per_save,
        peak_memory_gib=record.peak_memory_gib,
        peak_memory_of=record.peak_memory_of,
        at=record.ended_at,
    )


def earlier_measurement(run_dir: Path, settings: TrainSettings, card: Card, gpus: int) -> Measured | None:
    """What was measured before with these settings on this kind of card; None if nothing was.

    Raises ValueError for a damaged file.
    """
    path = measure_folder(run_dir).with_name("measured.json")
    if not path.is_file():
        return None
    found = read_json(path, Measurement)
    if found.settings != settings_hash(settings) or found.processes != gpus or not same_card(card, found.gpu):
        return None
    if found.seconds_per_step is None:
        return None
    return Measured(found.seconds_per_step, found.seconds_per_evaluation, found.seconds_per_save, found.peak_memory_gib)


def same_card(card: Card, gpu: str | None) -> bool:
    """Whether CUDA's name is of this card; None is the processor."""
    if gpu is None:
        return card.is_cpu
    return bool(card.device_name) and gpu.endswith(card.device_name)
