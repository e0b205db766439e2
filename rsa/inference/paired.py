"""Exact paired tests over few seeds (or subjects)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.rsa.rdm.checks import as_numbers, check_count, check_rng

Alternative = Literal["greater", "less", "two-sided"]
ALTERNATIVES: tuple[Alternative, ...] = ("greater", "less", "two-sided")

_MOST_EXACT = 22  # 2^22 sums take a second; above it, sign patterns are sampled


def sign_flip_test(
    differences: ArrayLike,
    alternative: Alternative = "greater",
    *,
    n_samples: int | None = None,
    rng: np.random.Generator | None = None,
) -> float:
    """Paired sign-flip (Fisher-Pitman) test that the mean difference is zero.

    Under the null each difference is symmetric about zero, so all 2^n sign patterns are as
    likely: p = share of the patterns whose mean is at least the observed one (``greater``),
    the pattern as observed included. Exact for any distribution; with n = 5 no p is below
    1/32 (``sign_flip_floor``). Ties with the observed mean count (within rounding).

    Args:
        differences: (n,) paired differences, finite.
        n_samples, rng: draw this many random patterns instead of all (needed above n = 22);
            then p = (1 + count) / (1 + n_samples).
    """
    d = _finite_vector(differences)
    if alternative not in ALTERNATIVES:
        raise ValueError(f"unknown alternative {alternative!r}; known: {', '.join(ALTERNATIVES)}")
    if n_samples is None and len(d) > _MOST_EXACT:
        raise ValueError(
            f"2^{len(d)} sign patterns are too many to list; give n_samples and rng to sample"
        )
    if n_samples is not None and rng is None:
        raise ValueError("sampled sign patterns need rng, e.g. numpy.random.default_rng(0)")
    if n_samples is not None:
        check_rng(rng)
        check_count("n_samples", n_samples)
    if n_samples is None:
        sums = np.zeros(1)
        for value in d:
            sums = np.concatenate([sums + value, sums - value])
    else:
        assert rng is not None
        sums = rng.choice([-1.0, 1.0], size=(n_samples, len(d))) @ d
    observed = float(d.sum())
    if alternative == "two-sided":
        sums, observed = np.abs(sums), abs(observed)
    elif alternative == "less":
        sums, observed = -sums, -observed
    tolerance = 1e-12 * float(np.abs(d).sum())
    count = int(np.count_nonzero(sums >= observed - tolerance))
    return count / len(sums) if n_samples is None else (1 + count) / (1 + n_samples)


def sign_flip_floor(n: int, alternative: Alternative = "greater") -> float:
    """The smallest p that ``sign_flip_test`` can give with n differences: 2^-n one-sided,
    2^(1-n) two-sided. Print it beside the p."""
    if n < 1:
        raise ValueError(f"n must be at least 1; got {n}")
    return min(1.0, 2.0 ** (1 - n if alternative == "two-sided" else -n))


def _finite_vector(differences: ArrayLike) -> NDArray[np.float64]:
    d = np.asarray(as_numbers(differences), dtype=np.float64)
    if d.ndim != 1 or len(d) == 0:
        raise ValueError(f"differences must be (n >= 1,); got shape {d.shape}")
    if not np.isfinite(d).all():
        bad = np.flatnonzero(~np.isfinite(d)).tolist()
        raise ValueError(f"differences at {bad} are not finite; drop those pairs on both sides")
    return d
