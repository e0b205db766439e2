"""Inference figures that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from neurosim.rsa import (
    COMPARATORS,
    cohens_d,
    compare_rdms,
    group_reliability,
    noise_ceiling,
    sign_flip_floor,
    sign_flip_test,
)


def test_sign_flip_counts_all_patterns() -> None:
    assert sign_flip_test([1.0, 2.0, 3.0, 4.0, 5.0]) == 1 / 32 == sign_flip_floor(5)
    assert sign_flip_test([1.0, 2.0, 3.0, 4.0, 5.0], "two-sided") == sign_flip_floor(5, "two-sided")
    assert sign_flip_test([1.0, 1.0, -1.0]) == 4 / 8  # sums 3, 1, 1, 1 reach the observed 1
    assert sign_flip_test([1.0, 1.0, -1.0], "less") == 7 / 8
    assert sign_flip_test([0.0, 0.0]) == 1.0


def test_sign_flip_ties_survive_rounding() -> None:
    # 0.1 + 0.2 - 0.3 is 5.6e-17, not 0: without a tolerance the tied patterns are lost.
    assert sign_flip_test([0.1, 0.2, -0.3]) == 5 / 8


def test_sampled_sign_flips_approach_the_exact_p_and_never_reach_zero() -> None:
    d = np.random.default_rng(0).normal(0.4, 1.0, 10)
    exact = sign_flip_test(d)
    sampled = sign_flip_test(d, n_samples=20_000, rng=np.random.default_rng(1))
    assert abs(sampled - exact) < 4 * np.sqrt(exact * (1 - exact) / 20_000)  # four standard errors
    assert sign_flip_test(np.ones(30), n_samples=99, rng=np.random.default_rng(2)) == 1 / 100
    with pytest.raises(ValueError, match="n_samples"):
        sign_flip_test(np.ones(30))
    with pytest.raises(ValueError, match=r"\[1\]"):
        sign_flip_test([1.0, np.nan])


def test_effect_sizes_by_hand() -> None:
    a, b = [2.0, 4.0, 6.0], [1.0, 2.0, 3.0]
    assert cohens_d(a, b) == pytest.approx(2.0)  # differences 1, 2, 3
    assert cohens_d(a, b, "pooled") == pytest.approx(2 / np.sqrt(2.5))  # variances 4 and 1
    # J(4) = Gamma(2) / (sqrt(2) Gamma(3/2)) = sqrt(2 / pi)
    assert cohens_d(a, b, "hedges") == pytest.approx(2 / np.sqrt(2.5) * np.sqrt(2 / np.pi))
    assert cohens_d([1.0, 1.0], [0.0, 0.0]) == np.inf
    with pytest.raises(ValueError, match="known: paired, pooled, hedges"):
        cohens_d(a, b, "cohen")  # type: ignore[arg-type]


def test_noise_ceiling_of_identical_and_of_two_opposed_subjects() -> None:
    rdm = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert noise_ceiling(np.stack([rdm] * 4)) == pytest.approx((1.0, 1.0))
    lower, upper = noise_ceiling(np.stack([rdm, rdm[::-1], rdm]))
    # means of two ranks [rdm, rev] are constant: no order, so NaN, never a made-up number
    assert np.isnan(lower)
    assert upper == pytest.approx(1 / 3)


def test_the_two_orders_differ_and_each_is_what_it_says() -> None:
    from scipy.stats import rankdata, spearmanr

    rows = np.random.default_rng(3).gamma(1.0, size=(5, 45)) * np.array([1, 1, 1, 1, 4.0])[:, None]
    ranks = np.stack([rankdata(r) for r in rows])
    for order, footing in (("rank_then_average", ranks), ("average_then_rank", rows)):
        lower = np.mean(
            [spearmanr(rows[s], np.delete(footing, s, 0).mean(0)).statistic for s in range(5)]
        )
        upper = np.mean([spearmanr(rows[s], footing.mean(0)).statistic for s in range(5)])
        ours = noise_ceiling(rows, "spearman", order)  # type: ignore[arg-type]
        np.testing.assert_allclose(ours, (lower, upper), atol=1e-12)
    with pytest.raises(ValueError, match="rank_then_average"):
        noise_ceiling(rows, order="ranks_first")  # type: ignore[arg-type]


@pytest.mark.parametrize("method", sorted(COMPARATORS))
@pytest.mark.parametrize("order", ["rank_then_average", "average_then_rank"])
def test_bounds_are_scores_with_means_under_every_comparator_and_mask(method, order) -> None:
    """Whole stimuli left out, or single pairs where the comparator can do without them: the mean of
    scores that ``compare_rdms`` gives of whole rows under the same mask."""
    rows = np.random.default_rng(5).gamma(3.0, size=(4, 28))
    stimuli = np.arange(8) != 3
    masks = [None, np.outer(stimuli, stimuli)[np.triu_indices(8, 1)]]
    if method not in ("procrustes", "gromov-wasserstein"):
        masks.append(np.arange(28) % 5 != 1)
    for mask in masks:
        used = np.ones(28, dtype=bool) if mask is None else mask
        footing = rows.copy()
        if order == "rank_then_average":
            footing[:, used] = COMPARATORS[method].normalise(rows[:, used])

        def score(s: int, others: list[int], footing=footing, mask=mask) -> float:
            mean = footing[others].mean(0)[None]
            return float(compare_rdms(rows[s : s + 1], mean, method, pair_mask=mask)[0, 0])

        without = np.mean([score(s, [o for o in range(4) if o != s]) for s in range(4)])
        with_all = np.mean([score(s, [0, 1, 2, 3]) for s in range(4)])
        bounds = noise_ceiling(rows, method, order, pair_mask=mask)  # type: ignore[arg-type]
        closer = COMPARATORS[method].larger_is_closer
        expected = (without, with_all) if closer else (with_all, without)
        np.testing.assert_allclose(bounds, expected, rtol=1e-9)  # the order of sums


@pytest.mark.parametrize("method", sorted(COMPARATORS))
def test_bounds_of_subjects_on_a_common_footing_have_no_unit(method) -> None:
    """Of 2^-20 to 2^10, one for each subject: a power of two changes no bit of the mantissas."""
    rows = np.random.default_rng(6).gamma(3.0, size=(4, 28))
    scaled = rows * 2.0 ** np.array([-20, 0, 10, 3])[:, None]
    np.testing.assert_allclose(
        noise_ceiling(scaled, method), noise_ceiling(rows, method), rtol=1e-9
    )


def test_absent_subjects_do_not_count_and_one_subject_has_no_bounds() -> None:
    rows = np.random.default_rng(4).gamma(1.0, size=(4, 28))
    with_absent = np.insert(rows, 2, np.nan, axis=0)
    assert noise_ceiling(with_absent) == noise_ceiling(rows)
    assert np.isnan(noise_ceiling(rows[:1])).all()
    assert np.isnan(group_reliability(rows[:1]))


def test_reliability_predicts_the_score_between_two_groups() -> None:
    """Subjects = shared signal + independent noise of equal size: r between subjects 1/2, so
    the means of 4 correlate by 4/5 and a noise-free model with the mean by sqrt(4/5)."""
    rng = np.random.default_rng(5)
    signal = rng.normal(size=19900)
    rows = signal + rng.normal(size=(8, 19900))
    reliability = group_reliability(rows[:4], "pearson")
    # standard error of a correlation over 19,900 pairs is .007 at most
    assert reliability == pytest.approx(0.8, abs=0.02)
    assert np.corrcoef(rows[:4].mean(0), rows[4:].mean(0))[0, 1] == pytest.approx(0.8, abs=0.02)
    assert np.corrcoef(signal, rows[:4].mean(0))[0, 1] == pytest.approx(
        np.sqrt(reliability), abs=0.02
    )
