"""STDP whose changes depend on the weight, between the bounds of each layer.

The weights of a spiking convolution have both signs and a size that its fan-in sets, so a weight
dependence cannot name its bounds for all layers: here its range is that of the layer,

    w_max = -w_min = bound_factor / sqrt(fan_in),      u = (w - w_min) / (w_max - w_min).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, final

import torch
from torch import Tensor

from neurosim.dynamics import AbstractDynamics
from neurosim.naming.choices import Choices
from neurosim.plasticity import AbstractPlasticity, Changes
from neurosim.spiking.timing.traces import Presentation, TraceSTDP
from neurosim.spiking.timing.weight_dependence import WEIGHT_DEPENDENCES, AbstractWeightDependence
from neurosim.synapses import AbstractSynapse
from neurosim.types import LayerLike, LocalSignal

#: What ``--weight-dependence`` names: those between two bounds. The power law has none above and
#: is for weights from 0 up.
RULE_DEPENDENCES: Choices[AbstractWeightDependence] = Choices(
    "weight dependence",
    {name: kind() for name, kind in WEIGHT_DEPENDENCES.built_in.items() if name != "power"},
    base=AbstractWeightDependence,
    group=WEIGHT_DEPENDENCES.group,
)


def weight_bound(synapse: AbstractSynapse, factor: float, like: Tensor) -> float:
    """``factor / sqrt(fan_in)`` as the dtype of ``like`` holds it: a weight clipped to it fits."""
    bound = factor / synapse.fan_in**0.5
    return float(torch.tensor(bound, dtype=like.dtype))


@final
@dataclass(frozen=True)
class BoundedSTDP(AbstractPlasticity[Presentation]):
    """``stdp`` under the weight dependence of its timing, whose bounds are each layer's.

    A weight beyond the bound, which an initial one may be, counts as one at the bound.

    stdp: what learns; the bounds of its timing's dependence are replaced.
    bound_factor: the bound in units of ``1 / sqrt(fan_in)``.
    """

    stdp: TraceSTDP
    bound_factor: float = 2.5

    def __post_init__(self) -> None:
        dependence: Any = self.stdp.timing.dependence
        if not {"w_min", "w_max"} <= {field.name for field in fields(dependence) if field.init}:
            raise ValueError(
                f"BoundedSTDP needs a weight dependence between two bounds, got {dependence!r}: "
                "use TraceSTDP without one, or HardBounds(), Multiplicative(), ..."
            )

    @property
    def needs(self) -> frozenset[str]:
        return self.stdp.needs

    def check(self, dynamics: AbstractDynamics) -> None:
        self.stdp.check(dynamics)

    def begin(self, layer: LayerLike) -> Presentation:
        return self.stdp.begin(layer)

    def observe(self, layer: LayerLike, memory: Presentation, signal: LocalSignal) -> Presentation:
        return self.stdp.observe(layer, memory, signal)

    def delta(self, layer: LayerLike, memory: Presentation) -> Changes:
        weight = layer.plastic_parameters()["weight"]
        bound = weight_bound(layer.synapse, self.bound_factor, weight)
        dependence: Any = self.stdp.timing.dependence
        timing = self.stdp.timing.under(replace(dependence, w_min=-bound, w_max=bound))
        clipped = _Clipped(layer, weight.clamp(-bound, bound))
        return replace(self.stdp, timing=timing).delta(clipped, memory)


@dataclass(frozen=True)
class _Clipped:
    """A layer with another weight in place of its own."""

    layer: LayerLike
    weight: Tensor

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def synapse(self) -> AbstractSynapse:
        return self.layer.synapse

    def plastic_parameters(self) -> Mapping[str, Tensor]:
        return {"weight": self.weight}
