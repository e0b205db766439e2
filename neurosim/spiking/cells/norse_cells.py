"""The cells of norse: its own leaky integrator and Heaviside step, behind our tick.

norse takes explicit Euler steps and decides, fires and resets in one call; competition stands
between the two, so the parts are called one by one. ``tests/reference`` holds each cell to norse's
own whole step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from neurosim.spiking.cells.base import (
    AbstractCell,
    LeakyCell,
    Memory,
    VoltageCell,
    per_map,
    require_euler,
    require_times,
    whole_ticks,
)


def _heaviside(x: Tensor) -> Tensor:
    from norse.torch.functional.heaviside import heaviside

    return heaviside(x)


@final
@dataclass(frozen=True, kw_only=True)
class NorseLIF(LeakyCell):
    """norse's ``LIFBox``, a feed-forward LIF with an input that acts for one tick.

    ``v <- v + (dt / tau)(I tau / dt - v)``. Needs dt < tau: Euler's decay 1 - dt / tau would be
    negative.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        require_euler(self, "tau_mem_ms")

    @property
    def decay(self) -> float:
        return 1 - self.dt_ms / self.tau_mem_ms

    @cached_property
    def _parameters(self) -> Any:
        from norse.torch.functional.leaky_integrator_box import LIBoxParameters

        # Python floats: a default of norse is a float32 tensor, which would round a float64 run.
        return LIBoxParameters(tau_mem_inv=1 / self.tau_mem_ms, v_leak=0.0)

    def integrate(self, current: Tensor, voltage: Tensor) -> Tensor:
        # The integrator without a current: half the passes over memory, the same bits.
        from norse.torch.functional.leaky_integrator_box import (
            LIBoxState,
            li_box_feed_forward_step,
        )

        drive = current * (self.tau_mem_ms / self.dt_ms)
        return li_box_feed_forward_step(
            drive, LIBoxState(v=voltage), self._parameters, dt=self.dt_ms
        )[0]

    def fire(self, voltage: Tensor, threshold: Tensor) -> Tensor:
        return _heaviside(voltage - threshold)


@final
@dataclass(frozen=True, kw_only=True)
class NorseIAF(VoltageCell):
    """norse's ``IAF``, a perfect integrator: ``v <- v + I``."""

    @property
    def decay(self) -> float:
        return 1.0

    def integrate(self, current: Tensor, voltage: Tensor) -> Tensor:
        return voltage + current

    def fire(self, voltage: Tensor, threshold: Tensor) -> Tensor:
        return _heaviside(voltage - threshold)


@dataclass(frozen=True, kw_only=True)
class CurrentBasedCell(AbstractCell):
    """A membrane behind a synaptic current, both by Euler steps.

    tau_mem_ms, tau_syn_ms: time constants of membrane and current.
    """

    memory_names: ClassVar[tuple[str, ...]] = ("synaptic_current",)

    tau_mem_ms: float = 20.0
    tau_syn_ms: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_times(self, "tau_mem_ms", "tau_syn_ms")
        require_euler(self, "tau_mem_ms", "tau_syn_ms")

    @cached_property
    def _parameters(self) -> Any:
        from norse.torch.functional.leaky_integrator import LIParameters

        return LIParameters(
            tau_syn_inv=1 / self.tau_syn_ms, tau_mem_inv=1 / self.tau_mem_ms, v_leak=0.0
        )

    def _drive(self, current: Tensor) -> Tensor:
        """norse's current, of which an Euler step turns dt / tau into voltage."""
        return current * (self.tau_mem_ms / self.dt_ms)

    def _leaky_integrator(
        self, drive: Tensor, voltage: Tensor, synaptic: Tensor
    ) -> tuple[Tensor, Tensor]:
        from norse.torch.functional.leaky_integrator import LIState, li_feed_forward_step

        state = LIState(v=voltage, i=synaptic)
        voltage, state = li_feed_forward_step(drive, state, self._parameters, dt=self.dt_ms)
        return voltage, state.i

    def fire(self, voltage: Tensor, threshold: Tensor) -> Tensor:
        return _heaviside(voltage - threshold)


