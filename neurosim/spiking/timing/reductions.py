"""From the sum over batch and places to the change of a shared weight: stated, never implied."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

from torch import Tensor

from neurosim.spiking.timing.spike_window import SpikeWindow
from neurosim.synapses import AbstractSynapse


class AbstractReduction(ABC):
    """How the changes of a batch become one: the sum over a ``divisor``."""

    @abstractmethod
    def divisor(self, synapse: AbstractSynapse, spikes: SpikeWindow) -> Tensor | float:
        """What the sum is divided by: one number, or one for each unit or map, ``(n_out,)``."""

    def __call__(self, change: Tensor, synapse: AbstractSynapse, spikes: SpikeWindow) -> Tensor:
        """The reduced change, the shape of ``change``."""
        divisor = self.divisor(synapse, spikes)
        if isinstance(divisor, Tensor):
            divisor = divisor.to(change).view(-1, *(1,) * (change.dim() - 1))
        return change / divisor


@final
@dataclass(frozen=True)
class SumOverBatch(AbstractReduction):
    """The sum over pairs, places and images."""

    def divisor(self, synapse: AbstractSynapse, spikes: SpikeWindow) -> float:
        return 1.0


@final
@dataclass(frozen=True)
class MeanOverBatch(AbstractReduction):
    """The sum divided by the number of images."""

    def divisor(self, synapse: AbstractSynapse, spikes: SpikeWindow) -> float:
        n_images = spikes.post.shape[1]
        if not n_images:
            raise ValueError(
                f"there is no mean over a batch without images, spikes {tuple(spikes.post.shape)}: "
                "give at least one, or reduce by SumOverBatch()"
            )
        return float(n_images)


@final
@dataclass(frozen=True)
class MeanOverSpikes(AbstractReduction):
    """What one postsynaptic spike does on average, for each filter, over ``sqrt(fan_in)``.

    A weight shared by many places would otherwise change by as much as its filter is active.
    The scale is that of the initial weights, so one learning rate fits every layer.
    """

    def divisor(self, synapse: AbstractSynapse, spikes: SpikeWindow) -> Tensor:
        # In the dtype of the change, as the product always was.
        return spikes.n_spikes.clamp(min=1).to(spikes.pre.dtype) * math.sqrt(synapse.fan_in)
