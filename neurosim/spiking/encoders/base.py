"""What every encoder is: from intensities to spike trains ``(time, batch, *features)`` of 0 and 1.

An intensity lies in [0, 1]; 1 stands for ``max_rate_hz`` where an encoder has a rate. Encoders
never change their input, draw from the generator they are given, and code each image without
regard to the values of the rest of the batch. Random codes draw for the whole batch at once: the
same image gets other draws where the batch has another size (``represent`` codes each one alone).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from neurosim.arrays.tensors import plain
from neurosim.naming.settings import KnownSettings, require_count, require_time


@dataclass(frozen=True)
class AbstractEncoder(KnownSettings, ABC):
    """A code from intensities to spikes."""

    @property
    def stochastic(self) -> bool:
        """Whether the code draws random numbers, and so needs a generator."""
        return False

    @property
    def preferred(self) -> tuple[float, ...]:
        """The intensities that the units of one input stand for: one unit, 1, in most codes.

        A code of several units (``Population``) turns ``n`` channels into
        ``len(preferred) n``: first all channels of the first unit, then of the second.
        """
        return (1.0,)

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
            TypeError: intensities that ``neurosim.arrays.tensors`` refuses, or another kind of
                generator.
        """
        require_count("n_ticks", n_ticks)
        require_time("dt_ms", dt_ms)
        if not (generator is None or isinstance(generator, torch.Generator)):
            raise TypeError(
                f"generator must be a torch.Generator, got {generator!r}: give "
                "torch.Generator().manual_seed(0)"
            )
        x = plain("intensities", x)
        if x.dim() == 0:
            raise ValueError("intensities must have an axis, (batch, *features), got one number")
        if x.numel():
            low, high = (float(v) for v in torch.aminmax(x))
            # Written so that NaN, which compares false with everything, is refused too.
            if not (low >= 0 and high <= 1):
                got = "NaN" if math.isnan(low) else f"values from {low:.4g} to {high:.4g}"
                raise ValueError(
                    f"intensities must lie in [0, 1], got {got}: scale them first (an LGN front "
                    "end does)"
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
class RateEncoder(AbstractEncoder):
    """A code by firing rate: intensity 1 fires at ``max_rate_hz``."""

    max_rate_hz: float = 160.0

    def __post_init__(self) -> None:
        require_positive(self, "max_rate_hz")

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


def require_positive(encoder: AbstractEncoder, *names: str) -> None:
    """Refuse a field that is not finite and positive, by its name."""
    for name in names:
        value = getattr(encoder, name)
        if not (math.isfinite(value) and float(value) > 0):
            raise ValueError(f"{name} must be finite and positive, got {value}")


def frames(x: Tensor, n_ticks: int) -> Tensor:
    """Room for ``(n_ticks, *x.shape)``, each frame in the memory layout of x."""
    flat = x.new_empty((n_ticks, x.numel()))
    strides = torch.empty_like(x, memory_format=torch.preserve_format).stride()
    return flat.as_strided((n_ticks, *x.shape), (x.numel(), *strides))


def spikes_at(tick: Tensor, silent: Tensor, x: Tensor, n_ticks: int) -> Tensor:
    """One spike for each input, at its tick; none where ``silent``."""
    spikes = frames(x, n_ticks).zero_()
    return spikes.scatter_(0, tick.unsqueeze(0), (~silent).to(x.dtype).unsqueeze(0))
