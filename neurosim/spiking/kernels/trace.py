"""All-pairs STDP, event by event.

The sum over pairs is one correlation: with ``W`` the timing window,

    dw(o, i) = sum_(t, s) post_o(t) pre_i(s) W(t - s) = sum_t post_o(t) (W * pre_i)(t)

and the filtered input ``W * pre`` is a causal trace minus an anticausal one, each exact under
``exp(-dt / tau)``. The kernels filter one image at a time, which stays in the cache, and add a
row of it for every postsynaptic spike.

``window`` is the tuple ``(kp, km, ap, am, a0)``: the decays of one tick, the
amplitudes one tick away (``a exp(-dt / tau)``) and the change at lag 0.
"""

from __future__ import annotations

import numpy as np

from neurosim.spiking.kernels.door import inner, kernel


@inner
def filter_block(
    pre: np.ndarray,
    rows: tuple,
    columns: tuple,
    window: tuple,
    trace: np.ndarray,
    filtered: np.ndarray,
    at: tuple,
) -> None:
    """``filtered[t] = sum_s W(t - s) pre[s]`` for a block of inputs.

    Args:
        pre: ``(time, n_rows, n)``.
        rows, columns: first and one past the last of the block.
        trace: scratch of the size of the block.
        filtered: ``(time, ...)``; the block is written from row and column ``at`` on.
    """
    kp, km, ap, am, a0 = window
    n_ticks, n = pre.shape[0], columns[1] - columns[0]
    n_rows, first = rows[1] - rows[0], at[1]
    # Rows are taken from whole arrays: through a strided view their loops would not run in
    # vector registers.
    trace[:] = 0
    for t in range(n_ticks):
        for r in range(n_rows):
            now = pre[t, rows[0] + r, columns[0] : columns[1]]
            out, held = filtered[t, at[0] + r, first : first + n], trace[r]
            for i in range(n):
                spike = now[i]
                out[i] = ap * held[i] + a0 * spike
                held[i] = kp * held[i] + spike
    trace[:] = 0
    for t in range(n_ticks - 1, -1, -1):
        for r in range(n_rows):
            now = pre[t, rows[0] + r, columns[0] : columns[1]]
            out, held = filtered[t, at[0] + r, first : first + n], trace[r]
            for i in range(n):
                out[i] -= am * held[i]
                held[i] = km * held[i] + now[i]


@kernel(pre="real[time, 1, n]", filtered="real[time, 1, n]")
def filter_all(pre: np.ndarray, window: tuple, filtered: np.ndarray) -> None:
    """``filter_block`` of ``(time, 1, n)``, a piece at a time that stays in the cache."""
    n, piece = pre.shape[2], 4096
    trace = np.empty((1, piece), pre.dtype)
    for start in range(0, n, piece):
        stop = min(n, start + piece)
        filter_block(pre, (0, 1), (start, stop), window, trace, filtered, (0, start))


@kernel(value="real[time, n]", marks="real[time, n]", keep="real[time]", out="real[time, n]")
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


@kernel(values="real[n]")
def all_binary(values: np.ndarray) -> bool:
    """Whether every value is 0 or 1; NaN and infinities are not. values: ``(n,)`` floating."""
    zero, one = values.dtype.type(0), values.dtype.type(1)
    for start in range(0, len(values), 8192):
        part = values[start : start + 8192]
        n_binary = 0
        for i in range(len(part)):
            n_binary += (part[i] == zero) | (part[i] == one)
        if n_binary != len(part):
            return False
    return True


@kernel(spikes="uint8[n, n_units]", total="int64[n_units]")
def count(spikes: np.ndarray, total: np.ndarray) -> None:
    """Add the spikes of each unit, ``(n, n_units)`` uint8, to ``total``, ``(n_units,)``."""
    n_units = spikes.shape[1]
    few = np.empty(n_units, np.uint8)
    # As many rows as a byte counts: bytes add many to an instruction.
    for start in range(0, len(spikes), 255):
        few[:] = 0
        for row in range(start, min(start + 255, len(spikes))):
            now = spikes[row]
            for unit in range(n_units):
                few[unit] += now[unit]
        for unit in range(n_units):
            total[unit] += few[unit]


@kernel(pre="real[time, batch, n_in]", post="uint8[time, batch, n_out]", out="real[n_out, n_in]")
def dense(pre: np.ndarray, post: np.ndarray, window: tuple, out: np.ndarray) -> None:
    """Add the change of an all-to-all synapse.

    Args:
        pre: ``(time, batch, n_in)``, spikes as 0 and 1.
        post: ``(time, batch, n_out)`` uint8.
        out: ``(n_out, n_in)``, added to.
    """
    n_ticks, n_batch, n_in = pre.shape
    trace = np.empty((1, n_in), pre.dtype)
    filtered = np.empty((n_ticks, 1, n_in), pre.dtype)
    for b in range(n_batch):
        filter_block(pre, (b, b + 1), (0, n_in), window, trace, filtered, (0, 0))
        for t in range(n_ticks):
            for o in range(post.shape[2]):
                if post[t, b, o]:
                    row, change = filtered[t, 0], out[o]
                    for i in range(n_in):
                        change[i] += row[i]


@kernel(
    "stride >= 1 and padding >= 0 and dilation >= 1 and kernel >= 1",
    pre="real[time, batch, height, width, n_in]",
    out="real[n_out, kernel, kernel, n_in]",
    post="uint8[time, batch, (height + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1,"
    " (width + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1, n_out]",
    words="uint8 | uint64[time, batch, (height + 2 * padding - dilation * (kernel - 1) - 1)"
    " // stride + 1, (width + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1,"
    " n_out / words.itemsize]",
)
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
        pre: spikes as 0 and 1.
        words: post seen as words of ``n_out / words.shape[-1]`` maps, to skip silent ones.
        out: added to.
    """
    n_ticks, n_batch, height, width, n_in = pre.shape
    row_length = width * n_in
    lines = pre.reshape((n_ticks, n_batch * height, row_length))
    n_out, kernel = out.shape[:2]
    taps = kernel * n_in
    changes = out.reshape((n_out, kernel, taps))
    edge = padding * n_in
    per_word = n_out // words.shape[4]
    trace = np.empty((height, row_length), pre.dtype)
    # Zero padding stands around the filtered image; only its inside is written.
    filtered = np.zeros((n_ticks, height + 2 * padding, row_length + 2 * edge), pre.dtype)
    for b in range(n_batch):
        rows = b * height, (b + 1) * height
        filter_block(lines, rows, (0, row_length), window, trace, filtered, (padding, edge))
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
                                    row = filtered[t, y * stride + ky * dilation, start:]
                                    change = changes[o, ky]
                                    if dilation == 1:
                                        for i in range(taps):
                                            change[i] += row[i]
                                    else:
                                        for kx in range(kernel):
                                            tap = row[kx * dilation * n_in :]
                                            for c in range(n_in):
                                                change[kx * n_in + c] += tap[c]
