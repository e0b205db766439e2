"""Weights that change while the spikes come: what weight dependence asks for.

The changes of one tick, summed over batch and places and reduced, are scaled by the gains of
the weight before that tick, added and clipped:

    w <- clip(w + f_plus(w) potentiation - f_minus(w) depression, w_min, w_max)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from neurosim.spiking._factors import Factor
from neurosim.spiking.spike_window import SpikeWindow
from neurosim.spiking.timing import AbstractTiming
from neurosim.spiking.weight_dependence import AbstractWeightDependence
from neurosim.synapses import AbstractSynapse

Reduce = Callable[[Tensor], Tensor]


def evolve(
    synapse: AbstractSynapse,
    weight: Tensor,
    spikes: SpikeWindow,
    timing: AbstractTiming,
    dt_ms: float,
    reduce: Reduce,
) -> Tensor:
    """The weight after the window.

    reduce: from the sum over batch and places at one tick to the change of the weight.

    Raises:
        ValueError: a weight that is not finite or outside the bounds of the dependence.
    """
    dependence = timing.dependence
    dependence.check(weight)
    causal = timing.causal(spikes, dt_ms)
    w = weight.clone()
    for t in range(len(spikes.pre)):
        plus = _sum(synapse, causal.plus(t))
        minus = _sum(synapse, causal.minus(t))
        if plus is None and minus is None:
            continue
        step = torch.zeros_like(w)
        if plus is not None:
            step += scaled(dependence, w, reduce(plus))
        if minus is not None:
            step += scaled(dependence, w, -reduce(minus))
        w = (w + step).clamp(dependence.w_min, dependence.w_max)
    return w


def scaled(dependence: AbstractWeightDependence, w: Tensor, change: Tensor) -> Tensor:
    """A change times the gain of its own sign: an amplitude may be negative."""
    return change * torch.where(change > 0, dependence.plus(w), dependence.minus(w))


def _sum(synapse: AbstractSynapse, factors: Iterable[Factor]) -> Tensor | None:
    total = None
    for a, b in factors:
        change = synapse.correlate(a, b)[0]
        total = change if total is None else total + change
    return total
