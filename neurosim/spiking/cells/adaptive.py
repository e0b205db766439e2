"""Adaptive cells: neurosim's own LIF with an adaptive threshold, and norse's exponential cells.

The exponential cells are norse's equations written apart, because norse's step fires and resets
in the same call with a threshold that also shapes the membrane; ``tests/reference`` holds them to
that step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from neurosim.spiking.cells.base import AbstractCell, Memory, ResetToZero, per_map, require_times
from neurosim.spiking.cells.norse_cells import CurrentBasedCell, require_jump


@final
@dataclass(frozen=True, kw_only=True)
class AdaptiveLIF(AbstractCell):
    """A LIF whose threshold rises with each of its own spikes, decays exact:

        v <- v exp(-dt / tau_mem) + I
        a <- a exp(-dt / tau_adapt);   fire where v > theta (1 + a);   a <- a + jump s

    (Bellec et al. 2018, arXiv 1803.09574; spike-frequency adaptation.) Under a constant drive the
    threshold settles where each interval T forgets what a spike adds:
    ``a = jump / (1 - exp(-T / tau_adapt))`` just after a spike.
    """

    memory_names: ClassVar[tuple[str, ...]] = ("adaptation",)

    tau_mem_ms: float = 20.0
    tau_adapt_ms: float = 200.0
    jump: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        require_times(self, "tau_mem_ms", "tau_adapt_ms")
        require_jump(self.jump)

    def advance(
        self, current: Tensor, voltage: Tensor, memory: Memory, threshold: Tensor
    ) -> tuple[Tensor, Memory]:
        voltage = voltage * math.exp(-self.dt_ms / self.tau_mem_ms) + current
        return voltage, (memory[0] * math.exp(-self.dt_ms / self.tau_adapt_ms),)

    def barrier(self, threshold: Tensor, memory: Memory) -> Tensor:
        return per_map(threshold, memory[0]) * (1 + memory[0])

    def fire(self, voltage: Tensor, threshold: Tensor) -> Tensor:
        return (voltage > threshold).to(voltage.dtype)

    def remember(self, memory: Memory, spikes: Tensor, threshold: Tensor) -> Memory:
        return (memory[0] + self.jump * spikes.to(memory[0].dtype),)


@dataclass(frozen=True, kw_only=True)
class _Exponential(CurrentBasedCell):
    """A current-based LIF with an exponential upswing towards its threshold.

    sharpness: width of the upswing, Delta_T, in units of the threshold.
    """

    sharpness: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.reset, ResetToZero):
            raise ValueError(
                f"{type(self).__name__} takes ResetToZero(), got {self.reset!r}: the upswing "
                "leaves the voltage far above the threshold, and the rest would grow without end"
            )
        if not 0 < self.sharpness < float("inf"):
            raise ValueError(f"sharpness must be finite and positive, got {self.sharpness}")

    def _upswing(self, voltage: Tensor, threshold: Tensor) -> Tensor:
        """``Delta_T exp((v - theta) / Delta_T)``; none under an infinite threshold."""
        width = self.sharpness * threshold
        bounded = width.masked_fill(width.isinf(), 0.0)
        return bounded * torch.exp((voltage - threshold) / width.clamp(max=_LARGE))

    def _synapse(self, current: Tensor, synaptic: Tensor) -> tuple[Tensor, Tensor]:
        """The current that acts in this tick, and what is left of it for the next."""
        acting = synaptic + self._drive(current)
        return acting, acting - (self.dt_ms / self.tau_syn_ms) * acting


_LARGE = 1e30


@final
@dataclass(frozen=True, kw_only=True)
class NorseLIFEx(_Exponential):
    """norse's ``LIFEx`` (exponential integrate-and-fire, Fourcaud-Trocme et al. 2003,
    10.1523/JNEUROSCI.23-37-11628.2003):

        v <- v + (dt / tau_mem)(-v + Delta_T exp((v - theta) / Delta_T) + i + I)
        i <- (i + I)(1 - dt / tau_syn)

    with i and I scaled by tau_mem / dt. As norse has it the cell fires at theta itself, where the
    upswing sets in, not at a later peak.
    """

    def advance(
        self, current: Tensor, voltage: Tensor, memory: Memory, threshold: Tensor
    ) -> tuple[Tensor, Memory]:
        theta = per_map(threshold, current)
        acting, synaptic = self._synapse(current, memory[0])
        slope = -voltage + self._upswing(voltage, theta) + acting
        return voltage + (self.dt_ms / self.tau_mem_ms) * slope, (synaptic,)


@final
@dataclass(frozen=True, kw_only=True)
class NorseAdEx(_Exponential):
    """norse's ``LIFAdEx`` (adaptive exponential, Brette & Gerstner 2005, 10.1152/jn.00686.2005):

        v <- v + (dt / tau_mem)(-v + Delta_T exp((v - theta) / Delta_T) + i + I - a)
        a <- a + (dt / tau_adapt)(coupling v - a);   a <- a + jump theta s

    with i as in ``NorseLIFEx`` and a from the voltage before the step. Defaults are Brette and
    Gerstner's: coupling 4 nS / 30 nS, jump 80.5 pA / (30 nS 20 mV), Delta_T 2 mV / 20 mV,
    144 ms.
    """

    memory_names: ClassVar[tuple[str, ...]] = ("synaptic_current", "adaptation")

    tau_adapt_ms: float = 144.0
    coupling: float = 4 / 30
    jump: float = 80.5 / 600

    def __post_init__(self) -> None:
        super().__post_init__()
        require_times(self, "tau_adapt_ms")
        require_jump(self.jump)
        if not math.isfinite(self.coupling):
            raise ValueError(f"coupling must be finite, got {self.coupling}")

    def advance(
        self, current: Tensor, voltage: Tensor, memory: Memory, threshold: Tensor
    ) -> tuple[Tensor, Memory]:
        theta = per_map(threshold, current)
        acting, synaptic = self._synapse(current, memory[0])
        adaptation = memory[1]
        slope = -voltage + self._upswing(voltage, theta) + acting - adaptation
        rate = self.dt_ms / self.tau_adapt_ms
        adapted = adaptation + rate * (self.coupling * voltage - adaptation)
        return voltage + (self.dt_ms / self.tau_mem_ms) * slope, (synaptic, adapted)

    def remember(self, memory: Memory, spikes: Tensor, threshold: Tensor) -> Memory:
        step = self.jump * per_map(threshold, spikes)
        return memory[0], torch.where(spikes > 0, memory[1] + step, memory[1])
