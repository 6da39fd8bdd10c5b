"""How the residual stream gets narrower: some of its channels stay, or some directions of one shared rotation.

Both are a matrix B (old, new) with orthonormal columns: a matrix that reads the stream becomes W diag(g) B, one that
writes to it B' W, where g is the part of the norm's gain that the weights must take over.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from compress.pruning.statistics import SiteSums


@dataclass(frozen=True)
class Gain:
    """A norm's gain in two factors: what the pruned norm holds, and what the weights take over (None: all ones)."""

    norm: torch.Tensor  # (new,)
    weights: torch.Tensor | None  # (old,)


class Narrowing(Protocol):
    """Maps everything that touches the residual stream; all in float32."""

    def read(self, weight: torch.Tensor, gain: torch.Tensor | None) -> torch.Tensor:
        """A weight (outputs, old) that reads the stream after a norm, as (outputs, new)."""

    def write(self, values: torch.Tensor) -> torch.Tensor:
        """A weight (old, inputs) or a bias (old,) that adds to the stream, as (new, ...)."""

    def split(self, gains: Sequence[torch.Tensor]) -> list[Gain]:
        """The factors of the gains of norms before the same weights: all of them share the weights' part."""

    def kept_energy(self, site: SiteSums) -> float:
        """The share of a site's energy that is left, mean over tokens."""


@dataclass(frozen=True)
class Channels:
    """The channels that stay, in their order. Exact for every architecture."""

    kept: torch.Tensor

    def read(self, weight: torch.Tensor, gain: torch.Tensor | None) -> torch.Tensor:
        """The kept columns."""
        return weight[:, self.kept] if gain is None else weight[:, self.kept] * gain[self.kept]

    def write(self, values: torch.Tensor) -> torch.Tensor:
        """The kept rows."""
        return values[self.kept]

    def split(self, gains: Sequence[torch.Tensor]) -> list[Gain]:
        """Every norm holds its own gain whole."""
        return [Gain(gain[self.kept], None) for gain in gains]

    def kept_energy(self, site: SiteSums) -> float:
        """From the energies by channel."""
        return (site.energy[self.kept].double().sum() / site.energy.double().sum()).item()


@dataclass(frozen=True)
class Rotation:
    """The directions that stay: the columns of an orthonormal matrix (old, new)."""

    basis: torch.Tensor

    def read(self, weight: torch.Tensor, gain: torch.Tensor | None) -> torch.Tensor:
        """The weight in the new directions."""
        return (weight if gain is None else weight * gain) @ self.basis

    def write(self, values: torch.Tensor) -> torch.Tensor:
        """The output in the new directions."""
        return self.basis.T @ values

    def split(self, gains: Sequence[torch.Tensor]) -> list[Gain]:
        """A constant for each norm, its mean gain, and the rest, relative to that, for the weights.

        All of the gain in the weights would make them as small as the gains are, and Adam's steps too large for them.
        Of several norms before one set of weights only what is common can move: the best rank-one fit of their gains.
        """
        stacked = torch.stack(list(gains)).double()
        _, _, right = torch.linalg.svd(stacked, full_matrices=False)
        direction = right[0] * torch.sign(right[0].sum())
        size = direction.abs().mean()
        factors = stacked @ direction * size
        common = (direction / size).float()
        new = self.basis.shape[1]
        return [Gain(torch.full((new,), factor), common) for factor in factors.tolist()]

    def kept_energy(self, site: SiteSums) -> float:
        """From the second moments: trace(B' C B) / trace(C)."""
        assert site.moment is not None
        inside = torch.einsum("dn,de,en->", self.basis.double(), site.moment.double(), self.basis.double())
        return (inside / site.moment.diagonal().double().sum()).item()


def gain_error(gains: Sequence[torch.Tensor]) -> float:
    """The relative error (Frobenius) of one common direction for several gains; 0 if they are proportional."""
    values = torch.linalg.svdvals(torch.stack(list(gains)).double())
    return math.sqrt(values[1:].square().sum().item() / values.square().sum().item())


def principal_directions(moment: torch.Tensor, keep: int, seed: int) -> torch.Tensor:
    """The `keep` directions of most energy, mixed by a random rotation among themselves: (channels, keep), orthonormal.

    Without the mix the first direction would hold far more energy than the last, and training would suffer from it;
    the space that is kept is the same.
    """
    vectors = torch.linalg.eigh(moment.double()).eigenvectors.flip(1)[:, :keep]
    generator = torch.Generator().manual_seed(seed)
    mix, triangle = torch.linalg.qr(torch.randn(keep, keep, generator=generator, dtype=torch.float64))
    basis: torch.Tensor = (vectors @ (mix * triangle.diagonal().sign())).float()
    return basis
