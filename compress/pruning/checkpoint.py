"""Safetensors, one or in shards, read a few tensors at a time and written shard by shard.

A file is mapped only while tensors are read from it, so that the memory of a pruning does not grow with the model.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from compress.tensor_files import SAFETENSORS, safetensors_shapes, weight_files

SHARD_BYTES = 2**30


class Checkpoint:
    """The tensors of a model folder, by name; nothing but the files' headers is held in memory."""

    def __init__(self, folder: Path) -> None:
        """Raises FileNotFoundError if the folder has no safetensors or lacks a shard, ValueError for a damaged file."""
        files = weight_files(folder)
        if not files:
            raise FileNotFoundError(
                f"{folder} holds no {SAFETENSORS}; load the model with transformers and write it with save_pretrained"
            )
        self.folder = folder
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._file_of: dict[str, Path] = {}
        for file in files:
            for name, shape in safetensors_shapes(file).items():
                self.shapes[name], self._file_of[name] = shape.dimensions, file

    def load(self, names: Iterable[str], dtype: torch.dtype | None = None) -> dict[str, torch.Tensor]:
        """The named tensors, copied into memory, as `dtype` or as they are stored."""
        by_file: dict[Path, list[str]] = defaultdict(list)
        for name in names:
            by_file[self._file_of[name]].append(name)
        loaded = {}
        for file, wanted in by_file.items():
            with safe_open(file, framework="pt") as tensors:
                for name in wanted:
                    loaded[name] = tensors.get_tensor(name).to(dtype=dtype, copy=True)
        return loaded

    def one(self, name: str, dtype: torch.dtype | None = None) -> torch.Tensor:
        """One tensor; see `load`."""
        return self.load([name], dtype)[name]

    def rows(self, name: str, indices: torch.Tensor) -> torch.Tensor:
        """Some rows of a matrix, in float32, without the others."""
        with safe_open(self._file_of[name], framework="pt") as tensors:
            rows: torch.Tensor = tensors.get_tensor(name)[indices].float()
        return rows


class CheckpointWriter:
    """Writes tensors in the order in which they come, in shards of about 1 GiB, or one file if that is enough."""

    def __init__(self, folder: Path, shard_bytes: int = SHARD_BYTES) -> None:
        self.folder = folder
        self._shard_bytes = shard_bytes
        self._waiting: dict[str, torch.Tensor] = {}
        self._shards: list[list[str]] = []
        self._bytes = 0

    def add(self, name: str, tensor: torch.Tensor) -> None:
        """Take a tensor; writes a shard when enough have come."""
        if self._waiting and self._size() + tensor.nbytes > self._shard_bytes:
            self._flush()
        self._waiting[name] = tensor.contiguous()

    def close(self) -> None:
        """Write the rest and the index."""
        self._flush()
        if len(self._shards) == 1:
            self._part(1).rename(self.folder / SAFETENSORS)
            return
        weight_map: dict[str, str] = {}
        for number, names in enumerate(self._shards, start=1):
            file = self.folder / f"model-{number:05d}-of-{len(self._shards):05d}.safetensors"
            self._part(number).rename(file)
            weight_map |= dict.fromkeys(names, file.name)
        index = {"metadata": {"total_size": self._bytes}, "weight_map": weight_map}
        (self.folder / f"{SAFETENSORS}.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")

    def _size(self) -> int:
        return sum(tensor.nbytes for tensor in self._waiting.values())

    def _part(self, number: int) -> Path:
        return self.folder / f"part-{number:05d}.safetensors"

    def _flush(self) -> None:
        self._bytes += self._size()
        self._shards.append(list(self._waiting))
        save_file(self._waiting, self._part(len(self._shards)), metadata={"format": "pt"})
        self._waiting = {}
