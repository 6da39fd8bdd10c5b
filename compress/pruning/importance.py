"""Which channels, heads and neurons carry most on the calibration texts.

Channels of the residual stream: the mean absolute output of the norms that read it, summed over them. Heads: the energy
of what they add to the stream, in whole groups (a key-value head with its query heads). Neurons: mean absolute
activation times the length of the neuron's column in down_proj.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from compress.pruning.sizes import Sizes
from compress.pruning.statistics import InputSums, SiteSums


@dataclass(frozen=True)
class Choice:
    """Indices that stay, ascending, and the share of the score that they hold."""

    kept: torch.Tensor
    share: float


@dataclass(frozen=True)
class HeadChoice:
    """The query heads and key-value heads that stay; query heads stand group by group, as attention reads them."""

    heads: torch.Tensor
    groups: torch.Tensor
    share: float


def strongest(scores: torch.Tensor, keep: int) -> Choice:
    """The `keep` highest scores; of equal ones the earlier."""
    kept = torch.sort(scores, descending=True, stable=True).indices[:keep].sort().values
    total = scores.sum().item()
    return Choice(kept, scores[kept].sum().item() / total if total > 0 else 1.0)


def channel_scores(sites: Iterable[SiteSums]) -> torch.Tensor:
    """The score of every channel of the residual stream, over the norms that read it."""
    return torch.stack([site.output.double() / site.tokens for site in sites]).sum(0)


def neuron_scores(inputs: InputSums, down: torch.Tensor) -> torch.Tensor:
    """The score of every MLP neuron; `down` is the weight of down_proj (hidden, neurons)."""
    lengths: torch.Tensor = torch.linalg.vector_norm(down.double(), dim=0)
    return (inputs.absolute / inputs.tokens).double() * lengths


def head_energies(moment: torch.Tensor, output: torch.Tensor, head_dim: int) -> torch.Tensor:
    """The energy that each query head adds to the stream: trace(W_h M_hh W_h'), W_h its columns of o_proj."""
    columns = output.double().reshape(len(output), -1, head_dim)
    blocks = [
        moment[start : start + head_dim, start : start + head_dim].double() for start in range(0, len(moment), head_dim)
    ]
    return torch.stack(
        [torch.einsum("or,rs,os->", columns[:, head], block, columns[:, head]) for head, block in enumerate(blocks)]
    )


def choose_heads(energies: torch.Tensor, parent: Sizes, target: Sizes) -> HeadChoice:
    """The groups whose strongest query heads hold most energy, each with as many of these as the target asks for."""
    grouped = energies.reshape(parent.groups, parent.heads_per_group)
    best = torch.sort(grouped, dim=1, descending=True, stable=True)
    inside = best.indices[:, : target.heads_per_group].sort(1).values
    scores = best.values[:, : target.heads_per_group].sum(1)
    groups = strongest(scores, target.groups).kept
    heads = (groups[:, None] * parent.heads_per_group + inside[groups]).flatten()
    total = energies.sum().item()
    return HeadChoice(heads, groups, energies[heads].sum().item() / total if total > 0 else 1.0)


def rows_of(heads: torch.Tensor, head_dim: int) -> torch.Tensor:
    """The rows of a projection that belong to some heads: all of each, rotary pairs intact."""
    return (heads[:, None] * head_dim + torch.arange(head_dim)).flatten()
