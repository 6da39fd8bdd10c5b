"""What this project demands of one Axolotl file where Axolotl itself is silent: key and message, the reason in it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from compress.folders import training_folder
from data_prep.config import load_data_config
from data_prep.mixing.config import Mix
from oneday.config import ConfigError, Document
from oneday.recipe import data_files
from training.trackers import tracker_faults

DS_TYPES = {"jsonl": "json", "parquet": "parquet"}  # Axolotl's word for what mix.output writes


def demands(document: Document) -> Iterator[tuple[str, str]]:
    """Everything in the file that Axolotl allows and this project does not.

    What the stage mix writes is taken from the valid data files beside it.
    """
    values, recipe = document.values, document.path.parent.resolve().name
    yield from _silent_losses(values)
    yield from _best_checkpoint(values)
    yield from _output_folder(values, f"runs/{recipe}", training_folder(document.path.name))
    yield from _training_files(values, f"runs/{recipe}/05_mix", mixes(document.path.parent))
    yield from _remote_code(values)
    yield from _resumption(values)
    yield from _engine_file(values)
    yield from tracker_faults(values).items()
    if values.get("seed") is None:
        yield "seed", "must be set, so that the training can be repeated"


def mixes(folder: Path) -> dict[str, Mix]:
    """`mix` of each valid data file of a recipe, by file name; the faults of the others are told elsewhere."""
    found = {}
    for path in data_files(folder):
        try:
            found[path.name] = load_data_config(path).mix
        except ConfigError:
            continue
    return found


def number(value: Any) -> float | None:
    """A value of the file as a number, also where it is written as text; None if it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


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
    steps = number(values.get(f"{what}_steps"))
    per_epoch, epochs = number(values.get(f"{what}s_per_epoch")), number(values.get("num_epochs", 1))
    if steps is None and per_epoch and epochs and per_epoch * epochs > 1:
        steps = 1.0 / (per_epoch * epochs)
    return steps or None


def _shown(steps: float | None) -> str:
    return "none" if steps is None else f"{steps:g}"


def _output_folder(values: Mapping[str, Any], run_dir: str, stage: str) -> Iterator[tuple[str, str]]:
    output = str(values.get("output_dir", ""))
    below = output.removeprefix(f"{run_dir}/{stage}/")
    if below == output or not below.strip("/.") or ".." in Path(below).parts:
        message = f"must be below {run_dir}/{stage}/, so that no other recipe's checkpoints are resumed"
        yield "output_dir", f"{message} (given: {output!r})"


def _training_files(values: Mapping[str, Any], mix_dir: str, found: Mapping[str, Mix]) -> Iterator[tuple[str, str]]:
    """Data below runs/ is what the stage mix writes of every data file, whole or a subset. One fault a key."""
    for key, name in (("datasets", "train"), ("test_datasets", "eval")):
        for position, entry in _entries(values, key):
            path, ds_type = str(entry.get("path", "")).removeprefix("./"), entry.get("ds_type")
            faults: dict[str, str] = {}
            for data_file, mix in found.items() if path.startswith("runs/") else ():
                names, reader = [name, *(f"{name}-{subset}" for subset in mix.subsets)], DS_TYPES[mix.output]
                expected = [f"{mix_dir}/{part}.{mix.output}" for part in names]
                reason = f"stage mix writes {mix.output} (mix.output of {data_file})"
                if path not in expected:
                    faults.setdefault("path", f"must be {' or '.join(expected)}: {reason} (given: {path!r})")
                if ds_type not in (None, reader):  # without it Axolotl goes by the file's name
                    faults.setdefault("ds_type", f"must be {reader}: {reason} (given: {ds_type!r})")
            yield from ((f"{key}.{position}.{last}", message) for last, message in faults.items())


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


def _resumption(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if values.get("auto_resume_from_checkpoints") is not True and not values.get("resume_from_checkpoint"):
        message = "must be true, so that a training that was cut off goes on when started again"
        yield "auto_resume_from_checkpoints", message
    if values.get("save_only_model"):
        message = "must not be true: a checkpoint without the optimizer's state cannot be resumed"
        yield "save_only_model", message


def _engine_file(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """DeepSpeed's settings, which Axolotl opens only once the model's config has been read."""
    path = values.get("deepspeed")
    if isinstance(path, str) and not Path(path).is_file():
        yield "deepspeed", f"no such file: {path} (relative to the folder in which the command runs)"


def _entries(values: Mapping[str, Any], key: str) -> list[tuple[int, Mapping[str, Any]]]:
    """The mappings in a list of the file, with their positions; whether it is one is checked elsewhere."""
    given = values.get(key)
    return [(i, entry) for i, entry in enumerate(given if isinstance(given, list) else []) if isinstance(entry, dict)]
