"""Weights that change while the spikes come: what weight dependence asks for.

The changes of one tick, summed over batch and places and reduced, are scaled by the gains of
the weight before that tick, added and clipped:

    w <- clip(w + f_plus(w) potentiation - f_minus(w) depression, w_min, w_max)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from neurosim.arrays.tensors import plain
from neurosim.spiking.timing.abstract_timing import AbstractTiming
from neurosim.spiking.timing.factors import Factor, Listed
from neurosim.spiking.timing.reductions import AbstractReduction
from neurosim.spiking.timing.spike_window import SpikeWindow
from neurosim.spiking.timing.third_factor import Rewarded
from neurosim.spiking.timing.weight_dependence import AbstractWeightDependence
from neurosim.synapses import AbstractSynapse, Dense

#: From a frame and the weight before it to the change; None where nothing happens.
Step = Callable[[int, Tensor], Tensor | None]


def evolve(
    synapse: AbstractSynapse,
    weight: Tensor,
    spikes: SpikeWindow,
    timing: AbstractTiming,
    dt_ms: float,
    reduction: AbstractReduction,
) -> Tensor:
    """The weight after the window.

    Sparse spikes of a dense layer on the CPU are run spike by spike (numba) under every timing that
    lists its changes (``AbstractCausal.listed``: all but the centred and reduced pairings) without
    a third factor; everything else frame by frame with the synapse's own ``correlate``.

    reduction: from the sum over batch and places at one tick to the change of the weight.

    Raises:
        ValueError: a weight of another shape, not finite or outside the bounds of the dependence;
            spikes that are not 0 and 1 or that the synapse does not join; amplitudes that leave a
            weight which is not finite; under a third factor, rewards that differ between the
            images of a batch.
    """
    spikes.check(synapse, timing, dt_ms)
    weight = plain("weight", weight, spikes.pre)
    synapse.check_weight(weight)
    after = _evolved(synapse, weight, spikes, timing, dt_ms, reduction)
    if not bool(after.isfinite().all()):
        raise ValueError(
            f"a weight is not finite after the window: the amplitudes of {timing!r} are too large "
            f"for {weight.dtype}"
        )
    return after


def _evolved(
    synapse: AbstractSynapse,
    weight: Tensor,
    spikes: SpikeWindow,
    timing: AbstractTiming,
    dt_ms: float,
    reduction: AbstractReduction,
) -> Tensor:
    dependence = timing.dependence
    dependence.check(weight)
    compiled = (
        isinstance(synapse, Dense)
        and weight.device.type == "cpu"
        and not isinstance(timing, Rewarded)
    )
    # The spikes are counted first: listing the changes filters the whole window.
    if compiled and _is_sparse(spikes.pre, spikes.post):
        listed = timing.causal(spikes, dt_ms).listed()
        if listed is not None and _is_sparse(listed.plus_side[1], listed.minus_side[0]):
            return _on_cpu(weight, listed, dependence, reduction.divisor(synapse, spikes))
    return _anywhere(synapse, weight, spikes, timing, dt_ms, reduction)


def _is_sparse(*sides: Tensor) -> bool:
    """Whether a neuron changes its synapses less than once a frame, all images of the batch taken
    together: above that the matrix products of the frame-by-frame way are the faster ones
    (``tests/benchmarks/bench_stdp_kernels.py``)."""
    return all(int(side.count_nonzero()) * side.shape[1] <= side.numel() for side in sides)


def _on_cpu(
    weight: Tensor, listed: Listed, dependence: AbstractWeightDependence, divisor: Tensor | float
) -> Tensor:
    """The numbers of ``_anywhere`` from one compiled pass."""
    from neurosim.spiking.kernels import evolving as evolving_kernels

    kind, held = weight.numpy().dtype.type, dependence.held(weight)
    after = weight.clone(memory_format=torch.contiguous_format)

    def arrays(factor: Factor) -> tuple[np.ndarray, ...]:
        return tuple(side.to(weight.dtype).flatten(2).contiguous().numpy() for side in factor)

    nothing = listed.plus_side[0][:1, :0], listed.plus_side[1][:1, :0]
    pre, post = arrays(nothing if listed.at_end is None else _as_frame(listed.at_end))
    evolving_kernels.dense(
        arrays(listed.plus_side),
        arrays(listed.minus_side),
        (pre[0], post[0]),
        torch.as_tensor(divisor, dtype=weight.dtype).expand(len(weight)).contiguous().numpy(),
        tuple(kind(exponent) for exponent in dependence.exponents),
        tuple(kind(value) for value in held.unit),
        (kind(held.w_min), kind(held.w_max)),
        after.numpy(),
    )
    return after


def _as_frame(factor: Factor) -> Factor:
    return factor[0][None], factor[1][None]


def _anywhere(
    synapse: AbstractSynapse,
    weight: Tensor,
    spikes: SpikeWindow,
    timing: AbstractTiming,
    dt_ms: float,
    reduction: AbstractReduction,
) -> Tensor:
    """Frame by frame, any synapse under any timing on any device."""
    dependence, causal = timing.dependence, timing.causal(spikes, dt_ms)

    def reduce(change: Tensor) -> Tensor:
        return reduction(change, synapse, spikes)

    def step(t: int, w: Tensor) -> Tensor | None:
        plus, minus = _sum(synapse, causal.plus(t)), _sum(synapse, causal.minus(t))
        parts = [] if plus is None else [_scaled(dependence, w, reduce(plus))]
        if minus is not None:
            parts.append(_scaled(dependence, w, -reduce(minus)))
        return sum(parts[1:], parts[0]) if parts else None

    if isinstance(timing, Rewarded):
        return _rewarded(weight, step, timing, spikes, dt_ms)
    w, held = weight.clone(), dependence.held(weight)
    for t in range(len(spikes.pre)):
        change = step(t, w)
        if change is not None:
            w = (w + change).clamp(held.w_min, held.w_max)
    return w


def _rewarded(
    weight: Tensor, step: Step, timing: Rewarded, spikes: SpikeWindow, dt_ms: float
) -> Tensor:
    reward = timing.reward_of(spikes)
    if bool((reward != reward[:, :1]).any()):
        raise ValueError(
            "under a weight dependence the images of a batch share one weight and one "
            "eligibility, so their rewards must be equal: use batches of 1 or Additive()"
        )
    clock, held = spikes.clock(dt_ms), timing.dependence.held(weight)
    low, high = held.w_min, held.w_max
    keep_mark = clock.keep(timing.tau_eligibility_ms).tolist()
    filtered = timing.tau_reward_ms > 0
    keep_signal = clock.keep(timing.tau_reward_ms).tolist() if filtered else []
    # The product of two exponentials, integrated from one frame to the next.
    area = timing.tau_joint_ms / timing.tau_reward_ms if filtered else 0.0
    w, mark, signal = weight.clone(), torch.zeros_like(weight), 0.0
    for t, now in enumerate(reward[:, 0].double().tolist()):
        if signal:
            joint = 1 - keep_mark[t] * keep_signal[t]
            w = (w + signal * area * joint * mark).clamp(low, high)
            signal *= keep_signal[t]
        mark = mark * keep_mark[t]
        change = step(t, w)
        if change is not None:
            mark = mark + change
        if filtered:
            signal += now
        elif now:
            w = (w + now * mark).clamp(low, high)
    return (w + signal * area * mark).clamp(low, high)


def _scaled(dependence: AbstractWeightDependence, w: Tensor, change: Tensor) -> Tensor:
    """A change times the gain of its own sign: an amplitude may be negative."""
    return change * torch.where(change > 0, dependence.plus(w), dependence.minus(w))


def _sum(synapse: AbstractSynapse, factors: Iterable[Factor]) -> Tensor | None:
    total = None
    for a, b in factors:
        change = synapse.correlate(a, b)[0]
        total = change if total is None else total + change
    return total
