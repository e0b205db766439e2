"""numba kernels that turn blocks of a Gram matrix into condensed dissimilarities.

Callers validate values; kernels check sizes and loop. ``diagonal`` (n, n) holds the products of a
block of rows among themselves, ``right`` (n, m) those with all rows after it, ``rows`` (n + m, d)
are these rows. Each returns how much of ``out`` is filled.

Where two rows are close, their products cancel: such pairs are computed from the differences, so
that every pair is accurate relative to itself, whatever the other rows are.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_CANCELLED = 1 / 16  # of the sum of the squares: the products keep 48 of 52 bits above it
NEAR = 2.0**-14  # 1 - product below this is computed from the difference, to 30 bits
_NOTHING = 2.0**-52  # below the rounding of unit rows


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _squared_difference(a: np.ndarray, b: np.ndarray) -> float:
    total = 0.0
    for k in range(len(a)):
        total += (a[k] - b[k]) * (a[k] - b[k])
    return total


@njit(cache=True, nogil=True)
def _near(a: np.ndarray, b: np.ndarray) -> float:
    """1 - a.b = |a - b|^2 / 2 of unit rows, to 30 bits; 0 where rounding is all there is."""
    value = _squared_difference(a, b) / 2.0
    if value < _NOTHING:
        return 0.0
    step = math.ldexp(1.0, math.frexp(value)[1] - 30)
    return np.rint(value / step) * step


@njit(cache=True, nogil=True)
def one_minus(
    diagonal: np.ndarray,
    right: np.ndarray,
    rows: np.ndarray,
    step: float,
    out: np.ndarray,
    filled: int,
) -> int:
    """1 - product, clipped to [0, 2], to the nearest multiple of ``step`` (a power of two)."""
    n, m = right.shape
    if diagonal.shape != (n, n) or len(rows) != n + m:
        raise ValueError("diagonal is (n, n), right (n, m) and rows (n + m, d)")
    if filled < 0 or len(out) < filled + n * (n - 1) // 2 + n * m:
        raise ValueError("out has no room for the pairs")
    scale = 1.0 / step
    for i in range(n):
        for j in range(i + 1, n):
            value = min(1.0 - diagonal[i, j], 2.0)
            near = value < NEAR
            out[filled + j - i - 1] = (
                _near(rows[i], rows[j]) if near else np.rint(value * scale) * step
            )
        filled += n - i - 1
        for j in range(m):
            value = min(1.0 - right[i, j], 2.0)
            near = value < NEAR
            out[filled + j] = _near(rows[i], rows[n + j]) if near else np.rint(value * scale) * step
        filled += m
    return filled


@njit(cache=True, nogil=True)
def squared_distance(
    diagonal: np.ndarray,
    right: np.ndarray,
    norms: np.ndarray,
    rows: np.ndarray,
    out: np.ndarray,
    filled: int,
) -> int:
    """|a|^2 + |b|^2 - 2 a.b; ``norms`` are those of the block and all after it. ``rows`` may have
    another origin than the products."""
    n, m = right.shape
    if diagonal.shape != (n, n) or len(norms) != n + m or len(rows) != n + m:
        raise ValueError("diagonal is (n, n), right (n, m), norms (n + m,) and rows (n + m, d)")
    if filled < 0 or len(out) < filled + n * (n - 1) // 2 + n * m:
        raise ValueError("out has no room for the pairs")
    for i in range(n):
        for j in range(i + 1, n):
            size = norms[i] + norms[j]
            value = size - 2.0 * diagonal[i, j]
            if not value > _CANCELLED * size:
                value = _squared_difference(rows[i], rows[j])
            out[filled + j - i - 1] = value
        filled += n - i - 1
        for j in range(m):
            size = norms[i] + norms[n + j]
            value = size - 2.0 * right[i, j]
            if not value > _CANCELLED * size:
                value = _squared_difference(rows[i], rows[n + j])
            out[filled + j] = value
        filled += m
    return filled


@njit(cache=True, nogil=True)
def mend_poisson_kl(
    rates: np.ndarray, logs: np.ndarray, sizes: np.ndarray, values: np.ndarray
) -> None:
    """Overwrite the values (n, n), above the diagonal, that are small beside the sums (n, n) of the
    magnitudes of their terms, by sum (a - b) log(a / b)."""
    n = len(rates)
    if logs.shape != rates.shape or sizes.shape != (n, n) or values.shape != (n, n):
        raise ValueError("rates and logs are (n, d), sizes and values (n, n)")
    for i in range(len(rates)):
        for j in range(i + 1, len(rates)):
            if values[i, j] > _CANCELLED * sizes[i, j]:
                continue
            total = 0.0
            for k in range(rates.shape[1]):
                change = rates[i, k] - rates[j, k]
                ratio = change / rates[j, k]
                close = abs(ratio) < 1e-3
                total += change * (math.log1p(ratio) if close else logs[i, k] - logs[j, k])
            values[i, j] = total
