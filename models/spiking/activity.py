"""What a spiking network spends on an image, and what can be read from it, tick by tick."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neurosim.models.network.readouts import pooled_4x4
from neurosim.solvers import Ticks
from neurosim.synapses import AbstractSynapse, Conv2d, Dense
from neurosim.types import in_float64

if TYPE_CHECKING:
    from neurosim.models.spiking.dynamics import SpikingNetwork


def synaptic_events(synapse: AbstractSynapse, spikes: Tensor) -> float:
    """Spikes times the synapses each one crosses: the additions an event-driven machine makes.

    A spike at the border of an image crosses fewer synapses of a convolution than one inside.

    Args:
        spikes: presynaptic spikes of one tick, ``(batch, *features)``.
    """
    if isinstance(synapse, Conv2d):
        # Outputs of one group are alike: one of each group stands for all.
        one, times = replace(synapse, n_out=synapse.groups), synapse.n_out / synapse.groups
        reached = one.forward(spikes, spikes.new_ones(one.weight_shape), None)
        return float(in_float64(reached).sum()) * times
    if isinstance(synapse, Dense):
        return float(in_float64(spikes).sum()) * synapse.n_out
    raise TypeError(f"synaptic events are counted for Dense and Conv2d, got {synapse!r}")


@dataclass(frozen=True)
class SpikingActivity:
    """One presentation of some images, cumulative over its ticks; spikes and events an image.

    features: what a readout sees of the last layer, pooled spike counts averaged over a 4 x 4
        grid, ``(n_ticks, n_images, maps * 16)``.
    input_spikes: spikes of the encoder, ``(n_ticks,)``.
    spikes, events: layer -> its own spikes, and the synaptic events that drive it, ``(n_ticks,)``.
    seconds: processor time an image.
    """

    features: Tensor
    input_spikes: Tensor
    spikes: Mapping[str, Tensor]
    events: Mapping[str, Tensor]
    seconds: float

    @classmethod
    @torch.no_grad()
    def of(cls, net: SpikingNetwork, x: Tensor) -> SpikingActivity:
        """Show the images at evaluation, ``(n, 3, px, px)``: nothing in the network changes."""
        n_ticks, names = net.dynamics.n_ticks(), [layer.name for layer in net.layers]
        inputs = torch.zeros(n_ticks, dtype=torch.float64)
        spikes = {name: torch.zeros(n_ticks, dtype=torch.float64) for name in names}
        events = {name: torch.zeros(n_ticks, dtype=torch.float64) for name in names}
        chunks, seconds = [], 0.0
        for chunk in net.dynamics.portions(x):
            started = time.process_time()
            point = net.evaluation_point(chunk)
            # Counted at the end: what is measured is the network, not the counting.
            states = [settled.state for settled in Ticks().settle(net.dynamics, point)]
            seconds += time.process_time() - started
            inputs += in_float64(point.spikes).flatten(1).sum(1).cpu()
            for tick, state in enumerate(states):
                for i, layer in enumerate(net.layers):
                    spikes[layer.name][tick] += float(state["n_spikes"][i].sum())
                    events[layer.name][tick] += synaptic_events(layer.synapse, state["pre"][i])
            chunks.append(torch.stack([pooled_4x4(state["counts"][-1]) for state in states]))
        return cls(
            torch.cat(chunks, 1),
            inputs.cumsum(0) / len(x),
            # Counts of spikes are running sums already.
            {name: total / len(x) for name, total in spikes.items()},
            {name: total.cumsum(0) / len(x) for name, total in events.items()},
            seconds / len(x),
        )
