"""The published method: every matrix loses rows and columns by chance, and every row and column others.

Kept as it was published, for comparison. Nothing that belongs together stays together: a residual channel, a head's
rotary pairs and a neuron's three weights are cut apart. The published run drew on a CUDA device, whose random numbers
are others than a CPU's: the same seed gives the same kind of model, not the same numbers.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch

# The published model's own class defines its MLP in this order; the draws follow the order of the state dict.
INKUBA_MLP = ("mlp.gate_proj", "mlp.down_proj", "mlp.up_proj")


@contextmanager
def published_seed(seed: int) -> Iterator[None]:
    """Seeds torch's global generator, as the published code does, and puts it back as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def reduce_randomly(tensor: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """The tensor cut to a shape, dimension 0 first: what stays is drawn for each column alone, then for each row.

    Draws from torch's global generator, float32 whatever the tensor is, nothing for a dimension that stays as it is.
    """
    for dimension, size in enumerate(shape):
        if size != tensor.shape[dimension]:
            tensor = _reduce(tensor, dimension, size)
    return tensor


def _reduce(tensor: torch.Tensor, dimension: int, size: int) -> torch.Tensor:
    draws = torch.rand(tensor.shape, dtype=torch.float32)
    lines = draws.movedim(dimension, -1).contiguous()  # sorting along the memory is three times as fast
    kept = lines.argsort(dim=-1)[..., :size].sort(dim=-1).values
    return tensor.gather(dimension, kept.movedim(-1, dimension))


def draw_order(names: Iterable[str], inkuba: bool) -> list[str]:
    """The state dict's names in the order in which the published code meets them."""
    ordered = list(names)
    if not inkuba:
        return ordered
    rank = {name: place for place, name in enumerate(INKUBA_MLP)}
    result: list[str] = []
    waiting: list[str] = []
    for name in [*ordered, ""]:
        if ".mlp." in name:
            waiting.append(name)
            continue
        result += sorted(waiting, key=_by_module(rank))
        waiting = []
        result += [name] if name else []
    return result


def _by_module(rank: dict[str, int]) -> Callable[[str], int]:
    return lambda name: rank["mlp." + name.split(".mlp.")[1].rsplit(".", 1)[0]]
