"""Distances between spike trains.

A stimulus is one spike train (spike times in ms, any order) or a list of trains, one a
neuron; then each neuron is compared with itself and the distances add up (labelled lines).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from neurosim.rsa.rdm.distances import Array, Dissimilarity, Flags, on_relative_grid


@final
@dataclass(frozen=True)
class VictorPurpura(Dissimilarity):
    """The least cost of turning one train into another: 1 to add or delete a spike,
    ``cost_per_ms`` times the shift to move one (Victor & Purpura 1997,
    doi:10.1088/0954-898X_8_2_003). With cost 0 the difference in counts; with a large cost
    the number of spikes without an exact partner."""

    cost_per_ms: float
    name = "victor-purpura"

    def __post_init__(self) -> None:
        if not self.cost_per_ms >= 0:
            raise ValueError(f"cost_per_ms is at least 0; got {self.cost_per_ms}")

    def condensed(self, patterns: ArrayLike | Any) -> tuple[Array, Flags]:
        from neurosim.rsa.kernels.spike import victor_purpura

        return _over_pairs(patterns, lambda a, b: victor_purpura(a, b, self.cost_per_ms))


@final
@dataclass(frozen=True)
class VanRossum(Dissimilarity):
    """Root of 1/tau times the integral of the squared difference of the trains filtered by
    exp(-t / tau) (van Rossum 2001, doi:10.1162/089976601300014321): one spike more costs
    sqrt(1/2). Over neurons the squares add up. Exact, by the closed form of the integral."""

    tau_ms: float
    name = "van-rossum"

    def __post_init__(self) -> None:
        if not self.tau_ms > 0:
            raise ValueError(f"tau_ms is positive; got {self.tau_ms}")

    def condensed(self, patterns: ArrayLike | Any) -> tuple[Array, Flags]:
        from neurosim.rsa.kernels.spike import van_rossum_squared

        squares, undefined = _over_pairs(
            patterns, lambda a, b: van_rossum_squared(a, b, self.tau_ms)
        )
        return np.sqrt(squares), undefined


def _over_pairs(patterns: Any, distance: Callable[[Array, Array], float]) -> tuple[Array, Flags]:
    trains = [_trains(entry, i) for i, entry in enumerate(patterns)]
    n = len(trains)
    if n < 2:
        raise ValueError(f"need the spike trains of at least two stimuli; got {n}")
    n_neurons = {len(t) for t in trains}
    if len(n_neurons) > 1:
        raise ValueError(f"stimuli have different numbers of neurons: {sorted(n_neurons)}")
    values = np.array(
        [
            sum(distance(a, b) for a, b in zip(trains[i], trains[j], strict=True))
            for i in range(n)
            for j in range(i + 1, n)
        ],
        dtype=np.float64,
    )
    return on_relative_grid(values), np.zeros(n, dtype=bool)


def _trains(entry: Sequence[Any], i: int) -> list[Array]:
    """One stimulus as a list of sorted trains."""
    one = len(entry) == 0 or np.isscalar(entry[0])
    trains = [np.sort(np.asarray(t, dtype=np.float64)) for t in ([entry] if one else entry)]
    for train in trains:
        if train.ndim != 1 or not np.isfinite(train).all():
            raise ValueError(f"stimulus #{i}: a spike train is a vector of finite times in ms")
    return trains
