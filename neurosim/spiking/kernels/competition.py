"""A tick of the winner-take-all of a layer in one pass over its membranes."""

from __future__ import annotations

import numpy as np

from neurosim.spiking.kernels.door import kernel


# Membranes are finite (inputs are checked): without NaN the maximum may run in vector registers.
# No "contract": a leak is one product and one sum, as torch computes it.
@kernel(
    "pool >= 1 and maps >= 1",
    fastmath={"nnan", "nsz"},
    voltage="real[batch, height, width, maps]",
    before="real[0 | batch, height, width, maps]",
    inverse_threshold="real[1 | batch * height * width, maps]",
    spikes="uint8[batch, height, width, maps]",
    pooled="real[batch, height // pool, width // pool, maps]",
    n_spikes="int64[maps]",
)
def winner_take_all(
    voltage: np.ndarray,
    before: np.ndarray,
    decay: float,
    inverse_threshold: np.ndarray,
    spikes: np.ndarray,
    pooled: np.ndarray,
    n_spikes: np.ndarray,
    pool: int,
) -> None:
    """Integrate, mark the winner of each place, its pooled place and its count; reset that place.

    Args:
        voltage: integrated membranes, or their input where ``before`` is given, ``(batch, height,
            width, maps)``; becomes the membranes after the tick, fired places 0.
        before: the membranes one tick earlier, of which ``decay`` is added; or of batch 0.
        inverse_threshold: ``(n, maps)`` with n 1, or one row a place.
        spikes: zeros of the shape of voltage, uint8.
        pooled: zeros, ``(batch, height // pool, width // pool, maps)``.
        n_spikes: ``(maps,)`` int64, added to.
        pool: side of the pooling window; an incomplete window at the border is dropped.
    """
    n_batch, height, width, n_maps = voltage.shape
    one = inverse_threshold.dtype.type(1)
    leaks, each = len(before) > 0, len(inverse_threshold) > 1
    for b in range(n_batch):
        for y in range(height):
            for x in range(width):
                place = voltage[b, y, x]
                if leaks:
                    kept = before[b, y, x]
                    for m in range(n_maps):
                        place[m] = decay * kept[m] + place[m]
                inverse = inverse_threshold[((b * height + y) * width + x) if each else 0]
                strongest = place[0] * inverse[0]
                for m in range(n_maps):
                    strength = place[m] * inverse[m]
                    strongest = strength if strength > strongest else strongest
                if strongest <= one:
                    continue
                for m in range(n_maps):
                    if place[m] * inverse[m] == strongest:
                        spikes[b, y, x, m] = 1
                        n_spikes[m] += 1
                        if y // pool < pooled.shape[1] and x // pool < pooled.shape[2]:
                            pooled[b, y // pool, x // pool, m] = one
                        break
                place[:] = 0


# No "contract" here either, for the same reason.
@kernel(
    current="real[batch, n]",
    before=["real[batch, n]"] * 5,
    raised="real[n]",
    after=["real[batch, n]"] * 5,
)
def one_winner(
    current: np.ndarray,
    before: tuple,
    raised: np.ndarray,
    constants: tuple,
    after: tuple,
) -> None:
    """A tick of cells that inhibit each other, of which one may fire.

    Args:
        current: ``(batch, n)``.
        before: voltage, ticks left to wait, spikes of the tick before, rise of the threshold, and
            counts, each ``(batch, n)``.
        raised: rise that outlasts presentations, ``(n,)``.
        constants: decay, threshold, inhibition, floor, rise of one spike, ticks to wait after it;
            in the dtype of current.
        after: the same as ``before``, written.
    """
    v_before, wait_before, inhibitory, rise_before, counts_before = before
    v_after, wait_after, spikes, rise_after, counts_after = after
    decay, threshold, inhibition, floor, rise_of_one, to_wait = constants
    n_batch, n = current.shape
    zero, one = decay - decay, current.dtype.type(1)
    above = np.empty(n, current.dtype)
    for b in range(n_batch):
        arriving, held, waits, h = current[b], v_before[b], wait_before[b], inhibitory[b]
        v, wait, s, rise, counts = (
            v_after[b], wait_after[b], spikes[b], rise_after[b], counts_after[b]
        )  # fmt: skip
        firing = zero
        for i in range(n):
            firing += h[i]
        for i in range(n):
            awake = one if waits[i] <= zero else zero
            now = decay * held[i] + (arriving[i] - inhibition * (firing - h[i])) * awake
            v[i] = now if now > floor else floor
            wait[i] = waits[i] - one
            s[i] = zero
            above[i] = (v[i] - (threshold + raised[i] + rise_before[b, i])) * awake
        for i in range(n):
            rise[i] = rise_before[b, i]
            counts[i] = counts_before[b, i]
        winner, furthest = -1, zero
        for i in range(n):
            if above[i] > furthest:
                winner, furthest = i, above[i]
        if winner >= 0:
            v[winner], wait[winner], s[winner] = zero, to_wait, one
            rise[winner] += rise_of_one
            counts[winner] += one
