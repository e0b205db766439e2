"""Layers that rectify twice, before and after batch norm, and the error's way back through them."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from neurosim.models.network.graph import Network
from neurosim.models.network.layers import Layer, Linearised
from neurosim.models.rules.feedback import AbstractSynapticFeedback
from neurosim.synapses import Conv2d


@final
class RectifiedLayer(Layer):
    """``u = relu(W x)``; ``y = pool(relu(gamma (u - mean) / sd + beta))``.

    The current is the rate of a neuron that cannot fire below 0, which is what the normalisation
    sees. Made of a ``Layer`` and sharing its tensors.
    """

    @classmethod
    def of(cls, layer: Layer) -> RectifiedLayer:
        """The same synapse and response with a rectified current."""
        twin = cls.__new__(cls)
        twin.__dict__.update(layer.__dict__)
        return twin

    def current(self, x: Tensor) -> Tensor:
        """``relu(W x + b)``."""
        return torch.relu(super().current(x))


def rectified(net: Network) -> Network:
    """``net`` with every convolution rectified before its normalisation."""
    return Network(
        [
            RectifiedLayer.of(layer) if isinstance(layer.synapse, Conv2d) else layer
            for layer in net.layers
        ],
        roles=net.roles,
        input_name=net.input_name,
    )


@final
class ThroughRectifier(AbstractSynapticFeedback):
    """``W^T (delta * 1[W x > 0])``: exact transport, through the rectified current where it is."""

    def carry(self, above: Linearised, delta: Tensor) -> Tensor:
        layer = above.layer
        if isinstance(layer, RectifiedLayer):
            delta = delta * (layer.current(above.pre) > 0)
        return layer.synapse.carry_back(delta, layer.weight, above.pre)
