"""Membrane voltage after given spikes, and its low-pass filters, tick by tick.

Time first; the voltage is constant within a tick, so every filter is exact.
"""

from __future__ import annotations

import math

import numpy as np

from neurosim.spiking.kernels.door import kernel


@kernel(post="uint8[time, n]", out="float64[time, n]")
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
    # Exact response of the membrane to an exponential drive over one tick; where the two times are
    # nearly one, their difference would be rounding, so it is written by (1 - exp(-x)) / x.
    if abs(tau_drive_ms - tau_membrane_ms) < 1e-3 * tau_membrane_ms:
        x = dt_ms * (1 / tau_membrane_ms - 1 / tau_drive_ms)
        reach = dt_ms / tau_membrane_ms * kd * (-math.expm1(-x) / x if x != 0.0 else 1.0)
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


@kernel("delay >= 0", u="float[time, n]", ltp="real[time, n]", ltd="real[time, n]")
def voltage_sides(
    u: np.ndarray,
    keep: tuple[float, float],
    start: float,
    delay: int,
    theta: tuple[float, float],
    gain: tuple[float, float],
    ltp: np.ndarray,
    ltd: np.ndarray,
) -> None:
    """The two sides of ``Clopath`` at each tick; u, ltp, ltd ``(time, n)``.

        ltp[t] = gain_plus [u(t) - theta_plus]+ [m_plus(t - delay) - theta_minus]+
        ltd[t] = gain_minus [m_minus(t - delay) - theta_minus]+

    with ``m(t + 1) = u(t) + keep (m(t) - u(t))``, m = start up to tick 0; keep, theta and gain
    each hold plus, minus.
    """
    n_ticks, n = u.shape
    plus, minus = np.full(n, start), np.full(n, start)
    at_rest = max(start - theta[1], 0.0)
    for t in range(min(delay, n_ticks)):
        for i in range(n):
            ltp[t, i] = gain[0] * max(u[t, i] - theta[0], 0.0) * at_rest
            ltd[t, i] = gain[1] * at_rest
    for t in range(n_ticks):
        late = t + delay
        for i in range(n):
            if late < n_ticks:
                rise = max(u[late, i] - theta[0], 0.0)
                ltp[late, i] = gain[0] * rise * max(plus[i] - theta[1], 0.0)
                ltd[late, i] = gain[1] * max(minus[i] - theta[1], 0.0)
            now = u[t, i]
            plus[i] = now + keep[0] * (plus[i] - now)
            minus[i] = now + keep[1] * (minus[i] - now)
