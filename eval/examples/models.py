"""The models of a quick evaluation: how a command names them, what they are made of, and their answers on disk."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from eval.examples.answers import Answering
from eval.examples.row import AnsweredRow, ExampleRow
from eval.examples.scores import ROWS_FILE, read_quick_scores
from oneday.files import read_jsonl, sha256_json, sha256_once
from oneday.models import model_files
from serve.transformers_engine import Precision

if TYPE_CHECKING:
    from serve.transformers_engine import TransformersEngine

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
WORK = "work"
LIBRARIES = ("torch", "transformers", "peft")


@dataclass(frozen=True)
class NamedModel:
    """A model's folder or hub id, the adapter on it if there is one, and its name in files and tables."""

    name: str
    base_model: str
    adapter: Path | None = None

    def __str__(self) -> str:
        return self.base_model if self.adapter is None else f"{self.adapter} on {self.base_model}"

    def files(self) -> dict[str, str]:
        """The hash of each of its files; of a hub id, the id itself."""
        if self.adapter is None:
            return model_files(self.base_model)
        own = sorted(path for path in self.adapter.iterdir() if path.suffix in (".safetensors", ".json", ".jinja"))
        return model_files(self.base_model) | {f"adapter/{path.name}": sha256_once(path) for path in own}

    def load(self, batch_size: int, precision: Precision | None) -> "TransformersEngine":
        """An engine with the model."""
        from serve.transformers_engine import TransformersEngine, load_model

        return TransformersEngine(*load_model(self.base_model, self.adapter, precision), batch_size)


def named_models(given: Sequence[str], adapter: Path | None, name: str | None) -> list[NamedModel]:
    """The models that `[NAME=]MODEL[+ADAPTER]` name; `adapter` and `name` are for a model alone.

    ValueError if a folder is not there, if a name cannot be one of a folder, or if two models have the same.
    """
    models = [_named(text) for text in given]
    if adapter is not None or name is not None:
        if len(models) != 1:
            raise ValueError("--adapter and --name are for one --model; write several as NAME=MODEL+ADAPTER each")
        own = adapter or models[0].adapter
        models = [_checked(NamedModel(name or models[0].name, models[0].base_model, own))]
    names = [model.name for model in models]
    if twice := sorted({each for each in names if names.count(each) > 1}):
        raise ValueError(f"two models are called {twice[0]}; name them: --model first=MODEL --model second=MODEL")
    return models


def _named(text: str) -> NamedModel:
    name, equals, source = text.partition("=")
    source = source if equals else text
    base, plus, adapter = source.partition("+") if not Path(source).is_dir() else (source, "", "")
    usual = Path(base).name + (f"+{Path(adapter).name}" if plus else "")
    return _checked(NamedModel(name if equals else usual, base, Path(adapter) if plus else None))


def _checked(model: NamedModel) -> NamedModel:
    if not NAME.fullmatch(model.name):
        raise ValueError(f"{model.name!r} cannot name a model; use letters, digits and . _ + -, as in NAME=MODEL")
    base = Path(model.base_model)
    if base.is_symlink() and not base.exists():
        raise FileNotFoundError(2, f"the folder that it links to, {base.readlink()}, is gone", model.base_model)
    if not base.is_dir() and not HUB_ID.fullmatch(model.base_model):
        raise FileNotFoundError(2, "there is no such folder with a model, and it is no hub id", model.base_model)
    if model.adapter is not None and not (model.adapter / "adapter_config.json").is_file():
        raise ValueError(f"{model.adapter} has no adapter_config.json, so it is no adapter; name its folder")
    return model


def journal_folder(
    folder: Path, rows: Sequence[ExampleRow], files: dict[str, str], answering: Answering, precision: Precision | None
) -> Path:
    """The folder, below a model's, for the journal of all that decides what a model says to these rows."""
    decides = {
        "rows": [row.model_dump(include={"task", "id", "prompt", "options"}) for row in rows],
        "files": files,
        "max_new_tokens": answering.max_new_tokens,
        "stop": answering.stop,
        "delimiter": answering.delimiter,
        "seam": answering.seam,
        "precision": precision,
        "versions": library_versions(),
    }
    return folder / WORK / sha256_json(decides)[:16]


def library_versions() -> dict[str, str]:
    """The versions of what runs a model."""
    return {name: metadata.version(name) for name in LIBRARIES}


def saved_answers(folder: Path, taken: Sequence[str]) -> dict[str, list[AnsweredRow]]:
    """The answers of an earlier evaluation by its models; those whose names are taken get the folder's before them."""
    names = [name for name in read_quick_scores(folder).models if (folder / name / ROWS_FILE).is_file()]
    if not names:
        raise ValueError(f"{folder} has no answers of its own, no MODEL/{ROWS_FILE}; name another folder by --against")
    return {
        f"{folder.resolve().name}/{name}" if name in taken else name: read_jsonl(folder / name / ROWS_FILE, AnsweredRow)
        for name in names
    }


def in_order_of(rows: Sequence[ExampleRow], answered: Sequence[AnsweredRow], name: str) -> list[AnsweredRow]:
    """The answers in the order of the rows. ValueError if they are to other rows, answers or options.

    Prompts may differ: comparing two is a use of it.
    """
    found = {one.row.key: one for one in answered}
    keys = [row.key for row in rows]
    if found.keys() != set(keys):
        missing, further = [key for key in keys if key not in found], [key for key in found if key not in set(keys)]
        example = f", such as {'/'.join((missing or further)[0])}"
        raise ValueError(
            f"{name}: answered other rows: {len(missing)} of these are missing there and {len(further)} are more"
            f"{example}; run both on the same files with the same --max-rows"
        )
    for row in rows:
        other = found[row.key].row
        if (other.references, other.options) != (row.references, row.options):
            raise ValueError(f"{name}: row {'/'.join(row.key)} has other answers or options there; run it again")
    return [found[key] for key in keys]
