"""numba kernels of spike-train distances; trains are sorted float64 vectors of ms."""

from __future__ import annotations

import math

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
    return previous[-1]


@njit(cache=True, nogil=True)
def van_rossum_squared(a: np.ndarray, b: np.ndarray, tau_ms: float) -> float:
    """1/tau times the integral of f^2, with f the difference of the filtered trains: between two
    spikes it decays, so the integral is a sum of f^2 (1 - exp(-2 gap / tau)) / 2, none negative."""
    total, f, now = 0.0, 0.0, 0.0
    i, j = 0, 0
    while i < len(a) or j < len(b):
        time = a[i] if j == len(b) or (i < len(a) and a[i] <= b[j]) else b[j]
        surplus = 0.0  # simultaneous spikes of both trains cancel exactly
        while i < len(a) and a[i] == time:
            surplus += 1.0
            i += 1
        while j < len(b) and b[j] == time:
            surplus -= 1.0
            j += 1
        gap = (time - now) / tau_ms
        if f != 0.0:  # before the first spike there is no gap
            total -= f * f * math.expm1(-2.0 * gap) / 2.0
            f *= math.exp(-gap)
        f += surplus
        now = time
    return total + f * f / 2.0
