"""The Axolotl files that a command is about: those that a recipe trains by, or the variant that is named."""

import re
from pathlib import Path

from oneday.config import ConfigError, Document, Fault, load_document
from oneday.recipe import training_files

TRAIN_FILE = re.compile(r"train(-[a-z0-9-]+)?\.yaml")


def load_train_files(path: Path) -> list[Document]:
    """The file that `path` names, or those of a recipe folder: one, or two of trainings in turn. Raises ConfigError."""
    if not path.is_dir():
        return [load_train_file(path)]
    return [load_train_file(file) for file in training_files(path) if file is not None]


def load_train_file(path: Path) -> Document:
    """The Axolotl file of a recipe folder, or the variant that `path` names, such as train-fsdp2.yaml.

    Raises ConfigError if there is none or it is no valid YAML; whether Axolotl takes it is not checked.
    """
    if path.is_dir():
        path = path / "train.yaml"
    if not TRAIN_FILE.fullmatch(path.name) or not path.is_file():
        there = ", ".join(found.name for found in train_files(path.parent)) or "none"
        message = f"no training file of a recipe; name a recipe's folder or a train*.yaml in one (there: {there})"
        raise ConfigError([Fault(path, "", message)])
    document = load_document(path)
    if not document.values.get("base_model"):
        raise ConfigError([document.fault("base_model", "this key is required: a hub id or a local folder")])
    return document


def train_files(folder: Path) -> list[Path]:
    """The training files of a recipe folder, by name."""
    return sorted(path for path in folder.glob("train*.yaml") if TRAIN_FILE.fullmatch(path.name))
