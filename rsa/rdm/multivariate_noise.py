"""Distances in units of noise: Mahalanobis and its cross-validated form, crossnobis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from numpy.typing import ArrayLike

from neurosim.rsa.rdm.checks import as_numbers
from neurosim.rsa.rdm.distances import (
    Array,
    Dissimilarity,
    Flags,
    as_patterns,
    blank,
    on_relative_grid,
    squared_distances,
)

Shrinkage = Literal["diagonal", "full", "ledoit-wolf"]
SHRINKAGES: tuple[Shrinkage, ...] = ("diagonal", "full", "ledoit-wolf")


@final
@dataclass(frozen=True, eq=False)
class Mahalanobis(Dissimilarity):
    """(a - b)^T P (a - b) with P the noise precision (squared; not divided by n_features).

    Attributes:
        precision: (n_features, n_features) symmetric positive semi-definite, or (n_features,)
            its diagonal; see ``noise_precision``.
    """

    precision: ArrayLike
    name = "mahalanobis"

    def condensed(self, patterns: ArrayLike | Any) -> tuple[Array, Flags]:
        matrix, missing = as_patterns(patterns)
        rows = whitened(matrix, self.precision)
        return blank(on_relative_grid(squared_distances(rows)), missing), missing


@final
@dataclass(frozen=True, eq=False)
class Crossnobis(Dissimilarity):
    """Cross-validated squared Mahalanobis distance, unbiased by noise: zero on average where
    two patterns do not differ, so it can be negative.

    d_ij = mean over folds k != m of (a_k - b_k)^T P (a_m - b_m) (Walther et al. 2016,
    doi:10.1016/j.neuroimage.2015.12.012). Patterns are (n_stimuli, n_folds, n_features).

    Attributes:
        precision: as in ``Mahalanobis``; None = identity.
    """

    precision: ArrayLike | None = None
    name = "crossnobis"

    def condensed(self, patterns: ArrayLike | Any) -> tuple[Array, Flags]:
        folds = as_numbers(patterns)
        if folds.ndim != 3 or folds.shape[1] < 2:
            raise ValueError(
                "crossnobis needs patterns (n_stimuli, n_folds >= 2, n_features) with "
                f"independent noise in each fold; got shape {folds.shape}"
            )
        n_stimuli, n_folds, n_features = folds.shape
        matrix, missing = as_patterns(folds.reshape(n_stimuli, -1))
        rows = matrix.reshape(n_stimuli, n_folds, n_features)
        if self.precision is not None:
            rows = whitened(rows.reshape(-1, n_features), self.precision).reshape(rows.shape)
        # sum over k != m of x_k.x_m = |sum of x|^2 - sum of |x_k|^2
        values = squared_distances(rows.sum(axis=1))
        sizes = values.copy()
        for fold in range(n_folds):
            own = squared_distances(np.ascontiguousarray(rows[:, fold]))
            values -= own
            sizes += own
        n_products = n_folds * (n_folds - 1)
        return blank(on_relative_grid(values / n_products, sizes / n_products), missing), missing


def noise_precision(residuals: ArrayLike, shrinkage: Shrinkage = "ledoit-wolf") -> Array:
    """The inverse of the noise covariance, from residuals (n_observations, n_features).

    - ``diagonal``: only variances (n - 1); returns (n_features,).
    - ``full``: the sample covariance (n - 1); needs more observations than features.
    - ``ledoit-wolf``: shrunk towards a multiple of the identity by the amount that minimises
      the expected squared error (Ledoit & Wolf 2004, doi:10.1016/S0047-259X(03)00096-4; n).
    """
    r = np.asarray(as_numbers(residuals), dtype=np.float64)
    if r.ndim != 2 or len(r) < 2 or not np.isfinite(r).all():
        raise ValueError(
            f"residuals are (n_observations >= 2, n_features), finite; got shape {r.shape}"
        )
    if shrinkage not in SHRINKAGES:
        raise ValueError(f"unknown shrinkage {shrinkage!r}; known: {', '.join(SHRINKAGES)}")
    r = r - r.mean(axis=0)
    n, p = r.shape
    silent = np.flatnonzero(np.ptp(r, axis=0) == 0)
    if len(silent):
        raise ValueError(f"features {silent[:8].tolist()} never vary; leave them out")
    if shrinkage == "diagonal":
        return np.asarray((n - 1) / np.einsum("ij,ij->j", r, r))
    if shrinkage == "full":
        if n <= p:
            raise ValueError(
                f"{n} observations do not determine the covariance of {p} features; "
                "use shrinkage='ledoit-wolf' or 'diagonal'"
            )
        return np.asarray(np.linalg.inv(r.T @ r / (n - 1)))
    return np.asarray(np.linalg.inv(ledoit_wolf(r)))


def ledoit_wolf(centred: Array) -> Array:
    """(p, p) shrunk covariance of centred observations (n, p)."""
    n, p = centred.shape
    sample = centred.T @ centred / n
    mean_variance = float(np.trace(sample)) / p
    spread = float(np.sum(sample**2)) / p - mean_variance**2
    fourth = float(np.sum((centred**2).T @ centred**2)) / n
    error = (fourth - float(np.sum(sample**2))) / (n * p)
    weight = min(error, spread) / spread if spread > 0 else 1.0
    shrunk = (1.0 - weight) * sample
    shrunk[np.diag_indices(p)] += weight * mean_variance
    return shrunk


def whitened(rows: Array, precision: ArrayLike) -> Array:
    """(n, n_features) rows less a common origin, times W with W W^T = precision."""
    n_features = rows.shape[1]
    p = np.asarray(as_numbers(precision), dtype=np.float64)
    if p.shape not in ((n_features,), (n_features, n_features)):
        raise ValueError(
            f"the precision of {n_features} features has shape ({n_features},) or "
            f"({n_features}, {n_features}); got {p.shape}"
        )
    if not np.isfinite(p).all():
        raise ValueError("the precision holds NaN or infinity; leave those features out")
    # Distances have no origin, rounding has: the median is that of most rows, outliers or not.
    rows = rows - np.median(rows, axis=0)
    if p.ndim == 1:
        if (p < 0).any():
            raise ValueError("a diagonal precision is not negative")
        return np.asarray(rows * np.sqrt(p))
    if not np.allclose(p, p.T, rtol=1e-8, atol=1e-10 * np.abs(p).max()):
        raise ValueError("the precision matrix is not symmetric")
    values, vectors = np.linalg.eigh((p + p.T) / 2)
    if values[0] < -1e-8 * abs(values[-1]):
        raise ValueError(f"the precision has a negative eigenvalue ({values[0]:.3g})")
    return np.asarray(rows @ (vectors * np.sqrt(np.maximum(values, 0.0))))
