"""One layer of the spiking network, its thresholds, and what is held fixed in a presentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from neurosim.settings import require_count
from neurosim.spiking.cells.base import require_threshold
from neurosim.spiking.population.between import AbstractBetween, Directly
from neurosim.synapses import Conv2d
from neurosim.tensors import plain, require_finite


class SpikingLayer(nn.Module):
    """One convolution onto LIF cells, one threshold a map.

    Args:
        name: the name under which activity and changes are reported.
        synapse: geometry of the convolution.
        weight: initial weight, in the synapse's shape; copied.
        pool: side of the max-pooling window, 1 for none.
        target_rate: spikes a neuron and tick that homeostasis aims at.
        between: what stands between the convolution and its cells.
    """

    threshold: Tensor

    def __init__(
        self,
        name: str,
        synapse: Conv2d,
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
    learning: bool
