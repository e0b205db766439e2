"""Ridge encoding predicts held-out stimuli and only them."""

from __future__ import annotations

import needs
import numpy as np
import pytest

from neurosim.rsa import encode


@pytest.fixture(autouse=True, scope="module")
def _extra() -> None:
    needs.extra("encoding", "himalaya")


RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 12))
Z = RNG.normal(size=(80, 30))
Y = X @ RNG.normal(size=(12, 3)) + 0.5 * RNG.normal(size=(80, 3))


def test_a_linear_code_is_read_out_and_noise_is_not() -> None:
    found = encode(X, Y, rng=np.random.default_rng(1))
    assert (found.r > 0.95).all()
    assert (found.r2 > 0.9).all()
    noise = encode(X, RNG.normal(size=(80, 3)), rng=np.random.default_rng(1))
    # One-sided: with nothing to predict, the training mean leans away from the held-out fold.
    assert (noise.r < 0.35).all()  # three standard errors of r at 80 stimuli
    assert (noise.r2 < 0.05).all()


def test_predictions_are_of_stimuli_the_fit_has_not_seen() -> None:
    """With far more features than stimuli any training set is fitted exactly; predictions of
    responses that have nothing to do with the features must still be worthless."""
    found = encode(RNG.normal(size=(60, 500)), RNG.normal(size=(60, 4)), rng=RNG)
    assert (found.r2 < 0.2).all()


def test_equals_ridge_by_its_normal_equations() -> None:
    found = encode(X, Y, alphas=[10.0], n_folds=4, rng=np.random.default_rng(2))
    folds = np.random.default_rng(2).permutation(80) % 4
    for fold in range(4):
        train, test = folds != fold, folds == fold
        mean, sd = X[train].mean(0), X[train].std(0)
        a, b = (X[train] - mean) / sd, (X[test] - mean) / sd
        c = Y[train].mean(0)
        w = np.linalg.solve(a.T @ a + 10.0 * np.eye(12), a.T @ (Y[train] - c))
        np.testing.assert_allclose(found.predictions[test], b @ w + c, atol=1e-9)


def test_a_response_that_does_not_vary_has_no_correlation() -> None:
    """It is predicted as it is, .1, which is not exact in binary: rounding is no structure."""
    found = encode(X, np.column_stack([Y[:, 0], np.full(80, 0.1)]), rng=np.random.default_rng(1))
    assert found.r[0] > 0.95
    assert np.isnan(found.r[1])


def test_bands_get_their_own_penalty() -> None:
    both = encode({"useful": X, "noise": 5 * Z}, Y, n_iter=15, rng=np.random.default_rng(3))
    assert (both.r > 0.9).all()
    again = encode({"useful": X, "noise": 5 * Z}, Y, n_iter=15, rng=np.random.default_rng(3))
    np.testing.assert_array_equal(both.predictions, again.predictions)


def test_misfits_are_refused() -> None:
    with pytest.raises(ValueError, match="'noise' must be"):
        encode({"noise": Z[:70]}, Y, rng=RNG)
    with pytest.raises(ValueError, match="n_folds"):
        encode(X, Y, n_folds=1, rng=RNG)
