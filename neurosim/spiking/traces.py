"""STDP as plasticity: spikes of both sides in, one value per synapse and kernel tap out.

    dw(o, i) = sum_(t, s) post_o(t) pre_i(s) W((t - s) dt)

is computed exactly for the whole window of a presentation (two exponential traces of the
input, one in each direction of time), then reduced over the batch by a stated rule.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from neurosim.plasticity import AbstractPlasticity, Changes
from neurosim.spiking.timing import AllPairs
from neurosim.synapses import AbstractSynapse, Conv2d, Dense
from neurosim.types import LayerLike, LocalSignal


@dataclass(frozen=True)
class SpikeWindow:
    """The spikes of one presentation at one layer.

    pre: ``(time, batch, *in_features)``, 0 and 1, floating point (its dtype is the change's).
    post: ``(time, batch, *out_features)``, 0 and 1.
    """

    pre: Tensor
    post: Tensor

    @cached_property
    def n_spikes(self) -> Tensor:
        """Postsynaptic spikes of each unit or map, ``(n_out,)`` int64."""
        post = self.post.to(torch.uint8)
        if post.device.type != "cpu":
            return post.sum([axis for axis in range(post.dim()) if axis != 2], dtype=torch.int64)
        from neurosim.spiking._trace_kernels import count

        units = (post.permute(0, 1, 3, 4, 2) if post.dim() == 5 else post).contiguous()
        units = units.reshape(-1, post.shape[2])
        total = torch.zeros(post.shape[2], dtype=torch.int64)
        count(units.numpy(), _words(units.numpy()), total.numpy())
        return total

    @property
    def density(self) -> float:
        """Share of postsynaptic places and ticks with a spike."""
        return int(self.n_spikes.sum()) / max(1, self.post.numel())


class AbstractKernel(ABC):
    """A way of carrying out the sum over pairs; all give the same numbers."""

    @abstractmethod
    def change(
        self, synapse: AbstractSynapse, spikes: SpikeWindow, timing: AllPairs, dt_ms: float
    ) -> Tensor:
        """The summed change, in the shape of the weight."""


def window_coefficients(timing: AllPairs, dt_ms: float) -> tuple[float, ...]:
    """``(kp, km, ap, am, a0)`` as ``_trace_kernels`` reads them."""
    kp = math.exp(-dt_ms / timing.tau_plus_ms)
    km = math.exp(-dt_ms / timing.tau_minus_ms)
    return kp, km, timing.a_plus * kp, timing.a_minus * km, timing.at_coincidence


def filter_by_window(pre: Tensor, timing: AllPairs, dt_ms: float) -> Tensor:
    """``(W * pre)(t) = sum_s W((t - s) dt) pre(s)``, ``(time, batch, *features)``."""
    kp, km, ap, am, a0 = window_coefficients(timing, dt_ms)
    filtered = a0 * pre
    trace = torch.zeros_like(pre[0])
    for t in range(len(pre)):
        filtered[t] += ap * trace
        trace = kp * trace + pre[t]
    trace = torch.zeros_like(pre[0])
    for t in range(len(pre) - 1, -1, -1):
        filtered[t] -= am * trace
        trace = km * trace + pre[t]
    return filtered


@final
@dataclass(frozen=True)
class FusedKernel(AbstractKernel):
    """One call of the synapse's own ``correlate`` over all ticks: best where spikes are dense."""

    def change(
        self, synapse: AbstractSynapse, spikes: SpikeWindow, timing: AllPairs, dt_ms: float
    ) -> Tensor:
        filtered = filter_by_window(spikes.pre, timing, dt_ms)
        post = spikes.post.to(filtered.dtype)
        return synapse.correlate(filtered.flatten(0, 1), post.flatten(0, 1))[0]


@final
@dataclass(frozen=True)
class EventKernel(AbstractKernel):
    """One addition per postsynaptic spike (numba, CPU): best where spikes are sparse."""

    def change(
        self, synapse: AbstractSynapse, spikes: SpikeWindow, timing: AllPairs, dt_ms: float
    ) -> Tensor:
        from neurosim.spiking import _trace_kernels

        if not self.fits(synapse, spikes):
            raise ValueError(
                f"the event kernel runs dense and ungrouped Conv2d synapses on the CPU, got "
                f"{synapse} on {spikes.pre.device}: use FusedKernel()"
            )
        kind = spikes.pre.numpy().dtype.type
        window = tuple(kind(c) for c in window_coefficients(timing, dt_ms))
        if isinstance(synapse, Dense):
            pre, post = _flat(spikes.pre), _flat(spikes.post.to(torch.uint8))
            out = np.zeros(synapse.weight_shape, kind)
            _trace_kernels.dense(pre, post, window, out)
            return torch.from_numpy(out)
        assert isinstance(synapse, Conv2d)
        pre, post = _channels_last(spikes.pre), _channels_last(spikes.post.to(torch.uint8))
        n_ticks, n_batch, height, width, n_in = pre.shape
        n_out, kernel = synapse.n_out, synapse.kernel
        out = np.zeros((n_out, kernel, kernel * n_in), kind)
        rows = pre.reshape(n_ticks, n_batch, height, width * n_in)
        _trace_kernels.conv2d(
            rows, post, _words(post), window, synapse.stride, synapse.padding, synapse.dilation, out
        )
        return torch.from_numpy(out).view(n_out, kernel, kernel, n_in).permute(0, 3, 1, 2)

    @staticmethod
    def fits(synapse: AbstractSynapse, spikes: SpikeWindow) -> bool:
        """Whether this kernel can run that synapse."""
        geometry = isinstance(synapse, Dense) or (
            isinstance(synapse, Conv2d) and synapse.groups == 1
        )
        return geometry and spikes.pre.device.type == "cpu"


@final
@dataclass(frozen=True)
class ByDensity(AbstractKernel):
    """Events below ``threshold`` (postsynaptic spikes a place and tick), the fused call above."""

    threshold: float = 0.1

    def choose(self, synapse: AbstractSynapse, spikes: SpikeWindow) -> AbstractKernel:
        """The kernel this one would run."""
        sparse = spikes.density <= self.threshold
        return EventKernel() if sparse and EventKernel.fits(synapse, spikes) else FusedKernel()

    def change(
        self, synapse: AbstractSynapse, spikes: SpikeWindow, timing: AllPairs, dt_ms: float
    ) -> Tensor:
        return self.choose(synapse, spikes).change(synapse, spikes, timing, dt_ms)


class AbstractReduction(ABC):
    """From the sum over batch and places to the change of the shared weight."""

    @abstractmethod
    def __call__(self, change: Tensor, synapse: AbstractSynapse, spikes: SpikeWindow) -> Tensor:
        """The reduced change, the shape of ``change``."""


@final
@dataclass(frozen=True)
class SumOverBatch(AbstractReduction):
    """The sum over pairs, places and images."""

    def __call__(self, change: Tensor, synapse: AbstractSynapse, spikes: SpikeWindow) -> Tensor:
        return change


@final
@dataclass(frozen=True)
class MeanOverBatch(AbstractReduction):
    """The sum divided by the number of images."""

    def __call__(self, change: Tensor, synapse: AbstractSynapse, spikes: SpikeWindow) -> Tensor:
        return change / spikes.post.shape[1]


@final
@dataclass(frozen=True)
class MeanOverSpikes(AbstractReduction):
    """What one postsynaptic spike does on average, for each filter, over ``sqrt(fan_in)``.

    A weight shared by many places would otherwise change by as much as its filter is active.
    The scale is that of the initial weights, so one learning rate fits every layer.
    """

    def __call__(self, change: Tensor, synapse: AbstractSynapse, spikes: SpikeWindow) -> Tensor:
        scale = spikes.n_spikes.clamp(min=1).to(change) * math.sqrt(synapse.fan_in)
        return change / scale.view(-1, *(1,) * (change.dim() - 1))


@final
@dataclass(frozen=True)
class TraceSTDP(AbstractPlasticity):
    """Pair STDP at every synapse and every kernel tap.

    timing: the window.
    dt_ms: length of a tick.
    reduction: how the changes of a batch become one.
    kernel: how the sum is carried out; the numbers do not depend on it.

    The spikes of a presentation are kept and summed once at its end: the acausal half of the
    window needs the ticks that are still to come.
    """

    timing: AllPairs
    dt_ms: float
    reduction: AbstractReduction = field(default_factory=MeanOverBatch)
    kernel: AbstractKernel = field(default_factory=ByDensity)

    def __post_init__(self) -> None:
        if not isinstance(self.timing, AllPairs):
            raise TypeError(f"TraceSTDP runs AllPairs(...), got {self.timing!r}")
        if not (math.isfinite(self.dt_ms) and self.dt_ms > 0):
            raise ValueError(f"dt_ms must be finite and positive, got {self.dt_ms}")

    def begin(self, layer: LayerLike) -> tuple[list[Tensor], list[Tensor]]:
        return [], []

    def observe(self, layer: LayerLike, memory: Any, signal: LocalSignal) -> Any:
        pre, post = memory
        return [*pre, signal.pre], [*post, signal.post]

    def delta(self, layer: LayerLike, memory: Any) -> Changes:
        pre, post = memory
        if not pre:
            return {}
        spikes = SpikeWindow(_stack(pre), _stack(post))
        change = self.kernel.change(layer.synapse, spikes, self.timing, self.dt_ms)
        return {"weight": self.reduction(change, layer.synapse, spikes)}


def weight_change(
    timing: AllPairs,
    pre_ms: ArrayLike,
    post_ms: ArrayLike,
    *,
    dt_ms: float = 0.1,
    w: float = 0.5,
) -> float:
    """The change of one synapse of weight ``w`` by the given spike times, by the real kernel.

    Spike times are rounded to ticks of ``dt_ms``. Additive timing does not depend on w.

    >>> round(weight_change(AllPairs(a_plus=0.01, tau_plus_ms=20.0), [0.0], [10.0]), 8)
    0.00606531

    Raises:
        ValueError: a time that is not finite, two spikes of one neuron in the same tick, or
            no spike at all.
    """
    if not math.isfinite(w):
        raise ValueError(f"w must be finite, got {w}")
    ticks = [
        _ticks(name, times, dt_ms) for name, times in (("pre_ms", pre_ms), ("post_ms", post_ms))
    ]
    first = min(int(t.min()) for t in ticks)
    trains = np.zeros((2, max(int(t.max()) for t in ticks) - first + 1))
    for train, t in zip(trains, ticks, strict=True):
        train[t - first] = 1
    pre, post = (torch.from_numpy(train).view(-1, 1, 1) for train in trains)
    stdp = TraceSTDP(timing, dt_ms, SumOverBatch(), EventKernel())
    return float(stdp.kernel.change(Dense(1, 1), SpikeWindow(pre, post), stdp.timing, dt_ms))


def _ticks(name: str, times: ArrayLike, dt_ms: float) -> np.ndarray:
    values = np.atleast_1d(np.asarray(times, dtype=np.float64))
    if values.size == 0:
        raise ValueError(f"{name} is empty: give at least one spike time in ms")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds times that are not finite: {values}")
    ticks = np.rint(values / dt_ms).astype(np.int64)
    if len(np.unique(ticks)) != len(ticks):
        raise ValueError(f"{name} holds two spikes in one tick of {dt_ms} ms: use a smaller dt_ms")
    return ticks


def _stack(frames: Sequence[Tensor]) -> Tensor:
    """``(time, batch, *features)``, images channels-last where the frames are."""
    if frames[0].dim() == 4:
        return torch.stack([f.permute(0, 2, 3, 1) for f in frames]).permute(0, 1, 4, 2, 3)
    return torch.stack(list(frames))


def _flat(spikes: Tensor) -> np.ndarray:
    return spikes.flatten(2).contiguous().numpy()


def _channels_last(spikes: Tensor) -> np.ndarray:
    return spikes.permute(0, 1, 3, 4, 2).contiguous().numpy()


def _words(spikes: np.ndarray) -> np.ndarray:
    """The same bytes as words of eight units where they divide so: silent ones are skipped."""
    return spikes.view(np.uint64) if spikes.shape[-1] % 8 == 0 else spikes
