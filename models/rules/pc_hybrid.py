"""Hybrid predictive coding: recognition starts the relaxation, generation judges it.

    E = sum_(l<L) p_l/2 |e_l|^2 + sum_l lambda/2 |d_l|^2 + kappa_l/2 c_l^T C_l c_l
    e_l = r_l - g(P_(l+1) r_(l+1)),      d_l = r_l - r_ff,l,      c_l = r_l - <r_ff,l>
    dr_l/dt = -p_l e_l + P_l^T g'_(l-1) p_(l-1) e_(l-1) - lambda d_l - kappa_l C_l c_l
    dP_(l+1) = g'_l p_l e_l r_(l+1)^T
    dW_l = f'_l (r_l - f_l(W_l r_(l-1))) r_(l-1)^T

The image ``r_0`` is clamped, activity starts at the feed-forward sweep, and no label takes part
(Rao & Ballard 1999, doi:10.1038/4580; Tscshantz et al. 2023, doi:10.1371/journal.pcbi.1011280).
``|e_0|^2`` is measured by a metric that whitens images; C is lateral inhibition, without which
the features collapse onto the few dimensions that explain most of an image. Sums run over units
and batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from neurosim.dynamics import AbstractEnergy
from neurosim.models.network.graph import Network
from neurosim.models.network.layers import Layer
from neurosim.models.rules.displaced import DisplacedLayer, SweptLayer, sweep
from neurosim.models.rules.feed_forward import FeedForward
from neurosim.models.rules.generative import GenerativeLayer, HighPass, generative_layers
from neurosim.models.rules.lateral import LateralInhibition
from neurosim.synapses import AbstractSynapse
from neurosim.types import Drive, LayerLike, LocalSignal, State


@dataclass(frozen=True)
class RecognitionSynapse:
    """A layer without gamma, beta and the bias that its normalisation cancels: they are fixed."""

    layer: Layer

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def synapse(self) -> AbstractSynapse:
        return self.layer.synapse

    def plastic_parameters(self) -> Mapping[str, Tensor]:
        learning: dict[str, Tensor] = {"weight": self.layer.weight}
        norm, bias = self.layer.norm, self.layer.bias
        if bias is not None and not (norm is not None and norm.keeps_statistics):
            learning["bias"] = bias
        return learning


class Explained:
    """Each layer's prediction error in one state.

    Attributes:
        values: ``r_0 .. r_L``.
        errors: ``p_l e_l`` for l < L, the image's through its metric.
        at_synapse: the same before the activation ``g``, through its derivative.
        restoring: ``lambda d_l + kappa_l C_l c_l``, which holds each layer back.
        energy: ``E``.
    """

    def __init__(self, rule: HybridPredictiveCoding, point: ImagePoint, state: State) -> None:
        moved = state["displacement"]
        self.values = [point.swept[0].pre]
        self.values += [layer.out + d for layer, d in zip(point.swept, moved, strict=True)]
        self.energy = self.values[0].new_zeros(())
        self.errors: list[Tensor] = []
        self.at_synapse: list[Tensor] = []
        for index, (layer, precision) in enumerate(
            zip(rule.generative, rule.precisions, strict=True)
        ):
            current = layer.current(self.values[index + 1]).detach().requires_grad_()
            with torch.enable_grad():
                predicted = layer.activation(current)
            error = self.values[index] - predicted.detach()
            weighted = precision * (rule.image_metric(error) if index == 0 else error)
            self.energy += 0.5 * (error * weighted).sum()
            self.errors.append(weighted)
            self.at_synapse.append(torch.autograd.grad(predicted, current, weighted)[0])
        self.restoring: list[Tensor] = []
        for inhibit, strength, d, value in zip(
            point.lateral, rule.lateral, moved, self.values[1:], strict=True
        ):
            inhibition, lateral_energy = inhibit(value)
            self.restoring.append(rule.prior * d + strength * inhibition)
            self.energy += 0.5 * rule.prior * d.square().sum() + strength * lateral_energy


class ImagePoint:
    """The sweep under a clamped image; remembers the errors of the last state asked for."""

    def __init__(self, swept: tuple[SweptLayer, ...]) -> None:
        self.swept = swept
        self.lateral = tuple(LateralInhibition(layer.out) for layer in swept)
        self._last: tuple[State, Explained] | None = None

    def at(self, rule: HybridPredictiveCoding, state: State) -> Explained:
        """Energy, flow and local signals of one state share one evaluation."""
        if self._last is None or self._last[0] is not state:
            self._last = (state, Explained(rule, self, state))
        return self._last[1]


@final
@dataclass(frozen=True)
class HybridPredictiveCoding(AbstractEnergy[Network, ImagePoint]):
    """Unsupervised predictive coding of images. State: ``displacement``, one tensor a layer.

    The output handed on is the feed-forward sweep's, which is also what evaluation sees.

    Args:
        generative: ``P_1 .. P_L``, lowest first.
        precisions: ``p_0 .. p_(L-1)``.
        prior: ``lambda``, how strongly activity holds to the sweep.
        lateral: ``kappa_1 .. kappa_L``, strength of the inhibition between channels; 0: none.
            Weak in the first layer, from which the image is read.
        image_metric: how the image error is measured.
    """

    generative: tuple[GenerativeLayer, ...]
    precisions: tuple[float, ...] = (1.0, 0.1, 0.1)
    prior: float = 1.0
    lateral: tuple[float, ...] = (0.03, 0.3, 0.3)
    image_metric: HighPass = field(default_factory=HighPass)

    def __post_init__(self) -> None:
        for name in ("precisions", "lateral"):
            values = getattr(self, name)
            if len(values) != len(self.generative):
                raise ValueError(
                    f"{len(self.generative)} generative layers need as many {name}, got {values}"
                )
        if not all(p > 0 for p in self.precisions) or min(self.prior, *self.lateral) < 0:
            raise ValueError(
                "precisions must be positive, prior and lateral not negative, got "
                f"{self.precisions}, {self.prior} and {self.lateral}"
            )

    @classmethod
    def like(cls, net: Network, generator: torch.Generator, **options) -> HybridPredictiveCoding:
        """With generative layers drawn for ``net``, a chain of pooled convolutions.

        Where ``options`` say nothing else, every layer above the first is as the second.
        """
        layers = generative_layers(net, generator)
        for name, (first, *others) in (("precisions", cls.precisions), ("lateral", cls.lateral)):
            options.setdefault(name, (first, *others[:1] * (len(layers) - 1)))
        return cls(layers, **options)

    def layers(self, net: Network) -> Sequence[LayerLike]:
        return [*(RecognitionSynapse(layer) for layer in net.layers), *self.generative]

    @property
    def offers(self) -> frozenset[str]:
        return super().offers | {"error"}

    def runs_on(self) -> type:
        return Network

    def check_network(self, net: Network) -> None:
        super().check_network(net)
        own = [layer.synapse.weight_shape[:2] for layer in self.generative]
        theirs = [layer.synapse.weight_shape[:2] for layer in net.layers]
        if own != theirs:
            raise ValueError(
                f"{len(own)} generative layers do not fit a network of {len(theirs)} layers: "
                f"(units above, below) are {own} and {theirs}; build them with "
                "HybridPredictiveCoding.like(net, ...)"
            )

    def passive(self) -> FeedForward:
        return FeedForward()

    def operating_point(self, net: Network, drive: Drive) -> ImagePoint:
        return ImagePoint(sweep(net, drive))

    def output(self, point: ImagePoint, state: State) -> Tensor:
        return point.swept[-1].out

    def adapt(self, point: ImagePoint, state: State) -> None:
        for layer in point.swept:
            layer.adapt()

    def initial_state(self, point: ImagePoint) -> State:
        return {"displacement": tuple(torch.zeros_like(layer.out) for layer in point.swept)}

    def energy(self, point: ImagePoint, state: State) -> Tensor:
        return point.at(self, state).energy

    def flow(self, point: ImagePoint, state: State) -> State:
        explained = point.at(self, state)
        velocity = []
        for index, layer in enumerate(self.generative):
            pulled = layer.carry_back(explained.at_synapse[index], explained.values[index + 1])
            velocity.append(pulled - explained.restoring[index])
            if index + 1 < len(self.generative):
                velocity[-1] -= explained.errors[index + 1]
        return {"displacement": tuple(velocity)}

    def local_signals(self, point: ImagePoint, state: State) -> Sequence[LocalSignal]:
        explained, moved = point.at(self, state), state["displacement"]
        # The mean over the batch, as every other rule's changes are.
        unit = 1 / len(point.swept[0].pre)
        signals = []
        for swept, below, d in zip(point.swept, (None, *moved), moved, strict=False):
            layer = swept.at_rest if below is None else DisplacedLayer(swept, below)
            delta = layer.pull((d - layer.change) * unit).delta
            signals.append(LocalSignal(layer.pre, delta, {"error": delta}))
        for generative, above, error in zip(
            self.generative, explained.values[1:], explained.at_synapse, strict=True
        ):
            delta = error * (unit * generative.gain)
            signals.append(LocalSignal(above, delta, {"error": delta}))
        return signals
