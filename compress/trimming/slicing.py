"""A checkpoint -> one safetensors file with other rows in embeddings and head, such as those of the kept tokens alone.

Tensor by tensor: no more than one is in memory.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from compress.tensor_files import Checkpoint, Shape, write_safetensors

if TYPE_CHECKING:
    import torch

EMBEDDING, HEAD, HEAD_BIAS = "embed_tokens.weight", "lm_head.weight", "lm_head.bias"
PER_LAYER = "embed_tokens_per_layer.weight"


def vocabulary_tensors(checkpoint: Checkpoint) -> list[str]:
    """The names of the tensors with a row for every token: the embeddings, and the head if it is stored.

    ValueError if there are none or several embeddings, or one that differs in rows.
    """
    names = [name for name in checkpoint.shapes if name.endswith((EMBEDDING, HEAD, HEAD_BIAS))]
    embeddings = [name for name in names if name.endswith(EMBEDDING)]
    per_layer = [name for name in checkpoint.shapes if name.endswith(PER_LAYER)]
    if len(embeddings) != 1 or per_layer:
        found = ", ".join(embeddings + per_layer) or "none"
        raise ValueError(
            f"{checkpoint.folder}: embeddings found: {found}; expected one called ...{EMBEDDING}, as in models of the "
            "shape of Llama, Mistral, Qwen3, Gemma 3 or InkubaLM"
        )
    rows = rows_of(checkpoint, embeddings[0])
    for name in names:
        if rows_of(checkpoint, name) != rows:
            raise ValueError(
                f"{checkpoint.folder}: {name} has {rows_of(checkpoint, name):,} rows and {embeddings[0]} {rows:,}; "
                "both must have one for every token: the checkpoint is not that of one model, get it again"
            )
    return sorted(names, key=lambda name: name != embeddings[0])


def rows_of(checkpoint: Checkpoint, name: str) -> int:
    """The rows of a tensor."""
    return checkpoint.shapes[name].dimensions[0]


def write_rows(
    checkpoint: Checkpoint,
    names: Sequence[str],
    size: int,
    rows: "Callable[[torch.Tensor], torch.Tensor]",
    path: Path,
) -> None:
    """Write all tensors; of the named ones what `rows` makes of them, which has `size` rows."""
    shapes = dict(checkpoint.shapes)
    for name in names:
        old = shapes[name]
        shapes[name] = Shape(old.dtype, (size, *old.dimensions[1:]), old.bytes // old.dimensions[0] * size)

    def read(name: str) -> "torch.Tensor":
        tensor = checkpoint.read(name)
        return rows(tensor) if name in names else tensor

    write_safetensors(path, shapes, read)
