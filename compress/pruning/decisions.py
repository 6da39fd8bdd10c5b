"""From a run over the calibration texts to a plan: what stays of every layer, and how the residual stream narrows."""

import math
from dataclasses import dataclass, field
from statistics import fmean

import torch
from torch import nn

from compress.config import Prune
from compress.pruning.architecture import ATTENTION_NORM, DOWN, FINAL_NORM, OUTPUT
from compress.pruning.importance import channel_scores, choose_heads, head_energies, neuron_scores, rows_of, strongest
from compress.pruning.parent import Model
from compress.pruning.refit import refit
from compress.pruning.residual import Channels, Gain, Narrowing, Rotation, gain_error, principal_directions
from compress.pruning.sizes import Sizes
from compress.pruning.slicing import Plan, Refitted, Rows, kept_norms
from compress.pruning.statistics import FINAL, InputSums, Site, SiteSums, Watch
from compress.pruning.streaming import LayerStream


@dataclass
class LayerDecisions:
    """Decides about each layer as soon as it has seen all texts, so that its statistics need not be kept."""

    parent: Model
    target: Sizes
    layers: tuple[int, ...]
    with_refit: bool
    refitted: Refitted
    query_rows: dict[int, torch.Tensor] = field(default_factory=dict)
    key_rows: dict[int, torch.Tensor] = field(default_factory=dict)
    neurons: dict[int, torch.Tensor] = field(default_factory=dict)
    attention_shares: list[float] = field(default_factory=list)
    neuron_shares: list[float] = field(default_factory=list)

    def decide(self, layer: int, module: nn.Module, attention: InputSums, neurons: InputSums) -> None:
        """Heads, and neurons: these at the last layer for all, where the MLP is shared."""
        self._decide_heads(layer, module.get_submodule(OUTPUT), attention)
        shared = self.parent.architecture.shared_mlp
        if not shared or layer == self.layers[-1]:
            kept = self._decide_neurons(layer, module.get_submodule(DOWN), neurons)
            self.neurons |= dict.fromkeys(self.layers if shared else (layer,), kept)

    def rows(self) -> dict[int, Rows]:
        """All layers' rows."""
        return {layer: Rows(self.query_rows[layer], self.key_rows[layer], self.neurons[layer]) for layer in self.layers}

    def _decide_heads(self, layer: int, output: nn.Module, inputs: InputSums) -> None:
        parent, weight = self.parent.sizes, _weight(output)
        assert inputs.moment is not None
        choice = choose_heads(head_energies(inputs.moment, weight, parent.head_dim), parent, self.target)
        self.query_rows[layer] = rows_of(choice.heads, parent.head_dim)
        self.key_rows[layer] = rows_of(choice.groups, parent.head_dim)
        self.attention_shares.append(choice.share)
        self._refit(layer, OUTPUT, weight, self.query_rows[layer], inputs)

    def _decide_neurons(self, layer: int, down: nn.Module, inputs: InputSums) -> torch.Tensor:
        weight = _weight(down)
        choice = strongest(neuron_scores(inputs, weight), self.target.intermediate)
        self.neuron_shares.append(choice.share)
        self._refit(layer, DOWN, weight, choice.kept, inputs)
        return choice.kept

    def _refit(self, layer: int, module: str, weight: torch.Tensor, kept: torch.Tensor, inputs: InputSums) -> None:
        if not self.with_refit or len(kept) == weight.shape[1]:
            return
        assert inputs.moment is not None
        name = self.parent.architecture.stored_name(layer, f"{module}.weight")
        self.refitted.put(name, refit(weight, kept, inputs.moment))


def _weight(linear: nn.Module) -> torch.Tensor:
    return linear.get_parameter("weight").detach()


@dataclass(frozen=True)
class Decided:
    """A plan, the shares that it keeps, what a rotation loses of the gains, and the loss of its layers."""

    plan: Plan
    kept: dict[str, float]
    gain_error: float | None
    loss: float


def decide(
    parent: Model, target: Sizes, layers: tuple[int, ...], settings: Prune, ids: torch.Tensor, refitted: Refitted
) -> Decided:
    """One run over the texts through the layers that stay, and the plan that follows from it."""
    choices = LayerDecisions(parent, target, layers, settings.refit, refitted)
    rotates = settings.method == "pca"
    neuron_moments = settings.refit and target.intermediate < parent.sizes.intermediate
    watch = Watch(parent.architecture, rotates, neuron_moments, choices.decide)
    loss = LayerStream(parent.checkpoint, parent.config, parent.architecture, layers).run(ids, watch)
    narrowing = _narrowing(parent, layers, target.hidden, settings, watch.sites)
    gains, error = _gains(parent, layers, narrowing)
    scales, energy = _scales(parent, target, narrowing, watch.sites)
    plan = Plan(layers, narrowing, gains, scales, choices.rows(), refitted)
    kept = {
        "residual stream": energy,
        "attention heads": fmean(choices.attention_shares),
        "neurons": fmean(choices.neuron_shares),
    }
    return Decided(plan, kept, error if rotates and parent.architecture.shared_mlp else None, loss)


def _narrowing(
    parent: Model, layers: tuple[int, ...], hidden: int, settings: Prune, sites: dict[Site, SiteSums]
) -> Narrowing:
    stream = [(layer, norm) for layer in layers for norm in parent.architecture.stream_norms]
    seen = [sites[site] for site in [*stream, FINAL]]
    if settings.method == "importance":
        return Channels(strongest(channel_scores(seen), hidden).kept)
    total = torch.zeros(parent.sizes.hidden, parent.sizes.hidden, dtype=torch.float64)
    for site in seen:
        assert site.moment is not None
        total += site.moment
    return Rotation(principal_directions(total, hidden, settings.seed))


def _gains(parent: Model, layers: tuple[int, ...], narrowing: Narrowing) -> tuple[dict[Site, Gain], float]:
    """Every norm's gain as the narrowing splits it, and the largest error of that."""
    gains: dict[Site, Gain] = {}
    errors = [0.0]
    for sites in kept_norms(layers, parent.architecture):
        values = [gain_of(parent, site) for site in sites]
        gains |= dict(zip(sites, narrowing.split(values), strict=True))
        errors.append(gain_error(values))
    return gains, max(errors)


def gain_of(parent: Model, site: Site) -> torch.Tensor:
    """The gain by which a norm multiplies, float32."""
    name = FINAL_NORM if site == FINAL else f"model.layers.{site[0]}.{site[1]}.weight"
    return parent.checkpoint.one(name, torch.float32) + parent.architecture.gain_offset


def _scales(
    parent: Model, target: Sizes, narrowing: Narrowing, sites: dict[Site, SiteSums]
) -> tuple[dict[Site, float], float]:
    """By site, what keeps the size of the norm's output; and the mean share of the stream's energy that is left.

    A norm divides by the root mean square of what it gets: of d channels with all the energy, then of d' channels with
    the share e of it. The gain times sqrt(e d / d') gives each kept channel the size that it had.
    """
    shares = {site: narrowing.kept_energy(sums) for site, sums in sites.items()}
    ratio = parent.sizes.hidden / target.hidden
    stream = [
        share for (_, norm), share in shares.items() if norm in (ATTENTION_NORM, parent.architecture.mlp_norm, FINAL[1])
    ]
    return {site: math.sqrt(share * ratio) for site, share in shares.items()}, fmean(stream)
