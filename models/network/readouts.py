"""Readouts: from a layer's activity to the pattern an RDM is made of."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from neurosim.arrays.streams import generator
from neurosim.naming.choices import Choices, shown
from neurosim.naming.made import bound
from neurosim.naming.settings import require_count

Readout = Callable[..., Tensor]

#: Above this many units ``full`` is a random projection onto as many dimensions.
MAX_UNITS = 16_384


def global_average(x: Tensor) -> Tensor:
    """One value a channel: the mean over space."""
    return x.mean((2, 3))


def grid(x: Tensor, *, n: int = 4) -> Tensor:
    """Coarse layout: averages over an ``n`` x ``n`` grid, ``(batch, channels * n^2)``."""
    require_count("n", n)
    return F.adaptive_avg_pool2d(x, n).flatten(1)


def pooled_4x4(x: Tensor) -> Tensor:
    """``grid`` of 4 x 4."""
    return grid(x, n=4)


def full_map(x: Tensor, *, max_units: int = MAX_UNITS) -> Tensor:
    """Every unit; a map of more than ``max_units`` is centred and sketched onto that many.

    Correlations between patterns survive within about ``1 / sqrt(max_units)``, .008 by default (one
    standard deviation); the mean of a pattern, to which correlation is blind, does not.
    """
    require_count("max_units", max_units)
    units = x.flatten(1)
    if units.shape[1] <= max_units:
        return units
    return sketch(units - units.mean(1, keepdim=True), max_units)


def sketch(units: Tensor, n_out: int) -> Tensor:
    """A random projection that keeps inner products: signs drawn, units summed in equal groups.

    ``E <sketch(x), sketch(y)> = <x, y>``, with variance about ``(|x|^2 |y|^2 + <x, y>^2) / n_out``
    (count sketch, Charikar, Chen & Farach-Colton 2002, doi:10.1007/3-540-45465-9_59). Signs and
    groups are the same for every call: they depend on the number of units alone.
    """
    sign, group = _sketch_of(units.shape[1], n_out)
    out = units.new_zeros(len(units), n_out)
    return out.index_add_(1, group.to(units.device), units * sign.to(units))


@lru_cache(maxsize=8)
def _sketch_of(n_units: int, n_out: int) -> tuple[Tensor, Tensor]:
    draws = generator(0, f"readout/sketch/{n_units}")
    sign = torch.randint(0, 2, (n_units,), generator=draws) * 2.0 - 1.0
    return sign, torch.randperm(n_units, generator=draws) % n_out


READOUTS: Choices[Readout] = Choices(
    "readout",
    {"gap": global_average, "4x4": pooled_4x4, "full": full_map, "grid": grid},
    group="neurosim.readouts",
)

#: The readout column of layers that have no space: their units as they are.
UNITS = "units"


def patterns(x: Tensor, readout: str) -> Tensor:
    """The pattern of each stimulus, ``(batch, n_features)``; maps of space go through readout.

    Raises:
        ValueError: the readout, a text of ``READOUTS``, does not give one pattern per stimulus.
    """
    if x.dim() != 4:
        return x
    found = bound(READOUTS, readout).build(x)
    if not isinstance(found, Tensor) or found.dim() != 2 or len(found) != len(x):
        raise ValueError(
            f"the readout {readout} of maps {tuple(x.shape)} has to be one pattern per stimulus, "
            f"({len(x)}, n_features), got {shown(found)}"
        )
    return found


#: Width of FC1, which ``projected_pixels`` stands beside.
N_PROJECTED = 512


def projected_pixels(images: Tensor) -> Tensor:
    """What FC1 must beat: a random projection of the image itself, averaged over a 4 x 4 grid.

    FC1 reads a 4 x 4 grid of Conv3 through random weights; here the grid is of the image
    ``(batch, 3, px, px)`` and nothing convolves. ``(batch, 512)``, linear, weights
    ``U(-1/sqrt(48), 1/sqrt(48))`` from a fixed seed.
    """
    grid = pooled_4x4(images)
    bound = grid.shape[1] ** -0.5
    draws = torch.empty(N_PROJECTED, grid.shape[1])
    weight = draws.uniform_(-bound, bound, generator=generator(0, "readout/pixels-4x4"))
    return grid @ weight.to(grid).t()
