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

from neurosim.models.network.graph import Network
from neurosim.models.network.layers import Linearised, Pulled
from neurosim.synapses import AbstractSynapse, Dense
from neurosim.types import LayerLike, in_float64


@dataclass(frozen=True)
class Message:
    """The error of one layer on its way to a population that it hears.

    above: that layer. pulled: its error, pulled back through its response.
    through_synapse: whether it hears the population through its synapse; otherwise it adds it.
    """

    above: Linearised
    pulled: Pulled
    through_synapse: bool


class AbstractFeedback(ABC):
    """Carries errors to the output of a population."""

    @abstractmethod
    def arriving(
        self, population: Linearised, messages: Sequence[Message], output_error: Tensor
    ) -> Tensor:
        """The error at the output of ``population``.

        Args:
            messages: of the layers that hear it, at least one.
            output_error: the error at the network's output, ``(batch, n_classes)``.
        """

    def check(self, net: Network) -> None:  # noqa: B027 (a default)
        """Refuse a network that this feedback was not made for; any, unless it says so."""

    def plastic_layers(self, net: Network) -> Sequence[LayerLike]:
        """Feedback synapses that learn, aligned with ``net.above_input``; none by default."""
        return ()


class AbstractSynapticFeedback(AbstractFeedback):
    """The sum over the layers that hear a population: ``F delta`` through synapses; through an
    identity projection, whose weight is 1 both ways, the error as it is."""

    @abstractmethod
    def carry(self, above: Linearised, delta: Tensor) -> Tensor:
        """The error at ``above.pre``.

        Args:
            above: the layer whose synapse is crossed backwards.
            delta: the error at that synapse, ``(batch, *out_features)``.
        """

    @final
    def arriving(
        self, population: Linearised, messages: Sequence[Message], output_error: Tensor
    ) -> Tensor:
        total: Tensor | None = None
        for message in messages:
            if message.through_synapse:
                error = self.carry(message.above, message.pulled.delta)
            else:
                assert message.pulled.added is not None
                error = message.pulled.added
            total = error if total is None else total + error
        assert total is not None, "every population but the last is heard"
        return total


@final
@dataclass(frozen=True)
class Transpose(AbstractSynapticFeedback):
    """``W^T delta``: backpropagation (Rumelhart, Hinton & Williams 1986, 10.1038/323533a0)."""

    def carry(self, above: Linearised, delta: Tensor) -> Tensor:
        return above.layer.synapse.carry_back(delta, above.layer.weight, above.pre)


@dataclass(frozen=True)
class _OneForEachLayer(AbstractSynapticFeedback):
    """Feedback weights by layer name, in the shape of the forward weights."""

    weights: Mapping[str, Tensor]

    def check(self, net: Network) -> None:
        layers = net.layers
        wanted = {layers[i].name: layers[i].synapse.weight_shape for i in net.above_input}
        _require_shapes(self, net, wanted, self.weights)


def _require_shapes(
    feedback: AbstractFeedback,
    net: Network,
    wanted: Mapping[str, tuple[int, ...]],
    has: Mapping[str, Tensor],
) -> None:
    kind = type(feedback).__name__
    names = [layer.name for layer in net.layers]
    foreign = [name for name in has if name not in names]
    if foreign:
        raise ValueError(
            f"{kind} has weights for {', '.join(foreign)}, and the layers are "
            f"{', '.join(names)}: build it with {kind}.like(net, ...)"
        )
    for name, shape in wanted.items():
        found = tuple(has[name].shape) if name in has else None
        if found != shape:
            raise ValueError(
                f"{kind} has {'no weights' if found is None else f'weights of {found}'} for layer "
                f"{name}, which needs {shape}: build it with {kind}.like(net, ...)"
            )


@final
@dataclass(frozen=True)
class RandomFixed(_OneForEachLayer):
    """``B delta``, B fixed (feedback alignment; Lillicrap et al. 2016, 10.1038/ncomms13276).

    weights: layer name -> B, in the shape of that layer's weight; one for every layer that does
        not read the image, the dense ones included.
    """

    @classmethod
    def like(cls, net: Network, generator: torch.Generator) -> RandomFixed:
        """B drawn as the initial forward weights are: U(-1/sqrt(fan_in), 1/sqrt(fan_in))."""
        return cls(random_feedback(net, generator))

    def carry(self, above: Linearised, delta: Tensor) -> Tensor:
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

    def carry(self, above: Linearised, delta: Tensor) -> Tensor:
        weight = self.weights[above.layer.name] * above.layer.weight.sign()
        return above.layer.synapse.carry_back(delta, weight, above.pre)


