"""numba kernels of spike-train distances; trains are sorted float64 vectors of ms."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def victor_purpura(a: np.ndarray, b: np.ndarray, cost_per_ms: float) -> float:
    """Edit distance by dynamic programming over the spikes of ``a``."""
    previous = np.arange(len(b) + 1).astype(np.float64)
    current = np.empty(len(b) + 1)
    for i in range(len(a)):
        current[0] = i + 1.0
        for j in range(len(b)):
            shift = previous[j] + cost_per_ms * abs(a[i] - b[j])
            current[j + 1] = min(shift, previous[j + 1] + 1.0, current[j] + 1.0)
        previous, current = current, previous
    return previous[len(b)]


@njit(cache=True, nogil=True)
def van_rossum_squared(a: np.ndarray, b: np.ndarray, tau_ms: float) -> float:
    """(K_aa + K_bb - 2 K_ab) / 2 with K the double sum of exp(-|s - t| / tau)."""
    total = 0.0
    for s in a:
        for t in a:
            total += np.exp(-abs(s - t) / tau_ms)
        for t in b:
            total -= 2.0 * np.exp(-abs(s - t) / tau_ms)
    for s in b:
        for t in b:
            total += np.exp(-abs(s - t) / tau_ms)
    return max(total / 2.0, 0.0)
