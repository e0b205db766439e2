"""STDP as plasticity: spikes of both sides in, one value per synapse and kernel tap out.

The spikes of a presentation are kept and the change is computed once at its end: exactly, for
all ticks at once where the weight plays no part, tick by tick where it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor

from neurosim.plasticity import AbstractPlasticity, Changes
from neurosim.spiking.timing.change import (
    AbstractKernel,
    ByDensity,
    EventKernel,
    FusedKernel,
    SubsetKernel,
)
from neurosim.spiking.timing.evolving import evolve
from neurosim.spiking.timing.reductions import (
    AbstractReduction,
    MeanOverBatch,
    MeanOverSpikes,
    SumOverBatch,
)
from neurosim.spiking.timing.rules import AbstractTiming, AbstractTraceTiming
from neurosim.spiking.timing.single_synapse import weight_change
from neurosim.spiking.timing.spike_window import SpikeWindow
from neurosim.spiking.timing.third_factor import Rewarded
from neurosim.types import LayerLike, LocalSignal

__all__ = [
    "ByDensity", "EventKernel", "FusedKernel", "MeanOverBatch", "MeanOverSpikes", "SpikeWindow",
    "SubsetKernel", "SumOverBatch", "TraceSTDP", "weight_change",
]  # fmt: skip


@final
@dataclass(frozen=True)
class TraceSTDP(AbstractPlasticity["Presentation"]):
    """STDP at every synapse and every kernel tap.

    timing: which spikes change a synapse by how much, and what its weight has to do with it.
    reduction: how the changes of a batch become one.
    kernel: how the sum is carried out where the weight plays no part; the numbers do not depend
        on it.

    The length of a tick is that of the dynamics, which offer it as ``dt``.

    Under a weight dependence the weight evolves within the presentation, and the change is what
    it ends with minus what it began with: use a learning rate of 1.

    Every presentation begins in silence: pairs of spikes in two presentations do not count, so
    give a spike train in one piece. A presentation of one tick that can hold no pair is refused.
    """

    timing: AbstractTiming
    reduction: AbstractReduction = field(default_factory=MeanOverBatch)
    kernel: AbstractKernel = field(default_factory=ByDensity)

    def __post_init__(self) -> None:
        if not isinstance(self.timing, AbstractTiming):
            raise TypeError(
                f"TraceSTDP runs a timing such as AllPairs() or Triplet(), got {self.timing!r}"
            )

    @property
    def needs(self) -> frozenset[str]:
        also = {"voltage"} if self.timing.reads_voltage else set()
        rewarded = {"reward"} if isinstance(self.timing, Rewarded) else set()
        return frozenset({"spikes", "dt"} | also | rewarded)

    def begin(self, layer: LayerLike) -> Presentation:
        return Presentation()

    def observe(self, layer: LayerLike, memory: Presentation, signal: LocalSignal) -> Presentation:
        # A membrane that nothing reads would be held for the whole presentation.
        voltage = signal.offered.get("voltage") if self.timing.reads_voltage else None
        frame = signal.pre, signal.post, voltage, signal.offered.get("reward")
        memory.append(frame, signal["dt"])
        return memory

    def delta(self, layer: LayerLike, memory: Presentation) -> Changes:
        spikes = memory.window()
        if spikes is None:
            return {}
        synapse, dt_ms = layer.synapse, memory.dt_ms
        if self.timing.dependence.constant:
            change = self.kernel.change(synapse, spikes, self.timing, dt_ms)
            change = self.reduction(change, synapse, spikes)
        else:
            weight = layer.plastic_parameters()["weight"].detach()
            after = evolve(synapse, weight, spikes, self.timing, dt_ms, self.reduction)
            change = after - weight
        self._require_pairs(spikes)
        return {"weight": change}

    def _require_pairs(self, spikes: SpikeWindow) -> None:
        """Refuse a presentation in which no two spikes can meet."""
        timing = self.timing.timing if isinstance(self.timing, Rewarded) else self.timing
        blind = isinstance(timing, AbstractTraceTiming) and timing.rule.coincidence == "none"
        if blind and len(spikes.pre) == 1:
            raise ValueError(
                f"a presentation of one tick holds no pair of spikes that {timing!r} sees: no "
                "trace is carried from one presentation to the next, so present a whole spike "
                "train, or choose another coincidence"
            )


#: Pre, post, voltage and reward of one tick.
Frame = tuple[Tensor, Tensor, Tensor | None, Tensor | None]


class Presentation:
    """The ticks of a layer so far, ``dt_ms`` each. They are appended in place, and stacked in
    blocks, so that time and memory grow as the spikes themselves."""

    _BLOCK = 512

    def __init__(self) -> None:
        self.dt_ms = 0.0
        self._latest: list[Frame] = []
        self._blocks: list[tuple[Tensor | None, ...]] = []

    def append(self, frame: Frame, dt_ms: float) -> None:
        """Take up one more tick.

        Raises:
            ValueError: it is of another length than those before.
        """
        if (self._latest or self._blocks) and dt_ms != self.dt_ms:
            raise ValueError(
                f"a tick of {dt_ms} ms follows ticks of {self.dt_ms} ms: ticks of one presentation "
                "have one length"
            )
        self.dt_ms = dt_ms
        self._latest.append(frame)
        if len(self._latest) == self._BLOCK:
            self._blocks.append(_stacked(self._latest))
            self._latest = []

    def window(self) -> SpikeWindow | None:
        """All ticks so far; None before the first."""
        blocks = [*self._blocks, *([_stacked(self._latest)] if self._latest else [])]
        if not blocks:
            return None
        pre, post, voltage, reward = (_joined(parts) for parts in zip(*blocks, strict=True))
        assert pre is not None
        assert post is not None
        return SpikeWindow(
            _channels_second(pre),
            _channels_second(post),
            reward=reward,
            voltage=None if voltage is None else _channels_second(voltage),
        )


def _stacked(frames: Sequence[Frame]) -> tuple[Tensor | None, ...]:
    """Pre, post, voltage and reward of some ticks, time first, channels last; None where a tick
    lacks one."""
    return tuple(
        None if any(part is None for part in parts) else torch.stack(_channels_last(parts))
        for parts in zip(*frames, strict=True)
    )


def _joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    given = [part for part in parts if part is not None]
    if len(given) < len(parts):
        return None
    return given[0] if len(given) == 1 else torch.cat(given)


def _channels_last(frames: Sequence[Any]) -> list[Tensor]:
    return [f.permute(0, 2, 3, 1) if f.dim() == 4 else f for f in frames]


def _channels_second(block: Tensor) -> Tensor:
    """``(time, batch, *features)``, images channels-last in memory."""
    return block.permute(0, 1, 4, 2, 3) if block.dim() == 5 else block
