"""Comparators of geometry against their definitions on patterns."""

from __future__ import annotations

from itertools import permutations

import needs
import numpy as np
import pytest

from neurosim.rsa import compare_rdms, compute_rdm
from neurosim.rsa.compare.transport import gromov_wasserstein

RNG = np.random.default_rng(0)
N = 12
X, Y = RNG.normal(size=(N, 5)), RNG.normal(size=(N, 7))
DX, DY = compute_rdm(X, "sqeuclidean"), compute_rdm(Y, "sqeuclidean")


def covariance_of_pairs() -> np.ndarray:
    first, second = np.triu_indices(N, 1)
    contrasts = np.zeros((len(first), N))
    contrasts[np.arange(len(first)), first] = 1
    contrasts[np.arange(len(first)), second] = -1
    return (contrasts @ contrasts.T) ** 2


def test_linear_cka_of_rdms_is_that_of_the_patterns_and_the_whitened_cosine() -> None:
    x, y = X - X.mean(0), Y - Y.mean(0)
    cka = np.linalg.norm(x.T @ y) ** 2 / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y)
    assert compare_rdms(DX, DY, "linear-cka")[0, 0] == pytest.approx(cka, abs=1e-11)
    inverse = np.linalg.inv(covariance_of_pairs())
    a, b = DX.dissimilarities, DY.dissimilarities
    whitened = a @ inverse @ b / np.sqrt(a @ inverse @ a * (b @ inverse @ b))
    assert compare_rdms(DX, DY, "whitened-cosine")[0, 0] == pytest.approx(whitened, abs=1e-11)
    assert whitened == pytest.approx(cka, abs=1e-11)


@pytest.mark.parametrize("method", ["whitened-cosine", "whitened-correlation"])
def test_whitening_of_masked_pairs_inverts_the_cut_covariance(method: str) -> None:
    mask = RNG.random(DX.n_pairs) < 0.7
    inverse = np.linalg.inv(covariance_of_pairs()[np.ix_(mask, mask)])
    a, b = DX.dissimilarities[mask], DY.dissimilarities[mask]
    if method == "whitened-correlation":
        a, b = a - a.mean(), b - b.mean()
    expected = a @ inverse @ b / np.sqrt(a @ inverse @ a * (b @ inverse @ b))
    assert compare_rdms(DX, DY, method, mask)[0, 0] == pytest.approx(expected, abs=1e-11)


def test_shape_distance_is_procrustes_of_the_patterns() -> None:
    x, y = X - X.mean(0), Y - Y.mean(0)
    overlap = np.linalg.svd(x.T @ y, compute_uv=False).sum()
    angle = np.arccos(overlap / np.linalg.norm(x) / np.linalg.norm(y))
    # dimensions below 1e-9 of the variance are dropped
    assert compare_rdms(DX, DY, "procrustes")[0, 0] == pytest.approx(angle, abs=1e-7)
    q, _ = np.linalg.qr(RNG.normal(size=(5, 5)))
    turned = compute_rdm(3.0 * X @ q + 1.0, "sqeuclidean")
    assert compare_rdms(DX, turned, "procrustes")[0, 0] == pytest.approx(0.0, abs=1e-5)


def test_shape_distance_obeys_the_triangle_inequality() -> None:
    rdms = [compute_rdm(RNG.normal(size=(6, 4)), "sqeuclidean") for _ in range(8)]
    d = compare_rdms(rdms, rdms, "procrustes")
    assert (d[:, None] <= d[:, :, None] + d[None] + 1e-9).all()


def test_gromov_wasserstein_finds_a_hidden_relabelling() -> None:
    needs.extra("transport", "ot")
    euclid = compute_rdm(X, "euclidean")
    order = RNG.permutation(N)
    found = gromov_wasserstein(euclid, compute_rdm(X[order], "euclidean"))
    assert found.distance == pytest.approx(0.0, abs=1e-6)
    # stimulus order[j] stands at place j
    np.testing.assert_allclose(found.plan[order, np.arange(N)], 1 / N)
    assert gromov_wasserstein(euclid, euclid).diagonal_mass == pytest.approx(1.0)
    np.testing.assert_allclose(found.plan.sum(0), 1 / N)


def test_gromov_wasserstein_cost_is_the_quadruple_sum() -> None:
    needs.extra("transport", "ot")
    found = gromov_wasserstein(DX, DY)
    a, b = (d.square() / np.sqrt(np.mean(d.square() ** 2)) for d in (DX, DY))
    difference = (a[:, None, :, None] - b[None, :, None, :]) ** 2
    cost = np.einsum("ijkl,ij,kl->", difference, found.plan, found.plan)
    assert found.distance**2 == pytest.approx(cost, abs=1e-12)
    uniform = np.full((N, N), 1 / N**2)
    assert cost < np.einsum("ijkl,ij,kl->", difference, uniform, uniform)


def test_gromov_wasserstein_is_at_most_the_cost_of_every_permutation() -> None:
    """Tried one by one: 5,040 of seven stimuli, for RDMs that have nothing in common."""
    pytest.importorskip("ot")
    orders = np.array(list(permutations(range(7))))
    for seed in range(12):
        rng = np.random.default_rng(seed)
        a, b = (compute_rdm(rng.normal(size=(7, 3)), "euclidean").square() for _ in range(2))
        x, y = (s / np.sqrt(np.mean(s**2)) for s in (a, b))
        moved = y[orders[:, :, None], orders[:, None, :]]
        least = np.sqrt(np.mean((x - moved) ** 2, axis=(1, 2)).min())
        found = gromov_wasserstein(a, b)
        assert found.distance <= least + 1e-9
        assert found.distance <= gromov_wasserstein(a, b, epsilon=5e-2).distance + 1e-9


def test_gromov_wasserstein_never_exceeds_leaving_every_stimulus_in_place() -> None:
    pytest.importorskip("ot")
    rng = np.random.default_rng(3)
    base = rng.normal(size=(40, 8))
    a, b = (compute_rdm(base + 0.8 * rng.normal(size=(40, 8)), "euclidean") for _ in range(2))
    x, y = (r.square() / np.sqrt(np.mean(r.square() ** 2)) for r in (a, b))
    for n_starts in (2, 5):
        found = gromov_wasserstein(a, b, n_starts=n_starts)
        assert found.distance <= np.sqrt(np.mean((x - y) ** 2)) + 1e-12
    with pytest.raises(ValueError, match="n_starts is at least 2"):
        gromov_wasserstein(a, b, n_starts=1)
