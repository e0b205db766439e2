"""Send-on-delta: a spike tells that the signal has moved by one threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from neurosim.arrays.tensors import plain
from neurosim.spiking.encoders.base import AbstractEncoder, frames, require_positive


@final
@dataclass(frozen=True)
class Delta(AbstractEncoder):
    """Send-on-delta with residual: a spike moves the reference by one threshold, no further, so
    that what is left over counts towards the next (Lichtsteiner, Posch & Delbruck 2008,
    10.1109/JSSC.2007.914337; Miskowicz 2006, 10.3390/s6010049).

        +1 where signal - reference >= threshold, -1 where it is <= -threshold

    The reference stays within one threshold of the signal, however slowly that moves: a coder
    that compares neighbouring samples instead never sees a slow ramp.

    ``encode`` takes images, which do not move: it fades each in, from 0 at the start to its own
    intensity at the last tick, so that the number of spikes is ``floor(x / threshold)`` and the
    larger intensity spikes earlier. ``events`` takes any signal.
    """

    threshold: float = 0.1

    def __post_init__(self) -> None:
        require_positive(self, "threshold")

    def _encode(
        self, x: Tensor, n_ticks: int, dt_ms: float, generator: torch.Generator | None
    ) -> Tensor:
        signal = frames(x, n_ticks)
        for tick in range(n_ticks):
            torch.mul(x, (tick + 1) / n_ticks, out=signal[tick])
        largest = float(x.max()) if x.numel() else 0.0
        if largest / n_ticks > self.threshold * (1 + _ROUNDING):
            raise ValueError(
                f"an intensity of {largest:.3g} that fades in over {n_ticks} ticks rises by more "
                f"than the threshold {self.threshold} a tick, which holds one spike: use at least "
                f"{math.ceil(largest / self.threshold)} ticks or a larger threshold"
            )
        return self._send(signal, torch.zeros_like(x))

    def events(self, signal: Tensor, start: float = 0.0) -> Tensor:
        """Events of a signal ``(time, *shape)``: +1, 0 and -1, in its dtype and shape.

        ``events.clamp(min=0)`` and ``(-events).clamp(min=0)`` are its on and off spikes.

        Args:
            signal: any finite values.
            start: what the reference is before the first sample.

        Raises:
            ValueError: a signal that is not finite, or moves by more than a threshold a tick
                (the first sample from ``start``): the reference could not follow.
        """
        signal = plain("the signal", signal)
        if signal.dim() < 1 or not len(signal):
            raise ValueError(f"the signal must be (time, ...), got {tuple(signal.shape)}")
        if not bool(signal.isfinite().all()) or not math.isfinite(start):
            raise ValueError("signal and start must be finite, got NaN or infinity")
        before = torch.cat([torch.full_like(signal[:1], start), signal[:-1]])
        steepest = float((signal - before).abs().max()) if signal.numel() else 0.0
        if steepest > self.threshold * (1 + _ROUNDING):
            raise ValueError(
                f"the signal moves by {steepest:.3g} in one tick, more than the threshold "
                f"{self.threshold}, and a tick holds one spike: use a shorter tick, a larger "
                "threshold or another start"
            )
        return self._send(signal, torch.full_like(signal[0], start))

    def decode(self, events: Tensor, start: float = 0.0) -> Tensor:
        """The reference after each tick, ``start + threshold cumsum(events)``."""
        events = plain("events", events)
        return start + self.threshold * events.cumsum(0)

    def _send(self, signal: Tensor, start: Tensor) -> Tensor:
        events = torch.empty_like(signal, memory_format=torch.preserve_format)
        # Counted in thresholds: the reference then carries no rounding from tick to tick.
        count = torch.zeros_like(start)
        for tick, value in enumerate(signal):
            residual = (value - start) / self.threshold - count
            sent = (residual >= 1 - _ROUNDING).to(signal.dtype)
            sent -= (residual <= -1 + _ROUNDING).to(signal.dtype)
            count += sent
            events[tick] = sent
        return events


#: A threshold reached up to float32 rounding is reached.
_ROUNDING = 1e-5
