"""Temporal codes: when a spike falls tells the intensity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from neurosim.arrays.tensors import plain
from neurosim.naming.settings import require_count
from neurosim.spiking.encoders.base import AbstractEncoder, frames, require_positive, spikes_at

#: Taken off before rounding up, so that a ratio that is whole up to float32 rounding stays so.
_SLACK = 1e-5


@final
@dataclass(frozen=True)
class Latency(AbstractEncoder):
    """One spike for each nonzero input, the larger the earlier:
    tick ``round((1 - x)(n_ticks - 1))``; an input of 0 stays silent.

    Time to first spike (Gollisch & Meister 2008, 10.1126/science.1149639), linear in x.
    """

    def _encode(
        self, x: Tensor, n_ticks: int, dt_ms: float, generator: torch.Generator | None
    ) -> Tensor:
        tick = ((1 - x) * (n_ticks - 1)).round().long()
        return spikes_at(tick, x <= 0, x, n_ticks)


@final
@dataclass(frozen=True)
class RankOrder(AbstractEncoder):
    """One spike for each nonzero input of an image, in the order of intensity (Thorpe & Gautrais
    1998, 10.1007/978-1-4615-4831-7_19).

    The input of rank r (0 for the largest; equal ones in the order they are stored) spikes at
    tick r. An image with m nonzero inputs and fewer ticks than that fills every tick evenly:
    ``floor(r n_ticks / m)``. Only the order matters: a monotone map of the intensities that
    leaves 0 at 0 changes nothing.
    """

    def _encode(
        self, x: Tensor, n_ticks: int, dt_ms: float, generator: torch.Generator | None
    ) -> Tensor:
        flat = x.reshape(len(x), math.prod(x.shape[1:]))
        order = torch.sort(flat, dim=1, descending=True, stable=True).indices
        rank = torch.empty_like(order)
        places = torch.arange(flat.shape[1], device=x.device).expand_as(order)
        rank.scatter_(1, order, places)
        n_spikes = (flat > 0).sum(1, keepdim=True).clamp(min=n_ticks)
        # Silent inputs rank last; their tick only has to lie within the window.
        tick = (rank * n_ticks // n_spikes).clamp(max=n_ticks - 1).view(x.shape)
        return spikes_at(tick, x <= 0, x, n_ticks)


@final
@dataclass(frozen=True)
class Phase(AbstractEncoder):
    """The binary digits of the intensity, most significant first, repeated with a period of
    ``n_bits`` ticks (Kim et al. 2018, 10.1016/j.neucom.2018.05.087).

        x = sum_k b_k 2^-k,  k = 1 .. n_bits;   tick t carries b_(1 + t mod n_bits)

    Exact for multiples of 2^-n_bits below 1; others are rounded down, and 1 is the largest
    of them, 1 - 2^-n_bits. Fewer ticks than bits carry the leading bits. The weight 2^-k of a
    phase is ``decode``'s: a neuron that counts spikes reads the number of digits that are 1.
    """

    n_bits: int = 8

    def __post_init__(self) -> None:
        require_count("n_bits", self.n_bits, most=24)

    def _encode(
        self, x: Tensor, n_ticks: int, dt_ms: float, generator: torch.Generator | None
    ) -> Tensor:
        # Scaling by a power of two is exact in any floating-point format that holds the result.
        levels = 1 << self.n_bits
        whole = (x * levels).floor().long()
        whole = whole.clamp(max=levels - 1)
        spikes = frames(x, n_ticks)
        for tick in range(n_ticks):
            spikes[tick] = (whole >> (self.n_bits - 1 - tick % self.n_bits)) & 1
        return spikes

    def decode(self, spikes: Tensor) -> Tensor:
        """Intensities from the first period, ``sum_k b_k 2^-k``: ``(batch, *features)``."""
        spikes = plain("spikes", spikes)
        decoded = torch.zeros_like(spikes[0])
        for k, digit in enumerate(spikes[: self.n_bits], start=1):
            decoded = decoded + digit * 2.0**-k
        return decoded


@final
@dataclass(frozen=True)
class Burst(AbstractEncoder):
    """A burst from the first tick on, of more spikes and shorter intervals for a larger input
    (Park et al. 2019, 10.1145/3316781.3317822; form of Guo et al. 2021,
    10.3389/fnins.2021.638474).

        spikes:    N(x) = ceil(max_spikes x)
        interval:  max_isi - x (max_isi - min_isi), rounded up to whole ticks

    A burst that does not fit into the presentation is cut at its end; the count stays monotone
    in x, for both N and the number that fits rise with it. An input of 0 stays silent.
    """

    max_spikes: int = 5
    min_isi_ms: float = 5.0
    max_isi_ms: float = 20.0

    def __post_init__(self) -> None:
        require_positive(self, "min_isi_ms", "max_isi_ms")
        require_count("max_spikes", self.max_spikes)
        if self.min_isi_ms > self.max_isi_ms:
            raise ValueError(
                f"min_isi_ms={self.min_isi_ms} exceeds max_isi_ms={self.max_isi_ms}: a larger "
                "input has the shorter interval"
            )

    def _encode(
        self, x: Tensor, n_ticks: int, dt_ms: float, generator: torch.Generator | None
    ) -> Tensor:
        if self.min_isi_ms < dt_ms:
            raise ValueError(
                f"min_isi_ms={self.min_isi_ms} asks for more than one spike in a tick of {dt_ms} "
                f"ms: use min_isi_ms >= {dt_ms:.4g} or a shorter tick"
            )
        n_spikes = self.n_spikes(x)
        interval = self.interval(x, dt_ms)
        spikes = frames(x, n_ticks)
        for tick in range(n_ticks):
            spikes[tick] = (tick % interval == 0) & (tick // interval < n_spikes)
        return spikes

    def n_spikes(self, x: Tensor) -> Tensor:
        """Spikes of a whole burst, int64."""
        x = plain("intensities", x)
        count = (x * self.max_spikes - _SLACK).ceil().clamp(min=1).long()
        return count * (x > 0)

    def interval(self, x: Tensor, dt_ms: float) -> Tensor:
        """Ticks between two spikes of a burst, int64."""
        x = plain("intensities", x)
        isi_ms = self.max_isi_ms - x * (self.max_isi_ms - self.min_isi_ms)
        return (isi_ms / dt_ms - _SLACK).ceil().clamp(min=1).long()
