"""The way back of an error: what stands in for ``W^T``.

BP, FA and their relatives are one error circuit; they differ in this object alone. Feedback
weights have the shape of the forward weight of the same layer, so that the same operator
carries errors through either.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from neurosim.models.network.layers import Linearised, Network
from neurosim.synapses import AbstractSynapse
from neurosim.types import LayerLike, in_float64


class AbstractFeedback(ABC):
    """Carries the error at a layer's synapse to the outputs of the layer below."""

    @abstractmethod
    def carry(self, above: Linearised, delta: Tensor, output_error: Tensor) -> Tensor:
        """The error at ``above.pre``.

        Args:
            above: the layer whose synapse is crossed backwards.
            delta: the error at that synapse, ``(batch, *out_features)``.
            output_error: the error at the network's output, ``(batch, n_classes)``.
        """

    def check(self, net: Network) -> None:  # noqa: B027 (a default)
        """Refuse a network that this feedback was not made for; any, unless it says so."""

    def plastic_layers(self, net: Network) -> Sequence[LayerLike]:
        """Feedback synapses that learn, aligned with ``net.layers[1:]``; none by default."""
        return ()


@final
@dataclass(frozen=True)
class Transpose(AbstractFeedback):
    """``W^T delta``: backpropagation (Rumelhart, Hinton & Williams 1986, 10.1038/323533a0)."""

    def carry(self, above: Linearised, delta: Tensor, output_error: Tensor) -> Tensor:
        return above.layer.synapse.carry_back(delta, above.layer.weight, above.pre)


@dataclass(frozen=True)
class _OneForEachLayer(AbstractFeedback):
    """Feedback weights by layer name, in the shape of the forward weights."""

    weights: Mapping[str, Tensor]

    def check(self, net: Network) -> None:
        wanted = {layer.name: layer.synapse.weight_shape for layer in net.layers[1:]}
        _require_shapes(self, wanted, self.weights)


def _require_shapes(
    feedback: AbstractFeedback, wanted: Mapping[str, tuple[int, ...]], has: Mapping[str, Tensor]
) -> None:
    for name, shape in wanted.items():
        found = tuple(has[name].shape) if name in has else None
        if found != shape:
            kind = type(feedback).__name__
            raise ValueError(
                f"{kind} has {'no weights' if found is None else f'weights of {found}'} for layer "
                f"{name}, which needs {shape}: build it with {kind}.like(net, ...)"
            )


@final
@dataclass(frozen=True)
class RandomFixed(_OneForEachLayer):
    """``B delta``, B fixed (feedback alignment; Lillicrap et al. 2016, 10.1038/ncomms13276).

    weights: layer name -> B, in the shape of that layer's weight; one for every layer but the
        first, the dense ones included.
    """

    @classmethod
    def like(cls, net: Network, generator: torch.Generator) -> RandomFixed:
        """B drawn as the initial forward weights are: U(-1/sqrt(fan_in), 1/sqrt(fan_in))."""
        return cls(random_feedback(net, generator))

    def carry(self, above: Linearised, delta: Tensor, output_error: Tensor) -> Tensor:
        return above.layer.synapse.carry_back(delta, self.weights[above.layer.name], above.pre)


@final
@dataclass(frozen=True)
class SignSymmetric(_OneForEachLayer):
    """``(|B| * sign W)^T delta``: fixed magnitudes, the sign of W (Liao, Leibo & Poggio 2016,
    10.1609/aaai.v30i1.10279, their frSF)."""

    @classmethod
    def like(cls, net: Network, generator: torch.Generator) -> SignSymmetric:
        """Magnitudes drawn as those of the initial forward weights."""
        return cls({name: w.abs() for name, w in random_feedback(net, generator).items()})

    def carry(self, above: Linearised, delta: Tensor, output_error: Tensor) -> Tensor:
        weight = self.weights[above.layer.name] * above.layer.weight.sign()
        return above.layer.synapse.carry_back(delta, weight, above.pre)


