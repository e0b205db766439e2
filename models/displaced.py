"""Layers away from their feed-forward activity: what predictive coding relaxes.

The sweep fixes each layer's normalisation statistics and dropout mask. A state is then written
as a displacement ``d_l = r_l - r_ff,l``, because the early errors of a relaxation are 1e-4 of
the activity and would be lost in float32 by subtracting two activities: the synapse is linear,
so ``W d`` is exact, and both responses run through identical operators.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from neurosim.models.network import Layer, Network
from neurosim.models.normalisation import BatchNorm, Fixed
from neurosim.types import Drive


@dataclass(frozen=True)
class Normaliser:
    """Normalisation at held statistics: ``z = (a - mean) / sd``, then ``gamma z + beta``.

    follow_weights: the statistics are those of the batch, hence functions of the weight.
    """

    norm: BatchNorm
    statistics: Fixed
    follow_weights: bool

    @property
    def spread(self) -> Tensor:
        """``1 / sqrt(var + eps)``, one a channel."""
        return _channels((self.statistics.var + self.norm.eps).rsqrt())

    @property
    def slope(self) -> Tensor:
        """``gamma / sqrt(var + eps)``: the derivative with the statistics held."""
        return self.spread * _channels(self.norm.gamma.detach())

    def pull(self, error: Tensor, current: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Error at the synapse and gain changes, for a weight change.

        An update that holds the batch's statistics goes astray (12 points of accuracy), so
        the derivative is whole here: ``slope (e - <e> - z <e z>)``.
        """
        z = (current - _channels(self.statistics.mean)) * self.spread
        axes = (0, 2, 3)
        by_z, plain = (error * z).sum(axes), error.sum(axes)
        if self.follow_weights:
            n = error.numel() // error.shape[1]
            error = torch.addcmul(error - _channels(plain / n), z, _channels(by_z / n), value=-1)
        return self.slope * error, {"gamma": by_z, "beta": plain}


class SweptLayer:
    """One layer at its feed-forward activity, with the statistics and the mask of the sweep.

    Attributes:
        pre: presynaptic activity ``r_ff,l-1``.
        current: ``a = W r_ff,l-1 + b``.
        out: ``r_ff,l``.
    """

    def __init__(self, layer: Layer, pre: Tensor, drive: Drive) -> None:
        self.layer, self.pre = layer, pre
        self.current = layer.current(pre).detach()
        self.normaliser: Normaliser | None = None
        self.normalised = self.current
        if layer.norm is not None:
            statistics = Fixed(layer.norm.running_mean.clone(), layer.norm.running_var.clone())
            if drive.learning:
                statistics = batch_statistics(layer.norm, self.current)
            self.normaliser = Normaliser(layer.norm, statistics, drive.learning)
            self.normalised = layer.norm(self.current, statistics).detach()
        self._keep: Tensor | None = None
        if drive.learning and layer.dropout:
            self._keep = layer._keep_mask(self.respond(self.normalised), drive.generator)
        self.at_rest = DisplacedLayer(self)
        self.out = self.at_rest.out

    def respond(self, normalised: Tensor) -> Tensor:
        """What follows the normalisation: activation, pooling, the mask of the sweep."""
        x = self.layer.activation(normalised)
        if self.layer.pool > 1:
            x = F.max_pool2d(x, self.layer.pool)
        return x if self._keep is None else x * self._keep


class DisplacedLayer:
    """A layer with its input displaced by ``below`` (None: not displaced), linearised there.

    Attributes:
        out: ``f_l(W r_(l-1))`` at ``r_(l-1) = r_ff,l-1 + below``.
    """

    def __init__(self, swept: SweptLayer, below: Tensor | None = None) -> None:
        self.swept, self._below, self._moved = swept, below, None
        normalised = swept.normalised
        if below is not None:
            self._moved = swept.layer.synapse.forward(below, swept.layer.weight, None)
            normalised = normalised + self._slope(self._moved)
        self._normalised = normalised.detach().requires_grad_()
        with torch.enable_grad():
            self._out = swept.respond(self._normalised)
        self.out = self._out.detach()

    @property
    def pre(self) -> Tensor:
        """Presynaptic activity ``r_(l-1)``."""
        return self.swept.pre if self._below is None else self.swept.pre + self._below

    @property
    def change(self) -> Tensor:
        """``out - r_ff,l``."""
        return self.out - self.swept.out

    def carry_back(self, error: Tensor) -> Tensor:
        """``W^T D^T error``, statistics held: what the layer below feels."""
        delta, layer = self._slope(self._respond_back(error)), self.swept.layer
        return layer.synapse.carry_back(delta, layer.weight, self.swept.pre)

    def pull_to_weights(self, error: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """``(error at the synapse, gain changes)``, batch statistics following the weights."""
        error = self._respond_back(error)
        if self.swept.normaliser is None:
            return error, {}
        current = self.swept.current
        if self._moved is not None:
            current = current + self._moved
        return self.swept.normaliser.pull(error, current)

    def _slope(self, current: Tensor) -> Tensor:
        normaliser = self.swept.normaliser
        return current if normaliser is None else current * normaliser.slope

    def _respond_back(self, error: Tensor) -> Tensor:
        return torch.autograd.grad(self._out, self._normalised, error, retain_graph=True)[0]


def sweep(net: Network, drive: Drive) -> tuple[SweptLayer, ...]:
    """The feed-forward sweep; running statistics and masks are drawn as in any learning pass."""
    x, swept = drive.x, []
    for layer in net.layers:
        swept.append(SweptLayer(layer, x, drive))
        x = swept[-1].out
    return tuple(swept)


def batch_statistics(norm: BatchNorm, current: Tensor) -> Fixed:
    """Mean and variance of this batch; the running statistics move as under ``Batch``."""
    mean, var = torch.batch_norm_update_stats(
        current, norm.running_mean, norm.running_var, norm.momentum
    )
    return Fixed(mean, var)


def _channels(values: Tensor) -> Tensor:
    return values.view(1, -1, 1, 1)
