"""All-pairs STDP, event by event.

The sum over pairs is one correlation: with ``W`` the timing window,

    dw(o, i) = sum_(t, s) post_o(t) pre_i(s) W(t - s) = sum_t post_o(t) (W * pre_i)(t)

and the filtered input ``W * pre`` is a causal trace minus an anticausal one, each exact under
``exp(-dt / tau)``. The kernels filter one image at a time, which stays in the cache, and add a
row of it for every postsynaptic spike.

Callers validate; ``window`` is the tuple ``(kp, km, ap, am, a0)``: the decays of one tick, the
amplitudes one tick away (``a exp(-dt / tau)``) and the change at lag 0.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def filter_row(pre: np.ndarray, window: tuple, trace: np.ndarray, filtered: np.ndarray) -> None:
    """``filtered[t] = sum_s W(t - s) pre[s]`` for a row of inputs; pre and filtered ``(time, n)``.

    trace: scratch, ``(n,)``.
    """
    kp, km, ap, am, a0 = window
    n_ticks, n = pre.shape
    trace[:] = 0
    for t in range(n_ticks):
        now, out = pre[t], filtered[t]
        for i in range(n):
            spike = now[i]
            out[i] = ap * trace[i] + a0 * spike
            trace[i] = kp * trace[i] + spike
    trace[:] = 0
    for t in range(n_ticks - 1, -1, -1):
        now, out = pre[t], filtered[t]
        for i in range(n):
            out[i] -= am * trace[i]
            trace[i] = km * trace[i] + now[i]


@numba.njit(cache=True, nogil=True)
def trace(
    value: np.ndarray,
    marks: np.ndarray,
    keep: np.ndarray,
    nearest: bool,
    own: bool,
    back: bool,
    out: np.ndarray,
) -> None:
    """``_factors.trace``: value, marks and out ``(time, n)``, keep ``(time,)``."""
    n_frames, n = value.shape
    now = np.zeros(n, value.dtype)
    for step in range(n_frames):
        t = n_frames - 1 - step if back else step
        kept = keep[t]
        if back:
            kept = keep[t + 1] if step else keep[0]
        for i in range(n):
            before = now[i] * kept
            after = before + value[t, i]
            if nearest:
                after = value[t, i] if marks[t, i] != 0 else before
            out[t, i] = after if own else before
            now[i] = after


# The order of the additions does not matter where only zero is asked for.
@numba.njit(cache=True, nogil=True, fastmath={"reassoc"})
def all_binary(values: np.ndarray) -> bool:
    """Whether every value is 0 or 1; NaN and infinities are not. values: ``(n,)`` floating."""
    chunk = 8192
    for start in range(0, len(values), chunk):
        off = values[0] - values[0]
        for i in range(start, min(start + chunk, len(values))):
            off += abs(values[i] * (values[i] - values.dtype.type(1)))
        if off != 0:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def count(spikes: np.ndarray, words: np.ndarray, total: np.ndarray) -> None:
    """Add the number of spikes of each unit to ``total``, ``(n_units,)``.

    Args:
        spikes: ``(n, n_units)`` uint8.
        words: spikes seen as words of ``n_units / words.shape[1]`` units.
    """
    n_words = words.shape[1]
    per_word = spikes.shape[1] // n_words
    for row in range(spikes.shape[0]):
        for word in range(n_words):
            if words[row, word]:
                for unit in range(word * per_word, (word + 1) * per_word):
                    total[unit] += spikes[row, unit]


@numba.njit(cache=True, nogil=True)
def dense(pre: np.ndarray, post: np.ndarray, window: tuple, out: np.ndarray) -> None:
    """Add the change of an all-to-all synapse.

    Args:
        pre: ``(time, batch, n_in)``, spikes as 0 and 1.
        post: ``(time, batch, n_out)`` uint8.
        out: ``(n_out, n_in)``, added to.
    """
    n_ticks, n_batch, n_in = pre.shape
    trace = np.empty(n_in, pre.dtype)
    filtered = np.empty((n_ticks, n_in), pre.dtype)
    for b in range(n_batch):
        filter_row(pre[:, b], window, trace, filtered)
        for t in range(n_ticks):
            for o in range(post.shape[2]):
                if post[t, b, o]:
                    row, change = filtered[t], out[o]
                    for i in range(n_in):
                        change[i] += row[i]


@numba.njit(cache=True, nogil=True)
def conv2d(
    pre: np.ndarray,
    post: np.ndarray,
    words: np.ndarray,
    window: tuple,
    stride: int,
    padding: int,
    dilation: int,
    out: np.ndarray,
) -> None:
    """Add the change of a convolutional synapse, one value per (out, tap, in).

    Args:
        pre: ``(time, batch, height, width * n_in)``.
        post: ``(time, batch, out_height, out_width, n_out)`` uint8.
        words: post seen as words of ``n_out / words.shape[-1]`` maps, to skip silent ones.
        out: ``(n_out, kernel, kernel * n_in)``, added to.
    """
    n_ticks, n_batch, height, row_length = pre.shape
    n_out, kernel, taps = out.shape
    n_in = taps // kernel
    edge = padding * n_in
    per_word = n_out // words.shape[4]
    trace = np.empty(row_length, pre.dtype)
    # Zero padding stands around the filtered image; only its inside is written.
    filtered = np.zeros((height + 2 * padding, n_ticks, row_length + 2 * edge), pre.dtype)
    for b in range(n_batch):
        for y in range(height):
            filter_row(
                pre[:, b, y], window, trace, filtered[y + padding, :, edge : edge + row_length]
            )
        for t in range(n_ticks):
            for y in range(post.shape[2]):
                for x in range(post.shape[3]):
                    for word in range(words.shape[4]):
                        if words[t, b, y, x, word] == 0:
                            continue
                        for o in range(word * per_word, (word + 1) * per_word):
                            if post[t, b, y, x, o]:
                                start = x * stride * n_in
                                for ky in range(kernel):
                                    row = filtered[y * stride + ky * dilation, t, start:]
                                    change = out[o, ky]
                                    if dilation == 1:
                                        for i in range(taps):
                                            change[i] += row[i]
                                    else:
                                        for kx in range(kernel):
                                            tap = row[kx * dilation * n_in :]
                                            for c in range(n_in):
                                                change[kx * n_in + c] += tap[c]
