"""Laws that hold for every registered comparator, and for comparing with prepared RDMs."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from neurosim.rsa import (
    COMPARATORS,
    RDM,
    compare_patterns,
    compare_rdms,
    compute_rdm,
    prepare_rdms,
    to_square,
)
from neurosim.rsa.rdm.resampling import relabel_plainly, resample_plainly

POT = "gromov-wasserstein"
EVERY = [
    pytest.param(
        m,
        marks=pytest.mark.skipif(
            m == POT and importlib.util.find_spec("ot") is None,
            reason="POT is not installed (extra transport)",
        ),
    )
    for m in sorted(COMPARATORS)
]
VECTORS = ("spearman", "rho-a", "kendall-tau-a", "kendall-tau-b", "pearson", "cosine")
WHITENED = ("whitened-cosine", "whitened-correlation", "linear-cka")
N = 9


def rdms(seed: int, n_rdms: int = 3) -> np.ndarray:
    """Euclidean RDMs of random patterns, with a few ties."""
    rng = np.random.default_rng(seed)
    rows = [
        compute_rdm(rng.normal(size=(N, 5)), "sqeuclidean").dissimilarities for _ in range(n_rdms)
    ]
    return np.round(np.stack(rows), 1) + 0.05


@pytest.mark.parametrize("method", EVERY)
def test_symmetric(method: str) -> None:
    a, b = rdms(0), rdms(1, 4)
    np.testing.assert_allclose(compare_rdms(a, b, method), compare_rdms(b, a, method).T, atol=1e-12)


@pytest.mark.parametrize("method", EVERY)
def test_relabelling_the_stimuli_of_both_sides_changes_nothing(method: str) -> None:
    a, b = rdms(2), rdms(3)
    order = np.random.default_rng(4).permutation(N)
    shuffled = [to_square(x)[:, order][:, :, order] for x in (a, b)]
    np.testing.assert_allclose(
        compare_rdms(*shuffled, method), compare_rdms(a, b, method), atol=1e-8
    )


@pytest.mark.parametrize("method", EVERY)
def test_invariant_to_the_scale_of_either_side(method: str) -> None:
    a, b = rdms(5), rdms(6)
    np.testing.assert_allclose(
        compare_rdms(a * 4.0, b * 0.25, method), compare_rdms(a, b, method), atol=1e-8
    )


@pytest.mark.parametrize("method", EVERY)
def test_a_block_of_comparisons_is_each_of_them_alone(method: str) -> None:
    a, b = rdms(7), rdms(8, 2)
    together = compare_rdms(a, b, method)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            # BLAS sums in another order for other shapes.
            np.testing.assert_allclose(together[i, j], compare_rdms(x, y, method)[0, 0], atol=1e-12)


@pytest.mark.parametrize("form", ["condensed", "square", "object", "float32", "list"])
def test_rdms_are_accepted_in_every_form(form: str) -> None:
    a, b = rdms(9).astype(np.float32).astype(np.float64), rdms(10)
    forms = {
        "condensed": a,
        "square": to_square(a),
        "object": [RDM(x) for x in a],
        "float32": a.astype(np.float32),
        "list": [list(x) for x in a],
    }
    np.testing.assert_allclose(compare_rdms(forms[form], b), compare_rdms(a, b), atol=1e-14)
    np.testing.assert_allclose(compare_rdms(to_square(a[0]), b), compare_rdms(a[0], b), atol=1e-14)


@pytest.mark.parametrize("method", EVERY)
def test_range_and_the_same_rdm_is_closest(method: str) -> None:
    """Similarities are at most 1, distances at least 0; an RDM without ties with itself has
    the extreme value (rho-a and tau-a reach 1 only without ties)."""
    a = compute_rdm(np.random.default_rng(20).normal(size=(N, 5)), "sqeuclidean").dissimilarities
    b = np.concatenate([a[None], rdms(21, 4)])
    scores = compare_rdms(a, b, method)[0]
    if COMPARATORS[method].larger_is_closer:
        assert scores[0] == pytest.approx(1.0, abs=1e-12)
        assert np.abs(scores).max() <= 1 + 1e-12
    else:
        # arccos and the root turn rounding of 1e-16 into 1e-8
        assert scores[0] == pytest.approx(0.0, abs=1e-6)
        assert (scores[1:] > 0.01).all()


@pytest.mark.parametrize("method", ["spearman", "rho-a", "kendall-tau-a", "kendall-tau-b"])
def test_rank_methods_see_order_only(method: str) -> None:
    a, b = rdms(22), rdms(23)
    np.testing.assert_allclose(
        compare_rdms(np.exp(a / 5), b**3, method), compare_rdms(a, b, method), atol=1e-13
    )


@pytest.mark.parametrize("method", ["pearson", "whitened-correlation"])
def test_correlations_do_not_see_an_offset(method: str) -> None:
    a, b = rdms(24), rdms(25)
    np.testing.assert_allclose(
        compare_rdms(a + 3.0, b, method), compare_rdms(a, b, method), atol=1e-11
    )


def indices_and_orders() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(26)
    return rng.integers(0, N, (12, N)), np.array([rng.permutation(N) for _ in range(12)])


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("method", VECTORS)
def test_resampling_and_relabelling_are_exact_for_given_indices(method: str, masked: bool) -> None:
    """The weighted and gathered forms equal writing every vector out, ties included."""
    a, b = rdms(27, 2), rdms(28, 3)
    used = np.random.default_rng(29).random(36) < 0.8 if masked else np.ones(36, bool)
    indices, orders = indices_and_orders()
    comparator = COMPARATORS[method]
    np.testing.assert_allclose(
        comparator.resample(a, b, indices, used),
        resample_plainly(comparator, a, b, indices, used),
        atol=1e-12,
    )
    np.testing.assert_allclose(
        comparator.relabel(a, b, orders, used),
        relabel_plainly(comparator, a, b, orders, used),
        atol=1e-12,
    )


@pytest.mark.parametrize("method", ["spearman", "pearson"])
def test_a_sample_is_the_same_to_the_bit_beside_any_others_and_in_any_number_of_threads(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Samples are computed in batches that threads share: no sum may cross them."""
    import numba

    a, b = rdms(27, 2), rdms(28, 2)
    a[0] += np.random.default_rng(33).random(36)  # one side with ties, one without
    rng = np.random.default_rng(34)
    indices = rng.integers(0, N, (150, N))
    orders = np.array([rng.permutation(N) for _ in range(150)])
    comparator, used = COMPARATORS[method], np.ones(36, bool)
    together = []
    for n_threads in (1, 3):
        monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", n_threads)
        together.append(
            [comparator.resample(a, b, indices, used), comparator.relabel(a, b, orders, used)]
        )
    for one, three in zip(*together, strict=True):
        np.testing.assert_array_equal(one, three)
    part = slice(40, 77)
    np.testing.assert_array_equal(
        comparator.resample(a, b, indices[part], used), together[0][0][part]
    )
    np.testing.assert_array_equal(
        comparator.relabel(a, b, orders[part], used), together[0][1][part]
    )


