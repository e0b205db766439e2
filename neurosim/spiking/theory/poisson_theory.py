"""What STDP does on average under Poisson spikes, and where weights end up: closed forms.

Rates in Hz, weights in their own units, times in ms; drift and diffusion are per second. All laws
are for continuous time, so a simulation in ticks approaches them as ``rate x dt`` vanishes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid, trapezoid
from scipy.optimize import brentq

from neurosim.naming.settings import require_count, unmasked
from neurosim.spiking.theory.direct_sums import Terms, terms
from neurosim.spiking.timing.rules import AbstractTiming
from neurosim.spiking.timing.third_factor import Rewarded

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Drift:
    """Mean change by independent pre- and postsynaptic Poisson spikes, in weight a second.

    causal, acausal: the two parts, signed, before weight dependence.
    """

    causal: float
    acausal: float

    @property
    def total(self) -> float:
        """``dw / dt`` where the weight plays no part."""
        return self.causal + self.acausal

    def at(self, timing: AbstractTiming, w: Array | float) -> Array:
        """``dw / dt`` at weights ``w``: each part times the gain of its sign."""
        w = unmasked("w", w).astype(float)
        gains = timing.dependence
        return sum(
            part * (gains.plus(w) if part > 0 else gains.minus(w))
            for part in (self.causal, self.acausal)
        )


def poisson_drift(timing: AbstractTiming, pre_hz: float, post_hz: float) -> Drift:
    """The drift under independent Poisson spikes.

    A spike finds the trace of the other neuron at its mean: ``r tau`` if all its spikes count,
    ``r / (r + 1 / tau)`` if only the nearest does. With ``x`` and ``y`` these means,

        causal   post_hz x(pre, tau_plus)  (a_plus  + a3_plus  x(post, tau_y))
        acausal -pre_hz  y(post, tau_minus) (a_minus + a3_minus x(pre, tau_x))

    and what a presynaptic spike does alone (``Inhibitory``) is part of the acausal one.
    In the presynaptic-centred scheme a presynaptic spike waits for the next postsynaptic one; in
    the reduced one no spike of either neuron may come between: ``r / (pre + post + 1 / tau)``.

    Izhikevich & Desai 2003 (10.1162/089976603321891783); Pfister & Gerstner 2006
    (10.1523/JNEUROSCI.1425-06.2006).

    Raises:
        ValueError: a rate that is negative or not finite, or a first-spike timing, whose change
            depends on how long a presentation is, or one that reads a membrane or a reward.
    """
    for name, rate in (("pre_hz", pre_hz), ("post_hz", post_hz)):
        if not (math.isfinite(rate) and rate >= 0):
            raise ValueError(f"{name} must be finite and not negative, got {rate}")
    if isinstance(timing, Rewarded) or timing.reads_voltage:
        reads = "a reward" if isinstance(timing, Rewarded) else "the postsynaptic membrane"
        raise ValueError(
            f"{type(timing).__name__} has no drift by rates alone, for it reads {reads}: use a "
            "timing of spikes such as AllPairs() or Triplet(), or average weight_change(...) over "
            "simulated trains"
        )
    t = terms(timing)
    if t.scheme == "first":
        raise ValueError(
            f"{type(timing).__name__} has no drift by rates: only first spikes count, so the "
            "change depends on the length of a presentation"
        )
    per_causal = _pairs_per_spike(t, pre_hz, post_hz, t.causal[1], causal=True)
    per_acausal = _pairs_per_spike(t, pre_hz, post_hz, t.acausal[1], causal=False)
    return Drift(
        post_hz * per_causal * _amplitude(t, t.causal[0], t.third_causal, post_hz),
        pre_hz * (per_acausal * _amplitude(t, t.acausal[0], t.third_acausal, pre_hz) + t.per_pre),
    )


def _pairs_per_spike(
    t: Terms, pre_hz: float, post_hz: float, tau_ms: float, *, causal: bool
) -> float:
    """Expected sum of ``exp(-|lag| / tau)`` over the pairs of one post- (causal) or presynaptic
    (acausal) spike."""
    per_s = 1000 / tau_ms
    other = pre_hz if causal else post_hz
    if t.scheme == "all":
        return other / per_s
    if t.scheme == "reduced":
        return other / (pre_hz + post_hz + per_s)
    if t.scheme == "presynaptic-centred" and causal:
        # Every presynaptic spike has one causal partner: pre_hz a second over post_hz spikes.
        return pre_hz / (post_hz + per_s)
    return other / (other + per_s)


def _amplitude(t: Terms, pair: float, third: tuple[float, float] | None, own_hz: float) -> float:
    if third is None:
        return pair
    per_s = 1000 / third[1]
    return pair + third[0] * (own_hz / (own_hz + per_s) if t.nearest_third else own_hz / per_s)


def fixed_point(timing: AbstractTiming, pre_hz: float, post_hz: float) -> float:
    """The weight at which the drift of independent Poisson spikes vanishes.

    For all pairs with equal decay times and the gains of Guetig et al. 2003, ``((1 - w) / w)^mu =
    alpha`` with ``alpha = a_minus / a_plus``.

    Raises:
        ValueError: the drift has the same sign at both bounds, so no weight stands still.
    """
    drift, gains = poisson_drift(timing, pre_hz, post_hz), timing.dependence

    def at(w: float) -> float:
        return float(drift.at(timing, w))

    # Strictly between the bounds: at a bound itself both gains may vanish.
    weights = _between(gains.w_min, gains.w_max)
    signs = np.sign([at(w) for w in weights])
    turns = np.flatnonzero(signs[:-1] * signs[1:] < 0)
    resting = np.flatnonzero(signs == 0)
    if not (drift.causal or drift.acausal) or len(resting) == len(weights):
        raise ValueError(f"the drift of {timing!r} is 0 at every weight: each of them stands still")
    if len(resting):
        return float(weights[resting[0]])
    if not len(turns):
        ends = [at(w) for w in (weights[0], weights[-1])]
        raise ValueError(
            f"the drift is {ends[0]:+.3g} and {ends[1]:+.3g} per second at the bounds of "
            f"{gains!r}: no weight between them stands still"
        )
    low, high = weights[turns[0]], weights[turns[0] + 1]
    return float(brentq(at, low, high, xtol=1e-14 * high, rtol=1e-14))


def _between(low: float, high: float) -> Array:
    """Weights from close to one bound to close to the other, denser towards either; without an
    upper one, each twice the one before."""
    fractions = 2.0 ** np.arange(-60.0, 61.0)
    return low + (fractions if math.isinf(high) else (high - low) * fractions / (1 + fractions))


@dataclass(frozen=True)
class PoissonNeuron:
    """A neuron that fires at random in proportion to its input.

    Each of ``n_inputs`` Poisson inputs of ``pre_hz`` adds, by one spike, ``gain x w`` to the number
    of spikes that the neuron is expected to fire ``delay_ms`` later, so it fires at
    ``post_hz(mean w) = n_inputs pre_hz gain mean(w)``. Kempter, Gerstner & van Hemmen 1999
    (10.1103/PhysRevE.59.4498); Guetig et al. 2003 (10.1523/JNEUROSCI.23-09-03697.2003).
    """

    n_inputs: int = 50
    pre_hz: float = 20.0
    gain: float = 0.04
    delay_ms: float = 1.0

    def __post_init__(self) -> None:
        require_count("n_inputs", self.n_inputs)

    def post_hz(self, mean_w: float) -> float:
        """Its mean rate."""
        return self.n_inputs * self.pre_hz * self.gain * mean_w


def stationary_density(timing: AbstractTiming, neuron: PoissonNeuron, w: Array) -> Array:
    """Density of the neuron's weights at the grid ``w`` from bound to bound, when all is settled.

    Small steps make each weight diffuse, ``dp/dt = -(a p)' + (D p)'' / 2``, between reflecting
    bounds, so ``p = exp(integral 2 a / D) / D`` up to its norm, with

        a = drift of independent spikes + pre_hz gain w a_plus f_plus(w) exp(-delay / tau_plus)
        D = r s I2 + r s^2 I1^2 + r^2 s I1^2,   I1 = integral W,  I2 = integral W^2

    for pre- and postsynaptic rates r and s (the variance of a sum of W over all pairs of two
    Poisson processes). The second term of a is what a synapse gains by making the neuron fire; the
    mean of the density sets the rate s, which is solved for. Van Rossum, Bi & Turrigiano 2000
    (10.1523/JNEUROSCI.20-23-08812.2000); Rubin, Lee & Sompolinsky 2001
    (10.1103/PhysRevLett.86.364).

    Raises:
        ValueError: a timing that is no sum over all pairs, or that has no finite bounds.
    """
    t = terms(timing)
    if t.scheme != "all" or t.third_causal is not None or t.per_pre:
        raise ValueError(f"the density is known for sums over all pairs, got {timing!r}")
    if not math.isfinite(timing.dependence.w_max - timing.dependence.w_min):
        raise ValueError(
            f"weights under {timing.dependence!r} spread without end: give it bounds, for "
            "example HardBounds()"
        )

    def density(mean_w: float) -> Array:
        r, s = neuron.pre_hz, neuron.post_hz(mean_w)
        drift = poisson_drift(timing, r, s).at(timing, w)
        up, down = (_gain(timing, part[0], w) for part in (t.causal, t.acausal))
        own = r * neuron.gain * w * up * math.exp(-neuron.delay_ms / t.causal[1])
        tau_up, tau_down = t.causal[1] / 1000, t.acausal[1] / 1000
        first = up * tau_up + down * tau_down
        second = up**2 * tau_up / 2 + down**2 * tau_down / 2
        diffusion = r * s * (second + (r + s) * first**2)
        exponent = cumulative_trapezoid(2 * (drift + own) / diffusion, w, initial=0.0)
        p = np.exp(exponent - exponent.max()) / diffusion
        return p / trapezoid(p, w)

    low, high = w[0] + 1e-6, w[-1] - 1e-6
    mean_w = brentq(lambda m: float(trapezoid(w * density(m), w)) - m, low, high, xtol=1e-10)
    return density(mean_w)


def _gain(timing: AbstractTiming, amplitude: float, w: Array) -> Array:
    gains = timing.dependence
    return amplitude * np.asarray(gains.plus(w) if amplitude > 0 else gains.minus(w))
