"""A layer in the making, from modules of torch that follow each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from neurosim.models.network.graph import INPUT
from neurosim.models.network.layers import Activation, Layer, identity
from neurosim.models.network.normalisation import AbstractNorm, BatchNorm, GroupNorm
from neurosim.synapses import AbstractSynapse


class UntranslatableError(ValueError):
    """A module that is not a network of neurosim's layers, in a sentence that names the part."""


@dataclass
class Draft:
    """A layer in the making. ``step`` counts what has joined it."""

    name: str
    synapse: AbstractSynapse
    module: nn.Module
    source: Value
    norm: nn.Module | None = None
    added: list[Value] = field(default_factory=list)
    activation: Activation = identity
    pool: int = 1
    dropout: float = 0.0
    step: int = 0

    @property
    def is_bare(self) -> bool:
        """Whether nothing but a normalisation and sums have joined it."""
        return self.activation is identity and self.pool == 1 and not self.dropout

    @property
    def n_axes(self) -> int:
        """Axes of its output, the batch included."""
        return 2 if isinstance(self.module, nn.Linear) else 4

    def joined(self) -> Value:
        """Its value once one more thing has joined it."""
        self.step += 1
        return Value(self, self.step)

    def layer(self, generator: torch.Generator | None) -> Layer:
        """The layer, its weights drawn from ``generator``, or those of the module."""
        weight: Any = self.module.weight
        layer = Layer(
            self.name,
            self.synapse,
            activation=self.activation,
            norm=None if self.norm is None else _norm_of(self.norm),
            pool=self.pool,
            dropout=self.dropout,
            bias=self.module.bias is not None,
            source=self.source.final(self.name),
            added=[value.final(self.name) for value in self.added],
            generator=generator or torch.Generator().manual_seed(0),
            device=weight.device,
            dtype=weight.dtype,
        )
        if generator is None:
            self._fill(layer)
        return layer

    @torch.no_grad()
    def _fill(self, layer: Layer) -> None:
        """The module's weights and statistics in the place of the layer's."""
        norm: Any = self.norm
        pairs: list[tuple[Any, Any]] = [
            (layer.weight, self.module.weight),
            (layer.bias, self.module.bias),
        ]
        if layer.norm is not None:
            pairs += [(layer.norm.gamma, norm.weight), (layer.norm.beta, norm.bias)]
            statistics = layer.norm.statistics()
            pairs += [(tensor, getattr(norm, name)) for name, tensor in statistics.items()]
        for own, given in pairs:
            if own is not None:
                own.copy_(given)


@dataclass(frozen=True)
class Value:
    """What a node of the trace holds: a draft (None: the input) after so many of its steps.

    average: side of the windows it is averaged over; 0: over all of space.
    """

    draft: Draft | None
    step: int = 0
    average: int = 1

    @property
    def is_open(self) -> bool:
        """Whether a current may still be added: nothing has been done to it."""
        return self.draft is not None and self.step == self.draft.step and self.draft.is_bare

    def final(self, by: str) -> str:
        """The name of what a layer hears.

        Raises:
            UntranslatableError: something joined it later, which that layer does not hear.
        """
        draft = self.draft
        if draft is None:
            return INPUT
        if self.step != draft.step or self.average != 1:
            raise UntranslatableError(
                f"{by} hears {draft.name} before its normalisation, sum, activation or pooling is "
                "done, and a layer has one output: let both ways begin after it"
            )
        return draft.name


def _norm_of(module: Any) -> AbstractNorm:
    kw = {"eps": module.eps, "device": module.weight.device, "dtype": module.weight.dtype}
    if isinstance(module, nn.GroupNorm):
        return GroupNorm(module.num_channels, module.num_groups, **kw)
    return BatchNorm(module.num_features, momentum=module.momentum, **kw)


def window(module: Any) -> tuple[int, bool]:
    """The side of a pooling's windows, and whether they are squares side by side."""
    kernel, stride, padding = (
        value if isinstance(value, tuple) else (value, value)
        for value in (module.kernel_size, module.stride, module.padding)
    )
    square = kernel[0] == kernel[1] and kernel == stride
    return kernel[0], square and padding == (0, 0) and not module.ceil_mode
