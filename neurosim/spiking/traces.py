"""STDP as plasticity: spikes of both sides in, one value per synapse and kernel tap out.

The spikes of a presentation are kept and the change is computed once at its end: exactly, for
all ticks at once where the weight plays no part, tick by tick where it does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import torch
from torch import Tensor

from neurosim.dynamics import AbstractDynamics
from neurosim.plasticity import AbstractPlasticity, Changes, require_clock
from neurosim.spiking.evolving import evolve
from neurosim.spiking.kernels import (
    AbstractKernel,
    ByDensity,
    EventKernel,
    FusedKernel,
    SubsetKernel,
)
from neurosim.spiking.reductions import (
    AbstractReduction,
    MeanOverBatch,
    MeanOverSpikes,
    SumOverBatch,
)
from neurosim.spiking.single_synapse import weight_change
from neurosim.spiking.spike_window import SpikeWindow
from neurosim.spiking.third_factor import Rewarded
from neurosim.spiking.timing import AbstractTiming
from neurosim.types import LayerLike, LocalSignal

__all__ = [
    "ByDensity", "EventKernel", "FusedKernel", "MeanOverBatch", "MeanOverSpikes", "SpikeWindow",
    "SubsetKernel", "SumOverBatch", "TraceSTDP", "weight_change",
]  # fmt: skip


@final
@dataclass(frozen=True)
class TraceSTDP(AbstractPlasticity):
    """STDP at every synapse and every kernel tap.

    timing: which spikes change a synapse by how much, and what its weight has to do with it.
    dt_ms: length of a tick.
    reduction: how the changes of a batch become one.
    kernel: how the sum is carried out where the weight plays no part; the numbers do not depend
        on it.

    Under a weight dependence the weight evolves within the presentation, and the change is what
    it ends with minus what it began with: use a learning rate of 1.
    """

    timing: AbstractTiming
    dt_ms: float
    reduction: AbstractReduction = field(default_factory=MeanOverBatch)
    kernel: AbstractKernel = field(default_factory=ByDensity)

    def __post_init__(self) -> None:
        if not isinstance(self.timing, AbstractTiming):
            raise TypeError(
                f"TraceSTDP runs a timing such as AllPairs() or Triplet(), got {self.timing!r}"
            )
        if not (math.isfinite(self.dt_ms) and self.dt_ms > 0):
            raise ValueError(f"dt_ms must be finite and positive, got {self.dt_ms}")

    @property
    def needs(self) -> frozenset[str]:
        also = {"voltage"} if self.timing.reads_voltage else set()
        rewarded = {"reward"} if isinstance(self.timing, Rewarded) else set()
        return frozenset({"spikes", "dt"} | also | rewarded)

    def check(self, dynamics: AbstractDynamics) -> None:
        super().check(dynamics)
        require_clock(self, self.dt_ms, dynamics)

    def begin(self, layer: LayerLike) -> list[LocalSignal]:
        return []

    def observe(self, layer: LayerLike, memory: Any, signal: LocalSignal) -> Any:
        if signal.voltage is not None and not self.timing.reads_voltage:
            # A membrane that nothing reads would be held for the whole presentation.
            signal = replace(signal, voltage=None)
        return [*memory, signal]

    def delta(self, layer: LayerLike, memory: Any) -> Changes:
        if not memory:
            return {}
        rewards = [signal.reward for signal in memory if signal.reward is not None]
        voltages = [signal.voltage for signal in memory if signal.voltage is not None]
        spikes = SpikeWindow(
            _stack([signal.pre for signal in memory]),
            _stack([signal.post for signal in memory]),
            reward=torch.stack(rewards) if len(rewards) == len(memory) else None,
            voltage=_stack(voltages) if len(voltages) == len(memory) else None,
        )
        spikes.check()
        synapse = layer.synapse
        if self.timing.dependence.constant:
            change = self.kernel.change(synapse, spikes, self.timing, self.dt_ms)
            return {"weight": self.reduction(change, synapse, spikes)}
        weight = layer.plastic_parameters()["weight"]
        after = evolve(
            synapse,
            weight,
            spikes,
            self.timing,
            self.dt_ms,
            self.reduction,
        )
        return {"weight": after - weight}


def _stack(frames: Sequence[Tensor]) -> Tensor:
    """``(time, batch, *features)``, images channels-last where the frames are."""
    if frames[0].dim() == 4:
        return torch.stack([f.permute(0, 2, 3, 1) for f in frames]).permute(0, 1, 4, 2, 3)
    return torch.stack(list(frames))
