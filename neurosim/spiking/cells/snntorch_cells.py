"""The cells of snntorch: its own integration and Heaviside step, behind our tick."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from neurosim.spiking.cells.base import (
    AbstractCell,
    LeakyCell,
    Memory,
    require_euler,
    require_times,
)


def unlisted(neuron: Any) -> Any:
    """The neuron, taken off the class-level list in which snntorch keeps every one for ever."""
    from snntorch._neurons.neurons import SpikingNeuron

    SpikingNeuron.instances[:] = [n for n in SpikingNeuron.instances if n is not neuron]
    return neuron


def _in_dtype(neuron: Any, like: Tensor, **values: float) -> None:
    """Constants of a neuron, float32 as built, in the dtype of its input."""
    for name, value in values.items():
        if getattr(neuron, name).dtype != like.dtype:
            setattr(neuron, name, torch.tensor(value, dtype=like.dtype))


@final
@dataclass(frozen=True, kw_only=True)
class SnntorchLIF(LeakyCell):
    """``snntorch.Leaky``: ``v <- v exp(-dt / tau) + I``.

    With its reset at the same tick (``reset_delay=False``); ``ResetToZero`` is its "zero",
    ``ResetBySubtraction`` its "subtract" for as long as one subtraction brings a membrane below
    threshold (snntorch's delayed reset takes a second one on the next tick where it does not).
    """

    @property
    def decay(self) -> float:
        return math.exp(-self.dt_ms / self.tau_mem_ms)

    @property
    def plain_decay(self) -> float:
        return self.decay

    @cached_property
    def _neuron(self) -> Any:
        from snntorch import Leaky

        return unlisted(Leaky(beta=self.decay, reset_mechanism="none"))

    def integrate(self, current: Tensor, voltage: Tensor) -> Tensor:
        leaky = self._neuron
        _in_dtype(leaky, current, beta=self.decay)
        leaky.mem = voltage
        integrated = leaky.state_function(current)
        leaky.mem = voltage.new_zeros(0)
        return integrated

    def fire(self, voltage: Tensor, threshold: Tensor) -> Tensor:
        return self._neuron.spike_grad(voltage - threshold).to(voltage.dtype)


@final
@dataclass(frozen=True, kw_only=True)
class SnntorchLapicque(LeakyCell):
    """``snntorch.Lapicque``, an RC circuit by Euler steps, R = 1 and C = tau:
    ``v <- v (1 - dt / tau) + I``.

    snntorch's own input is a current of ``C / dt`` of ours. Built from R and C: of its parameter
    ``beta`` it makes a decay of ``1 - log(1 / beta)``, not of beta. Resets are those of
    ``SnntorchLIF``; snntorch's own come one tick later.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        require_euler(self, "tau_mem_ms")

    @property
    def decay(self) -> float:
        return 1 - self.dt_ms / self.tau_mem_ms

    @cached_property
    def _neuron(self) -> Any:
        from snntorch import Lapicque

        circuit = Lapicque(R=1.0, C=self.tau_mem_ms, time_step=self.dt_ms, reset_mechanism="none")
        return unlisted(circuit)

    def integrate(self, current: Tensor, voltage: Tensor) -> Tensor:
        circuit = self._neuron
        _in_dtype(circuit, current, R=1.0, C=self.tau_mem_ms, time_step=self.dt_ms)
        circuit.mem = voltage
        integrated = circuit.state_function(current * (self.tau_mem_ms / self.dt_ms))
        circuit.mem = voltage.new_zeros(0)
        return integrated

    def fire(self, voltage: Tensor, threshold: Tensor) -> Tensor:
        return self._neuron.spike_grad(voltage - threshold).to(voltage.dtype)


@final
@dataclass(frozen=True, kw_only=True)
class SnntorchSynaptic(AbstractCell):
    """``snntorch.Synaptic``, a membrane behind a synaptic current, both with exact decay:

        i <- i exp(-dt / tau_syn) + I;   v <- v exp(-dt / tau_mem) + i

    tau_mem_ms, tau_syn_ms: time constants of membrane and current.
    """

    memory_names: ClassVar[tuple[str, ...]] = ("synaptic_current",)

    tau_mem_ms: float = 20.0
    tau_syn_ms: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_times(self, "tau_mem_ms", "tau_syn_ms")

    @property
    def _decays(self) -> dict[str, float]:
        return {
            "alpha": math.exp(-self.dt_ms / self.tau_syn_ms),
            "beta": math.exp(-self.dt_ms / self.tau_mem_ms),
        }

    @cached_property
    def _neuron(self) -> Any:
        from snntorch import Synaptic

        return unlisted(Synaptic(**self._decays, reset_mechanism="none"))

    def advance(
        self, current: Tensor, voltage: Tensor, memory: Memory, threshold: Tensor
    ) -> tuple[Tensor, Memory]:
        neuron = self._neuron
        _in_dtype(neuron, current, **self._decays)
        neuron.syn, neuron.mem = memory[0], voltage
        synaptic, integrated = neuron.state_function(current)
        neuron.syn = neuron.mem = voltage.new_zeros(0)
        return integrated, (synaptic,)

    def fire(self, voltage: Tensor, threshold: Tensor) -> Tensor:
        return self._neuron.spike_grad(voltage - threshold).to(voltage.dtype)
