"""One synapse under given spike times: where a timing can be tried in one line."""

from __future__ import annotations

import math
import numbers

import numpy as np
import torch
from numpy.typing import ArrayLike

from neurosim.arrays.tensors import dense
from neurosim.naming.settings import require_time, unmasked
from neurosim.spiking.timing.change import ByDensity
from neurosim.spiking.timing.evolving import evolve
from neurosim.spiking.timing.reductions import SumOverBatch
from neurosim.spiking.timing.rules import AbstractTiming
from neurosim.spiking.timing.spike_window import SpikeWindow
from neurosim.spiking.timing.third_factor import Rewarded
from neurosim.synapses import Dense

#: The most ticks between two spikes: beyond them neighbouring ticks are no longer told apart.
_MOST_TICKS = 2**52
#: The most ticks from the first spike to the end of a timing that changes at each.
_MOST_FRAMES = 600_000


def weight_change(
    timing: AbstractTiming,
    pre_ms: ArrayLike,
    post_ms: ArrayLike,
    *,
    dt_ms: float = 0.1,
    w: float = 0.5,
    reward_ms: ArrayLike = (),
    reward: ArrayLike | None = None,
) -> float:
    """The change of one synapse of weight ``w`` by the given spike times, by the real kernel.

    Spike times are rounded to ticks of ``dt_ms``; silent ticks cost nothing, so hours may lie
    between two spikes (not under ``Clopath``, whose membrane has a value at every tick: a minute
    at most). All of the effect counts: the window ends when it has decayed (``timing.tail_ms``).
    Under a weight dependence w evolves; additive timing does not read it. The first call of a
    timing compiles its kernel, some seconds.

    Args:
        timing: any timing, with any weight dependence and third factor.
        pre_ms, post_ms: spike times in ms, in any order; one of the two may be empty, a neuron
            that stays silent.
        dt_ms: length of a tick in ms.
        w: the weight to begin with.
        reward_ms, reward: under ``Rewarded``, the times of the reward and its size, one number
            or one a time; 1 unless told.

    >>> round(weight_change(AllPairs(a_plus=0.01, tau_plus_ms=20.0), [0.0], [10.0]), 8)
    0.00606531

    Raises:
        ValueError: a time that is not finite or too far away to count its ticks, two spikes of
            one neuron in the same tick, no spike of either neuron, a reward without ``Rewarded``,
            or a weight outside the bounds of the dependence.
        TypeError: a time, dt_ms or w that is no number.
    """
    if not isinstance(timing, AbstractTiming):
        raise TypeError(f"timing must be an object such as AllPairs() or Triplet(), got {timing!r}")
    require_time("dt_ms", dt_ms)
    if not isinstance(w, numbers.Real) or isinstance(w, bool):
        raise TypeError(f"w must be a number, got {w!r}")
    if not math.isfinite(w):
        raise ValueError(f"w must be finite, got {w}")
    trains = [
        _ticks(name, times, dt_ms) for name, times in (("pre_ms", pre_ms), ("post_ms", post_ms))
    ]
    if not any(len(train) for train in trains):
        raise ValueError("pre_ms is empty and post_ms too: give at least one spike time in ms")
    rewarded = isinstance(timing, Rewarded)
    if not rewarded and reward is not None:
        raise ValueError("reward goes with Rewarded(...), which this timing is not")
    at = _reward_ticks(reward_ms, dt_ms, rewarded)
    ticks = np.unique(np.concatenate([*trains, at]))
    n_tail = math.ceil(timing.tail_ms / dt_ms)
    if n_tail:
        n_frames = int(ticks[-1] - ticks[0]) + 1 + n_tail
        if n_frames > _MOST_FRAMES:
            what = "a membrane" if timing.reads_voltage else "a change"
            raise ValueError(
                f"{type(timing).__name__} computes {what} at every tick, and there are "
                f"{n_frames:.3g} from the first spike until its effect has decayed "
                f"({timing.tail_ms:.3g} ms after the last; at most {_MOST_FRAMES}): use spikes "
                "closer together, shorter time constants or a longer dt_ms"
            )
        ticks = np.arange(ticks[0], ticks[-1] + n_tail + 1)
    pre, post = (
        torch.from_numpy(np.isin(ticks, train).astype(np.float64)).view(-1, 1, 1)
        for train in trains
    )
    frames = ticks if len(ticks) <= ticks[-1] - ticks[0] else None
    spikes = SpikeWindow(
        pre,
        post,
        frames,
        _rewards(ticks, at, 1.0 if reward is None else reward) if rewarded else None,
    )
    synapse = Dense(1, 1)
    if timing.dependence.constant:
        return float(ByDensity(threshold=1.0).change(synapse, spikes, timing, dt_ms))
    weight = torch.full((1, 1), w, dtype=torch.float64)
    after = evolve(synapse, weight, spikes, timing, dt_ms, SumOverBatch())
    return float(after - weight)


def _reward_ticks(reward_ms: ArrayLike, dt_ms: float, rewarded: bool) -> np.ndarray:
    if rewarded != bool(np.size(reward_ms)):
        raise ValueError(
            "reward_ms goes with Rewarded(...): give both or neither, with at least one time"
        )
    return _ticks("reward_ms", reward_ms, dt_ms) if rewarded else np.array([], dtype=np.int64)


def _rewards(ticks: np.ndarray, at: np.ndarray, reward: ArrayLike) -> torch.Tensor:
    sizes = unmasked("reward", reward)
    if sizes.dtype.kind not in "iuf":
        raise TypeError(f"reward must be a number or one a time, got {reward!r}")
    if sizes.ndim and sizes.shape != at.shape:
        raise ValueError(f"reward must be one number or one for each of the {len(at)} reward_ms")
    if not np.isfinite(sizes).all():
        raise ValueError("reward holds values that are not finite")
    out = np.zeros(len(ticks))
    out[np.searchsorted(ticks, at)] = sizes
    return torch.from_numpy(out).view(-1, 1)


def _ticks(name: str, times: ArrayLike, dt_ms: float) -> np.ndarray:
    if isinstance(times, torch.Tensor):
        times = dense(name, times).cpu().numpy()
    try:
        given = np.atleast_1d(unmasked(name, times))
    except ValueError:
        raise TypeError(f"{name} must be times in ms, one list, got {times!r}") from None
    if given.size and given.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be times in ms, numbers, got {times!r}")
    values = given.astype(np.float64)
    if values.ndim > 1:
        raise ValueError(
            f"{name} must be one list of spike times in ms, got the shape {values.shape}: the "
            "function is about one synapse"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds times that are not finite: {values}")
    with np.errstate(over="ignore"):
        counted = np.rint(values / dt_ms)
    if (np.abs(counted) > _MOST_TICKS).any():
        raise ValueError(
            f"{name} holds times more than {_MOST_TICKS * dt_ms:.3g} ms from 0, which are not "
            f"told apart in ticks of {dt_ms} ms: {values}"
        )
    ticks = counted.astype(np.int64)
    if len(np.unique(ticks)) != len(ticks):
        raise ValueError(f"{name} holds the same tick of {dt_ms} ms twice: use a smaller dt_ms")
    return ticks
