"""STDP event by event: one or two rows of filtered input for every postsynaptic spike.

Every timing that lowers to a ``TraceRule`` is, over a whole window,

    dw(o, i) = sum over spikes t of o:   P_o(t) X_i(t) - Q_o(t) Z_i(t)

(``_factors.whole_window``). X and Z are filtered one image at a time, which stays in the cache;
spikes become a list with their P and Q; each entry adds its rows.

rule: ``(pairing, sees_pre, sees_post, silent)`` as whole numbers, pairings as below.
amplitudes: ``(a_plus, a3_plus, a_minus, a3_minus)`` in the dtype of the spikes.
keep: what traces keep from the frame before, ``(3, time)`` for tau_plus, tau_minus, tau_x.
"""

from __future__ import annotations

import math

import numpy as np

from neurosim.spiking.kernels.door import inner, kernel

ALL, NEAREST, CENTRED, REDUCED, FIRST = range(5)
#: A frame outside the window, on the far side of all others.
FAR = 1 << 30


@inner
def sides(
    pre: np.ndarray,
    rule: tuple,
    amplitudes: tuple,
    keep: np.ndarray,
    gain: np.ndarray,
    x_side: np.ndarray,
    z_side: np.ndarray,
    last: np.ndarray,
    following: np.ndarray,
) -> None:
    """Filter one row of inputs.

    Args:
        pre: ``(time, n)``.
        gain: third factor, ``(time,)``.
        x_side, z_side: ``(time, n)``, written.
        last, following: frame of the neighbouring presynaptic spike, ``(time, n)`` int32,
            written under REDUCED.
    """
    pairing, sees_pre, sees_post, silent = rule
    _, _, a_minus, a3_minus = amplitudes
    n_frames, n = pre.shape
    fast, slow = np.zeros(n, pre.dtype), np.zeros(n, pre.dtype)
    seen = np.full(n, -FAR, np.int32)
    replace = pairing in (NEAREST, REDUCED)
    for t in range(n_frames):
        now, x_now, z_now = pre[t], x_side[t], z_side[t]
        kept, kept_slow, worth = keep[0, t], keep[2, t], gain[t]
        if pairing in (ALL, CENTRED):
            for i in range(n):
                before = fast[i] * kept
                fast[i] = before + now[i]
                x_now[i] = fast[i] if sees_pre else before
                z_now[i] = now[i] * a_minus * worth
        else:
            for i in range(n):
                before = fast[i] * kept
                fires = now[i] != 0 and not (pairing == FIRST and seen[i] >= 0)
                if pairing == REDUCED:
                    last[t, i] = t if fires and sees_pre else seen[i]
                if fires:
                    fast[i] = now[i] if replace else before + now[i]
                    seen[i] = t
                else:
                    fast[i] = before
                x_now[i] = fast[i] if sees_pre else before
                z_now[i] = now[i] * a_minus * worth if fires else 0
        if a3_minus != 0:
            for i in range(n):
                before = slow[i] * kept_slow
                z_now[i] += now[i] * a3_minus * before * worth
                slow[i] = now[i] if replace and now[i] != 0 else before + now[i]
    fast[:] = 0
    coming = np.full(n, FAR, np.int32)
    for t in range(n_frames - 1, -1, -1):
        z_now = z_side[t]
        kept = keep[1, t + 1] if t + 1 < n_frames else keep[1, 0]
        for i in range(n):
            before = fast[i] * kept
            value = z_now[i]
            if pairing == REDUCED:
                fires = pre[t, i] != 0
                fast[i] = value if fires else before
                following[t, i] = t if fires and sees_post else coming[i]
                if fires:
                    coming[i] = t
            else:
                fast[i] = before + value
            z_now[i] = fast[i] if sees_post else before
            if silent and seen[i] < 0:
                z_now[i] += a_minus * gain[n_frames - 1]


@inner
def find(post: np.ndarray, words: np.ndarray, frames: np.ndarray, units: np.ndarray) -> int:
    """List the spikes of one image in order of time; returns how many.

    Args:
        post: ``(time, n_units)`` uint8; words: the same bytes as ``(time, n_words)``.
        frames, units: int32, long enough.
    """
    n_words = words.shape[1]
    per_word = post.shape[1] // n_words
    n = 0
    for t in range(post.shape[0]):
        for word in range(n_words):
            if words[t, word]:
                for unit in range(word * per_word, (word + 1) * per_word):
                    if post[t, unit]:
                        frames[n], units[n] = t, unit
                        n += 1
    return n


