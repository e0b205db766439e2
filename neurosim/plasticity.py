"""Plasticity: from what a synapse saw to how it changes.

An ``AbstractPlasticity`` sees one layer's two sides and nothing else, so locality is a fact of
the signature. A change points the way the weight should move; an optimiser scales it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, final

from torch import Tensor

from neurosim.dynamics import AbstractDynamics
from neurosim.types import LayerLike, LocalSignal

Changes = Mapping[str, Tensor]
#: What a plasticity remembers of a layer from signal to signal.
MemoryT = TypeVar("MemoryT")

_OTHERWISE = "take dynamics that offer it, or another plasticity"
#: What to do where something is missing.
_REMEDIES = {
    "error": "take dynamics of errors, such as ErrorCircuit(Transpose()) or PredictiveCoding()",
    "dt": "take dynamics with a clock, such as SpikingDynamics() under Ticks()",
    "spikes": "take dynamics of spikes, such as SpikingDynamics() under Ticks()",
    "voltage": "hand the membranes on with SpikingDynamics(membrane=Millivolts())",
    "reward": "write dynamics whose local signals carry a reward and that offer it, or try the "
    "timing on one synapse with weight_change(..., reward_ms=...)",
}


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


class AbstractPlasticity(ABC, Generic[MemoryT]):
    """begin - observe each settled state - delta, one layer at a time."""

    @property
    def needs(self) -> frozenset[str]:
        """What it reads of a local signal; see ``AbstractDynamics.offers``."""
        return frozenset({"pre", "post"})

    def check(self, dynamics: AbstractDynamics) -> None:
        """Refuse dynamics that do not offer what this plasticity needs, with the remedy.

        Raises:
            TypeError: something it needs is not there.
        """
        missing = sorted(self.needs - dynamics.offers)
        if missing:
            raise TypeError(
                f"{type(self).__name__} needs {_listed(missing)}; {type(dynamics).__name__} offers "
                f"{_listed(sorted(dynamics.offers))}: {_REMEDIES.get(missing[0], _OTHERWISE)}"
            )

    @abstractmethod
    def begin(self, layer: LayerLike) -> MemoryT:
        """The memory of a layer before its first signal (traces, sums)."""

    @abstractmethod
    def observe(self, layer: LayerLike, memory: MemoryT, signal: LocalSignal) -> MemoryT:
        """The memory after one more signal."""

    @abstractmethod
    def delta(self, layer: LayerLike, memory: MemoryT) -> Changes:
        """Change by parameter name, before the learning rate; absent means unchanged."""


@final
@dataclass(frozen=True)
class Frozen(AbstractPlasticity[None]):
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
class ErrorTimesPre(AbstractPlasticity[dict[str, Tensor]]):
    """``dW = sum_batch e x^T``, ``db = sum_batch e``: error at the synapse times its input.

    Backpropagation, feedback alignment and predictive coding differ in where ``e`` comes from.
    Gains of normalisation change where the dynamics offer them.
    Several observations add up.
    """

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"pre", "error"})

    def begin(self, layer: LayerLike) -> dict[str, Tensor]:
        return {}

    def observe(
        self, layer: LayerLike, memory: dict[str, Tensor], signal: LocalSignal
    ) -> dict[str, Tensor]:
        weight, bias = layer.synapse.correlate(signal.pre, signal["error"])
        seen = {"weight": weight, **signal.offered.get("gains", {})}
        if "bias" in layer.plastic_parameters():
            seen["bias"] = bias
        return {
            name: memory[name] + change if name in memory else change
            for name, change in seen.items()
        }

    def delta(self, layer: LayerLike, memory: dict[str, Tensor]) -> Changes:
        return memory
