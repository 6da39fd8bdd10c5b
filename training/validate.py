"""Check every YAML of a recipe with no GPU, no network and no weights, and report all faults together.

    python -m training.validate recipes/quickstart

All files of the folder are checked, also where one data file is named. data*.yaml and eval*.yaml are checked by their
models, train*.yaml by the installed Axolotl's schema (which by itself drops unknown keys silently) and by the demands
below. Exit code 2 if anything is wrong. Whether the training fits a machine is not checked.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data_prep.config import DataConfig
from data_prep.mixing.config import Mix
from eval.config import EvalConfig
from oneday.config import ConfigError, Document, Fault, load_config, load_document
from oneday.console import run_command, typer_main
from oneday.recipe import data_files, find_data_file, load_recipe
from training.axolotl_schema import axolotl_faults

FILE_NAME = re.compile(r"(data|eval|train)(-[a-z0-9-]+)?\.yaml")
DS_TYPES = {"jsonl": "json", "parquet": "parquet"}  # Axolotl's word for what mix.output writes
ALLOWED = "allowed: data.yaml, eval.yaml, train.yaml, and variants of them such as data-400k.yaml"


def check_recipe(recipe: Path) -> list[Path]:
    """The files of a recipe, all of them valid. Raises ConfigError with the faults of all files together.

    `recipe` is a folder or one of its data files.
    """
    folder = recipe if recipe.is_dir() else find_data_file(recipe).parent
    faults: list[Fault] = []
    for data_path in data_files(folder) or [folder]:  # with a folder, it is told that data.yaml is absent
        faults += [fault for fault in _recipe_faults(data_path) if fault not in faults]
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".yaml", ".yml"))
    trainings = []
    for path in paths:
        name = FILE_NAME.fullmatch(path.name)
        try:
            if name is None:
                faults.append(Fault(path, "", f"unknown file name; {ALLOWED}"))
            elif name[1] == "train":
                trainings.append(load_document(path))
            elif name[1] == "eval" and name[2]:  # load_recipe reads the others
                load_config(path, EvalConfig)
        except ConfigError as error:
            faults += [fault for fault in error.faults if fault not in faults]
    reported = {(fault.file, fault.key) for fault in faults}
    for document in trainings:
        faults += [fault for fault in check_train(document) if (fault.file, fault.key) not in reported]
    faults += _shared_folders(trainings)
    faults += _long_rows(folder, trainings)
    if faults:
        raise ConfigError(sorted(faults, key=lambda fault: (fault.file.name, fault.line or 0)))
    return paths


def _recipe_faults(recipe: Path) -> list[Fault]:
    try:
        load_recipe(recipe)
    except ConfigError as error:
        return error.faults
    return []


def check_train(document: Document) -> list[Fault]:
    """All that is wrong with one Axolotl file of a recipe, in the order of lines.

    What the stage mix writes is taken from the valid data files beside it.
    """
    faults = axolotl_faults(document)
    faults += [document.fault(key, message) for key, message in _demands(document)]
    return sorted(faults, key=lambda fault: fault.line or 0)


def _demands(document: Document) -> Iterator[tuple[str, str]]:
    """What Axolotl allows and this project does not: key and message, the reason in the message."""
    values, recipe = document.values, document.path.parent.resolve().name
    yield from _silent_losses(values)
    yield from _best_checkpoint(values)
    yield from _output_folder(values, f"runs/{recipe}")
    yield from _training_files(values, f"runs/{recipe}/05_mix", _mixes(document.path.parent))
    yield from _remote_code(values)
    if values.get("auto_resume_from_checkpoints") is not True and not values.get("resume_from_checkpoint"):
        message = "must be true, so that a training that was cut off goes on when started again"
        yield "auto_resume_from_checkpoints", message
    if values.get("seed") is None:
        yield "seed", "must be set, so that the training can be repeated"


def _silent_losses(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    from axolotl.utils.schemas.enums import LEGACY_ATTN_FLAG_TO_IMPL

    if not values.get("attn_implementation") and not any(values.get(flag) for flag in LEGACY_ATTN_FLAG_TO_IMPL):
        message = "must be set, for example to sdpa or flash_attention_2: without it packed rows see one another"
        yield "attn_implementation", message
    if values.get("excess_length_strategy") is None:
        message = "must be set (raise, truncate or drop): by default rows longer than sequence_len vanish silently"
        yield "excess_length_strategy", message
    tokens = values.get("special_tokens")
    if isinstance(tokens, dict) and tokens.get("pad_token") and tokens.get("pad_token") == tokens.get("eos_token"):
        message = "must differ from eos_token: padding is masked, so the model would not learn where to end"
        yield "special_tokens.pad_token", message


def _best_checkpoint(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The conditions under which Axolotl keeps load_best_model_at_end (axolotl/core/builders/causal.py)."""
    if values.get("load_best_model_at_end") in (None, False):
        return
    save, evaluate = _steps(values, "save"), _steps(values, "eval")
    if save is None or evaluate is None or save % evaluate != 0:
        given = f"(given: {_shown(save)} and {_shown(evaluate)})"
        message = f"Axolotl silently ignores it unless save_steps is a multiple of eval_steps {given}"
        yield "load_best_model_at_end", message
    if not values.get("test_datasets") and not values.get("val_set_size"):
        yield "load_best_model_at_end", "Axolotl silently ignores it without test_datasets or val_set_size"