@inner
def weigh(
    frames: np.ndarray,
    units: np.ndarray,
    rule: tuple,
    amplitudes: tuple,
    at_ms: np.ndarray,
    taus: tuple,
    gain: np.ndarray,
    n_units: int,
    p_side: np.ndarray,
    q_side: np.ndarray,
    previous: np.ndarray,
    following: np.ndarray,
) -> None:
    """P and Q of each listed spike, and the frames of its unit's neighbouring spikes.

    Args:
        at_ms: time of each frame; taus: ``(tau_plus, tau_minus, tau_y)`` in ms.
    """
    pairing = rule[0]
    a_plus, a3_plus = amplitudes[0], amplitudes[1]
    tau_plus, tau_minus, tau_y = taus
    event = np.full(n_units, -1, np.int32)
    slow = np.zeros(n_units)
    for e in range(len(frames)):
        t, unit = frames[e], units[e]
        before = event[unit]
        event[unit] = e
        previous[e], following[e] = -FAR, FAR
        p_side[e], q_side[e] = a_plus * gain[t], 1
        trace = 0.0
        if before >= 0:
            elapsed = at_ms[t] - at_ms[frames[before]]
            previous[e], following[before] = frames[before], t
            if a3_plus != 0:
                trace = slow[unit] * math.exp(-elapsed / tau_y)
                p_side[e] = (a_plus + a3_plus * trace) * gain[t]
            if pairing in (NEAREST, CENTRED):
                q_side[e] = 1 - math.exp(-elapsed / tau_minus)
            if pairing == CENTRED:
                p_side[before] -= a_plus * gain[t] * math.exp(-elapsed / tau_plus)
            if pairing == FIRST:
                p_side[e], q_side[e] = 0, 0
        slow[unit] = 1.0 if pairing == NEAREST else trace + 1.0


@inner
def add_adjacent(
    change: np.ndarray,
    x_row: np.ndarray,
    z_row: np.ndarray,
    last: np.ndarray,
    coming: np.ndarray,
    p: float,
    q: float,
    previous: int,
    following: int,
    sees_pre: int,
    sees_post: int,
) -> None:
    """Add the rows of one spike where no other spike stands between the two of a pair."""
    for i in range(len(change)):
        if last[i] > previous or (last[i] == previous and not sees_pre):
            change[i] += p * x_row[i]
        if coming[i] < following or (coming[i] == following and not sees_post):
            change[i] -= q * z_row[i]


@kernel(
    pre="real[time, batch, n_in]",
    post="uint8[time, batch, n_out]",
    words="uint8 | uint64[time, batch, n_out / words.itemsize]",
    keep="real[3, time]",
    at_ms="float64[time]",
    gain="real[time, batch]",
    out="real[n_out, n_in]",
)
def dense(
    pre: np.ndarray,
    post: np.ndarray,
    words: np.ndarray,
    rule: tuple,
    amplitudes: tuple,
    keep: np.ndarray,
    at_ms: np.ndarray,
    taus: tuple,
    gain: np.ndarray,
    out: np.ndarray,
) -> None:
    """Add the change of an all-to-all synapse.

    Args:
        pre: ``(time, batch, n_in)``; post: ``(time, batch, n_out)`` uint8, words its bytes.
        gain: ``(time, batch)``.
        out: ``(n_out, n_in)``, added to.
    """
    n_frames, n_batch, n_in = pre.shape
    n_out = post.shape[2]
    kind = pre.dtype
    reduced = rule[0] == REDUCED
    x_side, z_side = np.empty((n_frames, n_in), kind), np.empty((n_frames, n_in), kind)
    shape = (n_frames, n_in) if reduced else (0, 0)
    last, coming = np.empty(shape, np.int32), np.empty(shape, np.int32)
    for b in range(n_batch):
        frames, units, n = _events(post[:, b], words[:, b])
        p_side, q_side = np.empty(n, kind), np.empty(n, kind)
        previous, following = np.empty(n, np.int32), np.empty(n, np.int32)
        weigh(
            frames, units, rule, amplitudes, at_ms, taus, gain[:, b], n_out,
            p_side, q_side, previous, following,
        )  # fmt: skip
        sides(pre[:, b], rule, amplitudes, keep, gain[:, b], x_side, z_side, last, coming)
        for e in range(n):
            t, p, q = frames[e], p_side[e], q_side[e]
            change, x_row, z_row = out[units[e]], x_side[t], z_side[t]
            if reduced:
                add_adjacent(
                    change, x_row, z_row, last[t], coming[t], p, q,
                    previous[e], following[e], rule[1], rule[2],
                )  # fmt: skip
            else:
                for i in range(n_in):
                    change[i] += p * x_row[i] - q * z_row[i]


@inner
def _events(post: np.ndarray, words: np.ndarray) -> tuple:
    """``(frames, units, n)`` of the spikes of one image."""
    n = 0
    for t in range(post.shape[0]):
        for unit in range(post.shape[1]):
            n += post[t, unit] != 0
    frames, units = np.empty(n, np.int32), np.empty(n, np.int32)
    find(post, words, frames, units)
    return frames, units, n
