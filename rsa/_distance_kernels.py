"""numba kernels that turn blocks of a Gram matrix into condensed dissimilarities.

Callers validate; kernels loop. ``diagonal`` (n, n) holds the products of a block of rows among
themselves, ``right`` (n, m) those with all rows after it. Each returns how much of ``out`` is
filled.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def one_minus(
    diagonal: np.ndarray, right: np.ndarray, step: float, out: np.ndarray, filled: int
) -> int:
    """1 - product, clipped to [0, 2], to the nearest multiple of ``step`` (a power of two)."""
    n, m = right.shape
    scale = 1.0 / step
    for i in range(n):
        for j in range(i + 1, n):
            value = min(max(1.0 - diagonal[i, j], 0.0), 2.0)
            out[filled + j - i - 1] = np.rint(value * scale) * step
        filled += n - i - 1
        for j in range(m):
            value = min(max(1.0 - right[i, j], 0.0), 2.0)
            out[filled + j] = np.rint(value * scale) * step
        filled += m
    return filled


@njit(cache=True, nogil=True)
def squared_distance(
    diagonal: np.ndarray, right: np.ndarray, norms: np.ndarray, out: np.ndarray, filled: int
) -> int:
    """|a|^2 + |b|^2 - 2 a.b, at least 0; ``norms`` are those of the block and all after it."""
    n, m = right.shape
    for i in range(n):
        for j in range(i + 1, n):
            out[filled + j - i - 1] = max(norms[i] + norms[j] - 2.0 * diagonal[i, j], 0.0)
        filled += n - i - 1
        for j in range(m):
            out[filled + j] = max(norms[i] + norms[n + j] - 2.0 * right[i, j], 0.0)
        filled += m
    return filled
