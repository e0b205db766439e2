"""Weights of a dense layer that change while the spikes come, spike by spike.

In each frame only the rows of neurons with a potentiating side and the columns of inputs with a
depressing side are visited; both changes of a synapse are scaled by the weight before the frame,
added and clipped, as in ``evolving``.
"""

from __future__ import annotations

import numpy as np

from neurosim.spiking.kernels.door import inner, kernel


@inner
def power(base: float, exponent: float) -> float:
    """``base ** exponent`` without the cost of it where it is 0 or 1."""
    if exponent == 0:
        return base - base + 1
    if exponent == 1:
        return base
    return base**exponent


@inner
def changed(
    w: float, plus: float, minus: float, exponents: tuple, unit: tuple, bounds: tuple
) -> float:
    """The weight after ``plus`` and ``-minus``, each times the gain of its own sign."""
    below_plus, above_plus, below_minus, above_minus = exponents
    u = (w - unit[0]) / unit[1]
    rest = u - u + 1 - u
    after = w
    if plus > 0 or minus < 0:
        gain = power(u, below_plus) * power(rest, above_plus)
        after += max(plus, 0) * gain - min(minus, 0) * gain
    if plus < 0 or minus > 0:
        gain = power(u, below_minus) * power(rest, above_minus)
        after += min(plus, 0) * gain - max(minus, 0) * gain
    return min(max(after, bounds[0]), bounds[1])


@kernel(
    plus=["real[time, batch, n_in]", "real[time, batch, n_out]"],
    minus=["real[time, batch, n_in]", "real[time, batch, n_out]"],
    at_end=["real[n_last, n_in]", "real[n_last, n_out]"],
    divisor="real[n_out]",
    w="real[n_out, n_in]",
)
def dense(
    plus: tuple,
    minus: tuple,
    at_end: tuple,
    divisor: np.ndarray,
    exponents: tuple,
    unit: tuple,
    bounds: tuple,
    w: np.ndarray,
) -> None:
    """Carry a window out on ``w``, ``(n_out, n_in)``.

    Args:
        plus, minus: ``(pre, post)``, each ``(time, batch, n)``: what is added and taken away in a
            frame is ``sum_batch post pre^T``.
        at_end: the same, ``(batch, n)``, taken away in the last frame too; or of batch 0.
        divisor: what a sum over the batch is divided by, ``(n_out,)``.
        exponents, unit, bounds: of the weight dependence.
    """
    n_frames, n_batch, n_in = plus[0].shape
    n_out = len(w)
    up, down = np.zeros(n_in, w.dtype), np.zeros(n_in, w.dtype)
    columns = np.empty(n_in, np.int64)
    for t in range(n_frames):
        plus_pre, plus_post = plus[0][t], plus[1][t]
        minus_pre, minus_post = minus[0][t], minus[1][t]
        n_last = len(at_end[0]) if t == n_frames - 1 else 0
        n_columns = 0
        for i in range(n_in):
            active = False
            for b in range(n_batch):
                active |= minus_pre[b, i] != 0
            for b in range(n_last):
                active |= at_end[0][b, i] != 0
            if active:
                columns[n_columns] = i
                n_columns += 1
        for o in range(n_out):
            fires = False
            for b in range(n_batch):
                side = plus_post[b, o]
                if side != 0:
                    fires = True
                    row = plus_pre[b]
                    for i in range(n_in):
                        up[i] += side * row[i]
            hears = False
            for b in range(n_batch):
                side = minus_post[b, o]
                if side != 0:
                    hears = True
                    for k in range(n_columns):
                        down[columns[k]] += side * minus_pre[b, columns[k]]
            for b in range(n_last):
                side = at_end[1][b, o]
                if side != 0:
                    hears = True
                    for k in range(n_columns):
                        down[columns[k]] += side * at_end[0][b, columns[k]]
            weights, each = w[o], divisor[o]
            if fires:
                for i in range(n_in):
                    if up[i] != 0 or down[i] != 0:
                        weights[i] = changed(
                            weights[i], up[i] / each, down[i] / each, exponents, unit, bounds
                        )
                up[:] = 0
                down[:] = 0
            elif hears:
                for k in range(n_columns):
                    i = columns[k]
                    weights[i] = changed(weights[i], up[i], down[i] / each, exponents, unit, bounds)
                    down[i] = 0
