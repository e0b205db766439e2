"""Neurons behind one tick: the LIF cells of snntorch and of norse, state passed explicitly.

A tick is three steps, so that competition between neurons can stand between the second and the
third:

    v <- integrate(I, v)        leak and input, the library's own code
    s <- v > theta              fire, the library's own Heaviside step
    v <- reset(v, s, theta)

The two libraries leak differently:

==================  ==============================  ===============================
name                integrate                       decay of v in one tick
==================  ==============================  ===============================
``snntorch-lif``    ``v exp(-dt / tau) + I``        exact: ``exp(-dt / tau)``
``norse-lif``       ``v + (dt / tau)(I tau/dt - v)``  Euler: ``1 - dt / tau``
==================  ==============================  ===============================

``I`` is in units of voltage: an input of 1 raises v by 1 under either (norse's own membrane
scales its input by dt / tau; the adapter undoes that). They coincide where the decays do, at
``tau_norse = dt / (1 - exp(-dt / tau_snntorch))``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor

from neurosim.choices import Choices


class AbstractReset(ABC):
    """What a spike does to the membrane that fired it."""

    @abstractmethod
    def __call__(self, voltage: Tensor, spikes: Tensor, threshold: Tensor) -> Tensor:
        """The voltage after the spikes."""


@final
@dataclass(frozen=True)
class ResetToZero(AbstractReset):
    """``v <- (1 - s) v``."""

    def __call__(self, voltage: Tensor, spikes: Tensor, threshold: Tensor) -> Tensor:
        return (1 - spikes) * voltage


@final
@dataclass(frozen=True)
class ResetBySubtraction(AbstractReset):
    """``v <- v - s theta``: what exceeds the threshold is kept."""

    def __call__(self, voltage: Tensor, spikes: Tensor, threshold: Tensor) -> Tensor:
        return voltage - spikes * threshold


@dataclass(frozen=True)
class AbstractCell(ABC):
    """A leaky integrate-and-fire neuron of one library.

    tau_mem_ms: membrane time constant.
    dt_ms: length of a tick.
    """

    tau_mem_ms: float = 20.0
    dt_ms: float = 1.0
    reset: AbstractReset = field(default_factory=ResetToZero)

    def __post_init__(self) -> None:
        for name in ("tau_mem_ms", "dt_ms"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be finite and positive (ms), got {value}")

    def __getstate__(self) -> dict[str, Any]:
        # The library's objects are rebuilt on demand: they cannot be pickled.
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @property
    @abstractmethod
    def decay(self) -> float:
        """Factor by which a free membrane shrinks in one tick."""

    @abstractmethod
    def integrate(self, current: Tensor, voltage: Tensor) -> Tensor:
        """The membrane one tick later, before any spike."""

    @abstractmethod
    def fire(self, voltage: Tensor, threshold: Tensor) -> Tensor:
        """1 where the voltage exceeds the threshold, else 0; dtype of voltage."""

    def step(
        self, current: Tensor, voltage: Tensor, threshold: Tensor | float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """One tick without competition: ``(spikes, voltage)``.

        Args:
            current: input of this tick, ``(batch, *features)``, in units of voltage.
            voltage: the state, same shape; zeros at the start.
            threshold: a scalar, or anything that broadcasts (``per_map``).
        """
        threshold = torch.as_tensor(threshold, dtype=current.dtype, device=current.device)
        voltage = self.integrate(current, voltage)
        spikes = self.fire(voltage, threshold)
        return spikes, self.reset(voltage, spikes, threshold)


def per_map(threshold: Tensor, voltage: Tensor) -> Tensor:
    """One threshold a map, ``(maps,)``, shaped to broadcast on ``(batch, maps, ...)``."""
    return threshold.view(-1, *(1,) * (voltage.dim() - 2))


@final
@dataclass(frozen=True)
class SnntorchLIF(AbstractCell):
    """``snntorch.Leaky``: ``v <- v exp(-dt / tau) + I``.

    With its reset at the same tick (``reset_delay=False``); ``ResetToZero`` is its "zero",
    ``ResetBySubtraction`` its "subtract" for as long as one subtraction brings a membrane below
    threshold (snntorch's delayed reset takes a second one on the next tick where it does not).
    """

    @property
    def decay(self) -> float:
        return math.exp(-self.dt_ms / self.tau_mem_ms)

    @cached_property
    def _leaky(self) -> Any:
        from snntorch import Leaky
        from snntorch._neurons.neurons import SpikingNeuron

        leaky = Leaky(beta=self.decay, reset_mechanism="none")
        # snntorch keeps every neuron in a list of the class, for ever; this one is not for it.
        SpikingNeuron.instances[:] = [n for n in SpikingNeuron.instances if n is not leaky]
        return leaky

    def integrate(self, current: Tensor, voltage: Tensor) -> Tensor:
        leaky = self._leaky
        if leaky.beta.dtype != current.dtype:
            leaky.beta = torch.tensor(self.decay, dtype=current.dtype)
        leaky.mem = voltage
        integrated = leaky.state_function(current)
        leaky.mem = voltage.new_zeros(0)
        return integrated

    def fire(self, voltage: Tensor, threshold: Tensor) -> Tensor:
        return self._leaky.spike_grad(voltage - threshold).to(voltage.dtype)


@final
@dataclass(frozen=True)
class NorseLIF(AbstractCell):
    """norse's feed-forward LIF with an input that acts for one tick.

    ``v <- v + (dt / tau)(I tau / dt - v)``. A synaptic time constant of one tick makes norse's
    current vanish before the next. Needs dt < tau: Euler's decay 1 - dt / tau would be negative.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dt_ms >= self.tau_mem_ms:
            raise ValueError(
                f"norse integrates by Euler steps and needs dt_ms < tau_mem_ms, got "
                f"{self.dt_ms} and {self.tau_mem_ms}: use a shorter tick or snntorch-lif"
            )

    @property
    def decay(self) -> float:
        return 1 - self.dt_ms / self.tau_mem_ms

    @cached_property
    def _parameters(self) -> Any:
        from norse.torch.functional.leaky_integrator import LIParameters

        # Python floats: a default of norse is a float32 tensor, which would round a float64 run.
        return LIParameters(
            tau_syn_inv=1 / self.dt_ms,
            tau_mem_inv=1 / self.tau_mem_ms,
            v_leak=0.0,
        )

    def integrate(self, current: Tensor, voltage: Tensor) -> Tensor:
        from norse.torch.functional.leaky_integrator import LIState, li_feed_forward_step

        drive = current * (self.tau_mem_ms / self.dt_ms)
        state = LIState(v=voltage, i=0.0)
        return li_feed_forward_step(drive, state, self._parameters, dt=self.dt_ms)[0]

    def fire(self, voltage: Tensor, threshold: Tensor) -> Tensor:
        from norse.torch.functional.heaviside import heaviside

        return heaviside(voltage - threshold)


#: Neurons by name.
CELLS: Choices[type[AbstractCell]] = Choices(
    "cell", {"snntorch-lif": SnntorchLIF, "norse-lif": NorseLIF}
)
