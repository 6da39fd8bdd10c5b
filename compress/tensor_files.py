"""The tensors of a checkpoint, one in memory at a time, whatever files they lie in; and one file written the same way.

Reads model.safetensors, pytorch_model.bin (tensors only, nothing that a pickle could run) and the shards of both.
"""

import json
import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

SAFETENSORS, BIN = "model.safetensors", "pytorch_model.bin"
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"  # in every Llama-shaped model
DTYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}
HEADER_LIMIT = 100 * 2**20  # bytes; safetensors itself reads no longer header


@dataclass(frozen=True)
class Shape:
    """What a file says of one tensor: its safetensors type (`F32`), its dimensions, its bytes on disk."""

    dtype: str
    dimensions: tuple[int, ...]
    bytes: int

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        count = 1
        for dimension in self.dimensions:
            count *= dimension
        return count


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a model folder: their shapes by name, and `read`, which loads one of them onto the CPU."""

    folder: Path
    shapes: dict[str, Shape]
    read: "Callable[[str], torch.Tensor]"


def open_checkpoint(folder: Path) -> Checkpoint:
    """The checkpoint in a model folder: safetensors where there are any, else `.bin` files.

    Raises FileNotFoundError if neither is there or a shard is absent, ValueError for a file that is cut off or is no
    such file.
    """
    for name, opened in ((SAFETENSORS, _open_safetensors), (BIN, _open_bin)):
        if files := weight_files(folder, name):
            return opened(folder, files)
    raise FileNotFoundError(
        f"{folder} holds no weights: looked for {SAFETENSORS} and {BIN}, whole or as shards with a .index.json; "
        "download them into the folder"
    )


def weight_files(folder: Path, name: str = SAFETENSORS) -> list[Path]:
    """The files that hold a checkpoint: the one called `name`, else the shards that its index lists; none: []."""
    if (folder / name).is_file():
        return [folder / name]
    index = folder / f"{name}.index.json"
    if not index.is_file():
        return []
    places = read_object(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ValueError(f"{index} lists no shards under weight_map; download it again")
    shards = [folder / str(shard) for shard in sorted(set(places.values()))]
    for shard in shards:
        if shard.parent != folder:
            raise ValueError(f"{index} names {shard.name!r} outside of its own folder; only shards beside it are read")
        if not shard.is_file():
            raise FileNotFoundError(f"{shard} is absent, though {index.name} lists it; download it")
    return shards


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises FileNotFoundError, or ValueError that names the file if it holds no object."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON ({error}); download it again") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no JSON object; download it again")
    return content


def safetensors_shapes(path: Path) -> dict[str, Shape]:
    """What the header of a safetensors file says of its tensors; no weights are read.

    Raises ValueError for a file whose length is not what its header says.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(size, HEADER_LIMIT):
            raise _damaged(path)
        try:
            entries = dict(json.loads(file.read(length)))
            entries.pop("__metadata__", None)
            spans = {name: entry["data_offsets"] for name, entry in entries.items()}
            shapes = {
                name: Shape(entry["dtype"], tuple(entry["shape"]), spans[name][1] - spans[name][0])
                for name, entry in entries.items()
            }
        except (ValueError, TypeError, KeyError) as error:
            raise _damaged(path) from error
    if size != 8 + length + max((end for _, end in spans.values()), default=0):
        raise _damaged(path)
    return shapes


def _damaged(path: Path) -> ValueError:
    return ValueError(
        f"{path} is cut off or is not a file of its kind ({path.stat().st_size} bytes); download it again"
    )


def _open_safetensors(folder: Path, files: list[Path]) -> Checkpoint:
    from safetensors import safe_open

    shapes: dict[str, Shape] = {}
    places: dict[str, Path] = {}
    for path in files:
        found = safetensors_shapes(path)
        shapes |= found
        places |= dict.fromkeys(found, path)

    def read(name: str) -> "torch.Tensor":
        with safe_open(places[name], "pt") as file:
            tensor: torch.Tensor = file.get_tensor(name)
            return tensor

    return Checkpoint(folder, shapes, read)


def _open_bin(folder: Path, files: list[Path]) -> Checkpoint:
    tensors: dict[str, torch.Tensor] = {}
    for path in files:
        tensors |= _bin_tensors(path)
    shapes = {
        name: Shape(_type_of(name, tensor), tuple(tensor.shape), tensor.nbytes) for name, tensor in tensors.items()
    }
    return Checkpoint(folder, shapes, tensors.__getitem__)


def _type_of(name: str, tensor: "torch.Tensor") -> str:
    kind = str(tensor.dtype).removeprefix("torch.")
    if kind not in DTYPES:
        raise ValueError(f"{name} is of type {kind}, which is not read from a .bin file; allowed: {', '.join(DTYPES)}")
    return DTYPES[kind]


def _bin_tensors(path: Path) -> "dict[str, torch.Tensor]":
    """The tensors of a `.bin` file, still on disk: they are mapped into memory, and read when they are used."""
    import torch

    with path.open("rb") as file:
        if file.read(1) not in (b"P", b"\x80"):  # of a zip archive, of a pickle
            raise _damaged(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} holds more than tensors, and loading that could run code; ask its author for a .safetensors file"
        ) from error
    except (RuntimeError, EOFError) as error:
        if "mmap can only be used" in str(error):
            raise ValueError(f"{path} is of the format before torch 1.6; save it again with today's torch") from error
        raise _damaged(path) from error
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise ValueError(f"{path} is not a mapping of names to tensors; a model's own pytorch_model.bin is expected")
    return content


def write_safetensors(path: Path, shapes: Mapping[str, Shape], read: "Callable[[str], torch.Tensor]") -> None:
    """Write one safetensors file of the named tensors, each read, written and forgotten in turn.

    The order is the format's own: wide types first, then by name. Raises ValueError if a tensor has another shape than
    `shapes` says.
    """
    import torch

    order = sorted(shapes, key=lambda name: (-shapes[name].bytes // max(1, shapes[name].elements), name))
    header = _header(shapes, order)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for name in order:
            tensor = read(name).detach().cpu().contiguous()
            if tuple(tensor.shape) != shapes[name].dimensions or tensor.nbytes != shapes[name].bytes:
                raise ValueError(f"{name} has shape {tuple(tensor.shape)}, not {shapes[name].dimensions}")
            file.write(tensor.reshape(-1).view(torch.uint8).numpy().data)
        file.flush()
        os.fsync(file.fileno())


def _header(shapes: Mapping[str, Shape], order: list[str]) -> bytes:
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name in order:
        end = offset + shapes[name].bytes
        entries[name] = {
            "dtype": shapes[name].dtype,
            "shape": list(shapes[name].dimensions),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)


def layers_of(names: Mapping[str, Any]) -> Iterator[int]:
    """The numbers of the decoder layers that the names speak of, in order, each once."""
    prefix = "model.layers."
    yield from sorted({int(name.removeprefix(prefix).split(".")[0]) for name in names if name.startswith(prefix)})
