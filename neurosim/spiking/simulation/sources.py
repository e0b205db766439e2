"""Where spikes come from that no cell of the network fires: random trains, given times.

A source is asked for its spikes block by block. What it answers depends on the block alone, so a
run in pieces hears the same spikes as a whole one.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, final

import numpy as np
import torch
from numpy.typing import ArrayLike

from neurosim.naming.settings import require_count, unmasked
from neurosim.spiking.simulation.group import per_neuron

#: Ticks that a source is asked for at once.
BLOCK = 4096
Events = tuple[np.ndarray, np.ndarray]


class AbstractSource(ABC):
    """``n`` spike trains."""

    n: int
    name: str = ""

    @abstractmethod
    def draw(self, first: int, n_ticks: int, dt_ms: float, generator: torch.Generator) -> Events:
        """``(ticks, trains)``, int64, of the spikes from tick ``first`` on, ticks from ``first``
        to ``first + n_ticks - 1``, in any order, each train at most once a tick.

        generator: the random stream of this block.
        """

    def check(self, dt_ms: float) -> None:  # noqa: B027 (most have nothing to refuse)
        """Refuse a tick that these trains do not fit."""

    def content(self) -> list[np.ndarray]:
        """All numbers that its spikes depend on, by which a folder knows its run again; one of your
        own that has none is known by its kind and size."""
        return []


@final
class PoissonInput(AbstractSource):
    """Independent Poisson trains, seen through ticks that hold at most one spike: a tick spikes
    with ``1 - exp(-rate dt)``, as under the encoder ``Poisson``.

    Args:
        n: how many trains.
        rate_hz: one rate or one per train.
        name: names its random stream.
    """

    def __init__(self, n: int, rate_hz: ArrayLike, *, name: str = "") -> None:
        require_count("n", n)
        self.n, self.name = int(n), name
        self.rate_hz = per_neuron("rate_hz", rate_hz, self.n)
        if (self.rate_hz < 0).any():
            raise ValueError(f"rate_hz must not be negative, got {self.rate_hz.min():g}")

    def __repr__(self) -> str:
        return f"PoissonInput({self.n})"

    def check(self, dt_ms: float) -> None:
        most = float(self.rate_hz.max()) * dt_ms / 1000
        if most > 1:
            raise ValueError(
                f"a rate of {self.rate_hz.max():g} Hz asks for {most:.3g} spikes in a tick of "
                f"{dt_ms} ms, which holds at most one: use at most {1000 / dt_ms:.4g} Hz or a "
                "shorter tick"
            )

    def content(self) -> list[np.ndarray]:
        return [self.rate_hz]

    def draw(self, first: int, n_ticks: int, dt_ms: float, generator: torch.Generator) -> Events:
        # Intervals of a process in ticks are geometric: one draw per spike, whatever the tick.
        mean = self.rate_hz * dt_ms / 1000
        most = math.ceil(n_ticks * mean.max() + 6 * math.sqrt(n_ticks * mean.max()) + 10)
        at = np.full(self.n, -1.0)
        ticks, trains = [], []
        with np.errstate(divide="ignore"):
            while (open_ := np.flatnonzero((at < n_ticks) & (mean > 0))).size:
                u = torch.rand((open_.size, most), generator=generator, dtype=torch.float64).numpy()
                steps = 1 + np.floor(-np.log1p(-u) / mean[open_, None])
                reached = at[open_, None] + np.cumsum(steps, 1)
                row, column = np.nonzero(reached < n_ticks)
                ticks.append(reached[row, column])
                trains.append(open_[row])
                at[open_] = reached[:, -1]
        if not ticks:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return first + np.concatenate(ticks).astype(np.int64), np.concatenate(trains)


@final
class SpikeTimes(AbstractSource):
    """Given spike times in ms, rounded to ticks.

    Args:
        times_ms: one list of times per train (Neo's ``SpikeTrain`` objects are taken too).
        name: what messages call it.

    >>> from neurosim.spiking import SpikeTimes
    >>> SpikeTimes([[1.0, 30.0], [], [12.5]]).n
    3
    """

    def __init__(self, times_ms: Sequence[Any], *, name: str = "") -> None:
        require_count("the number of trains", len(times_ms))
        self.n, self.name = len(times_ms), name
        trains = [spike_times(f"times_ms[{i}]", each) for i, each in enumerate(times_ms)]
        self._of = np.repeat(np.arange(self.n), [len(each) for each in trains])
        self._ms = np.concatenate(trains)
        self._ticks: dict[float, Events] = {}

    @classmethod
    def of_raster(cls, spikes: ArrayLike, dt_ms: float, *, name: str = "") -> SpikeTimes:
        """Spikes ``(time, n)`` of 0 and 1, as an encoder gives them (further axes are flattened;
        a batch of more than one image is refused)."""
        raster = unmasked("spikes", spikes)
        if raster.ndim < 2 or (raster.ndim > 2 and raster.shape[1] != 1):
            raise ValueError(
                f"spikes must be (time, n) or (time, 1, *features), got the shape {raster.shape}: "
                "give one image at a time"
            )
        if not ((raster == 0) | (raster == 1)).all():
            raise ValueError(
                "spikes are 0 or 1, but other values were given: an encoder makes them"
            )
        raster = raster.reshape(len(raster), -1)
        return cls([np.flatnonzero(train) * dt_ms for train in raster.T], name=name)

    def __repr__(self) -> str:
        return f"SpikeTimes({self.n} trains)"

    def check(self, dt_ms: float) -> None:
        self._at(dt_ms)

    def content(self) -> list[np.ndarray]:
        return [self._of, self._ms]

    def _at(self, dt_ms: float) -> Events:
        """Ticks in order of time, and the train of each."""
        if dt_ms not in self._ticks:
            ticks = np.rint(self._ms / dt_ms).astype(np.int64)
            order = np.lexsort((self._of, ticks))
            ticks, of = ticks[order], self._of[order]
            twice = (ticks[1:] == ticks[:-1]) & (of[1:] == of[:-1])
            if twice.any():
                raise ValueError(
                    f"train {of[1:][twice][0]} holds the tick of {dt_ms} ms at "
                    f"{ticks[1:][twice][0] * dt_ms:g} ms twice: use a shorter tick"
                )
            self._ticks = {dt_ms: (ticks, of)}
        return self._ticks[dt_ms]

    def draw(self, first: int, n_ticks: int, dt_ms: float, generator: torch.Generator) -> Events:
        ticks, of = self._at(dt_ms)
        low, high = np.searchsorted(ticks, (first, first + n_ticks))
        return ticks[low:high], of[low:high]


def spike_times(name: str, given: Any) -> np.ndarray:
    """Times in ms from a list, an array or a ``SpikeTrain`` of Neo.

    Raises:
        ValueError, TypeError: times that are negative, not finite, or no numbers.
    """
    if hasattr(given, "rescale"):
        given = given.rescale("ms").magnitude
    values = np.atleast_1d(unmasked(name, given))
    if values.size and values.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be times in ms, numbers, got {given!r}")
    values = values.astype(np.float64)
    if values.ndim > 1 or not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(f"{name} must be one list of finite times in ms from 0 on, got {given!r}")
    return values
