"""Feedback alignment that transports the error exactly through its dense layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from torch import Tensor

from neurosim.models.network.layers import Linearised
from neurosim.models.rules.feedback import AbstractSynapticFeedback


@final
@dataclass(frozen=True)
class RandomInConvolutions(AbstractSynapticFeedback):
    """``B delta`` through convolutions, ``W^T delta`` through dense layers.

    In Leutenegger 2026 (arXiv 2605.30556) only convolutions have random feedback: the error that
    reaches the last of them is backpropagation's.

    weights: layer name -> B in the shape of that layer's weight, for the convolutions.
    """

    weights: Mapping[str, Tensor]

    def carry(self, above: Linearised, delta: Tensor) -> Tensor:
        layer = above.layer
        weight = self.weights.get(layer.name, layer.weight)
        return layer.synapse.carry_back(delta, weight, above.pre)
