"""How many parameters a model has, by part, before and after: from headers and settings alone, no weights are read.

Model folder -> `Counts`; model settings -> the number of parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compress.inkuba_checkpoint import FIRST_MLP, is_hub_layout
from compress.model_folder import read_config
from compress.tensor_files import BIN, EMBEDDING, HEAD, Shape, open_checkpoint, weight_files

PARTS = ("embeddings", "head", "attention", "mlp", "norms", "other")


@dataclass(frozen=True)
class Counts:
    """Numbers, not bytes, but for `bytes`, the size of the weight files.

    `parts` and `unique` count what is shared once: a tied head, an MLP that all layers use. `stored` counts what lies
    in the files: more than `unique` where a shared weight is written several times.
    """

    parts: dict[str, int]
    unique: int
    stored: int
    bytes: int


def count_parameters(folder: Path) -> Counts:
    """The counts of a model folder, by the shapes of its tensors and config.json.

    A tied head has no parameters of its own, whether or not it is stored. Raises FileNotFoundError if there are no
    weights; ValueError for a damaged file.
    """
    shapes = open_checkpoint(folder).shapes
    files = weight_files(folder) or weight_files(folder, BIN)
    parts = dict.fromkeys(PARTS, 0)
    for name in _unique_names(folder, shapes):
        parts[part_of(name)] += shapes[name].elements
    stored = sum(shape.elements for shape in shapes.values())
    return Counts(parts, sum(parts.values()), stored, sum(path.stat().st_size for path in files))


def _unique_names(folder: Path, shapes: dict[str, Shape]) -> list[str]:
    """The names without those that are another tensor's by config.json."""
    config = read_config(folder)
    shares_mlp = config.get("model_type") == "inkuba" or is_hub_layout(folder)
    copies = {name for name in shapes if shares_mlp and ".mlp." in name and not name.startswith(FIRST_MLP)}
    if config.get("tie_word_embeddings") and EMBEDDING in shapes:
        copies.add(HEAD)
    return [name for name in shapes if name not in copies]


def part_of(name: str) -> str:
    """Which of PARTS a tensor belongs to, by its name in a Llama-shaped model."""
    pieces = name.split(".")
    if any("norm" in piece for piece in pieces):
        return "norms"
    for piece, part in (
        ("embed_tokens", "embeddings"),
        ("lm_head", "head"),
        ("self_attn", "attention"),
        ("mlp", "mlp"),
    ):
        if piece in pieces:
            return part
    return "other"


def parameters_of(config: Any) -> int:
    """The unique parameters of a model with these settings, of any architecture that transformers knows.

    The model is built without memory for its weights.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from compress.inkuba import register

    register()
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    return sum(parameter.numel() for parameter in model.parameters())


def table(counts: Counts) -> str:
    """The counts as lines of text, parts that are empty left out."""
    return aligned([("parameters", ""), *_rows(counts)])


def comparison(before: Counts, after: Counts) -> str:
    """Two models' counts side by side, with what is left of each row."""
    rows = [("parameters", "before", "after", "left")]
    for (name, first), (_, second) in zip(_rows(before, full=True), _rows(after, full=True), strict=True):
        if (first, second) != ("0", "0"):
            share = int(second.replace(",", "")) / max(1, int(first.replace(",", "")))
            rows.append((name, first, second, f"{share:.1%}" if first != "0" else "new"))
    return aligned(rows)


def _rows(counts: Counts, full: bool = False) -> list[tuple[str, str]]:
    numbers = {**counts.parts, "unique": counts.unique, "stored": counts.stored, "bytes": counts.bytes}
    return [(name, f"{number:,}") for name, number in numbers.items() if number or full]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines: the first column to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for first, *numbers in rows:
        cells = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)