@final
@dataclass(frozen=True)
class DirectFeedback(AbstractFeedback):
    """``B e_out``: every layer hears the output error alone (direct feedback alignment;
    Nokland 2016, arXiv 1609.01596).

    weights: layer name -> ``(n_classes, n_in)`` where ``n_in`` counts that layer's inputs.
    """

    weights: Mapping[str, Tensor]

    @classmethod
    def like(
        cls, net: Network, generator: torch.Generator, image_shape: Sequence[int]
    ) -> DirectFeedback:
        """B drawn from U(-1/sqrt(n_in), 1/sqrt(n_in)), as a dense layer of n_in inputs is.

        Args:
            image_shape: shape of one input, needed to count each layer's inputs.
        """
        counts = input_counts(net, image_shape)
        n_classes = net.layers[-1].synapse.weight_shape[0]
        return cls(
            {
                layer.name: _uniform((n_classes, n), 1 / math.sqrt(n), layer.weight, generator)
                for layer, n in zip(net.layers[1:], counts[1:], strict=True)
            }
        )

    def check(self, net: Network) -> None:
        n_classes = net.layers[-1].synapse.weight_shape[0]
        wanted = {}
        for layer in net.layers[1:]:
            n_in = self.weights[layer.name].shape[-1] if layer.name in self.weights else 0
            # A convolution has as many inputs as the image makes them, a dense layer its own.
            dense = len(layer.synapse.weight_shape) == 2
            wanted[layer.name] = (n_classes, layer.synapse.fan_in if dense else n_in)
        _require_shapes(self, wanted, self.weights)

    def carry(self, above: Linearised, delta: Tensor, output_error: Tensor) -> Tensor:
        return output_error.mm(self.weights[above.layer.name]).view_as(above.pre)


@dataclass(frozen=True)
class FeedbackLayer:
    """A learning feedback synapse: sees the two sides of the forward synapse it mirrors."""

    name: str
    synapse: AbstractSynapse
    weight: Tensor

    def plastic_parameters(self) -> Mapping[str, Tensor]:
        return {"weight": self.weight}


@final
@dataclass(frozen=True)
class KolenPollack(_OneForEachLayer):
    """``B delta``, B learning as W does (Akrout et al. 2019, arXiv 1904.05391).

    W and B receive the same change and the same decay lambda, so that
    ``B - W^T`` shrinks by the factor ``1 - lambda`` a step (lambda = learning rate x decay).
    """

    @classmethod
    def like(cls, net: Network, generator: torch.Generator) -> KolenPollack:
        """B starts as an independent draw."""
        return cls(random_feedback(net, generator))

    def carry(self, above: Linearised, delta: Tensor, output_error: Tensor) -> Tensor:
        return above.layer.synapse.carry_back(delta, self.weights[above.layer.name], above.pre)

    def plastic_layers(self, net: Network) -> Sequence[LayerLike]:
        return [
            FeedbackLayer(f"feedback.{layer.name}", layer.synapse, self.weights[layer.name])
            for layer in net.layers[1:]
        ]


def random_feedback(net: Network, generator: torch.Generator) -> dict[str, Tensor]:
    """Layer name -> a tensor drawn as its initial weight, for every layer but the first."""
    return {
        layer.name: _uniform(
            layer.synapse.weight_shape, 1 / math.sqrt(layer.synapse.fan_in), layer.weight, generator
        )
        for layer in net.layers[1:]
    }


def _uniform(
    shape: tuple[int, ...], bound: float, like: Tensor, generator: torch.Generator
) -> Tensor:
    draw = torch.empty(shape, dtype=like.dtype, device=generator.device)
    return draw.uniform_(-bound, bound, generator=generator).to(like.device)


@torch.no_grad()
def input_counts(net: Network, image_shape: Sequence[int]) -> list[int]:
    """Number of inputs to each layer for inputs of ``image_shape``."""
    like = net.layers[0].weight
    x = torch.zeros((1, *image_shape), dtype=like.dtype, device=like.device)
    outputs = list(net.represent(x).values())
    return [t[0].numel() for t in [x, *outputs[:-1]]]


def alignment_angle(
    feedback: AbstractFeedback, above: Linearised, delta: Tensor, output_error: Tensor
) -> float:
    """Angle in degrees between the carried error and ``W^T delta`` (90: unrelated, 0: BP).

    The mean over the batch of ``arccos(<b, w> / (|b| |w|))``; NaN where an error vanishes.
    """
    ours = in_float64(feedback.carry(above, delta, output_error).detach().flatten(1))
    true = in_float64(Transpose().carry(above, delta, output_error).detach().flatten(1))
    cosine = torch.nn.functional.cosine_similarity(ours, true, dim=1, eps=0.0)
    return float(torch.rad2deg(torch.arccos(cosine.clamp(-1, 1))).mean())
