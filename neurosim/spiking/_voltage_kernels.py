"""Membrane voltage after given spikes, and its low-pass filters, tick by tick.

Callers validate. Time first; the voltage is constant within a tick, so every filter is exact.
"""

from __future__ import annotations

import math

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def waveform(
    post: np.ndarray,
    dt_ms: float,
    rest: float,
    peak: float,
    n_peak: int,
    reset: float,
    tau_membrane_ms: float,
    drive: float,
    tau_drive_ms: float,
    out: np.ndarray,
) -> None:
    """The voltage of ``SpikeVoltage``; post and out ``(time, n)``."""
    km, kd = math.exp(-dt_ms / tau_membrane_ms), math.exp(-dt_ms / tau_drive_ms)
    # Exact response of the membrane to an exponential drive over one tick.
    if tau_drive_ms == tau_membrane_ms:
        reach = dt_ms / tau_membrane_ms * km
    else:
        reach = (kd - km) * tau_drive_ms / (tau_drive_ms - tau_membrane_ms)
    n_ticks, n = post.shape
    for i in range(n):
        u, z, left = rest, 0.0, 0
        for t in range(n_ticks):
            if post[t, i]:
                left, z = n_peak, drive
            if left > 0:
                u = peak
            out[t, i] = u
            if left > 0:
                left -= 1
                u = reset
                z = z if left else drive
            else:
                u = rest + km * (u - rest) + reach * z
                z *= kd


@numba.njit(cache=True, nogil=True)
def low_pass(value: np.ndarray, keep: float, start: float, delay: int, out: np.ndarray) -> None:
    """``out[t] = m(t - delay)``, ``m(t + 1) = value(t) + keep (m(t) - value(t))``, m(0) = start."""
    n_ticks, n = value.shape
    for i in range(n):
        m = start
        for t in range(n_ticks):
            if t < delay:
                out[t, i] = start
            if t + delay < n_ticks:
                out[t + delay, i] = m
            m = value[t, i] + keep * (m - value[t, i])
