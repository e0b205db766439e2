"""Plasticity: from what a synapse saw to how it changes.

An ``AbstractPlasticity`` sees one layer's two sides and nothing else, so locality is a fact of
the signature. A change points the way the weight should move; an optimiser scales it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor

from neurosim.types import LayerLike, LocalSignal

Changes = Mapping[str, Tensor]


class AbstractPlasticity(ABC):
    """begin - observe each settled state - delta, one layer at a time."""

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
    """No synapse changes."""

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
