"""The challenge's size-aware score, and the size of a model that counts in it."""

from pathlib import Path

from compress.counts import count_parameters
from compress.tensor_files import safetensors_shapes

ADAPTER = "adapter_model.safetensors"


def size_aware_score(score: float, size: int, parameter_size: int) -> float:
    """(s + (1 - size / PARAM_SIZE) * s) / 2 with the leaderboard's metric s between 0 and 1.

    `size` is the model's number of parameters, `parameter_size` that of the model that counts as full size. A model of
    no size keeps all of s, one of full size half of it; twice the full size leaves nothing.
    """
    return (score + (1 - size / parameter_size) * score) / 2


def model_size(folder: Path, adapter: Path | None = None) -> int:
    """How many parameters a model folder has, shared and tied weights counted once, plus those of an adapter on it.

    Raises FileNotFoundError if there are no weights.
    """
    size = count_parameters(folder).unique
    if adapter is None:
        return size
    if not (adapter / ADAPTER).is_file():
        raise FileNotFoundError(f"{adapter / ADAPTER} is absent: {adapter} holds no adapter; run the stage 'train'")
    return size + sum(shape.elements for shape in safetensors_shapes(adapter / ADAPTER).values())
