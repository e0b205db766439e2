"""Layers away from their feed-forward activity: what predictive coding relaxes.

A state is written as a displacement ``d_l = r_l - r_ff,l`` from the sweep, because the early
errors of a relaxation are 1e-4 of the activity and would be lost in float32 by subtracting two
activities: the synapse is linear, so ``W d`` is exact, and both responses run through identical
operators.

While learning, a layer normalises by the statistics of the batch at its current of the moment.
They are part of its function: a relaxation or an update that holds them turns the changes of the
first layers away from those of backpropagation (cosine .81 in place of .99 after an epoch).
Running statistics move once per batch, by the currents of the sweep, when the weights do; the
dropout mask is the sweep's.
"""

from __future__ import annotations

import weakref

import torch
import torch.nn.functional as F
from torch import Tensor

from neurosim.models.network.graph import Network
from neurosim.models.network.layers import Layer, Pulled, pull_back
from neurosim.models.network.normalisation import Batch, Running
from neurosim.types import Drive


class SweptLayer:
    """One layer at its feed-forward activity.

    Attributes:
        pre: presynaptic activity ``r_ff`` of what it reads.
        added: the sum of ``r_ff`` of what it adds; None: nothing.
        current: ``a = W r_ff + b``.
        at_rest: the layer linearised there.
        out: ``r_ff,l``.
    """

    def __init__(
        self, layer: Layer, pre: Tensor, drive: Drive, added: Tensor | None = None
    ) -> None:
        self.layer, self.pre, self.added = layer, pre, added
        self._learning = drive.learning
        self.current = layer.current(pre).detach()
        self._keep: Tensor | None = None
        if drive.learning and layer.dropout:
            self._keep = layer.keep_mask(self.respond(self.current, added), drive.generator)
        # Each would hold the other: 80 MB a batch until the collector of cycles comes by.
        self.at_rest = DisplacedLayer(weakref.proxy(self))
        self.out = self.at_rest.out

    def respond(self, current: Tensor, added: Tensor | None) -> Tensor:
        """``f_l`` as in ``Layer.respond``, but drawing no mask."""
        layer = self.layer
        if not self._learning:
            return layer.respond(current, Running(), added=added)
        x = layer.units(current, Batch(), added)
        if layer.pool > 1:
            x = F.max_pool2d(x, layer.pool)
        return x if self._keep is None else x * self._keep

    def adapt(self) -> None:
        """Move the layer's running statistics by the current of the sweep."""
        if self.layer.norm is not None:
            self.layer.norm.accumulate(self.current)


class DisplacedLayer:
    """A layer with what it hears displaced (None: not displaced), linearised there.

    Args:
        below: displacement of what it reads. beside: that of the sum it adds.

    Attributes:
        out: ``f_l(W (r_ff + below) + z_ff + beside)``.
    """

    def __init__(
        self, swept: SweptLayer, below: Tensor | None = None, beside: Tensor | None = None
    ) -> None:
        self.swept, self._below, current = swept, below, swept.current
        if below is not None:
            current = current + swept.layer.synapse.forward(below, swept.layer.weight, None)
        self._current = current.detach().requires_grad_()
        self._added = swept.added
        if self._added is not None:
            moved = self._added if beside is None else self._added + beside
            self._added = moved.detach().requires_grad_()
        with torch.enable_grad():
            self._out = swept.respond(self._current, self._added)
        self.out = self._out.detach()

    @property
    def pre(self) -> Tensor:
        """Presynaptic activity."""
        return self.swept.pre if self._below is None else self.swept.pre + self._below

    @property
    def change(self) -> Tensor:
        """``out - r_ff,l``."""
        return self.out - self.swept.out

    def carry_back(self, delta: Tensor) -> Tensor:
        """``W^T delta``: what the population that it reads feels of the error at its synapse."""
        layer = self.swept.layer
        return layer.synapse.carry_back(delta, layer.weight, self.swept.pre)

    def pull(self, error: Tensor, *, to_gains: bool = False) -> Pulled:
        """``D^T error``: at the synapse and at what is added; at gamma and beta where asked."""
        gains = self.swept.layer.gain_parameters() if to_gains else {}
        return pull_back(self._out, self._current, self._added, gains, error)


def sweep(net: Network, drive: Drive) -> tuple[SweptLayer, ...]:
    """The feed-forward sweep; masks are drawn as in any learning pass."""
    swept: list[SweptLayer] = []

    def respond(layer: Layer, pre: Tensor, added: Tensor | None) -> Tensor:
        swept.append(SweptLayer(layer, pre, drive, added))
        return swept[-1].out

    net.pass_on(drive.x, respond)
    return tuple(swept)
