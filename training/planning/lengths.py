"""The length in tokens of every row that a training reads, as Axolotl will count it; or None where files are missing.

Question and answer are tokenised one by one and joined, with the tokenizer's first token once and one for the end
(axolotl/prompt_tokenizers.py: InstructionPromptTokenizingStrategy). Nothing is kept and nothing is downloaded.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneday.console import progress
from oneday.files import read_lines
from serve.tokens import light_token_counter
from training.planning.settings import TrainSettings

Lengths = NDArray[np.int64]
ROWS_AT_A_TIME = 1000


def split_lengths(settings: TrainSettings) -> tuple[Lengths, Lengths] | None:
    """The lengths of the training's and the evaluation's rows, in the files' order; None without files or tokenizer.

    Raises ValueError for a row without the fields, or for a kind of prompt that is not counted here.
    """
    entries = [*settings.datasets, *settings.test_datasets]
    if not settings.datasets or not all(Path(str(entry.get("path"))).is_file() for entry in entries):
        return None
    if not has_tokenizer(settings.base_model):
        return None
    train = _joined(settings.datasets, settings.base_model)
    if settings.test_datasets:
        return train, _joined(settings.test_datasets, settings.base_model)
    share = settings.val_set_size
    held = int(share) if share > 1 else int(np.ceil(len(train) * share))
    return (train[:-held], train[-held:]) if held else (train, train[:0])


def has_tokenizer(base_model: str) -> bool:
    """Whether the model's tokenizer is on this machine: in its folder, or in the hub's cache."""
    if Path(base_model).is_dir():
        return (Path(base_model) / "tokenizer.json").is_file()
    if Path(base_model).is_absolute() or base_model.count("/") > 1:
        return False
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(base_model, "tokenizer.json"), str)


def _joined(entries: tuple[dict[str, Any], ...], base_model: str) -> Lengths:
    return np.concatenate([row_lengths(entry, base_model)[taken_rows(entry)] for entry in entries])


def taken_rows(entry: Mapping[str, Any]) -> slice:
    """The rows that a data set's `split` takes, such as train[:1000]; all of them without a range.

    Raises ValueError for a range in per cent, or one that is none.
    """
    split = str(entry.get("split") or "")
    found = re.fullmatch(r"[^\[]*(?:\[(\d*):(\d*)\])?", split)
    if found is None:
        raise ValueError(f"{entry.get('path')}: split: {split} is not counted; write its rows as in train[:1000]")
    return slice(*(int(part) if part else None for part in found.groups()))


def row_lengths(entry: Mapping[str, Any], base_model: str) -> Lengths:
    """The length of each row of one data set of an Axolotl file."""
    path = Path(str(entry["path"]))
    count = light_token_counter(base_model)
    first = count(["a"])[0] - len(_plain("a", base_model))  # what the tokenizer puts before a text
    rows = list(_texts(path, entry.get("type")))
    lengths = np.empty(len(rows), dtype=np.int64)
    with progress(len(rows), "count", "row") as bar:
        for start in range(0, len(rows), ROWS_AT_A_TIME):
            chunk = rows[start : start + ROWS_AT_A_TIME]
            questions, answers = (count(list(texts)) for texts in zip(*chunk, strict=True))
            lengths[start : start + len(chunk)] = np.array(questions) + np.array(answers) - first + 1
            bar.update(len(chunk))
    return lengths


def _plain(text: str, base_model: str) -> list[int]:
    """The tokens of a text without those that the tokenizer adds."""
    from tokenizers import Tokenizer

    folder = Path(base_model)
    if not folder.is_dir():
        from huggingface_hub import hf_hub_download

        folder = Path(hf_hub_download(base_model, "tokenizer.json", local_files_only=True)).parent
    ids: list[int] = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text, add_special_tokens=False).ids
    return ids


def _texts(path: Path, kind: Any) -> Iterator[tuple[str, str]]:
    """Question and answer of each row, the question as the data set's `type` writes it."""
    if not isinstance(kind, dict) or "field_instruction" not in kind:
        raise ValueError(
            f"{path}: only rows whose `type` names field_instruction and field_output are counted, not {kind!r}"
        )
    template = str(kind.get("no_input_format") or kind.get("format") or "{instruction}")
    system = str(kind.get("system_prompt") or "")
    for place, row in _rows(path):
        try:
            question, answer = row[kind["field_instruction"]], row[kind["field_output"]]
        except KeyError as error:
            raise ValueError(f"{place}: the row has no field {error}; it has {', '.join(sorted(row))}") from error
        yield system + template.replace("{instruction}", str(question)), str(answer)


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if path.suffix == ".parquet":
        import polars as pl

        for number, row in enumerate(pl.read_parquet(path).iter_rows(named=True), start=1):
            yield f"{path}: row {number}", row
        return
    for number, line in read_lines(path):
        try:
            yield f"{path}:{number}", json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}:{number}: not a row of JSON: {error}") from error
