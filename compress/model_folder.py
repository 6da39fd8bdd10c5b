"""A model folder that is whole or absent, and the files in it that are no weights."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compress.tensor_files import read_object
from oneday.files import write_json
from oneday.models import LICENCES

PARTIAL = "partial"  # part of the names under which folders are written
TOKENIZER_FILES = ("tokenizer.json", "special_tokens_map.json", "chat_template.jinja")


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """An empty folder that takes the name `target` at the end; on any error nothing is left.

    Raises ValueError if `target` exists and is not an empty folder. What a killed run left beside it goes first.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{target} exists already; remove it, or name another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    for left_over in target.parent.glob(f".{target.name}.{PARTIAL}.*"):
        shutil.rmtree(left_over)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.{PARTIAL}.", dir=target.parent))
    partial.chmod(0o755)  # mkdtemp's is for the user alone
    try:
        yield partial
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_config(folder: Path) -> dict[str, object]:
    """The content of a model's config.json. Raises FileNotFoundError that says what a model folder is."""
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is absent: {folder} is not a model folder, with config.json and weights")
    return read_object(path)


def copy_licences(source: Path, target: Path) -> None:
    """Copy licence, notice and terms, which want to go with every copy."""
    for pattern in LICENCES:
        for path in sorted(source.glob(pattern)):
            if path.is_file():
                shutil.copyfile(path, target / path.name)


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy the tokenizer that tokenizer.json describes; never tokenizer.model, never code.

    tokenizer_config.json names the class that reads tokenizer.json as it is: transformers 5 builds LlamaTokenizer
    anew from vocabulary and merges, with another normalizer. Licences go along. A folder without a tokenizer gives one
    without; FileNotFoundError for a tokenizer of other files.
    """
    others = [name for name in ("tokenizer_config.json", "tokenizer.model") if (source / name).is_file()]
    if others and not (source / "tokenizer.json").is_file():
        raise FileNotFoundError(
            f"{source} holds {others[0]} but no tokenizer.json, the one form of a tokenizer that is copied; load it "
            "with AutoTokenizer and write it there with save_pretrained"
        )
    copy_licences(source, target)
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    if (source / "tokenizer_config.json").is_file():
        settings = read_object(source / "tokenizer_config.json")
        settings.pop("auto_map", None)
        write_json(target / "tokenizer_config.json", settings | {"tokenizer_class": "PreTrainedTokenizerFast"})
