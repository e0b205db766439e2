"""Equal to scipy within 1e-10, ties included."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import permutation_test, rankdata, spearmanr

from neurosim.rsa import compare_rdms, compute_rdm, sign_flip_test
from neurosim.rsa.rdm.ranks import Ranks, ascending


@pytest.mark.parametrize("metric", ["correlation", "cosine", "euclidean", "sqeuclidean"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dissimilarities_equal_pdist(metric: str, dtype: type) -> None:
    x = np.random.default_rng(0).normal(3.0, 1.0, size=(60, 40)).astype(dtype)
    ours = compute_rdm(x, metric).dissimilarities
    np.testing.assert_allclose(ours, pdist(x.astype(np.float64), metric), rtol=1e-10, atol=1e-10)


def test_spearman_with_many_ties_equals_scipy() -> None:
    rng = np.random.default_rng(1)
    a = rng.integers(0, 12, size=(3, 190)).astype(float)
    b = rng.integers(0, 30, size=(4, 190)).astype(float)
    expected = [[spearmanr(x, y).statistic for y in b] for x in a]
    np.testing.assert_allclose(compare_rdms(a, b), expected, atol=1e-13)


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
def test_sign_flip_equals_scipys_exact_permutation_test(alternative: str) -> None:
    rng = np.random.default_rng(2)
    for differences in (rng.normal(0.3, 1, 7), np.array([1.0, 1.0, -1.0, 2.0, 0.0])):
        peer = permutation_test(
            (differences,),
            lambda x: float(np.mean(x)),
            permutation_type="samples",
            n_resamples=np.inf,
            vectorized=False,
            alternative=alternative,
        )
        # scipy doubles the smaller tail where ours counts |sum|: equal, the null is symmetric
        np.testing.assert_allclose(
            sign_flip_test(differences, alternative), peer.pvalue, atol=1e-14
        )


@pytest.mark.parametrize(
    "values",
    [
        [0.5, 0.25, 0.5, 2.0, 0.0, -0.0, 1.0, 0.25],
        [-3.0, -0.0, 0.0, 2.5, -3.0, 1e30, -1e30, 1e-40],
        [1 / 3, 2 / 3, 1 / 3, 0.1, 0.7, 0.2, 5e-13, 4e-13],
        [7e5, 1.5, 1.5, 3.0, 7e5, 8e6, 2.0**30, 0.0],
        [4.0] * 8,
        [1.0],
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_midranks_equal_scipy_however_values_are_packed(values: list[float], dtype: type) -> None:
    """On the grid, off it, negative, too large for it, in float32: the same midranks."""
    row = np.array([values], dtype=dtype)
    ranks = Ranks.of(row)
    np.testing.assert_array_equal(ranks.doubled[0], 2 * rankdata(row[0]))
    assert ranks.squares[0] == np.sum((2 * rankdata(row[0]) - len(values) - 1) ** 2)


@pytest.mark.parametrize("spare", [True, False])
def test_midranks_of_many_values_equal_scipy_in_either_sort(
    spare: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long rows are sorted in place (less memory), short ones digit by digit (faster)."""
    if not spare:
        monkeypatch.setattr("neurosim.rsa.rdm.ranks._MOST_WITH_SPARE", 0)
    rng = np.random.default_rng(3)
    for row in (rng.random(4950), rng.normal(size=4950).round(2), rng.integers(0, 2**31, 4950)):
        grid = np.rint(np.abs(row) * 2.0**30) / 2.0**30
        for values in (grid, row.astype(np.float32), row.astype(float)):
            np.testing.assert_array_equal(Ranks.of(values[None]).doubled[0], 2 * rankdata(values))
            np.testing.assert_array_equal(values[ascending(values)], np.sort(values))
