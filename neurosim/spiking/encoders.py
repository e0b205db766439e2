"""Encoders: from intensities to spike trains ``(time, batch, *features)`` of 0 and 1.

An intensity lies in [0, 1]; 1 stands for ``max_rate_hz`` where an encoder has a rate. Encoders
never change their input, draw from the generator they are given, and code each image without
regard to the rest of the batch.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from neurosim.choices import Choices


@dataclass(frozen=True)
class AbstractEncoder(ABC):
    """A code from intensities to spikes."""

    #: Whether the code draws random numbers, and so needs a generator.
    stochastic: ClassVar[bool] = False

    def encode(
        self, x: Tensor, n_ticks: int, dt_ms: float, generator: torch.Generator | None = None
    ) -> Tensor:
        """Spikes ``(n_ticks, batch, *features)`` of 0 and 1, dtype and layout of x.

        Args:
            x: intensities in [0, 1], ``(batch, *features)``, floating point.
            n_ticks: number of ticks.
            dt_ms: length of a tick.
            generator: source of spikes; required where ``stochastic``.

        Raises:
            ValueError: intensities that are negative, above 1 or not finite; a rate above one
                spike a tick; a missing generator.
            TypeError: intensities that are no floating-point tensor.
        """
        if n_ticks < 1:
            raise ValueError(f"n_ticks must be at least 1, got {n_ticks}")
        if not (math.isfinite(dt_ms) and dt_ms > 0):
            raise ValueError(f"dt_ms must be finite and positive, got {dt_ms}")
        if not x.is_floating_point():
            raise TypeError(f"intensities must be floating point in [0, 1], got {x.dtype}")
        if x.numel():
            low, high = (float(v) for v in torch.aminmax(x))
            # Written so that NaN, which compares false with everything, is refused too.
            if not (low >= 0 and high <= 1):
                raise ValueError(
                    f"intensities must lie in [0, 1], got values from {low:.4g} to {high:.4g}: "
                    "scale them first (an LGN front end does)"
                )
        if self.stochastic and generator is None:
            raise ValueError(
                f"{type(self).__name__} draws its spikes and needs a generator: "
                "give torch.Generator().manual_seed(0)"
            )
        return self._encode(x, n_ticks, dt_ms, generator)

    @abstractmethod
    def _encode(
        self, x: Tensor, n_ticks: int, dt_ms: float, generator: torch.Generator | None
    ) -> Tensor:
        """``encode`` after its input has been checked."""


@dataclass(frozen=True)
class _RateEncoder(AbstractEncoder):
    """A code by firing rate: intensity 1 fires at ``max_rate_hz``."""

    max_rate_hz: float = 160.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.max_rate_hz) and self.max_rate_hz > 0):
            raise ValueError(f"max_rate_hz must be finite and positive, got {self.max_rate_hz}")

    def per_tick(self, dt_ms: float) -> float:
        """Expected spikes a tick at intensity 1."""
        expected = self.max_rate_hz * dt_ms / 1000
        if expected > 1:
            raise ValueError(
                f"max_rate_hz={self.max_rate_hz} asks for {expected:.3g} spikes in a tick of "
                f"{dt_ms} ms, which holds at most one: use max_rate_hz <= {1000 / dt_ms:.4g} or a "
                "shorter tick"
            )
        return expected


@final
@dataclass(frozen=True)
class Bernoulli(_RateEncoder):
    """Each tick spikes with ``p = x max_rate dt``, independently.

    Intervals are geometric: mean 1 / p ticks, coefficient of variation sqrt(1 - p).
    """

    stochastic: ClassVar[bool] = True

    def _encode(
        self, x: Tensor, n_ticks: int, dt_ms: float, generator: torch.Generator | None
    ) -> Tensor:
        return _draw(x * self.per_tick(dt_ms), n_ticks, generator)


@final
@dataclass(frozen=True)
class Poisson(_RateEncoder):
    """A Poisson process of rate ``x max_rate`` seen through ticks that hold at most one spike.

    A tick spikes where the process had at least one event: ``p = 1 - exp(-x max_rate dt)``.
    """

    stochastic: ClassVar[bool] = True

    def _encode(
        self, x: Tensor, n_ticks: int, dt_ms: float, generator: torch.Generator | None
    ) -> Tensor:
        return _draw(-torch.expm1(-x * self.per_tick(dt_ms)), n_ticks, generator)


@final
@dataclass(frozen=True)
class Current(_RateEncoder):
    """A perfect integrate-and-fire neuron for each input: ``v += x max_rate dt``; at 1 it spikes
    and 1 is subtracted. Deterministic; the count after n ticks is ``floor(n x max_rate dt)``.
    """

    def _encode(
        self, x: Tensor, n_ticks: int, dt_ms: float, generator: torch.Generator | None
    ) -> Tensor:
        drive = x * self.per_tick(dt_ms)
        # Kept as a running total: the count is then exact up to one rounding of n * drive.
        spikes = _frames(x, n_ticks)
        before = torch.zeros_like(drive)
        for tick in range(n_ticks):
            count = ((tick + 1) * drive).floor_()
            torch.sub(count, before, out=spikes[tick])
            before = count
        return spikes


@final
@dataclass(frozen=True)
class Latency(AbstractEncoder):
    """One spike for each nonzero input, the larger the earlier:
    tick ``round((1 - x)(n_ticks - 1))``; an input of 0 stays silent.
    """

    def _encode(
        self, x: Tensor, n_ticks: int, dt_ms: float, generator: torch.Generator | None
    ) -> Tensor:
        tick = ((1 - x) * (n_ticks - 1)).round().long()
        spikes = _frames(x, n_ticks)
        return spikes.zero_().scatter_(0, tick.unsqueeze(0), (x > 0).to(x.dtype).unsqueeze(0))


#: Encoders by name.
ENCODERS: Choices[type[AbstractEncoder]] = Choices(
    "encoder",
    {"bernoulli": Bernoulli, "poisson": Poisson, "latency": Latency, "current": Current},
)


def _frames(x: Tensor, n_ticks: int) -> Tensor:
    """Room for ``(n_ticks, *x.shape)``, each frame in the memory layout of x."""
    flat = x.new_empty((n_ticks, x.numel()))
    return flat.as_strided((n_ticks, *x.shape), (x.numel(), *_dense_strides(x)))


def _dense_strides(x: Tensor) -> tuple[int, ...]:
    return torch.empty_like(x, memory_format=torch.preserve_format).stride()


def _draw(p: Tensor, n_ticks: int, generator: torch.Generator | None) -> Tensor:
    assert generator is not None
    u = torch.rand((n_ticks, *p.shape), generator=generator, dtype=p.dtype, device=generator.device)
    spikes = _frames(p, n_ticks)
    for tick in range(n_ticks):
        spikes[tick] = u[tick].to(p.device) < p
    return spikes
