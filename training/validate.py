"""Check every YAML of a recipe with no GPU, no network and no weights, and report all faults together.

    python -m training.validate recipes/quickstart

data*.yaml and eval*.yaml are checked by their models, train*.yaml by the installed Axolotl's schema (which by itself
drops unknown keys silently) and by the demands below. Exit code 2 if anything is wrong. Whether the training fits
a machine is not checked.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from data_prep.config import DataConfig
from eval.config import EvalConfig
from oneday.config import ConfigError, Document, Fault, load_config, load_document
from oneday.console import run_command, typer_main
from oneday.recipe import load_recipe
from training.axolotl_schema import axolotl_faults

FILE_NAME = re.compile(r"(data|eval|train)(-[a-z0-9-]+)?\.yaml")
ALLOWED = "allowed: data.yaml, eval.yaml, train.yaml, and variants of them such as train-fast.yaml"


def check_recipe(folder: Path) -> list[Path]:
    """The files of a recipe, all of them valid. Raises ConfigError with the faults of all files together."""
    faults = _recipe_faults(folder)
    if not folder.is_dir():
        raise ConfigError(faults)
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".yaml", ".yml"))
    trainings = []
    for path in paths:
        name = FILE_NAME.fullmatch(path.name)
        try:
            if name is None:
                faults.append(Fault(path, "", f"unknown file name; {ALLOWED}"))
            elif name[1] == "train":
                trainings.append(load_document(path))
            elif name[2]:  # load_recipe reads the others
                load_config(path, DataConfig if name[1] == "data" else EvalConfig)
        except ConfigError as error:
            faults += [fault for fault in error.faults if fault not in faults]
    reported = {(fault.file, fault.key) for fault in faults}
    for document in trainings:
        faults += [fault for fault in check_train(document) if (fault.file, fault.key) not in reported]
    faults += _shared_folders(trainings)
    if faults:
        raise ConfigError(sorted(faults, key=lambda fault: (fault.file.name, fault.line or 0)))
    return paths


def _recipe_faults(folder: Path) -> list[Fault]:
    try:
        load_recipe(folder)
    except ConfigError as error:
        return error.faults
    return []


def check_train(document: Document) -> list[Fault]:
    """All that is wrong with one Axolotl file of a recipe, in the order of lines."""
    faults = axolotl_faults(document)
    faults += [document.fault(key, message) for key, message in _demands(document)]
    return sorted(faults, key=lambda fault: fault.line or 0)


def _demands(document: Document) -> Iterator[tuple[str, str]]:
    """What Axolotl allows and this project does not: key and message, the reason in the message."""
    values, recipe = document.values, document.path.parent.resolve().name
    yield from _silent_losses(values)
    yield from _best_checkpoint(values)
    yield from _places(values, f"runs/{recipe}")
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


def _places(values: Mapping[str, Any], run_dir: str) -> Iterator[tuple[str, str]]:
    """Outputs and data stand where the other stages of this recipe look for them."""
    output = str(values.get("output_dir", ""))
    below = output.removeprefix(f"{run_dir}/06_train/")
    if below == output or not below.strip("/.") or ".." in Path(below).parts:
        message = f"must be below {run_dir}/06_train/, so that no other recipe's checkpoints are resumed"
        yield "output_dir", f"{message} (given: {output!r})"
    for key, file in (("datasets", "train.jsonl"), ("test_datasets", "eval.jsonl")):
        for position, entry in _entries(values, key):
            path, expected = str(entry.get("path", "")), f"{run_dir}/05_mix/{file}"
            if path.removeprefix("./").startswith("runs/") and path != expected:
                yield f"{key}.{position}.path", f"must be {expected}, which stage mix writes (given: {path!r})"


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
    import typer

    def command(
        recipe: Annotated[Path, typer.Argument(help="Recipe folder, for example recipes/quickstart.")],
    ) -> int:
        def work() -> None:
            names = ", ".join(path.name for path in check_recipe(recipe))
            print(f"{recipe}: {names} are valid")

        return run_command(work)

    return typer_main(command, "Check every YAML of a recipe, with no GPU, no network and no weights.", argv)


if __name__ == "__main__":
    sys.exit(main())
