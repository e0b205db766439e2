"""Dissimilarities against their definitions, written out."""

from __future__ import annotations

import numpy as np
import pytest

from neurosim.rsa import compute_rdm, noise_precision

RNG = np.random.default_rng(0)


def test_mahalanobis_is_the_quadratic_form() -> None:
    x = RNG.normal(size=(6, 5))
    precision = noise_precision(RNG.normal(size=(40, 5)), "full")
    square = compute_rdm(x, "mahalanobis", precision=precision).square()
    for i in range(6):
        for j in range(6):
            difference = x[i] - x[j]
            assert square[i, j] == pytest.approx(difference @ precision @ difference, abs=1e-10)
    diagonal = np.array([1.0, 2.0, 0.0, 4.0, 5.0])
    np.testing.assert_allclose(
        compute_rdm(x, "mahalanobis", precision=diagonal).dissimilarities,
        compute_rdm(x, "mahalanobis", precision=np.diag(diagonal)).dissimilarities,
        atol=1e-10,
    )


def test_crossnobis_is_the_mean_over_pairs_of_folds() -> None:
    folds = RNG.normal(size=(5, 4, 6))
    precision = noise_precision(RNG.normal(size=(40, 6)))
    square = compute_rdm(folds, "crossnobis", precision=precision).square()
    for i, j in [(0, 1), (2, 4)]:
        d = folds[i] - folds[j]
        pairs = [d[k] @ precision @ d[m] for k in range(4) for m in range(4) if k != m]
        assert square[i, j] == pytest.approx(np.mean(pairs), abs=1e-10)


def test_crossnobis_is_not_biased_by_noise_where_mahalanobis_is() -> None:
    """Pure noise, 3 folds, 200 features: E d = 0 with standard deviation
    sqrt(2 x 4 x 200 / 6) = 16 a pair; over 435 pairs of 30 stimuli the mean is within +-5."""
    folds = RNG.normal(size=(30, 3, 200))
    assert abs(compute_rdm(folds, "crossnobis").dissimilarities.mean()) < 5
    assert compute_rdm(folds.mean(1), "sqeuclidean").dissimilarities.mean() > 100


def test_poisson_kl_is_the_sum_of_both_divergences() -> None:
    x = RNG.gamma(2.0, size=(4, 7))
    rates = (x + 0.1) / 1.1

    def kl(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.sum(a * np.log(a / b) - a + b))

    square = compute_rdm(x, "poisson-kl").square()
    assert square[1, 3] == pytest.approx(kl(rates[1], rates[3]) + kl(rates[3], rates[1]), abs=1e-11)
    with pytest.raises(ValueError, match="not negative"):
        compute_rdm(-x, "poisson-kl")
    x[2, 3] = 0.0
    assert np.isfinite(compute_rdm(x, "poisson-kl").dissimilarities).all()
    for no_prior in ({"prior_weight": 0.0}, {"prior_rate": 0.0}):
        with pytest.raises(ValueError, match="zero has no logarithm"):
            compute_rdm(x, "poisson-kl", **no_prior)


def test_victor_purpura_by_hand() -> None:
    def distance(a: list[float], b: list[float], cost: float) -> float:
        return float(compute_rdm([a, b], "victor-purpura", cost_per_ms=cost).dissimilarities[0])

    assert distance([10.0], [13.0], 0.1) == pytest.approx(0.3)  # move
    assert distance([10.0], [40.0], 0.1) == pytest.approx(2.0)  # delete and add
    assert distance([1.0, 2.0, 3.0], [2.0], 0.0) == pytest.approx(2.0)  # counts
    assert distance([], [5.0, 6.0], 1.0) == pytest.approx(2.0)
    assert distance([10.0, 20.0], [20.0, 10.0], 9.0) == 0.0  # order of the list means nothing


def test_van_rossum_equals_the_integral() -> None:
    a, b, tau = [3.0, 10.0, 11.0], [4.0, 30.0], 8.0
    t = np.arange(0.0, 400.0, 0.001)

    def filtered(train: list[float]) -> np.ndarray:
        return sum((t >= s) * np.exp(-np.maximum(t - s, 0) / tau) for s in train)  # type: ignore[return-value]

    integral = np.sum((filtered(a) - filtered(b)) ** 2) * 0.001 / tau
    ours = compute_rdm([a, b], "van-rossum", tau_ms=tau).dissimilarities[0]
    assert ours**2 == pytest.approx(integral, rel=1e-3)  # the step of the sum
    assert compute_rdm([[5.0], []], "van-rossum", tau_ms=tau).dissimilarities[0] == pytest.approx(
        np.sqrt(0.5)
    )


def test_neurons_are_labelled_lines() -> None:
    trains = [[[1.0, 5.0], [2.0]], [[4.0], [2.0, 9.0]]]
    per_neuron = [
        compute_rdm([trains[0][k], trains[1][k]], "victor-purpura", cost_per_ms=0.2)
        for k in range(2)
    ]
    both = compute_rdm(trains, "victor-purpura", cost_per_ms=0.2)
    assert both.dissimilarities[0] == pytest.approx(sum(p.dissimilarities[0] for p in per_neuron))
    with pytest.raises(ValueError, match="different numbers of neurons"):
        compute_rdm([trains[0], [[1.0]]], "victor-purpura", cost_per_ms=0.2)


def test_missing_options_and_bad_noise_are_refused_with_the_remedy() -> None:
    x = RNG.normal(size=(4, 3))
    with pytest.raises(TypeError, match="precision"):
        compute_rdm(x, "mahalanobis")
    with pytest.raises(ValueError, match="n_folds"):
        compute_rdm(x, "crossnobis")
    with pytest.raises(ValueError, match="ledoit-wolf"):
        noise_precision(x[:3], "full")
    with pytest.raises(ValueError, match="never vary"):
        noise_precision(np.ones((5, 2)))
    with pytest.raises(ValueError, match="negative eigenvalue"):
        compute_rdm(x, "mahalanobis", precision=-np.eye(3))
