"""The STDP window with its sides exchanged, as a window and as a plasticity of spike trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.dynamics import AbstractDynamics
from neurosim.naming.settings import unmasked
from neurosim.plasticity import AbstractPlasticity, Changes
from neurosim.spiking.timing.rules import AbstractTiming, AllPairs
from neurosim.spiking.timing.traces import TraceSTDP
from neurosim.types import LayerLike, LocalSignal

#: A decay so slow that ``exp(-lag / tau)`` is 1 to the last bit for any lag of a presentation.
_NO_DECAY_MS = 1e20


class Window(Protocol):
    """What one pair of spikes does at each lag."""

    def window(self, lag_ms: ArrayLike) -> NDArray[np.float64]:
        """Change by one pair, lag = t_post - t_pre."""
        ...


@final
@dataclass(frozen=True)
class InvertedWindow:
    """Both sides of the window subtracted at every lag (Leutenegger 2026, arXiv 2605.30556).

        W(lag) = a_plus exp(-max(lag, 0) / tau_plus) - a_minus exp(min(lag, 0) / tau_minus)

    The exponential of the side that a pair does not lie on stays at 1. With equal amplitudes
    ``W(lag) = a_plus (exp(-lag / tau_plus) - 1) < 0`` for a causal pair (lag > 0), which thus
    depresses, an acausal pair potentiates, and both do more the further apart they are.

    Args:
        a_plus, a_minus, tau_plus_ms, tau_minus_ms: of the window that was meant.
    """

    a_plus: float = 0.003
    a_minus: float = 0.003
    tau_plus_ms: float = 20.0
    tau_minus_ms: float = 20.0

    @classmethod
    def of(cls, timing: AbstractTiming) -> InvertedWindow:
        """The inversion of an additive all-pairs window.

        Raises:
            ValueError: any other timing, whose window has no such reading.
        """
        if not isinstance(timing, AllPairs) or not timing.dependence.constant:
            raise ValueError(
                f"stdp_window_inverted inverts the additive timing 'all-pairs', got {timing!r}: "
                "use that timing, or --without stdp_window_inverted"
            )
        return cls(timing.a_plus, timing.a_minus, timing.tau_plus_ms, timing.tau_minus_ms)

    def window(self, lag_ms: ArrayLike) -> NDArray[np.float64]:
        """W at each lag."""
        lag = unmasked("lag_ms", lag_ms).astype(np.float64)
        plus = self.a_plus * np.exp(-np.maximum(lag, 0) / self.tau_plus_ms)
        return plus - self.a_minus * np.exp(np.minimum(lag, 0) / self.tau_minus_ms)

    def as_pairs(self) -> tuple[AllPairs, AllPairs]:
        """Two all-pairs windows that add up to this one: the decaying part and the constant."""
        decaying = AllPairs(
            self.a_plus, self.a_minus, self.tau_plus_ms, self.tau_minus_ms, coincidence="both"
        )
        constant = AllPairs(-self.a_minus, -self.a_plus, _NO_DECAY_MS, _NO_DECAY_MS)
        return decaying, constant


@final
@dataclass(frozen=True)
class SumOf(AbstractPlasticity[tuple[Any, ...]]):
    """The changes of several plasticities added up."""

    terms: tuple[AbstractPlasticity, ...]

    @property
    def needs(self) -> frozenset[str]:
        return frozenset().union(*(term.needs for term in self.terms))

    def check(self, dynamics: AbstractDynamics) -> None:
        for term in self.terms:
            term.check(dynamics)

    def begin(self, layer: LayerLike) -> tuple[Any, ...]:
        return tuple(term.begin(layer) for term in self.terms)

    def observe(self, layer: LayerLike, memory: Sequence[Any], signal: LocalSignal) -> Any:
        return tuple(
            term.observe(layer, kept, signal) for term, kept in zip(self.terms, memory, strict=True)
        )

    def delta(self, layer: LayerLike, memory: Sequence[Any]) -> Changes:
        total: dict[str, Any] = {}
        for term, kept in zip(self.terms, memory, strict=True):
            changes: Mapping[str, Any] = term.delta(layer, kept)
            for name, change in changes.items():
                total[name] = total[name] + change if name in total else change
        return total


def inverted(plasticity: AbstractPlasticity) -> SumOf:
    """Trace STDP under the inverted window, the rest of it as it was."""
    if not isinstance(plasticity, TraceSTDP):
        raise ValueError(
            f"stdp_window_inverted inverts TraceSTDP, got {type(plasticity).__name__}: "
            "leave the switch off with --without stdp_window_inverted"
        )
    window = InvertedWindow.of(plasticity.timing)
    return SumOf(tuple(replace(plasticity, timing=pairs) for pairs in window.as_pairs()))
