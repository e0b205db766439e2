"""Every pair of an RDM is accurate relative to itself, whatever the other patterns are.

The expected values are sums over exact differences (fractions or math.fsum), pair by pair. The
tolerance is that of the grid, at most 2^-40 of each value for unbounded metrics, and a half more
for what float64 rounds besides.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.rsa import compute_rdm

N, D = 9, 12
GRID = 2.0**-40
ROUNDED = 1.5 * GRID
LIGHT = settings(deadline=None, max_examples=25)


def patterns(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(N, D))


def outlier(x: np.ndarray) -> np.ndarray:
    return x + 1e6 * (np.arange(len(x)) == 0)[:, None]


def offset(x: np.ndarray) -> np.ndarray:
    return x + 1e7


def twins(x: np.ndarray) -> np.ndarray:
    return x[np.arange(len(x)) // 2] + 1e-7 * x


def two_scales(x: np.ndarray) -> np.ndarray:
    return x * np.where(np.arange(len(x)) % 2, 1e-6, 1e6)[:, None]


def far_outlier(x: np.ndarray) -> np.ndarray:
    return x + 1e12 * (np.arange(len(x)) == 0)[:, None]


def far_offset(x: np.ndarray) -> np.ndarray:
    return x + 1e12 * np.arange(1, x.shape[1] + 1)


SETS = [outlier, offset, twins, two_scales]


def exact_squares(x: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    w = [Fraction(1)] * x.shape[1] if weights is None else [Fraction(v) for v in weights]
    rows = [[Fraction(v) for v in row] for row in x]
    return np.array(
        [
            float(sum(k * (p - q) ** 2 for k, p, q in zip(w, a, b, strict=True)))
            for a, b in combinations(rows, 2)
        ]
    )


@pytest.mark.parametrize("make", SETS)
@LIGHT
@given(seed=st.integers(0, 10**6))
def test_euclidean_distances_are_exact_pair_by_pair(make, seed: int) -> None:  # type: ignore[no-untyped-def]
    x = make(patterns(seed))
    squares = exact_squares(x)
    np.testing.assert_allclose(compute_rdm(x, "sqeuclidean").dissimilarities, squares, rtol=GRID)
    found = compute_rdm(x, "euclidean").dissimilarities
    np.testing.assert_allclose(found, np.sqrt(squares), rtol=GRID)
    if make is not two_scales:  # there 1e6 swallows 1e-6 in truth
        assert len(set(found)) == len(found)


def exact_forms(x: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """(a - b)^T P (a - b) of every pair."""
    rows = [[Fraction(v) for v in row] for row in x]
    weights = [[Fraction(v) for v in row] for row in precision]
    found = []
    for a, b in combinations(rows, 2):
        d = [p - q for p, q in zip(a, b, strict=True)]
        towards = [sum(w * v for w, v in zip(row, d, strict=True)) for row in weights]
        found.append(float(sum(v * t for v, t in zip(d, towards, strict=True))))
    return np.array(found)


@pytest.mark.parametrize("make", [*SETS, far_outlier, far_offset])
def test_mahalanobis_distances_are_exact_pair_by_pair(make) -> None:  # type: ignore[no-untyped-def]
    """No offset of all rows, and no single row far away, takes digits from the others."""
    x, weights = make(patterns(1)), np.random.default_rng(2).gamma(2.0, size=D)
    # Whitened values are rounded to 1e-16 of each, beside differences of 1e-7 of twins.
    rtol = 1e-8 if make is twins else ROUNDED
    expected = exact_squares(x, weights)
    for precision in (weights, np.diag(weights)):
        found = compute_rdm(x, "mahalanobis", precision=precision).dissimilarities
        np.testing.assert_allclose(found, expected, rtol=rtol)
    axes = np.linalg.qr(np.random.default_rng(3).normal(size=(D, D)))[0]
    mixed = (axes * weights) @ axes.T
    mixed = (mixed + mixed.T) / 2
    found = compute_rdm(x, "mahalanobis", precision=mixed).dissimilarities
    np.testing.assert_allclose(found, exact_forms(x, mixed), rtol=rtol)


@pytest.mark.parametrize("make", SETS)
def test_crossnobis_is_exact_relative_to_what_it_is_the_difference_of(make) -> None:  # type: ignore[no-untyped-def]
    folds = np.stack([make(patterns(s)) for s in range(3)], axis=1)
    found = compute_rdm(folds, "crossnobis").dissimilarities
    total = exact_squares(folds.sum(axis=1))
    own = sum(exact_squares(folds[:, k]) for k in range(3))
    # the sum over folds is rounded once: 1e-16 of an offset of 1e7 beside differences of 1
    np.testing.assert_array_less(abs(found - (total - own) / 6), 1e-8 * (total + own))
    if make is not two_scales:
        assert len(set(found)) == len(found)


@pytest.mark.parametrize("apart", [1.0, 1e-2, 1e-4, 1e-7, 1e-10, 1e-12])
@pytest.mark.parametrize("make", [lambda x: x, outlier])
def test_poisson_divergences_are_exact_pair_by_pair(make, apart: float) -> None:  # type: ignore[no-untyped-def]
    """Patterns in pairs that are ``apart`` of their size apart."""
    pairs = patterns(3)[np.arange(N) // 2] + apart * patterns(4)
    rates = (make(np.abs(pairs) * 5) + 0.1) / 1.1
    expected = [
        math.fsum((p - q) * math.log1p((p - q) / q) for p, q in zip(a, b, strict=True))
        for a, b in combinations(rates, 2)
    ]
    found = compute_rdm(make(np.abs(pairs) * 5), "poisson-kl").dissimilarities
    np.testing.assert_allclose(found, expected, rtol=ROUNDED)


@pytest.mark.parametrize("shift_ms", [1e-7, 1e-3, 0.5])
def test_van_rossum_of_nearly_the_same_trains(shift_ms: float) -> None:
    """One spike moved by d: D^2 = 1 - exp(-d / tau), whatever else both trains hold."""
    spikes = np.sort(np.random.default_rng(4).uniform(-50, 300, 40))
    moved = spikes.copy()
    moved[-1] += shift_ms
    busy = np.sort(np.random.default_rng(5).uniform(0, 300, 4000))
    found = compute_rdm([spikes, moved, busy], "van-rossum", tau_ms=20.0).dissimilarities
    gap = (moved[-1] - spikes[-1]) / 20.0
    np.testing.assert_allclose(found[0] ** 2, -math.expm1(-gap), rtol=ROUNDED)
    assert compute_rdm([spikes, spikes], "van-rossum", tau_ms=20.0).dissimilarities[0] == 0


def test_van_rossum_is_the_double_sum_of_the_definition() -> None:
    rng = np.random.default_rng(6)
    trains = [np.sort(rng.uniform(-20, 100, k)) for k in (0, 3, 5, 8)]
    trains[2][:2] = trains[3][:2]  # simultaneous spikes of both

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.exp(-np.abs(a[:, None] - b) / 10.0).sum())

    expected = [
        math.sqrt(kernel(a, a) / 2 + kernel(b, b) / 2 - kernel(a, b))
        for a, b in combinations(trains, 2)
    ]
    found = compute_rdm(trains, "van-rossum", tau_ms=10.0).dissimilarities
    np.testing.assert_allclose(found, expected, rtol=1e-11)


@pytest.mark.parametrize("metric", ["correlation", "cosine"])
def test_patterns_that_nearly_agree_are_told_apart(metric: str) -> None:
    """One unit of 1e5 beside others of 1: every correlation is 1 - 1e-9, and none is the same."""
    x = patterns(7)
    x[:, 0] += 1e5
    found = compute_rdm(x, metric).dissimilarities
    rows = x.astype(np.longdouble)
    if metric == "correlation":
        rows = rows - rows.mean(axis=1, keepdims=True)
    rows = rows / np.sqrt((rows**2).sum(axis=1, keepdims=True))
    expected = [float(((a - b) ** 2).sum() / 2) for a, b in combinations(rows, 2)]
    assert max(expected) < 1e-8
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    scaled = compute_rdm(np.stack([x[0], 3 * x[0], x[1]]), metric).dissimilarities
    assert scaled[0] == 0  # what rounding leaves of the same direction is nothing


def test_a_diagonal_precision_of_many_features_takes_no_matrix() -> None:
    """60,000 features: the matrix of the diagonal would take 26.8 GiB."""
    x = np.random.default_rng(8).normal(size=(3, 60_000))
    found = compute_rdm(x, "mahalanobis", precision=np.full(60_000, 4.0)).dissimilarities
    np.testing.assert_allclose(found, 4 * compute_rdm(x, "sqeuclidean").dissimilarities, rtol=1e-11)
    with pytest.raises(ValueError, match="precision holds NaN"):
        compute_rdm(x[:, :2], "mahalanobis", precision=[1.0, np.nan])
