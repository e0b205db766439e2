"""What every spiking cell is: three steps a tick, its state passed explicitly.

    v, memory <- advance(I, v, memory, theta)      leak and input
    s         <- v > barrier(theta, memory)        fire
    v         <- reset(v, s, theta)
    memory    <- remember(memory, s, theta)        what a spike leaves behind

Competition between neurons stands between the first and the third: it decides who fires.

``I`` is in units of voltage: an input of 1 raises the voltage of a cell at rest by 1 (norse's own
membranes scale their input by dt / tau; the adapters undo that). All state is 0 at rest.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from neurosim.arrays.tensors import plain, real, require_finite
from neurosim.naming.settings import KnownSettings, require_time

#: What a cell keeps beside its voltage, in the order of ``memory_names``.
Memory = tuple[Tensor, ...]


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
        # An infinite threshold is never exceeded, and 0 times infinity is no voltage.
        return voltage - spikes * threshold.masked_fill(threshold.isinf(), 0.0)


@dataclass(frozen=True, kw_only=True)
class AbstractCell(KnownSettings, ABC):
    """A spiking neuron.

    dt_ms: length of a tick.
    reset: what a spike does to the voltage.
    """

    #: Names of what the cell keeps beside its voltage.
    memory_names: ClassVar[tuple[str, ...]] = ()

    dt_ms: float = 1.0
    reset: AbstractReset = field(default_factory=ResetToZero)

    def __post_init__(self) -> None:
        require_times(self, "dt_ms")

    def __getstate__(self) -> dict[str, Any]:
        # The library's objects are rebuilt on demand: they cannot be pickled.
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @abstractmethod
    def advance(
        self, current: Tensor, voltage: Tensor, memory: Memory, threshold: Tensor
    ) -> tuple[Tensor, Memory]:
        """Voltage and memory one tick later, before any spike."""

    @property
    def plain_decay(self) -> float | None:
        """``d`` where ``advance`` is ``d v + I``, one product and one sum in the dtype of I, so
        that a compiled pass may take its place to the bit; None for every other cell."""
        return None

    def barrier(self, threshold: Tensor, memory: Memory) -> Tensor:
        """What the voltage has to exceed in this tick: ``threshold``, raised by the memory."""
        return threshold

    @abstractmethod
    def fire(self, voltage: Tensor, threshold: Tensor) -> Tensor:
        """1 where the voltage exceeds the threshold, else 0; dtype of voltage."""

    def remember(self, memory: Memory, spikes: Tensor, threshold: Tensor) -> Memory:
        """The memory after the spikes of this tick (0 and 1, any dtype)."""
        return memory

    def rest(self, like: Tensor) -> tuple[Tensor, ...]:
        """The state ``(voltage, *memory)`` of cells at rest, in the shape of ``like``."""
        like = plain("the input", like)
        return tuple(torch.zeros_like(like) for _ in range(1 + len(self.memory_names)))

    def tick(
        self, current: Tensor, state: tuple[Tensor, ...], threshold: Tensor | float = 1.0
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One tick without competition: ``(spikes, state)``.

        Args:
            current: input of this tick, ``(batch, *features)``, in units of voltage.
            state: ``(voltage, *memory)``; ``rest(current)`` at the start.
            threshold: a scalar, one a map ``(maps,)``, or anything that broadcasts; positive.

        Raises:
            ValueError: a state of another cell, an input or a state that is not finite, or a
                threshold that is not positive (infinity never fires).
            TypeError: tensors that ``neurosim.arrays.tensors`` refuses.
        """
        current = plain("current", current)
        if len(state) != 1 + len(self.memory_names):
            raise ValueError(
                f"the state of {type(self).__name__} is (voltage, "
                f"{', '.join(self.memory_names) or 'nothing else'}), got {len(state)} tensors: "
                "start with cell.rest(current)"
            )
        names = ("voltage", *self.memory_names)
        state = tuple(plain(*each, current) for each in zip(names, state, strict=True))
        theta = real("threshold", torch.as_tensor(threshold)).to(current)
        shape = tuple(current.shape)
        for name, each in zip(names, state, strict=True):
            # A state at rest may be a scalar.
            if each.dim() and each.shape != shape:
                raise ValueError(f"current has shape {shape}, but {name} {tuple(each.shape)}")
        require_threshold(theta, "threshold")
        for name, each in (("current", current), *zip(names, state, strict=True)):
            require_finite(name, each)
        theta = per_map(theta, current)
        if any(n not in (1, m) for n, m in zip(theta.shape[::-1], shape[::-1], strict=False)):
            raise ValueError(
                f"thresholds of shape {tuple(theta.shape)} do not fit a current of shape {shape}: "
                "give one number, one per map, (maps,), or one per neuron"
            )
        voltage, memory = self.advance(current, state[0], state[1:], theta)
        spikes = self.fire(voltage, self.barrier(theta, memory))
        memory = self.remember(memory, spikes, theta)
        return spikes, (self.reset(voltage, spikes, theta), *memory)


