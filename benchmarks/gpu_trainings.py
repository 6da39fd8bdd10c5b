"""A recipe's training on random weights for a few steps: its file, its plan, and what running it took.

Runs Axolotl's own command, one training at a time; that the memory runs out is a result, not an error.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.gpu_device import watched_memory
from benchmarks.memory_cap import CAP, GIB, STEPS_FILE, StepLog
from benchmarks.random_mistral import SEED, make_row, row_lengths
from oneday.config import Document
from oneday.files import atomic_write, read_json
from oneday.stage import StageError

if TYPE_CHECKING:
    from training.planning.cards import Card

BASE_MODEL = "mistralai/Mistral-7B-v0.1"
ROOT = Path(__file__).parents[1]
PLUGIN = "benchmarks.memory_cap.MemoryCap"
OUT_OF_MEMORY = re.compile(r"OutOfMemoryError|CUDA out of memory|Error:? out of memory", re.IGNORECASE)
LONGEST = 4000  # tokens; what recipes/mistral-7b-oneday/data.yaml lets through
SPARE = 1.2  # rows for so many times the tokens of all steps, so that every packed batch is full
ROWS = 200  # to evaluate; to train on at the least


@dataclass(frozen=True)
class Bench:
    """What is measured, and where. `on_cpu` holds changed keys for a training without a GPU (tests); None: CUDA."""

    out: Path
    recipes: tuple[Document, ...]
    shapes: Mapping[str, Any]  # the model's config
    steps: int = 12
    warmup: int = 2
    memory_gib: float = 24.0
    tokens_per_row: int = 300
    evaluation_rows: int = ROWS
    attention: Mapping[str, Any] = field(default_factory=dict)  # changed keys, if flash-attn is not there
    on_cpu: Mapping[str, Any] | None = None

    @property
    def model(self) -> Path:
        """The folder of the random model."""
        return self.out / "model"

    @property
    def rows(self) -> Path:
        """The folder of the made-up rows."""
        return self.out / "rows"


@dataclass(frozen=True)
class Training:
    """What came of one training. `fault` is the line of its log that says that the memory ran out, else None."""

    recipe: str
    cap_gib: float | None
    steps: int
    fault: str | None = None
    seconds_per_step: float | None = None
    tokens_per_step: float | None = None
    filled: float | None = None
    tokens_per_second: float | None = None
    seconds_per_evaluation: float | None = None
    seconds_per_save: float | None = None
    reserved_gib: float | None = None
    device_gib: float | None = None
    log: StepLog | None = None
    record: dict[str, Any] | None = None


@dataclass(frozen=True)
class Plan:
    """What the plan says of a training file on a card, without a measurement."""

    card: str
    peak_gib: float
    offered_gib: float
    seconds_per_step: float
    tokens_per_second: float  # of rows
    seconds_per_evaluation: float | None


def write_rows(bench: Bench) -> int:
    """Write rows enough for all steps of every recipe, and those of an evaluation; how many there are to train on."""
    from training.planning.settings import read_settings

    settings = [read_settings(Document(one.path, values_for(bench, one, bench.out), {})) for one in bench.recipes]
    of_a_step = max(s.micro_batch_size * s.sequence_len * s.gradient_accumulation_steps for s in settings)
    longest = min(LONGEST, *(s.sequence_len for s in settings))
    count = max(ROWS, int(SPARE * bench.steps * of_a_step / bench.tokens_per_row))
    first = 0
    for name, rows in (("train", count), ("eval", bench.evaluation_rows)):
        lengths = row_lengths(rows, bench.tokens_per_row, longest, SEED + first)
        with atomic_write(bench.rows / f"{name}.jsonl") as file:
            file.writelines(json.dumps(make_row(length, first + at)) + "\n" for at, length in enumerate(lengths))
        first += rows
    return count


def label(recipe: Document) -> str:
    """A recipe's name in the table: its folder's, with a variant's file."""
    folder, name = recipe.path.parent.resolve().name, recipe.path.stem
    return folder if name == "train" else f"{folder}/{name}"


def work_folder(bench: Bench, recipe: Document, capped: bool) -> Path:
    """Where a training's file, log and model go."""
    return bench.out / (label(recipe).replace("/", "-") + ("" if capped else "-without-cap"))


def values_for(bench: Bench, recipe: Document, folder: Path) -> dict[str, Any]:
    """The keys of a recipe's training for so few steps, with the benchmark's model, rows and plugin."""
    from benchmarks.tiny_mistral import on_cpu
    from training.planning.measure import short_run

    values = short_run(recipe.values, folder, bench.steps) | dict(bench.attention)
    values |= {"base_model": str(bench.model), "plugins": [PLUGIN, *recipe.values.get("plugins", [])]}
    for key, name in (("datasets", "train"), ("test_datasets", "eval")):
        place = {"path": str(bench.rows / f"{name}.jsonl"), "ds_type": "json"}
        values[key] = [entry | place for entry in recipe.values.get(key, [])]
    if bench.on_cpu is None:
        return values
    return on_cpu(values, bench.model, bench.rows, folder, **bench.on_cpu)