def test_a_resample_of_two_stimuli_and_more_draws_than_stimuli_are_exact() -> None:
    """Weights of hundreds: nothing overflows, and a resample of one pair has no order."""
    a, b = rdms(35, 1), rdms(36, 2)
    indices = np.stack([np.resize([0, 1], 400), np.random.default_rng(37).integers(0, 5, 400)])
    comparator, used = COMPARATORS["spearman"], np.ones(36, bool)
    ours = comparator.resample(a, b, indices, used)
    assert np.isnan(ours[0]).all()
    np.testing.assert_allclose(ours, resample_plainly(comparator, a, b, indices, used), atol=1e-12)


@pytest.mark.parametrize("method", ["procrustes", POT, *WHITENED])
def test_comparators_of_matrices_refuse_what_they_cannot_resample(method: str) -> None:
    a, b = rdms(27, 2), rdms(28, 3)
    with pytest.raises(ValueError, match="bootstrap subjects or seeds"):
        COMPARATORS[method].resample(a, b, indices_and_orders()[0], np.ones(36, bool))
    with pytest.raises(ValueError, match="cannot leave out single pairs"):
        compare_rdms(a, b, "procrustes", pair_mask=np.arange(36) > 2)


@pytest.mark.parametrize("method", ["procrustes", *WHITENED])
def test_a_silent_stimulus_leaves_whole_matrices_of_the_others(method: str) -> None:
    a, b = to_square(rdms(30)), to_square(rdms(31))
    without = np.delete(np.arange(N), 4)
    expected = compare_rdms(a[:, without][:, :, without], b[:, without][:, :, without], method)
    a[:, 4] = a[:, :, 4] = np.nan
    np.testing.assert_allclose(compare_rdms(a, b, method), expected, atol=1e-9)


@pytest.mark.parametrize("method", VECTORS)
def test_masked_and_missing_pairs_are_left_out_on_both_sides(method: str) -> None:
    a, b = rdms(11), rdms(12, 4)
    mask = np.random.default_rng(13).random(a.shape[1]) < 0.7
    a[1, 3], b[2, 5], b[2, 9] = np.nan, np.nan, np.nan
    scores = compare_rdms(a, b, method, pair_mask=mask)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            kept = mask & ~np.isnan(x) & ~np.isnan(y)
            alone = compare_alone(x[kept], y[kept], method)
            np.testing.assert_allclose(scores[i, j], alone, atol=1e-12)


