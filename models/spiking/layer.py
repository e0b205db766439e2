"""One layer of the spiking network, its thresholds, and what is held fixed in a presentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from neurosim.arrays.tensors import plain, require_finite
from neurosim.models.network.layers import fit_to
from neurosim.naming.settings import require_count
from neurosim.spiking.cells.base import require_threshold
from neurosim.spiking.population.between import AbstractBetween, Directly
from neurosim.synapses import Conv2d, Dense


class SpikingLayer(nn.Module):
    """One convolution or dense synapse onto LIF cells, one threshold a map.

    A dense layer is made of as many maps of one place as it has units: within the network it is
    ``(batch, units, 1, 1)``, and its synapse sees and hands on ``(batch, units)``.

    Args:
        name: the name under which activity and changes are reported.
        synapse: geometry of the linear map.
        weight: initial weight, in the synapse's shape; copied.
        pool: side of the max-pooling window, 1 for none.
        target_rate: spikes a neuron and tick that homeostasis aims at.
        between: what stands between the convolution and its cells.
    """

    threshold: Tensor

    def __init__(
        self,
        name: str,
        synapse: Conv2d | Dense,
        weight: Tensor,
        *,
        pool: int = 2,
        target_rate: float,
        between: AbstractBetween = Directly(),  # noqa: B008 (frozen)
    ) -> None:
        super().__init__()
        weight = plain(f"layer {name}: the weight", weight)
        if tuple(weight.shape) != synapse.weight_shape:
            raise ValueError(
                f"layer {name}: the weight must have shape {synapse.weight_shape}, "
                f"got {tuple(weight.shape)}"
            )
        if isinstance(synapse, Dense) and pool != 1:
            raise ValueError(f"layer {name}: a dense layer has no space to pool, got pool={pool}")
        if not 0 < target_rate < 1:
            raise ValueError(
                f"layer {name}: target_rate must lie between 0 and 1 spikes a tick, "
                f"got {target_rate}"
            )
        require_count(f"layer {name}: pool", pool)
        self.name, self.synapse, self.pool, self.target_rate = name, synapse, pool, target_rate
        self.between = between
        self.weight = nn.Parameter(weight.clone(), requires_grad=False)
        self.register_buffer("threshold", torch.ones(synapse.n_out).to(weight))

    def read(self, arriving: Tensor) -> Tensor:
        """What arrives, as the synapse takes it: maps of another size than a dense synapse was
        built for are averaged down to that, as in the networks of rates."""
        return fit_to(self.synapse, arriving)

    def current(self, read: Tensor) -> Tensor:
        """``W x``, ``(batch, maps, height, width)``."""
        current = self.synapse.forward(read, self.weight, None)
        return current[..., None, None] if isinstance(self.synapse, Dense) else current

    def at_synapse(self, maps: Tensor) -> Tensor:
        """``(batch, maps, height, width)`` in the shape of what the synapse gives."""
        return maps.flatten(1) if isinstance(self.synapse, Dense) else maps

    def plastic_parameters(self) -> Mapping[str, Tensor]:
        """The weight; a spiking layer has no bias and no gain."""
        return {"weight": self.weight}


def require_thresholds(layers: Sequence[SpikingLayer]) -> None:
    """Refuse thresholds that are not positive and weights that are no numbers, once a
    presentation: a NaN reaches no threshold, and its neuron would be silent without a word."""
    for layer in layers:
        require_finite(f"layer {layer.name}: the weight", layer.weight)
        require_threshold(layer.threshold, f"layer {layer.name}: the threshold")


@final
@dataclass(frozen=True)
class Homeostasis:
    """``theta <- theta exp(gain clip(rate / target - 1, -1, 2))`` after each learning batch.

    A map that fires too much becomes harder to excite (Diehl & Cook 2015,
    10.3389/fncom.2015.00099, adapt thresholds spike by spike; here once a batch).
    """

    gain: float = 0.1

    @torch.no_grad()
    def adapt(self, layer: SpikingLayer, rate: Tensor) -> None:
        """Move the thresholds of ``layer`` by its maps' rates (spikes a neuron and tick).

        Raises:
            ValueError: rates of another number than there are maps, not finite or negative.
        """
        if rate.shape != layer.threshold.shape or not bool((rate.isfinite() & (rate >= 0)).all()):
            raise ValueError(
                f"layer {layer.name}: homeostasis takes one rate per map, "
                f"({len(layer.threshold)},), finite and not negative, got {rate}"
            )
        excess = (rate / layer.target_rate - 1).clamp(-1, 2)
        layer.threshold.mul_(torch.exp(self.gain * excess).to(layer.threshold))


@dataclass(frozen=True)
class SpikingPoint:
    """What is held fixed during one presentation.

    spikes: the encoder's, ``(time, batch, channels, height, width)``.
    """

    layers: Sequence[SpikingLayer]
    spikes: Tensor