@final
@dataclass(frozen=True, kw_only=True)
class NorseCubaLIF(CurrentBasedCell):
    """norse's ``LIF``, current-based:

        v <- v + (dt / tau_mem)(i + I - v);   i <- (i + I)(1 - dt / tau_syn)

    with i and I scaled by tau_mem / dt.
    """

    def advance(
        self, current: Tensor, voltage: Tensor, memory: Memory, threshold: Tensor
    ) -> tuple[Tensor, Memory]:
        voltage, synaptic = self._leaky_integrator(self._drive(current), voltage, memory[0])
        return voltage, (synaptic,)


@final
@dataclass(frozen=True, kw_only=True)
class NorseLIFRefractory(CurrentBasedCell):
    """norse's ``LIFRefrac``: the current-based LIF with an absolute refractory period.

    For ``refractory_ms`` after a spike (rounded up to whole ticks; norse counts ticks) the
    voltage stands still and nothing fires; the current goes on decaying.
    """

    memory_names: ClassVar[tuple[str, ...]] = ("synaptic_current", "refractory_ticks")

    refractory_ms: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_times(self, "refractory_ms")

    @property
    def refractory_ticks(self) -> int:
        """Ticks after a spike in which a cell cannot fire."""
        return whole_ticks(self.refractory_ms, self.dt_ms)

    def advance(
        self, current: Tensor, voltage: Tensor, memory: Memory, threshold: Tensor
    ) -> tuple[Tensor, Memory]:
        synaptic, ticks = memory
        integrated, synaptic = self._leaky_integrator(self._drive(current), voltage, synaptic)
        return torch.where(ticks > 0, voltage, integrated), (synaptic, ticks)

    def barrier(self, threshold: Tensor, memory: Memory) -> Tensor:
        ticks = memory[1]
        return torch.where(ticks > 0, torch.inf, per_map(threshold, ticks))

    def remember(self, memory: Memory, spikes: Tensor, threshold: Tensor) -> Memory:
        synaptic, ticks = memory
        waiting = (ticks - 1).clamp(min=0)
        return synaptic, torch.where(spikes > 0, float(self.refractory_ticks), waiting)


@final
@dataclass(frozen=True, kw_only=True)
class NorseLSNN(CurrentBasedCell):
    """norse's ``LSNN``, an adaptive threshold (Bellec et al. 2018, arXiv 1803.09574):

        v <- v + (dt / tau_mem)(i - v);   i <- i (1 - dt / tau_syn) + I
        a <- a (1 - dt / tau_adapt);      fire where v > theta (1 + a);   a <- a + jump s

    An input reaches the membrane one tick later, as in norse. norse's own state is the threshold
    ``b = theta (1 + a)``, its parameter beta is ``theta jump``, and its default time constant of
    800 s is 800 ms here.
    """

    memory_names: ClassVar[tuple[str, ...]] = ("synaptic_current", "adaptation")

    tau_adapt_ms: float = 200.0
    jump: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        require_times(self, "tau_adapt_ms")
        require_euler(self, "tau_adapt_ms")
        require_jump(self.jump)

    def advance(
        self, current: Tensor, voltage: Tensor, memory: Memory, threshold: Tensor
    ) -> tuple[Tensor, Memory]:
        synaptic, adaptation = memory
        nothing = torch.zeros((), dtype=current.dtype, device=current.device)
        voltage, synaptic = self._leaky_integrator(nothing, voltage, synaptic)
        # A state at rest may be a scalar; the input, which would give it its shape, comes later.
        voltage = torch.broadcast_to(voltage, current.shape)
        adaptation = adaptation * (1 - self.dt_ms / self.tau_adapt_ms)
        return voltage, (synaptic + self._drive(current), adaptation)

    def barrier(self, threshold: Tensor, memory: Memory) -> Tensor:
        return per_map(threshold, memory[1]) * (1 + memory[1])

    def remember(self, memory: Memory, spikes: Tensor, threshold: Tensor) -> Memory:
        return memory[0], memory[1] + self.jump * spikes.to(memory[1].dtype)


def require_jump(jump: float) -> None:
    """Refuse a negative or infinite adaptation: the threshold must stay positive."""
    if not 0 <= jump < float("inf"):
        raise ValueError(f"jump must be finite and not negative, got {jump}")
