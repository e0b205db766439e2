"""numba kernels of rank statistics. Callers validate; kernels loop."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def doubled_midranks(values: np.ndarray, order: np.ndarray, out: np.ndarray) -> float:
    """Write twice the midrank of each value to ``out``; returns the sum of their squares
    about their mean n + 1.

    ``order`` sorts ``values``. Twice a midrank is an integer, so ties cost no precision.
    """
    n = len(order)
    squares = 0.0
    first = 0
    while first < n:
        value = values[order[first]]
        last = first + 1
        while last < n and values[order[last]] == value:
            last += 1
        doubled = first + last + 1  # ranks first + 1 ... last
        for k in range(first, last):
            out[order[k]] = doubled
        deviation = float(doubled - (n + 1))
        squares += deviation * deviation * (last - first)
        first = last
    return squares
