"""A conductance-based leaky integrate-and-fire cell, in millivolts."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import final

from neurosim.naming.settings import KnownSettings, require_time
from neurosim.spiking.cells.base import whole_ticks


@final
@dataclass(frozen=True, kw_only=True)
class ConductanceLIF(KnownSettings):
    """A leaky membrane with an excitatory and an inhibitory conductance.

        tau_mem dv/dt = (rest - v) + g_e (e_excitatory - v) + g_i (e_inhibitory - v) + I
        dg/dt = -g / tau,   g <- g + w at a spike

    g in units of the leak conductance, I in mV, v set to ``reset`` where it exceeds ``threshold``
    and held there for ``refractory_ms`` (rounded up to whole ticks). Within a tick conductances
    decay, inputs are added, and the membrane takes the exact step of the conductances then.

    The defaults are the neuron of Song, Miller & Abbott 2000 (10.1038/78829): 20 ms, rest and
    inhibition at -70 mV, threshold -54 mV, reset -60 mV, conductances of 5 ms.
    """

    dt_ms: float = 0.5
    tau_mem_ms: float = 20.0
    tau_excitatory_ms: float = 5.0
    tau_inhibitory_ms: float = 5.0
    rest: float = -70.0
    e_excitatory: float = 0.0
    e_inhibitory: float = -70.0
    threshold: float = -54.0
    reset: float = -60.0
    refractory_ms: float = 0.0

    def __post_init__(self) -> None:
        for name in ("dt_ms", "tau_mem_ms", "tau_excitatory_ms", "tau_inhibitory_ms"):
            require_time(name, getattr(self, name))
        for field in fields(self):
            if not math.isfinite(getattr(self, field.name)):
                raise ValueError(f"{field.name} must be finite, got {getattr(self, field.name)}")
        if not self.reset < self.threshold:
            raise ValueError(f"reset must lie below threshold, got {self.reset}, {self.threshold}")
        if self.refractory_ms < 0:
            raise ValueError(f"refractory_ms must not be negative, got {self.refractory_ms}")

    @property
    def refractory_ticks(self) -> int:
        """Ticks after a spike in which the membrane stands still."""
        return whole_ticks(self.refractory_ms, self.dt_ms)
