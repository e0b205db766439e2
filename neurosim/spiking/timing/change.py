"""How the change of a whole window is carried out: by events, by fused calls, or by density."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from neurosim.spiking.timing.rules import AbstractTiming, AbstractTraceTiming
from neurosim.spiking.timing.spike_window import SpikeWindow, words
from neurosim.spiking.timing.third_factor import Rewarded
from neurosim.spiking.timing.trace_rule import COINCIDENCE, TraceRule
from neurosim.synapses import AbstractSynapse, Conv2d, Dense


class AbstractKernel(ABC):
    """A way of carrying out the sum over spikes; all give the same numbers."""

    @final
    def change(
        self, synapse: AbstractSynapse, spikes: SpikeWindow, timing: AbstractTiming, dt_ms: float
    ) -> Tensor:
        """The summed change, in the shape of the weight, where the weight plays no part.

        Raises:
            ValueError: spikes that are not 0 and 1, or whose shapes the synapse does not join;
                amplitudes that leave a change which is not finite.
        """
        spikes.check(synapse, timing, dt_ms)
        change = self._change(synapse, spikes, timing, dt_ms)
        if not bool(change.isfinite().all()):
            raise ValueError(
                f"a change is not finite: the amplitudes of {timing!r} are too large for "
                f"{change.dtype}"
            )
        return change

    @abstractmethod
    def _change(
        self, synapse: AbstractSynapse, spikes: SpikeWindow, timing: AbstractTiming, dt_ms: float
    ) -> Tensor:
        """``change`` after its input has been checked."""


def window_coefficients(rule: TraceRule, dt_ms: float) -> tuple[float, ...]:
    """``(kp, km, ap, am, a0)`` as ``kernels.trace`` reads them."""
    kp = math.exp(-dt_ms / rule.tau_plus_ms)
    km = math.exp(-dt_ms / rule.tau_minus_ms)
    plus, minus = COINCIDENCE[rule.coincidence]
    return kp, km, rule.a_plus * kp, rule.a_minus * km, plus * rule.a_plus - minus * rule.a_minus


def filter_by_window(pre: Tensor, rule: TraceRule, dt_ms: float) -> Tensor:
    """``(W * pre)(t) = sum_s W((t - s) dt) pre(s)``, ``(time, batch, *features)``."""
    window = window_coefficients(rule, dt_ms)
    if pre.device.type == "cpu" and pre.dtype in (torch.float32, torch.float64):
        return _filter_on_cpu(pre, window)
    return _filter_anywhere(pre, window)


def _filter_on_cpu(pre: Tensor, window: tuple[float, ...]) -> Tensor:
    from neurosim.spiking.kernels.trace import filter_all

    # Ticks in the order of time, what one tick holds in that of memory: no copy of either layout.
    axes = [0, *sorted(range(1, pre.dim()), key=pre.stride, reverse=True)]
    rows = pre.permute(axes).contiguous()
    filtered = torch.empty_like(rows)
    kind = rows.numpy().dtype.type
    flat = (len(rows), 1, -1)
    filter_all(rows.view(flat).numpy(), tuple(kind(c) for c in window), filtered.view(flat).numpy())
    return filtered.permute([axes.index(axis) for axis in range(pre.dim())])


def _filter_anywhere(pre: Tensor, window: tuple[float, ...]) -> Tensor:
    """The same numbers from torch operators, for other devices."""
    kp, km, ap, am, a0 = window
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
    """One call of the synapse's own ``correlate`` over all ticks for each factor (one for a sum
    over pairs): best where spikes are dense; runs every timing and synapse on every device."""

    def _change(
        self, synapse: AbstractSynapse, spikes: SpikeWindow, timing: AbstractTiming, dt_ms: float
    ) -> Tensor:
        if _merges(spikes, timing):
            assert isinstance(timing, AbstractTraceTiming)
            filtered = filter_by_window(spikes.pre, timing.rule, dt_ms)
            post = spikes.post.to(filtered.dtype)
            return synapse.correlate(filtered.flatten(0, 1), post.flatten(0, 1))[0]
        total = spikes.pre.new_zeros(synapse.weight_shape)
        for a, b in timing.whole_window(spikes, dt_ms):
            total += synapse.correlate(a.flatten(0, 1), b.to(a.dtype).flatten(0, 1))[0]
        return total


def _merges(spikes: SpikeWindow, timing: AbstractTiming) -> bool:
    """Whether both directions of time merge into one filtered presynaptic side."""
    is_pair_sum = isinstance(timing, AbstractTraceTiming) and timing.rule.is_pair_sum
    return is_pair_sum and spikes.ticks is None


@final
@dataclass(frozen=True)
class EventKernel(AbstractKernel):
    """One addition per postsynaptic spike (numba, CPU): best where spikes are sparse."""

    def _change(
        self, synapse: AbstractSynapse, spikes: SpikeWindow, timing: AbstractTiming, dt_ms: float
    ) -> Tensor:
        from neurosim.spiking.kernels import trace as trace_kernels

        if not self.fits(synapse, spikes, timing):
            raise ValueError(
                f"the event kernel runs trace timings on dense synapses and sums over pairs on "
                f"ungrouped Conv2d, on the CPU; got {synapse} on {spikes.pre.device} under "
                f"{timing}: use FusedKernel()"
            )
        if not _merges(spikes, timing):
            return _dense_events(synapse, spikes, timing, dt_ms)
        assert isinstance(timing, AbstractTraceTiming)
        kind = spikes.pre.numpy().dtype.type
        window = tuple(kind(c) for c in window_coefficients(timing.rule, dt_ms))
        if isinstance(synapse, Dense):
            pre, post = _flat(spikes.pre), _flat(spikes.post.to(torch.uint8))
            out = np.zeros(synapse.weight_shape, kind)
            trace_kernels.dense(pre, post, window, out)
            return torch.from_numpy(out)
        assert isinstance(synapse, Conv2d)
        pre, post = _channels_last(spikes.pre), _channels_last(spikes.post.to(torch.uint8))
        n_out, n_in, *kernel = synapse.weight_shape
        out = np.zeros((n_out, *kernel, n_in), kind)
        trace_kernels.conv2d(
            pre, post, words(post), window, synapse.stride, synapse.padding, synapse.dilation, out
        )
        return torch.from_numpy(out).permute(0, 3, 1, 2)

    @staticmethod
    def fits(synapse: AbstractSynapse, spikes: SpikeWindow, timing: AbstractTiming) -> bool:
        """Whether this kernel can run that timing on that synapse."""
        if spikes.pre.device.type != "cpu":
            return False
        if isinstance(synapse, Dense):
            return isinstance(_marking(timing), AbstractTraceTiming)
        ungrouped = isinstance(synapse, Conv2d) and synapse.groups == 1
        return ungrouped and _merges(spikes, timing)


def _marking(timing: AbstractTiming) -> AbstractTiming:
    """The timing without its third factor."""
    return timing.timing if isinstance(timing, Rewarded) else timing


_PAIRING_CODES = {"all": 0, "nearest": 1, "centred": 2, "reduced": 3, "first": 4}


def _dense_events(
    synapse: AbstractSynapse, spikes: SpikeWindow, timing: AbstractTiming, dt_ms: float
) -> Tensor:
    from neurosim.spiking.kernels import event as event_kernels

    marking = _marking(timing)
    assert isinstance(marking, AbstractTraceTiming)
    rule, clock = marking.rule, spikes.clock(dt_ms)
    pre, post = _flat(spikes.pre), _flat(spikes.post.to(torch.uint8))
    kind = pre.dtype.type
    if isinstance(timing, Rewarded):
        gain = timing.worth(timing.reward_of(spikes).to(spikes.pre), clock).numpy()
    else:
        gain = np.ones(pre.shape[:2], kind)
    silent = rule.pairing == "first" and math.isinf(rule.tau_minus_ms)
    out = np.zeros(synapse.weight_shape, kind)
    event_kernels.dense(
        pre,
        post,
        words(post),
        (_PAIRING_CODES[rule.pairing], *COINCIDENCE[rule.coincidence], int(silent)),
        tuple(kind(a) for a in (rule.a_plus, rule.a3_plus, rule.a_minus, rule.a3_minus)),
        np.stack(
            [clock.keep(tau) for tau in (rule.tau_plus_ms, rule.tau_minus_ms, rule.tau_x_ms)]
        ).astype(kind),
        clock.ticks * float(dt_ms),
        (rule.tau_plus_ms, rule.tau_minus_ms, rule.tau_y_ms),
        gain,
        out,
    )
    if rule.offset:
        out -= (rule.offset * rule.a_minus) * (pre * gain[:, :, None]).sum((0, 1))
    return torch.from_numpy(out)


@final
@dataclass(frozen=True)
class SubsetKernel(AbstractKernel):
    """Tables of subset sums (numba, CPU): best for dense synapses where spikes are not sparse.

    Its cost does not depend on the density; sums over pairs on ``Dense``, see
    ``kernels.subset``.
    """

    def _change(
        self, synapse: AbstractSynapse, spikes: SpikeWindow, timing: AbstractTiming, dt_ms: float
    ) -> Tensor:
        from neurosim.spiking.kernels import subset as subset_kernels

        if not self.fits(synapse, spikes, timing):
            raise ValueError(
                f"the subset kernel runs sums over pairs on dense synapses, on the CPU; got "
                f"{synapse} on {spikes.pre.device} under {timing}: use FusedKernel()"
            )
        assert isinstance(timing, AbstractTraceTiming)
        pre, post = _flat(spikes.pre), _flat(spikes.post.to(torch.uint8))
        kind = pre.dtype.type
        window = tuple(kind(c) for c in window_coefficients(timing.rule, dt_ms))
        out = np.zeros(synapse.weight_shape, kind)
        subset_kernels.dense(pre, post, window, out)
        return torch.from_numpy(out)

    @staticmethod
    def fits(synapse: AbstractSynapse, spikes: SpikeWindow, timing: AbstractTiming) -> bool:
        """Whether this kernel can run that timing on that synapse."""
        on_cpu = spikes.pre.device.type == "cpu"
        return on_cpu and isinstance(synapse, Dense) and _merges(spikes, timing)


@final
@dataclass(frozen=True)
class ByDensity(AbstractKernel):
    """Events up to ``threshold`` postsynaptic spikes a place and tick; above it tables of subset
    sums where there are enough neurons to read them, else the fused call.

    The defaults lie where ``tests/benchmarks/bench_stdp_kernels.py`` finds the crossings, near .15
    for convolutions and near .1 where tables take over. A table costs 32 additions an input,
    however few neurons read it.
    """

    threshold: float = 0.15
    table_threshold: float = 0.1
    table_neurons: int = 64

    def choose(
        self, synapse: AbstractSynapse, spikes: SpikeWindow, timing: AbstractTiming
    ) -> AbstractKernel:
        """The kernel this one would run."""
        tables = SubsetKernel.fits(synapse, spikes, timing)
        tables = tables and synapse.weight_shape[0] >= self.table_neurons
        threshold = min(self.threshold, self.table_threshold) if tables else self.threshold
        if EventKernel.fits(synapse, spikes, timing) and spikes.density <= threshold:
            return EventKernel()
        return SubsetKernel() if tables else FusedKernel()

    def _change(
        self, synapse: AbstractSynapse, spikes: SpikeWindow, timing: AbstractTiming, dt_ms: float
    ) -> Tensor:
        return self.choose(synapse, spikes, timing)._change(synapse, spikes, timing, dt_ms)


def _flat(spikes: Tensor) -> np.ndarray:
    return spikes.flatten(2).contiguous().numpy()


def _channels_last(spikes: Tensor) -> np.ndarray:
    return spikes.permute(0, 1, 3, 4, 2).contiguous().numpy()
