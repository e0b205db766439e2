"""Rate codes: the number of spikes tells the intensity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from neurosim.spiking.encoders.base import RateEncoder, frames


@final
@dataclass(frozen=True)
class Bernoulli(RateEncoder):
    """Each tick spikes with ``p = x max_rate dt``, independently.

    Intervals are geometric: mean 1 / p ticks, coefficient of variation sqrt(1 - p).
    """

    @property
    def stochastic(self) -> bool:
        return True

    def _encode(
        self, x: Tensor, n_ticks: int, dt_ms: float, generator: torch.Generator | None
    ) -> Tensor:
        return _draw(x * self.per_tick(dt_ms), n_ticks, generator)


@final
@dataclass(frozen=True)
class Poisson(RateEncoder):
    """A Poisson process of rate ``x max_rate`` seen through ticks that hold at most one spike.

    A tick spikes where the process had at least one event: ``p = 1 - exp(-x max_rate dt)``.
    Intervals are geometric, with coefficient of variation sqrt(1 - p).
    """

    @property
    def stochastic(self) -> bool:
        return True

    def _encode(
        self, x: Tensor, n_ticks: int, dt_ms: float, generator: torch.Generator | None
    ) -> Tensor:
        return _draw(-torch.expm1(-x * self.per_tick(dt_ms)), n_ticks, generator)


@final
@dataclass(frozen=True)
class Current(RateEncoder):
    """Direct coding: the intensity is a constant current into one perfect integrate-and-fire
    neuron for each input, ``v += x max_rate dt``; at 1 it spikes and 1 is subtracted.
    Deterministic; the count after n ticks is ``floor(n x max_rate dt)``.
    """

    def _encode(
        self, x: Tensor, n_ticks: int, dt_ms: float, generator: torch.Generator | None
    ) -> Tensor:
        # What rounding may take from a whole number: of x, of the rate and of two products.
        lift = 1 + 2 * torch.finfo(x.dtype).eps
        drive = x * (self.per_tick(dt_ms) * lift)
        # Kept as a running total, so that errors do not add up. Near a power of two rounding may
        # take the total over two whole numbers at once: the second spike comes a tick later.
        spikes = frames(x, n_ticks)
        sent = torch.zeros_like(drive)
        for tick in range(n_ticks):
            torch.sub(((tick + 1) * drive).floor_(), sent, out=spikes[tick]).clamp_(max=1)
            sent += spikes[tick]
        return spikes


def _draw(p: Tensor, n_ticks: int, generator: torch.Generator | None) -> Tensor:
    assert generator is not None
    u = torch.rand((n_ticks, *p.shape), generator=generator, dtype=p.dtype, device=generator.device)
    spikes = frames(p, n_ticks)
    for tick in range(n_ticks):
        spikes[tick] = u[tick].to(p.device) < p
    return spikes