def _steps(values: Mapping[str, Any], what: str) -> float | None:
    """`save_steps` or `eval_steps`, if need be from the times per epoch; None if Axolotl has neither.

    Times per epoch become a share of the training; once in the whole training counts as not given (normalize_config).
    """
    steps = _number(values.get(f"{what}_steps"))
    per_epoch, epochs = _number(values.get(f"{what}s_per_epoch")), _number(values.get("num_epochs", 1))
    if steps is None and per_epoch and epochs and per_epoch * epochs > 1:
        steps = 1.0 / (per_epoch * epochs)
    return steps or None


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _shown(steps: float | None) -> str:
    return "none" if steps is None else f"{steps:g}"


def _output_folder(values: Mapping[str, Any], run_dir: str) -> Iterator[tuple[str, str]]:
    output = str(values.get("output_dir", ""))
    below = output.removeprefix(f"{run_dir}/06_train/")
    if below == output or not below.strip("/.") or ".." in Path(below).parts:
        message = f"must be below {run_dir}/06_train/, so that no other recipe's checkpoints are resumed"
        yield "output_dir", f"{message} (given: {output!r})"


def _mixes(folder: Path) -> dict[str, Mix]:
    """`mix` of each valid data file of a recipe, by file name; the faults of the others are told elsewhere."""
    mixes = {}
    for path in data_files(folder):
        try:
            mixes[path.name] = load_config(path, DataConfig).mix
        except ConfigError:
            continue
    return mixes


def _training_files(values: Mapping[str, Any], mix_dir: str, mixes: Mapping[str, Mix]) -> Iterator[tuple[str, str]]:
    """Data below runs/ is what the stage mix writes of every data file, in its format. One fault a key."""
    for key, name in (("datasets", "train"), ("test_datasets", "eval")):
        for position, entry in _entries(values, key):
            path, ds_type = str(entry.get("path", "")).removeprefix("./"), entry.get("ds_type")
            found: dict[str, str] = {}
            for data_file, mix in mixes.items() if path.startswith("runs/") else ():
                expected, reader = f"{mix_dir}/{name}.{mix.output}", DS_TYPES[mix.output]
                reason = f"stage mix writes {mix.output} (mix.output of {data_file})"
                if path != expected:
                    found.setdefault("path", f"must be {expected}: {reason} (given: {path!r})")
                if ds_type not in (None, reader):  # without it Axolotl goes by the file's name
                    found.setdefault("ds_type", f"must be {reader}: {reason} (given: {ds_type!r})")
            yield from ((f"{key}.{position}.{last}", message) for last, message in found.items())


def _long_rows(folder: Path, trainings: list[Document]) -> Iterator[Fault]:
    """Data files whose rows may be longer than a training reads that stops at such rows."""
    limits = [
        (int(limit), document.path.name)
        for document in trainings
        if document.values.get("excess_length_strategy") == "raise"
        and (limit := _number(document.values.get("sequence_len"))) is not None
    ]
    if not limits:
        return
    limit, train_file = min(limits)
    for data_file, mix in _mixes(folder).items():
        message = f"{mix.max_tokens}, but sequence_len of {train_file} is {limit} and training stops at longer rows"
        if mix.max_tokens is None:
            if all(source.source == "sampled" for source in mix.sources):
                continue
            message = f"must be set, to at most sequence_len of {train_file} ({limit}): training stops at longer rows"
        elif mix.max_tokens <= limit:
            continue
        yield load_document(folder / data_file).fault("mix.max_tokens", message)


def _remote_code(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    entries = [
        (f"{key}.{position}.", entry)
        for key in ("datasets", "test_datasets")
        for position, entry in _entries(values, key)
    ]
    for prefix, mapping in [("", values), *entries]:
        if mapping.get("trust_remote_code") not in (None, False):
            message = "is refused: it runs code that nobody of this project has read; use a model that needs none"
            yield f"{prefix}trust_remote_code", message


def _entries(values: Mapping[str, Any], key: str) -> list[tuple[int, Mapping[str, Any]]]:
    """The mappings in a list of the file, with their positions; whether it is one is checked elsewhere."""
    given = values.get(key)
    return [(i, entry) for i, entry in enumerate(given if isinstance(given, list) else []) if isinstance(entry, dict)]


def _shared_folders(trainings: list[Document]) -> Iterator[Fault]:
    seen: dict[str, Document] = {}
    for document in trainings:
        folder = document.values.get("output_dir")
        if isinstance(folder, str) and seen.setdefault(folder.rstrip("/"), document) is not document:
            first = seen[folder.rstrip("/")].path.name
            yield document.fault("output_dir", f"also the output_dir of {first}, whose checkpoints it would resume")


def main(argv: list[str] | None = None) -> int:
    """The command line; see the module."""
    from oneday.options import RecipeFolder

    def command(recipe: RecipeFolder) -> int:
        def work() -> None:
            names = ", ".join(path.name for path in check_recipe(recipe))
            print(f"{recipe}: {names} are valid")

        return run_command(work)

    return typer_main(command, "Check every YAML of a recipe, with no GPU, no network and no weights.", argv)


if __name__ == "__main__":
    sys.exit(main())
