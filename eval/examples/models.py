"""The models of a quick evaluation: how a command names them, what they are made of, and what runs them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from eval.examples.answers import Answering
from eval.examples.row import ExampleRow
from oneday.files import sha256_json, sha256_once
from oneday.models import model_files
from serve.transformers_engine import Precision

if TYPE_CHECKING:
    from serve.transformers_engine import TransformersEngine

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
WORK = "work"
LIBRARIES = ("torch", "transformers", "peft")


class Hardware(NamedTuple):
    """What a model runs on, and in which numbers."""

    device: str
    precision: Precision


def hardware(precision: Precision | None) -> Hardware:
    """A CUDA device if there is one; None is float32 on CPU and bfloat16 on a GPU. Loads torch."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Hardware(device, precision or ("float32" if device == "cpu" else "bfloat16"))


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
        """An engine with the model, on the device and in the precision of `hardware`."""
        from serve.transformers_engine import TransformersEngine, load_model

        found = hardware(precision)
        return TransformersEngine(*load_model(self.base_model, self.adapter, found.precision, found.device), batch_size)


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
        **hardware(precision)._asdict(),
        "versions": model_versions(),
    }
    return folder / WORK / sha256_json(decides)[:16]


def model_versions() -> dict[str, str]:
    """The versions of what runs a model."""
    return {name: metadata.version(name) for name in LIBRARIES}
