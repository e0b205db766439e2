"""Comparators of the geometry behind two RDMs: whitened cosine (= linear CKA) and shape distance.

They read an RDM as squared distances, which correlation, cosine, squared Euclidean,
Mahalanobis and crossnobis dissimilarities are (up to a factor). Double centring gives the
Gram matrix of the centred patterns, G = -1/2 H D H.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from neurosim.rsa.compare.comparator import Array, Comparator, Flags, Ints, Rows, root_mean_squares
from neurosim.rsa.rdm.squares import n_stimuli_of, to_square


@final
@dataclass(frozen=True)
class Whitened(Comparator):
    """Cosine or correlation of RDM vectors whitened by their covariance V under noise alone.

    V_(ij,kl) = (c_ij . c_kl)^2 with c_ij = e_i - e_j: 4 for the same pair, 1 for pairs sharing
    a stimulus, 0 otherwise. score = x V^-1 y / sqrt(x V^-1 x  y V^-1 y), of the rows less their
    mean for ``centred``. With all pairs the cosine is linear centred kernel alignment (CKA)
    of the patterns (Diedrichsen et al. 2020, arXiv:2007.02789; Kornblith et al. 2019,
    arXiv:1905.00414). With a pair mask V is cut to the pairs in use.
    """

    name: str
    centred: bool
    is_correlation: ClassVar[bool] = True  # type: ignore[misc]
    adds_up: ClassVar[bool] = True

    def read(self, rows: Rows, used: Flags | None = None) -> tuple[Array, Array]:
        vectors = np.array(rows, dtype=np.float64)
        if self.centred:
            vectors -= vectors.mean(axis=1, keepdims=True)
        solved = np.stack([_solve_v(row, used) for row in vectors])
        norms = np.sqrt(np.maximum(np.einsum("ij,ij->i", vectors, solved), 0.0))
        norms[norms <= 1e-13 * np.abs(np.asarray(rows)).max(axis=1)] = np.nan
        return vectors / norms[:, None], solved / norms[:, None]

    def measure(self, a: tuple[Array, Array], b: tuple[Array, Array]) -> Array:
        return np.asarray(a[0] @ b[1].T)

    def normalise(self, rows: Rows) -> Array:
        values = np.asarray(rows, dtype=np.float64)
        return super().normalise(
            values - values.mean(axis=1, keepdims=True) if self.centred else values
        )

    def spread(self, rows: Rows) -> Array:
        return super().spread(rows) if self.centred else root_mean_squares(rows)

    def resample(self, models: Rows, brains: Rows, indices: Ints, used: Flags) -> Array:
        raise no_resampling(self.name)


def _solve_v(row: Array, used: Flags | None) -> Array:
    """V^-1 row. V x = 2 x + s_i + s_j, where s_i sums x over the pairs of stimulus i."""
    n = n_stimuli_of(len(row) if used is None else len(used))
    first, second = np.triu_indices(n, 1)
    if used is None:
        # The sums of V x are n s_i + 2 t with t the total of x; 2 n t is that of V x.
        sums = np.bincount(first, row, n) + np.bincount(second, row, n)
        inner = (sums - row.sum() / n) / n
        return (row - inner[first] - inner[second]) / 2.0
    first, second = first[used], second[used]

    def v(x: Array) -> Array:
        sums = np.bincount(first, x, n) + np.bincount(second, x, n)
        return 2.0 * x + sums[first] + sums[second]

    return _conjugate_gradient(v, row)


def _conjugate_gradient(apply: Callable[[Array], Array], target: Array) -> Array:
    """Solve apply(x) = target, symmetric positive definite, to rounding."""
    x = np.zeros_like(target)
    residual = target.copy()
    direction = residual.copy()
    energy = start = float(residual @ residual)
    for _ in range(10 * len(target)):
        if energy <= 1e-28 * start:
            break
        image = apply(direction)
        step = energy / float(direction @ image)
        x += step * direction
        residual -= step * image
        energy, previous = float(residual @ residual), energy
        direction = residual + (energy / previous) * direction
    return x


@final
@dataclass(frozen=True)
class Procrustes(Comparator):
    """Shape distance arccos(|X^T Y|_* / (|X| |Y|)) in radians, 0 ... pi/2.

    What is left between two centred configurations of unit size after the best rotation
    (Kendall's Riemannian shape distance; Williams et al. 2021, arXiv:2110.14739). X, Y are
    the configurations whose squared distances the RDMs are; the part of an RDM that no
    Euclidean configuration has (negative eigenvalues) is left out. A metric: 0 only for the
    same shape, and the triangle inequality holds.
    """

    name: str
    larger_is_closer: ClassVar[bool] = False

    def read(self, rows: Rows, used: Flags | None = None) -> list[Array]:
        refuse_partial(rows, used, self.name)
        return [_configuration(row) for row in np.asarray(rows, dtype=np.float64)]

    def measure(self, a: list[Array], b: list[Array]) -> Array:
        return np.array([[shape_distance(x, y) for y in b] for x in a])

    def resample(self, models: Rows, brains: Rows, indices: Ints, used: Flags) -> Array:
        raise no_resampling(self.name)


def shape_distance(x: Array, y: Array) -> float:
    """arccos(|X^T Y|_*) of centred configurations (n, d) of unit Frobenius norm; NaN without one
    (an RDM of zeros is a single point)."""
    if np.isnan(x).any() or np.isnan(y).any():
        return float("nan")
    overlap = float(np.linalg.svd(x.T @ y, compute_uv=False).sum())
    return float(np.arccos(min(1.0, overlap)))


def gram(row: Array) -> Array:
    """G = -1/2 H D H, (n, n), of squared distances D given condensed."""
    squared = to_square(row)
    means = squared.mean(axis=0)
    return -0.5 * (squared - means - means[:, None] + means.mean())


def _configuration(row: Array) -> Array:
    """(n, d) centred points of unit Frobenius norm whose squared distances are the RDM's."""
    values, vectors = np.linalg.eigh(gram(row))
    # Dissimilarities lie on a grid of 1e-12: smaller dimensions are rounding.
    kept = values > 1e-9 * np.abs(values).max()
    points = vectors[:, kept] * np.sqrt(values[kept])
    norm = np.linalg.norm(points)
    return np.asarray(points / norm if norm > 0 else np.full((len(vectors), 1), np.nan))


def refuse_partial(rows: Rows, used: Flags | None, name: str) -> None:
    """Whole matrices only: the pairs in use must be all pairs of some set of stimuli."""
    if used is None:
        return
    kept = to_square(used).any(axis=0).sum()
    if rows.shape[1] != kept * (kept - 1) // 2:
        raise ValueError(
            f"{name!r} compares whole matrices and cannot leave out single pairs "
            f"({rows.shape[1]} of the {kept * (kept - 1) // 2} pairs of {kept} stimuli are in "
            "use); use a comparator of vectors, e.g. spearman or whitened-cosine"
        )


def no_resampling(name: str) -> ValueError:
    return ValueError(
        f"{name!r} compares whole matrices, where a stimulus drawn twice would need its "
        "self-pair; bootstrap subjects or seeds, or use a comparator of vectors, e.g. spearman"
    )
