"""From a cell's own voltage to the millivolts that a voltage-based timing reads."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, final

from neurosim.naming.settings import KnownSettings, require_time

if TYPE_CHECKING:
    from torch import Tensor


@final
@dataclass(frozen=True)
class Millivolts(KnownSettings):
    """A cell's voltage v, 0 at rest and theta at its threshold, on the scale of a neuron:

        u = rest + (threshold - rest) v / theta        where the cell is silent
            threshold + (peak - threshold) width / dt  in the tick of a spike

    A cell of this kind has no spike of its own shape: one of height ``peak`` and length
    ``width_ms`` is drawn in, as the voltage of one tick of the same area. Values of the neuron of
    Clopath et al. 2010 (10.1038/nn.2479): E_L, V_T at rest, 33 mV for 2 ms.
    """

    rest: float = -70.6
    threshold: float = -50.4
    peak: float = 33.0
    width_ms: float = 2.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not math.isfinite(value):
                raise ValueError(f"{field.name} must be finite, got {value}")
        if not self.rest < self.threshold < self.peak:
            raise ValueError(f"rest, threshold and peak must rise in this order, got {self!r}")
        if self.width_ms <= 0:
            raise ValueError(f"width_ms must be positive, got {self.width_ms}")

    def of(self, voltage: Tensor, spikes: Tensor, threshold: Tensor, dt_ms: float) -> Tensor:
        """Millivolts of one tick, the shape of voltage.

        Args:
            voltage: membranes after their reset, ``(batch, *features)``.
            spikes: of this tick, 0 and 1, same shape.
            threshold: that of the cells, one that broadcasts on voltage; infinity reads as rest.

        Raises:
            ValueError: shapes that do not fit, naming them.
            TypeError: as ``neurosim.arrays.tensors``.
        """
        from neurosim.arrays.tensors import dense, plain

        require_time("dt_ms", dt_ms)
        voltage = plain("voltage", voltage)
        threshold, spikes = dense("threshold", threshold), dense("spikes", spikes)
        broadcast = zip(threshold.shape[::-1], voltage.shape[::-1], strict=False)
        fits = threshold.dim() <= voltage.dim() and all(n in (1, m) for n, m in broadcast)
        if spikes.shape != voltage.shape or not fits:
            raise ValueError(
                f"voltage has the shape {tuple(voltage.shape)}, spikes {tuple(spikes.shape)} and "
                f"threshold {tuple(threshold.shape)}: spikes must have that of voltage, and the "
                "threshold must broadcast on it, (maps, 1, 1) for one per map"
            )
        silent = self.rest + (self.threshold - self.rest) * (voltage / threshold)
        spike = self.threshold + (self.peak - self.threshold) * self.width_ms / dt_ms
        return silent.masked_fill(spikes != 0, spike)
