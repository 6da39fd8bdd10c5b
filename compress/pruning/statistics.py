"""What a run over the calibration texts tells about channels, heads and neurons; sums, divided by the tokens at last.

A site is a norm that reads the residual stream or normalises a branch. Its input, divided by its own root mean square,
is what counts: a token weighs the same however long its vector is.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from compress.pruning.architecture import DOWN, OUTPUT, Architecture

Site = tuple[int, str]  # layer and norm
FINAL: Site = (-1, "norm")
EPSILON = 1e-12  # keeps a zero vector's direction finite


@dataclass
class SiteSums:
    """Of one norm's inputs x, each divided by its root mean square, and of its outputs."""

    tokens: int
    energy: torch.Tensor  # sum of x squared, by channel
    moment: torch.Tensor | None  # sum of x x', for a rotation
    output: torch.Tensor  # sum of the absolute normed and scaled output, by channel

    def add(self, inputs: torch.Tensor, outputs: torch.Tensor) -> None:
        """Add the tokens of a batch."""
        width = inputs.shape[-1]
        flat = inputs.reshape(-1, width)
        flat = flat * torch.rsqrt(flat.square().mean(-1, keepdim=True) + EPSILON)
        self.tokens += len(flat)
        self.energy += flat.square().sum(0)
        self.output += outputs.reshape(-1, width).abs().sum(0)
        if self.moment is not None:
            self.moment.addmm_(flat.T, flat)


@dataclass
class InputSums:
    """Of the inputs a of one linear layer."""

    tokens: int
    absolute: torch.Tensor  # sum of |a|
    moment: torch.Tensor | None  # sum of a a'

    def add(self, inputs: torch.Tensor) -> None:
        """Add the tokens of a batch."""
        flat = inputs.reshape(-1, inputs.shape[-1])
        self.tokens += len(flat)
        self.absolute += flat.abs().sum(0)
        if self.moment is not None:
            self.moment.addmm_(flat.T, flat)


def empty_site(width: int, with_moment: bool) -> SiteSums:
    """A site that has seen nothing."""
    moment = torch.zeros(width, width) if with_moment else None
    return SiteSums(0, torch.zeros(width), moment, torch.zeros(width))


def empty_inputs(width: int, with_moment: bool) -> InputSums:
    """A linear layer that has seen nothing."""
    return InputSums(0, torch.zeros(width), torch.zeros(width, width) if with_moment else None)


@dataclass
class Watch:
    """Gathers the sums of a run; hands each layer's inputs of o_proj and down_proj to `decide` when the layer is done.

    With `moments`, sites keep their full second moments. `neuron_moments`: so do the inputs of down_proj. A shared
    MLP's inputs are summed over all layers; `decide` gets the same, growing sums each time.
    """

    architecture: Architecture
    moments: bool
    neuron_moments: bool
    decide: Callable[[int, nn.Module, InputSums, InputSums], None]
    sites: dict[Site, SiteSums] = field(default_factory=dict)
    _attention: InputSums | None = None
    _neurons: InputSums | None = None
    _hooks: list[Any] = field(default_factory=list)

    def begin(self, layer: int, module: nn.Module) -> None:
        """Watch a layer's norms and the inputs of its two output projections."""
        for name in (*self.architecture.stream_norms, *self.architecture.branch_norms):
            norm = module.get_submodule(name)
            stream = self.moments and name in self.architecture.stream_norms
            site = self.sites[layer, name] = empty_site(module.hidden_size, stream)  # type: ignore[arg-type]
            self._hooks.append(norm.register_forward_hook(_adder(site)))
        output, down = module.get_submodule(OUTPUT), module.get_submodule(DOWN)
        self._attention = empty_inputs(output.in_features, True)  # type: ignore[arg-type]
        if self._neurons is None or not self.architecture.shared_mlp:
            self._neurons = empty_inputs(down.in_features, self.neuron_moments)  # type: ignore[arg-type]
        self._hooks.append(output.register_forward_pre_hook(_input_adder(self._attention)))
        self._hooks.append(down.register_forward_pre_hook(_input_adder(self._neurons)))

    def end(self, layer: int, module: nn.Module) -> None:
        """Decide about the layer, forget what is only of use for that."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        assert self._attention is not None and self._neurons is not None
        self.decide(layer, module, self._attention, self._neurons)

    def final(self, stream: torch.Tensor, normed: torch.Tensor) -> None:
        """The final norm is a site too."""
        if FINAL not in self.sites:
            self.sites[FINAL] = empty_site(stream.shape[-1], self.moments)
        self.sites[FINAL].add(stream, normed)


def _adder(site: SiteSums) -> Callable[[nn.Module, tuple[torch.Tensor, ...], torch.Tensor], None]:
    return lambda module, inputs, output: site.add(inputs[0], output)


def _input_adder(sums: InputSums) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
    return lambda module, inputs: sums.add(inputs[0])
