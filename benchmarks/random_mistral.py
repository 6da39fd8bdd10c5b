"""A random model of a config's true shapes, and made-up rows of realistic lengths: no hub and no network.

Weights are bfloat16, a safetensors file a layer, so that a 7B model is made with a layer in memory. What such a model
says is noise; its speed and memory are those of the real one.
"""

import json
import re
import shutil
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from oneday.console import progress
from oneday.files import read_json, write_json

SEED = 42
SIGMA = 0.8  # of the logarithm of a row's length: the longest of a hundred rows has seven times the median
FRAME = 19  # tokens of a row that are not its words: the block titles, beginning and end of sequence
ANSWER = 6  # one in so many words is of the answer
# Each is one token of Mistral's vocabulary behind a space.
WORDS = (
    "the of and to in is that it for was on are with they be at one have this from by word but what some we can out "
    "other were all there when up use your how said an each she which do their time if will way about many then them "
    "write would like so these her long make thing see him two has look more day could go come did number sound no"
)


def describe_model(folder: Path, shapes: Mapping[str, Any]) -> None:
    """Write config and tokenizer; weights of other shapes that lie there are deleted."""
    from transformers import AutoConfig

    from benchmarks.tiny_mistral import write_tokenizer

    noted = folder / "shapes.json"
    if noted.is_file() and read_json(noted, dict[str, Any]) == dict(shapes):
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    AutoConfig.for_model(**shapes, dtype="bfloat16").save_pretrained(folder)
    write_tokenizer(folder)
    write_json(noted, dict(shapes))


def write_weights(folder: Path, device: str) -> int:
    """Random bfloat16 weights for the config in the folder, a file a layer, made on the device; their bytes.

    Linear layers and embeddings are drawn with the config's own spread, norms are ones. Only one layer is in memory
    at a time. Weights that are all there are kept: the index is written last.
    """
    import torch
    from safetensors.torch import save_file

    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return int(json.loads(index.read_text(encoding="utf-8"))["metadata"]["total_size"])
    parts, spread = _parts(folder)
    generator = torch.Generator(device).manual_seed(SEED)
    places: dict[str, str] = {}
    size = 0
    with progress(len(parts), "weights", "file") as bar:
        for number, part in enumerate(parts, start=1):
            name = f"model-{number:05}-of-{len(parts):05}.safetensors"
            tensors = {key: _random(shape, spread, generator) for key, shape in part.items()}
            save_file(tensors, folder / name, metadata={"format": "pt"})
            places |= dict.fromkeys(part, name)
            size += sum(tensor.nbytes for tensor in tensors.values())
            bar.update()
    write_json(index, {"metadata": {"total_size": size}, "weight_map": places})
    return size


def _parts(folder: Path) -> tuple[list[dict[str, tuple[int, ...]]], float]:
    """The shapes of the parameters by name, those outside the layers first, then layer by layer; and their spread."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    parts: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, value in model.named_parameters():
        layer = re.search(r"\.layers\.\d+\.", name)
        parts.setdefault(layer[0] if layer else "", {})[name] = tuple(value.shape)
    return list(parts.values()), float(config.initializer_range)


def _random(shape: tuple[int, ...], spread: float, generator: Any) -> Any:
    import torch

    if len(shape) == 1:
        return torch.ones(shape, dtype=torch.bfloat16)
    drawn = torch.empty(shape, dtype=torch.bfloat16, device=generator.device)
    return drawn.normal_(0.0, spread, generator=generator).cpu()


def make_weights(folder: Path, device: str) -> int:
    """`write_weights` in a process of its own, so that this one takes no memory of the device."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(write_weights, folder, device).result()


def row_lengths(rows: int, mean: int, longest: int, seed: int) -> list[int]:
    """Lengths in tokens as those of instruction data: log-normal with this mean, none longer than `longest`."""
    import numpy as np

    drawn = np.random.default_rng(seed).lognormal(np.log(mean) - SIGMA**2 / 2, SIGMA, rows)
    return [int(length) for length in np.clip(np.rint(drawn), FRAME + 2, longest)]


def make_row(tokens: int, number: int) -> dict[str, str]:
    """A row that Mistral's tokenizer makes so many tokens of, as the stage mix writes rows."""
    import random

    drawn = random.Random(SEED + number).choices(WORDS.split(), k=tokens - FRAME)
    cut = max(1, len(drawn) // ANSWER)
    task, text = drawn[cut : 2 * cut], drawn[2 * cut :]
    titled: list[tuple[str, list[str]]] = [("Instruction", task), ("Input", text), ("Response", [])]
    question = "\n\n".join(f"### {title}:\n{''.join(f' {word}' for word in words)}" for title, words in titled)
    answer = " ".join(drawn[:cut])
    return {"question": question, "answer": answer, "source": "made up", "task": "words", "id": str(number)}