def write_train_file(bench: Bench, recipe: Document, capped: bool = True) -> Path:
    """The file that Axolotl is given, in an emptied folder."""
    import yaml

    folder = work_folder(bench, recipe, capped)
    shutil.rmtree(folder, ignore_errors=True)
    path = folder / "train.yaml"
    with atomic_write(path) as file:
        file.write(f"# {recipe.path} for {bench.steps} steps on random weights; written by benchmarks.training_gpu\n")
        yaml.safe_dump(values_for(bench, recipe, folder), file, sort_keys=False, allow_unicode=True)
    return path


def plans_for(train_file: Path, cards: Sequence["Card"]) -> list[Plan]:
    """What `training.plan` says of a file that `write_train_file` wrote, for each card."""
    from oneday.config import load_document
    from training.planning.geometry import find_config, geometry_of
    from training.planning.outlook import Case, look
    from training.planning.rows import rows_from
    from training.planning.settings import read_settings

    settings = read_settings(load_document(train_file))
    geometry = geometry_of(*find_config(settings.base_model), settings.overrides_of_model_config)
    rows_of, _ = rows_from(train_file.parent, settings, geometry)
    found = []
    for card in cards:
        outlook = look(Case(geometry, settings, card, 1, rows_of))
        steps, hours, train = outlook.steps, outlook.hours, outlook.train
        if steps is None or hours is None or train is None:
            raise ValueError(f"{train_file}: the plan knows nothing of the rows")
        evaluation = hours.evaluate / steps.evaluations if steps.evaluations else None
        speed = hours.tokens_per_second * train.filled
        peak, room = outlook.memory.peak / GIB, outlook.room / GIB
        found.append(Plan(card.name, peak, room, hours.train / steps.total, speed, evaluation))
    return found


def train(bench: Bench, recipe: Document, cap_gib: float | None) -> Training:
    """Run one training to its end, or until the memory runs out. Raises StageError if it fails otherwise."""
    from training.train import launch

    path = write_train_file(bench, recipe, cap_gib is not None)
    folder = path.parent
    changes = {"HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    changes |= {} if cap_gib is None else {CAP: str(cap_gib)}
    with watched_memory(folder / "memory.csv", bench.on_cpu is None) as peak, environment(changes):
        try:
            launch(path, folder)
        except StageError:
            fault = out_of_memory(folder / "train.log")
            if fault is None:
                raise
            return Training(label(recipe), cap_gib, steps_done(folder), fault, device_gib=peak())
        device = peak()
    found = measured(bench, label(recipe), cap_gib, folder / "model")
    for spent in [*(folder / "model").glob("checkpoint-*"), folder / "prepared"]:
        shutil.rmtree(spent)
    return replace(found, device_gib=device)


def measured(bench: Bench, name: str, cap_gib: float | None, model_dir: Path) -> Training:
    """What run.json and the plugin's log say of a finished training; the first steps do not count for the speed."""
    from training.run_record import read_run

    record, log = read_run(model_dir), read_json(model_dir / STEPS_FILE, StepLog)
    seconds, tokens, computed = (values[bench.warmup :] for values in (log.seconds, log.tokens, log.computed))
    if not seconds:
        raise StageError(f"{model_dir}: only {len(log.seconds)} steps were run; the first {bench.warmup} do not count")
    return Training(
        recipe=name,
        cap_gib=cap_gib,
        steps=record.steps,
        seconds_per_step=median(seconds),
        tokens_per_step=sum(tokens) / len(tokens),
        filled=sum(tokens) / sum(computed),
        tokens_per_second=sum(tokens) / sum(seconds),
        seconds_per_evaluation=record.seconds_per_evaluation,
        seconds_per_save=record.seconds_per_save,
        reserved_gib=record.peak_memory_gib,
        log=log,
        record=record.model_dump(),
    )


def out_of_memory(log: Path) -> str | None:
    """The last line of a training's log that says that the device's memory ran out; None if none does."""
    text = log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n")
    return next((line.strip() for line in reversed(text.splitlines()) if OUT_OF_MEMORY.search(line)), None)


def steps_done(folder: Path) -> int:
    """How many steps a training that `training.train.launch` ran had finished."""
    lines = (folder / "work" / "steps.jsonl").read_text(encoding="utf-8").splitlines()
    return int(json.loads(lines[-1])["step"]) if lines else 0


@contextmanager
def environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Variables for the processes that are started in here; all are as before afterwards."""
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def measure_all(bench: Bench, say: Callable[[str], None]) -> Iterator[Training]:
    """Train every recipe under the cap, and again without it where the memory ran out."""
    for recipe in bench.recipes:
        for cap in (bench.memory_gib, None):
            how = f"{label(recipe)}, {cap_words(cap)}"
            say(f"training: {how}: {bench.steps} steps, an evaluation, a save")
            training = train(bench, recipe, cap)
            say(f"training: {how}: {training.fault or f'{training.tokens_per_second:,.0f} tokens of rows a second'}")
            yield training
            if training.fault is None:
                break


def cap_words(cap_gib: float | None) -> str:
    """The cap of a training in words."""
    return "no cap" if cap_gib is None else f"{cap_gib:g} GiB"
