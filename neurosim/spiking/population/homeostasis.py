"""Synaptic scaling: a neuron multiplies all its synapses towards a target.

(The adaptive threshold, homeostasis of the cell, is ``neurons.AdaptiveLIF`` spike by spike and
``models.spiking.Homeostasis`` batch by batch.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from neurosim.arrays.tensors import plain, real
from neurosim.naming.settings import KnownSettings


@final
@dataclass(frozen=True)
class SynapticScaling(KnownSettings):
    """``w <- w (1 + gain (target - rate) / target)``, every synapse of a neuron by one factor.

    Turrigiano, Leslie, Desai, Rutherford & Nelson 1998 (10.1038/36103); van Rossum, Bi &
    Turrigiano 2000 (10.1523/JNEUROSCI.20-23-08812.2000). The factor never turns a sign: it is
    held at 0 or above.

    Args:
        target_hz: rate at which nothing changes, positive.
        gain: share of the relative error that one call mends, between 0 and 1.
    """

    target_hz: float
    gain: float = 0.01

    def __post_init__(self) -> None:
        if not (math.isfinite(self.target_hz) and self.target_hz > 0):
            raise ValueError(f"target_hz must be finite and positive, got {self.target_hz}")
        if not 0 < self.gain <= 1:
            raise ValueError(f"gain must lie above 0 and up to 1, got {self.gain}")

    def scaled(self, weight: Tensor, rate_hz: Tensor) -> Tensor:
        """The weight after one call; ``rate_hz`` one per output unit or map, ``(n_out,)``."""
        weight, rate_hz = plain("weight", weight), real("rate_hz", rate_hz)
        if rate_hz.shape != weight.shape[:1]:
            raise ValueError(
                f"rate_hz must hold one rate for each of the {weight.shape[0]} outputs, "
                f"got shape {tuple(rate_hz.shape)}"
            )
        if not bool((rate_hz.isfinite() & (rate_hz >= 0)).all()):
            raise ValueError("rate_hz must be finite and not negative")
        factor = 1 + self.gain * (self.target_hz - rate_hz.to(weight)) / self.target_hz
        return weight * factor.clamp(min=0).view(-1, *(1,) * (weight.dim() - 1))


@final
@dataclass(frozen=True)
class TotalInput(KnownSettings):
    """``w <- w total / sum_i |w_i|``: the summed input of each neuron is conserved.

    Diehl & Cook 2015 (10.3389/fncom.2015.00099). A neuron without any weight keeps none.
    """

    total: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.total) and self.total > 0):
            raise ValueError(f"total must be finite and positive, got {self.total}")

    def scaled(self, weight: Tensor) -> Tensor:
        """The weight with every output's sum of magnitudes at ``total``."""
        weight = plain("weight", weight)
        axes = tuple(range(1, weight.dim()))
        sums = weight.abs().sum(axes, keepdim=True)
        return rescaled(weight, sums, self.total)


def rescaled(weight: Tensor, sums: Tensor, total: Tensor | float) -> Tensor:
    """``weight total / sums``, and the weight itself where its sum is 0; sums broadcasts on it."""
    scale = total / sums
    # Weights so small that their scale overflows are made shares of their sum first.
    scaled = torch.where(scale.isfinite(), weight * scale, weight / sums * total)
    return torch.where(sums > 0, scaled, weight)
