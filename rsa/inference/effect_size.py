"""Cohen's d, with its denominator named."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from neurosim.rsa.rdm.checks import as_numbers

Kind = Literal["paired", "pooled", "hedges"]
KINDS: tuple[Kind, ...] = ("paired", "pooled", "hedges")


def cohens_d(a: ArrayLike, b: ArrayLike, kind: Kind = "paired") -> float:
    """Standardised mean difference of ``a`` over ``b``.

    - ``paired``: d_z = mean(a - b) / sd(a - b); a and b pair by position.
    - ``pooled``: (mean a - mean b) / sqrt(((n_a-1) var a + (n_b-1) var b) / (n_a + n_b - 2)).
    - ``hedges``: pooled d times the exact small-sample factor
      J = Gamma(m/2) / (sqrt(m/2) Gamma((m-1)/2)), m = n_a + n_b - 2 (Hedges 1981,
      doi:10.3102/10769986006002107).

    All standard deviations with n - 1. With no spread but rounding the result is +-inf (0 / 0:
    NaN); NaN where a or b holds NaN or infinity.
    """
    x, y = np.asarray(as_numbers(a), dtype=np.float64), np.asarray(as_numbers(b), dtype=np.float64)
    if x.ndim != 1 or y.ndim != 1 or len(x) < 2 or len(y) < 2:
        raise ValueError(f"a and b must be (n >= 2,); got shapes {x.shape} and {y.shape}")
    if kind not in KINDS:
        raise ValueError(f"unknown kind of d {kind!r}; known: {', '.join(KINDS)}")
    if kind == "paired" and len(x) != len(y):
        raise ValueError(f"paired d needs equal numbers; got {len(x)} and {len(y)}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return float("nan")
    # What subtracting numbers of this size leaves by rounding is neither a mean nor a spread.
    rounding = 8 * np.finfo(np.float64).eps * float(max(np.abs(x).max(), np.abs(y).max()))
    if kind == "paired":
        return _ratio(float((x - y).mean()), float((x - y).std(ddof=1)), rounding)
    m = len(x) + len(y) - 2
    variance = ((len(x) - 1) * x.var(ddof=1) + (len(y) - 1) * y.var(ddof=1)) / m
    d = _ratio(float(x.mean() - y.mean()), float(np.sqrt(variance)), rounding)
    return d if kind == "pooled" else d * hedges_factor(m)


def hedges_factor(m: int) -> float:
    """J(m): what pooled d is multiplied by to be unbiased with m degrees of freedom."""
    from math import exp, lgamma, log

    return exp(lgamma(m / 2) - 0.5 * log(m / 2) - lgamma((m - 1) / 2)) if m > 1 else float("nan")


def _ratio(mean: float, sd: float, rounding: float) -> float:
    if sd > rounding:
        return mean / sd
    return float("nan") if abs(mean) <= rounding else float(np.copysign(np.inf, mean))
