"""Plasticity: from what a synapse saw to how it changes.

An ``AbstractPlasticity`` sees one layer's two sides and nothing else, so locality is a fact of
the signature. A change points the way the weight should move; an optimiser scales it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor

from neurosim.dynamics import AbstractDynamics
from neurosim.types import LayerLike, LocalSignal

Changes = Mapping[str, Tensor]

_OTHERWISE = "take dynamics that offer it, or another plasticity"
#: What to do where something is missing.
_REMEDIES = {
    "error": "take dynamics of errors, such as ErrorCircuit(Transpose()) or PredictiveCoding()",
    "spikes": "take dynamics of spikes, such as SpikingDynamics() under Ticks()",
    "voltage": "hand the membranes on with SpikingDynamics(membrane=Millivolts())",
    "reward": "write dynamics whose local signals carry a reward and that offer it, or try the "
    "timing on one synapse with weight_change(..., reward_ms=...)",
}


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def require_clock(plasticity: AbstractPlasticity, dt_ms: float, dynamics: AbstractDynamics) -> None:
    """Refuse ticks of another length than those of the dynamics.

    Raises:
        ValueError: naming both, with the remedy.
    """
    ticking = getattr(dynamics, "dt_ms", None)
    if ticking is not None and not math.isclose(dt_ms, ticking, rel_tol=1e-9):
        raise ValueError(
            f"{type(plasticity).__name__} counts ticks of {dt_ms} ms, {type(dynamics).__name__} "
            f"ticks every {ticking} ms: give {type(plasticity).__name__} dt_ms={ticking}"
        )


class AbstractPlasticity(ABC):
    """begin - observe each settled state - delta, one layer at a time."""

    @property
    def needs(self) -> frozenset[str]:
        """What it reads of a local signal; see ``AbstractDynamics.offers``."""
        return frozenset({"pre", "post"})

    def check(self, dynamics: AbstractDynamics) -> None:
        """Refuse dynamics that do not offer what this plasticity needs, with the remedy.

        Raises:
            TypeError: something it needs is not there.
            ValueError: another clock.
        """
        missing = sorted(self.needs - dynamics.offers)
        if missing:
            raise TypeError(
                f"{type(self).__name__} needs {_listed(missing)}; {type(dynamics).__name__} offers "
                f"{_listed(sorted(dynamics.offers))}: {_REMEDIES.get(missing[0], _OTHERWISE)}"
            )

    @abstractmethod
    def begin(self, layer: LayerLike) -> Any:
        """The memory of a layer before its first signal (traces, sums)."""

    @abstractmethod
    def observe(self, layer: LayerLike, memory: Any, signal: LocalSignal) -> Any:
        """The memory after one more signal."""

    @abstractmethod
    def delta(self, layer: LayerLike, memory: Any) -> Changes:
        """Change by parameter name, before the learning rate; absent means unchanged."""


@final
@dataclass(frozen=True)
class Frozen(AbstractPlasticity):
    """No synapse changes, whatever there is to see."""

    @property
    def needs(self) -> frozenset[str]:
        return frozenset()

    def begin(self, layer: LayerLike) -> None:
        return None

    def observe(self, layer: LayerLike, memory: None, signal: LocalSignal) -> None:
        return None

    def delta(self, layer: LayerLike, memory: None) -> Changes:
        return {}


@final
@dataclass(frozen=True)
class ErrorTimesPre(AbstractPlasticity):
    """``dW = sum_batch e x^T``, ``db = sum_batch e``: error at the synapse times its input.

    Backpropagation, feedback alignment and predictive coding differ in where ``e`` comes from.
    Several observations add up.
    """

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"pre", "error"})

    def begin(self, layer: LayerLike) -> dict[str, Tensor]:
        return {}

    def observe(self, layer: LayerLike, memory: dict[str, Tensor], signal: LocalSignal):
        weight, bias = layer.synapse.correlate(signal.pre, signal.post)
        seen = {"weight": weight, **signal.gain}
        if "bias" in layer.plastic_parameters():
            seen["bias"] = bias
        return {
            name: memory[name] + change if name in memory else change
            for name, change in seen.items()
        }

    def delta(self, layer: LayerLike, memory: dict[str, Tensor]) -> Changes:
        return memory
