"""What a trim reads of the parent's folder, checked: tokenizer, its settings, configs, chat template, checkpoint."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compress.model_folder import read_config
from compress.tensor_files import Checkpoint, open_checkpoint, read_object
from compress.trimming.added_tokens import text_of
from compress.trimming.slicing import rows_of, vocabulary_tensors
from compress.trimming.tokenizer_file import TokenizerFile, read_tokenizer, without_rowless

CONFIG, GENERATION, SETTINGS = "config.json", "generation_config.json", "tokenizer_config.json"
TEMPLATE, NAMES = "chat_template.jinja", "special_tokens_map.json"


@dataclass(frozen=True)
class Parent:
    """A parent's folder. `configs` are config.json and, if there, generation_config.json, by name.

    `settings` are tokenizer_config.json's with what special_tokens_map.json names besides; `tensors` are the names of
    those with a row for every token, the embeddings first; `rowless` are added tokens that none of them has a row for.
    """

    folder: Path
    tokenizer: TokenizerFile
    settings: dict[str, Any]
    configs: dict[str, dict[str, Any]]
    template: str
    checkpoint: Checkpoint
    tensors: list[str]
    rowless: list[str]

    @property
    def rows(self) -> int:
        """The rows of the embeddings: at least as many as tokens."""
        return rows_of(self.checkpoint, self.tensors[0])


def read_parent(folder: Path) -> Parent:
    """The parent's files. FileNotFoundError or ValueError names the one that is absent or does not fit."""
    config = dict(read_config(folder))
    configs = {CONFIG: config}
    if (folder / GENERATION).is_file():
        configs[GENERATION] = read_object(folder / GENERATION)
    settings = _names(folder / NAMES) | _optional(folder / SETTINGS)
    template = (folder / TEMPLATE).read_text(encoding="utf-8") if (folder / TEMPLATE).is_file() else ""
    checkpoint = open_checkpoint(folder)
    tensors = vocabulary_tensors(checkpoint)
    tokenizer, rowless = without_rowless(read_tokenizer(folder / "tokenizer.json"), rows_of(checkpoint, tensors[0]))
    whole_template = f"{settings.get('chat_template', '')}{template}"
    parent = Parent(folder, tokenizer, settings, configs, whole_template, checkpoint, tensors, rowless)
    _check_sizes(parent)
    return parent


def _optional(path: Path) -> dict[str, Any]:
    return read_object(path) if path.is_file() else {}


def _names(path: Path) -> dict[str, Any]:
    """The special tokens of special_tokens_map.json as texts; there they may be objects that no other file has."""
    return {
        key: [text_of(token) for token in value] if isinstance(value, list) else text_of(value)
        for key, value in _optional(path).items()
    }


def _check_sizes(parent: Parent) -> None:
    """ValueError if tokenizer, config and embeddings are not of one model."""
    for token in parent.rowless:
        if token in {text_of(value) for value in parent.settings.values()} or token in parent.template:
            raise ValueError(
                f"{parent.folder}: the tokenizer's settings name {token!r}, for which the {parent.rows:,} rows of the "
                "embeddings have none; give the model rows for it (resize_token_embeddings), or name another token"
            )
    largest = max(parent.tokenizer.tokens)
    if largest >= parent.rows:
        raise ValueError(
            f"{parent.folder}: tokenizer.json has the id {largest:,} ({parent.tokenizer.tokens[largest]!r}), but the "
            f"embeddings have only {parent.rows:,} rows; tokenizer and model are not of one model: get both again"
        )
    config = parent.configs[CONFIG]
    text_config = config.get("text_config")
    size = config.get("vocab_size", text_config.get("vocab_size") if isinstance(text_config, dict) else None)
    if size != parent.rows:
        raise ValueError(
            f"{parent.folder}: config.json has vocab_size {size}, but the embeddings have {parent.rows:,} rows; config "
            "and weights are not of one model: get both again"
        )
