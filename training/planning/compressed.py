"""The config of a model that a recipe is yet to make: its parent's, with the sizes of compress.yaml.

A training changes no size: after the first of two, the model is as before it.
"""

from pathlib import Path
from typing import Any

from compress.config import CompressConfig, Prune
from compress.folders import FIRST_TRAINING, PRUNE, TEACHER, TRIM
from oneday.config import load_config
from oneday.recipe import COMPRESS_FILE, training_files
from training.planning.geometry import Geometry, find_config, geometry_of
from training.train_file import load_train_file

SIZES = {
    "hidden_size": "hidden_size",
    "intermediate_size": "intermediate_size",
    "attention_heads": "num_attention_heads",
    "key_value_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "layers": "num_hidden_layers",
    "max_position_embeddings": "max_position_embeddings",
}


def config_for(model: str, folder: Path, given: Path | None = None) -> tuple[dict[str, Any], str]:
    """The config of a model that a recipe in `folder` names, and where it is from: read, else by its files.

    Raises FileNotFoundError that says what to do, ConfigError for a wrong compress.yaml.
    """
    stage = next((part for part in Path(model).parts if part in (TRIM, TEACHER, PRUNE, FIRST_TRAINING)), None)
    if given is not None or stage is None or Path(model).is_dir():
        return find_config(model, given)
    if stage == FIRST_TRAINING and (first := training_files(folder)[0]) is not None:
        return config_for(str(load_train_file(first).values["base_model"]), folder)
    if not (folder / COMPRESS_FILE).is_file():
        return find_config(model)
    compress = load_config(folder / COMPRESS_FILE, CompressConfig)
    parent, source = find_config(compress.parent)
    config = dict(parent)
    if any("Vulavula" in name for name in parent.get("architectures") or []):
        config["model_type"] = "inkuba"  # the hub's layout names Llama's
    assumed = ""
    if compress.trim is not None and compress.trim.vocabulary is not None:
        config["vocab_size"] = compress.trim.vocabulary
    elif compress.trim is not None:
        assumed = ", with the parent's whole vocabulary: trim.min_count does not say how much of it stays"
    if stage == PRUNE and compress.prune is not None:
        config |= _pruned(compress.prune, parent)
    return config, f"{source} by {folder / COMPRESS_FILE}{assumed}"


def teacher_geometry(teacher: str | None, folder: Path) -> Geometry | None:
    """The shapes of the model that `oneday_teacher` names, None without one. FileNotFoundError if not known."""
    if teacher is None:
        return None
    try:
        return geometry_of(*config_for(teacher, folder))
    except FileNotFoundError as error:
        message = f"oneday_teacher: the shapes of {teacher} are not known here; make the teacher first"
        raise FileNotFoundError(message) from error


def _pruned(prune: Prune, parent: dict[str, Any]) -> dict[str, Any]:
    """The keys of the config that pruning changes."""
    changed = {key: getattr(prune, size) for size, key in SIZES.items() if getattr(prune, size) is not None}
    if prune.head != "as_it_is":
        changed["tie_word_embeddings"] = prune.head == "tied"
    if prune.layers is not None and "layer_types" in parent:
        changed["layer_types"] = parent["layer_types"][: prune.layers]
    return changed
