"""The files of a trimmed model beside its weights, and the check that transformers reads its tokenizer as it is."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress.model_folder import copy_licences
from compress.trimming.model_settings import renumber
from compress.trimming.parent_files import SETTINGS, TEMPLATE, Parent
from compress.trimming.rewriting import rewrite_settings
from compress.trimming.tokenizer_file import load_tokenizer, plain
from oneday.files import atomic_write, write_json
from oneday.stage import StageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def parent_backend(folder: Path) -> "Tokenizer":
    """The tokenizer that AutoTokenizer makes of a folder. ValueError if it makes none."""
    from transformers import AutoTokenizer

    try:
        backend: Tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        ).backend_tokenizer
    except (OSError, AttributeError, KeyError, TypeError, ImportError) as error:
        raise ValueError(f"{folder}: transformers cannot load the tokenizer: {error}") from error
    return plain(backend)


def post_processor_of(tokenizer: "Tokenizer") -> Any:
    """What the tokenizer puts around a text, as tokenizer.json has it; None if it puts nothing."""
    processor = tokenizer.post_processor
    return None if processor is None else json.loads(processor.__getstate__())


def write_files(parent: Parent, tokens: Sequence[str], content: Mapping[str, Any], folder: Path) -> None:
    """Write tokenizer, configs, chat template and licences; `tokens` are by their new ids.

    A tokenizer.model or other form of the tokenizer is never written: two forms would disagree.
    """
    write_tokenizer(folder / "tokenizer.json", content)
    write_json(folder / SETTINGS, rewrite_settings(parent.settings, parent.tokenizer, tokens))
    old_ids = parent.tokenizer.ids
    new_ids = {old_ids[token]: number for number, token in enumerate(tokens) if token in old_ids}
    for name, config in parent.configs.items():
        write_json(folder / name, renumber(config, new_ids, (parent.rows, len(tokens))))
    copy_others(parent.folder, folder)


def write_tokenizer(path: Path, content: Mapping[str, Any]) -> None:
    """Write a tokenizer.json in the form of `tokenizers` itself. StageError if an id would be another when read."""
    from tokenizers import Tokenizer

    text = Tokenizer.from_str(json.dumps(content, ensure_ascii=False)).to_str(pretty=True)
    with atomic_write(path) as file:
        file.write(text)
    read = Tokenizer.from_file(str(path))
    wanted = content["model"]["vocab"] | {token["content"]: token["id"] for token in content["added_tokens"]}
    for token, number in wanted.items():
        if read.token_to_id(token) != number:
            raise StageError(
                f"{path}: the token {token!r} was to have the id {number} and has {read.token_to_id(token)}; "
                "nothing was written: report this with the model's name"
            )


def copy_others(source: Path, target: Path) -> None:
    """Copy chat template and licences."""
    copy_licences(source, target)
    if (source / TEMPLATE).is_file():
        shutil.copyfile(source / TEMPLATE, target / TEMPLATE)


def check_loading(folder: Path, texts: Sequence[str]) -> None:
    """StageError if AutoTokenizer gives other ids for one of the texts than tokenizer.json itself."""
    itself, loaded = load_tokenizer(folder / "tokenizer.json"), parent_backend(folder)
    for text in texts:
        expected, found = itself.encode(text).ids, loaded.encode(text).ids
        if expected != found:
            raise StageError(
                f"AutoTokenizer encodes {text!r} as {found}, the trimmed tokenizer.json as {expected}; nothing was "
                "written: transformers builds this model's tokenizer anew, name the parent's own tokenizer class"
            )
