"""What is kept of a run: spikes always, other numbers at chosen ticks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from neurosim.naming.settings import require_time, unmasked
from neurosim.spiking.simulation.cells import memory_names
from neurosim.spiking.simulation.group import NeuronGroup
from neurosim.spiking.simulation.projection import Projection
from neurosim.spiking.simulation.sources import AbstractSource


@final
class Record:
    """Numbers of a part, kept at the end of tick 0 and of every ``every_ms`` after it.

    Args:
        of: a population, a projection, or a source.
        what: of a population ``"voltage"`` or what its cells keep besides (a name that the cell
            has); of a projection ``"weights"``, or ``"traces"`` (of plastic ones: the presynaptic
            trace of each synapse); of a source ``"spikes"``.
        every_ms: whole ticks; every tick unless told. Not for spikes.
        which: neurons of the population or synapses of the projection; all unless told.
    """

    def __init__(
        self,
        of: NeuronGroup | Projection | AbstractSource,
        what: str,
        *,
        every_ms: float | None = None,
        which: ArrayLike | None = None,
    ) -> None:
        known = _known(of)
        if what not in known:
            raise ValueError(f"of {of!r} one records {', '.join(known)}, got {what!r}")
        if what == "spikes" and (every_ms is not None or which is not None):
            raise ValueError("spikes are kept whole: leave every_ms and which out")
        if what == "traces" and isinstance(of, Projection) and of.timing is None:
            raise ValueError(f"{of!r} has no timing and so no traces: give it one")
        if every_ms is not None:
            require_time("every_ms", every_ms)
        self.of: Any = of
        self.what, self.every_ms = what, every_ms
        self.which = None if which is None else _indices(which)

    def __repr__(self) -> str:
        return f"Record({self.of!r}, {self.what!r})"

    def chosen(self, n: int) -> np.ndarray:
        """The neurons or synapses, of ``n``.

        Raises:
            ValueError: one that there is not.
        """
        if self.which is None:
            return np.arange(n)
        if self.which.size and not (self.which.min() >= 0 and self.which.max() < n):
            raise ValueError(f"which must name some of {n}, from 0 on, got {self.which.tolist()}")
        return self.which

    @property
    def column(self) -> int:
        """Of a population: 0 for the voltage, 1 and on for what cells keep besides."""
        return ("voltage", *memory_names(self.of.cell)).index(self.what)


@final
@dataclass(frozen=True, eq=False)
class Samples:
    """times_ms: ``(n,)``, the end of each tick being its own time. values: ``(n, chosen)``."""

    times_ms: np.ndarray
    values: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class Spikes:
    """times_ms and neurons of a population or source, in the order of time."""

    times_ms: np.ndarray
    neurons: np.ndarray
    n: int
    duration_ms: float

    def of(self, neuron: int) -> np.ndarray:
        """The spike times of one neuron in ms."""
        return self.times_ms[self.neurons == neuron]

    def counts(self) -> np.ndarray:
        """Spikes of each neuron, ``(n,)``."""
        return np.bincount(self.neurons, minlength=self.n)

    def rates_hz(self, after_ms: float = 0.0) -> np.ndarray:
        """Mean rate of each neuron from a time on, ``(n,)``."""
        late = self.neurons[self.times_ms >= after_ms]
        return np.bincount(late, minlength=self.n) * (1000 / (self.duration_ms - after_ms))


def ticks_of(name: str, ms: float, dt_ms: float) -> int:
    """A time as whole ticks, at least one.

    Raises:
        ValueError: it is none.
    """
    require_time(name, ms)
    ticks = round(ms / dt_ms)
    if ticks < 1 or abs(ms / dt_ms - ticks) > 1e-6 * ticks:
        raise ValueError(
            f"{name} must be whole ticks of {dt_ms} ms, got {ms:g}: take {max(ticks, 1) * dt_ms:g}"
        )
    return ticks


def _known(of: Any) -> tuple[str, ...]:
    if isinstance(of, NeuronGroup):
        return ("voltage", *memory_names(of.cell))
    if isinstance(of, Projection):
        return "weights", "traces"
    if isinstance(of, AbstractSource):
        return ("spikes",)
    raise TypeError(f"one records of a NeuronGroup, Projection or source, got {of!r}")


def _indices(which: ArrayLike) -> np.ndarray:
    values = np.atleast_1d(unmasked("which", which))
    if values.dtype.kind not in "iu" or values.ndim != 1:
        raise TypeError(f"which must be whole numbers, got {which!r}")
    return values.astype(np.int64)
