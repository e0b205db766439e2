"""Readouts: from a layer's activity to the pattern an RDM is made of."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from neurosim.choices import Choices

Readout = Callable[[Tensor], Tensor]


def global_average(x: Tensor) -> Tensor:
    """One value a channel: the mean over space."""
    return x.mean((2, 3))


def pooled_4x4(x: Tensor) -> Tensor:
    """Coarse layout: averages over a 4 x 4 grid, ``(batch, channels * 16)``."""
    return F.adaptive_avg_pool2d(x, 4).flatten(1)


def full_map(x: Tensor) -> Tensor:
    """Every unit."""
    return x.flatten(1)


READOUTS: Choices[Readout] = Choices(
    "readout", {"gap": global_average, "4x4": pooled_4x4, "full": full_map}
)

#: The readout column of layers that have no space: their units as they are.
UNITS = "units"


def patterns(x: Tensor, readout: str) -> Tensor:
    """The pattern of each stimulus, ``(batch, n_features)``; maps of space go through readout."""
    return READOUTS[readout](x) if x.dim() == 4 else x