def require_threshold(threshold: Tensor, name: str) -> None:
    """Refuse a threshold that is not positive, by its name; infinity is one that never fires."""
    # Written so that NaN fails it.
    if not bool((threshold > 0).all()):
        odd = threshold[~(threshold > 0)].flatten()[0]
        raise ValueError(f"{name} must be positive, got {float(odd):g}")


def require_times(cell: AbstractCell, *names: str) -> None:
    """Refuse a time that is not finite and positive, by its name."""
    for name in names:
        require_time(name, getattr(cell, name))


def whole_ticks(duration_ms: float, dt_ms: float) -> int:
    """The ticks that a duration lasts, rounded up; a ratio that is whole up to rounding stays so:
    2.1 / .3 is 7.000000000000001 in floating point, and 7 ticks."""
    ticks = duration_ms / dt_ms
    nearest = round(ticks)
    return nearest if math.isclose(ticks, nearest, rel_tol=1e-9) else math.ceil(ticks)


def require_euler(cell: AbstractCell, *names: str) -> None:
    """Refuse a time constant that an explicit Euler step of ``dt_ms`` does not resolve."""
    for name in names:
        value = getattr(cell, name)
        if cell.dt_ms >= value:
            raise ValueError(
                f"{type(cell).__name__} integrates by Euler steps and needs dt_ms < {name}, got "
                f"{cell.dt_ms} and {value}: use a shorter tick, or a cell with exact decay "
                "(snntorch-lif, snntorch-synaptic, adaptive-lif)"
            )


def per_map(threshold: Tensor, voltage: Tensor) -> Tensor:
    """One threshold a map, ``(maps,)``, shaped to broadcast on ``(batch, maps, ...)``.

    A threshold with more axes than one is left as it is.
    """
    if threshold.dim() > 1:
        return threshold
    return threshold.view(-1, *(1,) * (voltage.dim() - 2))


@dataclass(frozen=True, kw_only=True)
class VoltageCell(AbstractCell):
    """A cell that is its voltage alone, ``v <- decay v + I``."""

    @property
    @abstractmethod
    def decay(self) -> float:
        """Factor by which a free membrane shrinks in one tick."""

    @abstractmethod
    def integrate(self, current: Tensor, voltage: Tensor) -> Tensor:
        """The membrane one tick later, before any spike."""

    def advance(
        self, current: Tensor, voltage: Tensor, memory: Memory, threshold: Tensor
    ) -> tuple[Tensor, Memory]:
        return self.integrate(current, voltage), memory

    def step(
        self, current: Tensor, voltage: Tensor, threshold: Tensor | float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """``tick`` with the voltage in place of the state: ``(spikes, voltage)``."""
        spikes, state = self.tick(current, (voltage,), threshold)
        return spikes, state[0]


@dataclass(frozen=True, kw_only=True)
class LeakyCell(VoltageCell):
    """A leaky voltage.

    tau_mem_ms: membrane time constant.
    """

    tau_mem_ms: float = 20.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_times(self, "tau_mem_ms")