@final
@dataclass(frozen=True)
class DirectFeedback(AbstractFeedback):
    """``B e_out``: every population hears the output error alone, once (direct feedback alignment;
    Nokland 2016, arXiv 1609.01596). No error passes along a shortcut.

    weights: name of every layer but the last -> ``(n_classes, n)`` where ``n`` counts its outputs.
    """

    weights: Mapping[str, Tensor]

    @classmethod
    def like(
        cls, net: Network, generator: torch.Generator, image_shape: Sequence[int]
    ) -> DirectFeedback:
        """B drawn from U(-1/sqrt(n), 1/sqrt(n)), as a dense layer that reads the n outputs is.

        Args:
            image_shape: shape of one input, needed to count the outputs of each layer.
        """
        n_classes = net.layers[-1].synapse.weight_shape[0]
        like = net.layers[0].weight
        return cls(
            {
                name: _uniform((n_classes, n), 1 / math.sqrt(n), like, generator)
                for name, n in list(output_counts(net, image_shape).items())[:-1]
            }
        )

    def check(self, net: Network) -> None:
        n_classes = net.layers[-1].synapse.weight_shape[0]
        wanted = {}
        for index, layer in enumerate(net.layers[:-1]):
            # A map has as many outputs as the image makes them, unless a dense layer reads it.
            n = self.weights[layer.name].shape[-1] if layer.name in self.weights else 0
            if layer.is_dense:
                n = layer.synapse.weight_shape[0]
            for above, through_synapse in net.heard_by(index):
                synapse = net.layers[above].synapse
                if through_synapse and isinstance(synapse, Dense):
                    n = synapse.n_in
            wanted[layer.name] = (n_classes, n)
        _require_shapes(self, net, wanted, self.weights)

    def arriving(
        self, population: Linearised, messages: Sequence[Message], output_error: Tensor
    ) -> Tensor:
        weight = self.weights[population.layer.name]
        return output_error.mm(weight).view_as(population.out)


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

    def carry(self, above: Linearised, delta: Tensor) -> Tensor:
        return above.layer.synapse.carry_back(delta, self.weights[above.layer.name], above.pre)

    def plastic_layers(self, net: Network) -> Sequence[LayerLike]:
        return [
            FeedbackLayer(f"feedback.{layer.name}", layer.synapse, self.weights[layer.name])
            for layer in (net.layers[i] for i in net.above_input)
        ]


def random_feedback(net: Network, generator: torch.Generator) -> dict[str, Tensor]:
    """Layer name -> a tensor drawn as its initial weight, for every layer that reads another."""
    return {
        layer.name: _uniform(
            layer.synapse.weight_shape, 1 / math.sqrt(layer.synapse.fan_in), layer.weight, generator
        )
        for layer in (net.layers[i] for i in net.above_input)
    }


def _uniform(
    shape: tuple[int, ...], bound: float, like: Tensor, generator: torch.Generator
) -> Tensor:
    draw = torch.empty(shape, dtype=like.dtype, device=generator.device)
    return draw.uniform_(-bound, bound, generator=generator).to(like.device)


@torch.no_grad()
def output_counts(net: Network, image_shape: Sequence[int]) -> dict[str, int]:
    """Layer name -> number of its outputs for inputs of ``image_shape``."""
    like = net.layers[0].weight
    x = torch.zeros((1, *image_shape), dtype=like.dtype, device=like.device)
    return {name: out[0].numel() for name, out in net.represent(x).items()}


def alignment_angle(ours: Tensor, true: Tensor) -> float:
    """Angle in degrees between two errors of a batch (90: unrelated).

    The mean over the batch of ``arccos(<b, w> / (|b| |w|))``; NaN where an error vanishes.
    """
    ours, true = (in_float64(error.detach().flatten(1)) for error in (ours, true))
    cosine = torch.nn.functional.cosine_similarity(ours, true, dim=1, eps=0.0)
    return float(torch.rad2deg(torch.arccos(cosine.clamp(-1, 1))).mean())
