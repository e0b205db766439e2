"""Initial weights as each published network draws its own, in place of the shared start."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from neurosim.models.network.graph import Network
from neurosim.models.rules.learner import SharedStart
from neurosim.synapses import Conv2d

#: Rules whose convolutions start Kaiming-normal; the others as torch's default.
KAIMING_RULES = ("fa", "stdp")


@final
@dataclass(frozen=True)
class OwnStart(SharedStart):
    """Convolutions without bias, and for some rules with Kaiming-normal weights.

        w ~ N(0, 2 / fan_in)         (He et al. 2015, 10.1109/ICCV.2015.123)

    In Leutenegger 2026 (arXiv 2605.30556) feedback alignment and STDP start so, the others from
    ``U(-1/sqrt(fan_in), 1/sqrt(fan_in))``: rules of one seed differ before they learn.
    """

    rule: str = ""

    @classmethod
    def of(cls, start: SharedStart, rule: str) -> OwnStart:
        """The start of ``rule`` in place of the shared one."""
        return cls(**{name: getattr(start, name) for name in _FIELDS}, rule=rule)

    def network(self) -> Network:
        net = super().network()
        draws = self.stream(f"init/{self.rule}")
        for layer in net.layers:
            if isinstance(layer.synapse, Conv2d):
                layer.bias = None
                if self.rule in KAIMING_RULES:
                    with torch.no_grad():
                        layer.weight.copy_(kaiming_normal(layer.weight, layer.synapse, draws))
        return net


_FIELDS = tuple(SharedStart.__dataclass_fields__)


def kaiming_normal(like: Tensor, synapse: Conv2d, generator: torch.Generator) -> Tensor:
    """``N(0, 2 / fan_in)`` in the shape of ``like``."""
    draw = torch.empty(like.shape, dtype=like.dtype, device=generator.device)
    return draw.normal_(0, math.sqrt(2 / synapse.fan_in), generator=generator)


def xavier_normal(net: Network, generator: torch.Generator) -> Mapping[str, Tensor]:
    """Layer name -> ``N(0, 2 / (fan_in + fan_out))`` for every convolution but the first
    (Glorot & Bengio 2010)."""
    drawn = {}
    for layer in net.layers[1:]:
        synapse = layer.synapse
        if isinstance(synapse, Conv2d):
            fan_out = synapse.n_out * synapse.kernel**2
            draw = torch.empty(
                layer.weight.shape, dtype=layer.weight.dtype, device=generator.device
            )
            sd = math.sqrt(2 / (synapse.fan_in + fan_out))
            drawn[layer.name] = draw.normal_(0, sd, generator=generator).to(layer.weight.device)
    return drawn
