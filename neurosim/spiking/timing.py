"""Spike timing: how the lag between two spikes changes the synapse between them.

lag = t_post - t_pre in ms: positive where the presynaptic spike came first (causal). A timing
object is declarative; the kernels of ``traces`` carry it out, and its ``window`` is the closed
form that they must meet.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.choices import Choices

#: What a pair of spikes in the same tick does: nothing; potentiate (the presynaptic spike of a
#: tick acts on the neuron in that tick, so it counts as causal); or both changes at once.
COINCIDENCE: Choices[tuple[int, int]] = Choices(
    "coincidence policy", {"none": (0, 0), "potentiate": (1, 0), "both": (1, 1)}
)


class AbstractPairTiming(ABC):
    """A change that is a sum over pairs of one pre- and one postsynaptic spike."""

    @abstractmethod
    def window(self, lag_ms: ArrayLike) -> NDArray[np.float64]:
        """Change of the weight by one pair at each lag, in units of weight."""


@final
@dataclass(frozen=True)
class AllPairs(AbstractPairTiming):
    """Every pair counts, the weight does not (additive pair STDP).

        W(lag) = +a_plus  exp(-lag / tau_plus)     lag > 0   (pre before post: potentiation)
                 -a_minus exp(+lag / tau_minus)    lag < 0   (post before pre: depression)

    and at lag 0 by ``coincidence``: "none" 0; "potentiate" a_plus; "both" a_plus - a_minus.

    Song, Miller & Abbott 2000 (10.1038/78829); Bi & Poo 1998
    (10.1523/JNEUROSCI.18-24-10464.1998); Morrison, Diesmann & Gerstner 2008
    (10.1007/s00422-008-0233-1) for the naming of schemes.

    Args:
        a_plus, a_minus: amplitudes. A negative one turns its side round (anti-Hebbian).
        tau_plus_ms, tau_minus_ms: decay times, positive.
        coincidence: what happens at lag 0.
    """

    a_plus: float = 0.01
    a_minus: float = 0.01
    tau_plus_ms: float = 20.0
    tau_minus_ms: float = 20.0
    coincidence: str = "none"

    def __post_init__(self) -> None:
        for name in ("tau_plus_ms", "tau_minus_ms"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be finite and positive (ms), got {value}")
        for name in ("a_plus", "a_minus"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be finite, got {getattr(self, name)}")
        COINCIDENCE[self.coincidence]

    @property
    def at_coincidence(self) -> float:
        """The change by a pair at lag 0."""
        plus, minus = COINCIDENCE[self.coincidence]
        return plus * self.a_plus - minus * self.a_minus

    def window(self, lag_ms: ArrayLike) -> NDArray[np.float64]:
        lag = np.asarray(lag_ms, dtype=np.float64)
        causal = self.a_plus * np.exp(-np.abs(lag) / self.tau_plus_ms)
        acausal = -self.a_minus * np.exp(-np.abs(lag) / self.tau_minus_ms)
        return np.where(lag > 0, causal, np.where(lag < 0, acausal, self.at_coincidence))


#: Timing variants by name.
TIMINGS: Choices[type[AbstractPairTiming]] = Choices("timing", {"all-pairs": AllPairs})
