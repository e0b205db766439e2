"""Generative synapses: how a layer predicts the activity below it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from neurosim.models.network.graph import Network
from neurosim.models.network.layers import Activation, identity
from neurosim.synapses import AbstractSynapse, ConvTranspose2d


@dataclass(frozen=True)
class GenerativeLayer:
    """``m_(l-1) = g(gain (P_l r_l + c_l))``: a prediction of the layer below.

    The synapse undoes a pooling by 2: a transposed convolution of 4x4 taps and stride 2. The
    gain makes generation learn faster than recognition: under an optimiser whose steps have a
    fixed size (Adam), ``gain P`` moves gain times as fast as the recognition weights do. Where
    both learn alike, recognition follows a prediction that is still wrong and collapses.
    """

    name: str
    synapse: AbstractSynapse
    weight: Tensor
    bias: Tensor
    activation: Activation
    gain: float

    def plastic_parameters(self) -> Mapping[str, Tensor]:
        return {"weight": self.weight, "bias": self.bias}

    def current(self, above: Tensor) -> Tensor:
        """``gain (P r + c)``."""
        return self.gain * self.synapse.forward(above, self.weight, self.bias)

    def carry_back(self, error: Tensor, like: Tensor) -> Tensor:
        """``gain P^T error`` in the shape of ``like``."""
        return self.gain * self.synapse.carry_back(error, self.weight, like)


def generative_layers(
    net: Network, generator: torch.Generator, gain: float = 20.0
) -> tuple[GenerativeLayer, ...]:
    """One for each layer of a chain of pooled convolutions, lowest first.

    The image is predicted linearly, activities through the layer's own activation. ``gain P``
    starts as ``U(-1/sqrt(fan_in), 1/sqrt(fan_in))``, biases at 0.

    Raises:
        ValueError: the network is not a chain of convolutions with pooling by 2; the gain is not
            positive.
    """
    if not gain > 0:
        raise ValueError(f"gain must be positive, got {gain}")
    if not net.is_chain:
        raise ValueError(
            "hybrid predictive coding undoes one pooling with each layer and has no place for a "
            "shortcut: give it a chain such as conv3, or take pc-supervised, which runs on any "
            "network"
        )
    layers = []
    activation: Activation = identity
    for layer in net.layers:
        if len(layer.synapse.weight_shape) != 4 or layer.pool != 2:
            raise ValueError(
                f"layer {layer.name} is not a convolution with pooling by 2, which hybrid "
                "predictive coding undoes: build the rule on a chain of pooled convolutions, for "
                "example the body of conv3, net.body(), or take pc-supervised"
            )
        n_out, n_in = layer.synapse.weight_shape[:2]
        synapse = ConvTranspose2d(n_out, n_in, kernel=4, stride=2, padding=1)
        bound = 1 / (gain * math.sqrt(synapse.fan_in))
        draw = torch.empty(
            synapse.weight_shape, dtype=layer.weight.dtype, device=generator.device
        ).uniform_(-bound, bound, generator=generator)
        weight = draw.to(layer.weight.device)
        layers.append(
            GenerativeLayer(
                f"generative.{layer.name}",
                synapse,
                weight,
                weight.new_zeros(n_in),
                activation,
                gain,
            )
        )
        activation = layer.activation
    return tuple(layers)


@dataclass(frozen=True)
class HighPass:
    """The metric of the image error, ``1/2 e^T H e`` with ``H = 1 - strength blur``.

    Blur is the mean over ``side`` x ``side`` pixels (zeros outside), symmetric and at most 1, so
    that H is positive for any strength below 1. It stands for the centre-surround whitening of
    the retina: without it the slow variations of an image, nearly all of its variance, are all
    that features learn to explain. Strength 0 is the plain sum of squares.
    """

    strength: float = 0.9
    side: int = 5

    def __post_init__(self) -> None:
        if not 0 <= self.strength < 1:
            raise ValueError(f"strength must lie in [0, 1), got {self.strength}")
        if self.side < 1 or self.side % 2 == 0:
            raise ValueError(f"side must be an odd number of pixels, got {self.side}")

    def __call__(self, error: Tensor) -> Tensor:
        """``H e``."""
        if self.strength == 0:
            return error
        blur = F.avg_pool2d(error, self.side, stride=1, padding=self.side // 2)
        return error - self.strength * blur


def reconstruct(generative: Sequence[GenerativeLayer], features: Tensor) -> Tensor:
    """The image that the activity of the lowest layer predicts."""
    lowest = generative[0]
    return lowest.activation(lowest.current(features))
