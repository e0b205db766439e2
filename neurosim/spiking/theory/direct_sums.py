"""The change of one synapse written out as sums over pairs and triplets of spikes.

Slow and plain: every pair of spikes is looked at, nothing is carried from one spike to the next.
It is what the kernels are held against, so it shares no code with them: each timing is read here
from its own parameters. The voltage rule, whose postsynaptic side is a membrane, is summed over
ticks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import lfilter

from neurosim.naming.settings import unmasked
from neurosim.spiking.timing.rules import (
    AbstractTiming,
    AllPairs,
    AntiHebbian,
    Clopath,
    FirstSpike,
    Inhibitory,
    NearestPair,
    Symmetric,
    Triplet,
)
from neurosim.spiking.timing.voltage_timing import SpikeVoltage

Mask = NDArray[np.bool_]
Ticks = NDArray[np.int64]
Changes = tuple[NDArray, NDArray]
_FAR = np.iinfo(np.int64).max
#: Whether a spike in the same tick counts as causal, and as acausal.
_TIES = {
    "none": (False, False),
    "potentiate": (True, False),
    "both": (True, True),
    "acausal": (False, True),
}


@dataclass(frozen=True)
class Terms:
    """What a timing sums.

    causal, acausal: change by a pair at lag 0+ and 0- (signed), and its decay time in ms.
    ties: whether lag 0 counts as causal, and as acausal.
    scheme: which pairs count: "all", a scheme of ``NearestPair``, or "first".
    third_causal, third_acausal: further change by an earlier spike of the neuron that fires now
        (post for causal, pre for acausal), and its decay time; None without.
    nearest_third: only the last earlier spike counts.
    per_pre: change at every presynaptic spike, whatever the other neuron does (signed).
    """

    causal: tuple[float, float]
    acausal: tuple[float, float]
    ties: tuple[bool, bool]
    scheme: str = "all"
    third_causal: tuple[float, float] | None = None
    third_acausal: tuple[float, float] | None = None
    nearest_third: bool = False
    per_pre: float = 0.0


@singledispatch
def terms(timing: AbstractTiming) -> Terms:
    """The sums that a timing of pairs and triplets stands for; register one for each new class
    (``changes`` for a timing of another kind)."""
    raise TypeError(
        f"no direct sum is written for {type(timing).__name__}: register one with "
        "neurosim.spiking.theory.direct_sums.terms or .changes"
    )


@terms.register
def _(timing: AllPairs) -> Terms:
    return Terms(
        (timing.a_plus, timing.tau_plus_ms),
        (-timing.a_minus, timing.tau_minus_ms),
        _TIES[timing.coincidence],
    )


@terms.register
def _(timing: NearestPair) -> Terms:
    return Terms(
        (timing.a_plus, timing.tau_plus_ms),
        (-timing.a_minus, timing.tau_minus_ms),
        _TIES[timing.coincidence],
        timing.scheme,
    )


@terms.register
def _(timing: Triplet) -> Terms:
    nearest = timing.interaction == "nearest"
    return Terms(
        (timing.a2_plus, timing.tau_plus_ms),
        (-timing.a2_minus, timing.tau_minus_ms),
        _TIES[timing.coincidence],
        "symmetric" if nearest else "all",
        (timing.a3_plus, timing.tau_y_ms),
        (-timing.a3_minus, timing.tau_x_ms),
        nearest,
    )


@terms.register
def _(timing: FirstSpike) -> Terms:
    return Terms(
        (timing.a_plus, timing.tau_plus_ms),
        (-timing.a_minus, timing.tau_minus_ms),
        _TIES[timing.coincidence],
        "first",
    )


@terms.register
def _(timing: Symmetric) -> Terms:
    return Terms((timing.a, timing.tau_ms), (timing.a, timing.tau_ms), (True, False))


@terms.register
def _(timing: AntiHebbian) -> Terms:
    depress, potentiate = {
        "none": (False, False),
        "potentiate": (False, True),
        "both": (True, True),
        "acausal": (False, True),
    }[timing.coincidence]
    return Terms(
        (-timing.a_minus, timing.tau_minus_ms),
        (timing.a_plus, timing.tau_plus_ms),
        (depress, potentiate),
    )


@terms.register
def _(timing: Inhibitory) -> Terms:
    alone = -timing.eta * 2 * timing.target_hz * timing.tau_ms / 1000
    both = (timing.eta, timing.tau_ms)
    return Terms(both, both, (True, False), per_pre=alone)


def direct_change(
    timing: AbstractTiming,
    pre_ms: ArrayLike,
    post_ms: ArrayLike,
    *,
    dt_ms: float = 0.1,
    w: float = 0.5,
) -> float:
    """What ``weight_change`` must give, to rounding: the same arguments, times on whole ticks."""
    pre, post = (
        np.unique(np.rint(unmasked("spike times", times).astype(float) / dt_ms).astype(np.int64))
        for times in (pre_ms, post_ms)
    )
    return _carried_out(timing, w, changes(timing, pre, post, dt_ms))


@singledispatch
def changes(timing: AbstractTiming, pre: Ticks, post: Ticks, dt_ms: float) -> list[Changes]:
    """Every change before weight dependence, as ``(ticks, amounts)``: one entry for each sum."""
    t = terms(timing)
    if t.scheme == "first":
        pre, post = pre[:1], post[:1]
        if not len(pre) and math.isinf(t.acausal[1]):
            # A silent presynaptic neuron counts as one that fires after everything.
            return [(post, np.full(len(post), t.acausal[0]))]
    lag = post[:, None] - pre[None, :]
    causal = (lag > 0) | ((lag == 0) & t.ties[0])
    acausal = (lag < 0) | ((lag == 0) & t.ties[1])
    causal, acausal = _paired(t.scheme, causal, acausal, np.abs(lag))

    def pairs(tau_ms: float, mask: Mask) -> NDArray[np.float64]:
        return np.where(mask, np.exp(-np.abs(lag) * dt_ms / tau_ms), 0.0)

    at_post = pairs(t.causal[1], causal).sum(1) * _amplitude(
        t.causal[0], t.third_causal, post * dt_ms, t.nearest_third
    )
    at_pre = pairs(t.acausal[1], acausal).sum(0) * _amplitude(
        t.acausal[0], t.third_acausal, pre * dt_ms, t.nearest_third
    )
    return [(post, at_post), (pre, at_pre + t.per_pre)]


@changes.register
def _(timing: Clopath, pre: Ticks, post: Ticks, dt_ms: float) -> list[Changes]:
    """The membrane by the time since the last spike, until
    not one part in 1e20 of a presynaptic spike is left: without one, nothing changes at all."""
    if not len(pre):
        return [(pre, np.zeros(0))]
    rest, delay = timing.voltage.rest, round(timing.delay_ms / dt_ms)
    gone = math.ceil(timing.tau_x_ms * math.log(1e20 * len(pre)) / dt_ms)
    ticks = np.arange(min([*pre, *post]), pre.max() + gone + 1)
    u = np.array([_voltage(timing.voltage, post[post <= t], t, dt_ms) for t in ticks.tolist()])

    def low_pass(tau_ms: float) -> NDArray[np.float64]:
        # The ticks that a filter has seen lie more than the delay back.
        keep = math.exp(-dt_ms / tau_ms)
        seen = np.concatenate([np.zeros(delay + 1), u - rest])[: len(u)]
        return rest + lfilter([1 - keep], [1, -keep], seen)

    def above(value: NDArray, threshold: float) -> NDArray[np.float64]:
        return np.where(value > threshold, value - threshold, 0.0)

    since = (ticks[:, None] - pre[None, :]) * dt_ms
    x_bar = np.where(since >= 0, np.exp(-np.abs(since) / timing.tau_x_ms), 0.0).sum(1)
    rise = above(u, timing.theta_plus) * above(low_pass(timing.tau_plus_ms), timing.theta_minus)
    plus = timing.a_ltp * dt_ms / timing.tau_x_ms * x_bar * rise
    minus = timing.a_ltd * above(low_pass(timing.tau_minus_ms), timing.theta_minus)
    return [(ticks, plus), (pre, -minus[np.isin(ticks, pre)])]


def _voltage(v: SpikeVoltage, fired: Ticks, now: int, dt_ms: float) -> float:
    """The membrane (mV) at a tick, from the spikes up to it."""
    if len(fired) == 0:
        return v.rest
    since = now - int(fired[-1]) - max(1, round(v.width_ms / dt_ms))
    if since < 0:
        return v.peak
    membrane, after = (
        math.exp(-since * dt_ms / tau) for tau in (v.tau_membrane_ms, v.tau_after_ms)
    )
    # Response of a leaky membrane to an exponential drive, (after - membrane) tau_after /
    # (tau_after - tau_membrane); as (1 - exp(-x)) / x it has its limit where the two times are one.
    x = since * dt_ms * (1 / v.tau_membrane_ms - 1 / v.tau_after_ms)
    driven = after * since * dt_ms / v.tau_membrane_ms * (-math.expm1(-x) / x if x else 1.0)
    return v.rest + (v.reset - v.rest) * membrane + v.after * driven


def _paired(scheme: str, causal: Mask, acausal: Mask, apart: NDArray) -> tuple[Mask, Mask]:
    """The pairs that count, ``(n_post, n_pre)`` each."""
    if scheme in ("all", "first"):
        return causal, acausal
    # Axis 1: the nearest presynaptic spike of each postsynaptic one; axis 0 the other way.
    if scheme == "symmetric":
        return _nearest(causal, apart, 1), _nearest(acausal, apart, 0)
    if scheme == "presynaptic-centred":
        return _nearest(causal, apart, 0), _nearest(acausal, apart, 0)
    assert scheme == "reduced", scheme
    both = [_nearest(mask, apart, 0) & _nearest(mask, apart, 1) for mask in (causal, acausal)]
    return both[0], both[1]


def _nearest(mask: Mask, apart: NDArray, axis: int) -> Mask:
    distance = np.where(mask, apart, _FAR)
    return mask & (distance == distance.min(axis, keepdims=True, initial=_FAR))


def _amplitude(
    pair: float, third: tuple[float, float] | None, times_ms: NDArray, nearest: bool
) -> NDArray[np.float64]:
    """Pair amplitude plus what earlier spikes of the same neuron add, at each spike."""
    if third is None:
        return np.full(len(times_ms), pair)
    since = times_ms[:, None] - times_ms[None, :]
    earlier = since > 0
    if nearest:
        earlier = np.eye(len(times_ms), k=-1, dtype=bool)
    return pair + third[0] * np.where(earlier, np.exp(-np.abs(since) / third[1]), 0.0).sum(1)


def _carried_out(timing: AbstractTiming, w: float, changes: list[tuple[NDArray, NDArray]]) -> float:
    """Add the changes in the order of their ticks, scaled and clipped by the weight."""
    dependence, now = timing.dependence, w
    sums = [dict(zip(ticks.tolist(), at.tolist(), strict=True)) for ticks, at in changes]
    for tick in sorted({tick for amounts in sums for tick in amounts}):
        step = 0.0
        for amounts in sums:
            amount = amounts.get(tick, 0.0)
            gain = dependence.plus(now) if amount > 0 else dependence.minus(now)
            step += amount * float(gain)
        now = min(max(now + step, dependence.w_min), dependence.w_max)
    return now - w