def compare_alone(x: np.ndarray, y: np.ndarray, method: str) -> float:
    from scipy.stats import kendalltau, rankdata

    if method == "spearman":
        return float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])
    if method == "rho-a":
        n = len(x)
        return float(12 * (rankdata(x) - (n + 1) / 2) @ (rankdata(y) - (n + 1) / 2) / (n**3 - n))
    if method == "pearson":
        return float(np.corrcoef(x, y)[0, 1])
    if method == "kendall-tau-b":
        return float(kendalltau(x, y).statistic)
    if method == "kendall-tau-a":
        agree = np.sign(np.subtract.outer(x, x)) * np.sign(np.subtract.outer(y, y))
        return float(agree.sum() / (len(x) * (len(x) - 1)))
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def test_nothing_to_compare_is_nan_not_a_number() -> None:
    a, b = rdms(14), rdms(15)
    a[0] = np.nan
    b[1] = 0.3  # constant: no order
    scores = compare_rdms(a, b)
    assert np.isnan(scores[0]).all()
    assert np.isnan(scores[:, 1]).all()
    assert np.isfinite(scores[1:, [0, 2]]).all()
    assert np.isnan(compare_rdms(a, b, "pearson")[:, 1]).all()


def test_prepared_brain_gives_the_same_numbers_call_after_call() -> None:
    b = rdms(16, 5)
    kept = prepare_rdms(b)
    for seed in range(20):
        a = rdms(seed, 2)
        if seed % 3:
            a[0, seed] = np.nan
        np.testing.assert_array_equal(compare_rdms(a, kept), compare_rdms(a, b))


def test_mismatches_are_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match="same stimuli"):
        compare_rdms(rdms(0)[:, :28], rdms(1))
    with pytest.raises(ValueError, match="upper triangle"):
        compare_rdms(rdms(0)[:, :30], rdms(1))
    with pytest.raises(ValueError, match=r"known: .*spearman"):
        compare_rdms(rdms(0), rdms(1), "spearmann")
    with pytest.raises(ValueError, match="prepared for 'pearson'"):
        compare_rdms(rdms(0), prepare_rdms(rdms(1), "pearson"), "cosine")
    with pytest.raises(TypeError, match="boolean"):
        compare_rdms(rdms(0), rdms(1), pair_mask=np.ones(36))
    with pytest.raises(ValueError, match="no pair"):
        compare_rdms(rdms(0), rdms(1), pair_mask=np.zeros(36, bool))


def test_a_matrix_that_is_nearly_an_rdm_is_refused_and_not_read_as_a_stack() -> None:
    """10 x 10 is also ten condensed RDMs of five stimuli."""
    rng = np.random.default_rng(38)
    rdm = compute_rdm(rng.normal(size=(10, 6))).square()
    with pytest.raises(ValueError, match=r"diagonal is not zero.*1 - similarity"):
        compare_rdms(1 - rdm, rdm)
    lopsided = rdm.copy()
    lopsided[2, 7] += 0.1
    with pytest.raises(ValueError, match=r"is not symmetric .*give \(D \+ D\.T\) / 2"):
        compare_rdms(rdm, lopsided)
    assert compare_rdms(rng.random((10, 10)), rng.random((10, 10))).shape == (10, 10)


def test_patterns_of_many_models_score_as_their_rdms_in_any_number_of_threads() -> None:
    rng = np.random.default_rng(39)
    patterns = [rng.normal(size=(N, 4)) for _ in range(30)]
    patterns[7][3] = 0.5  # silent
    b, mask = rdms(40, 4), np.arange(36) > 3
    with pytest.warns(UserWarning, match="#3"):
        expected = compare_rdms([compute_rdm(x) for x in patterns], b, "rho-a", mask)
    one = compare_patterns(iter(patterns), b, "rho-a", mask, n_threads=1)
    np.testing.assert_allclose(one, expected, atol=1e-12)
    np.testing.assert_array_equal(compare_patterns(patterns, b, "rho-a", mask, n_threads=4), one)
    kept = prepare_rdms(b, "rho-a", mask)
    np.testing.assert_array_equal(compare_patterns(patterns, kept, "rho-a"), one)
    with pytest.raises(ValueError, match="pair mask"):
        compare_patterns(patterns, kept, "rho-a", mask)
    assert compare_patterns([], b).shape == (0, 4)
