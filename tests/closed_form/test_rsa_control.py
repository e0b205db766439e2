"""Control, selection and multiplicity on data whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from neurosim.rsa import (
    Bootstrap,
    adjust_p,
    bootstrap_means,
    bootstrap_stimuli,
    choose_layer,
    compare_rdms,
    compute_rdm,
    feature_components,
    pairwise_differences,
    partial_correlation,
    permute_labels,
    reweighted_rsa,
    semipartial_correlation,
    split_half_reliability,
    variance_partitioning,
)

RNG = np.random.default_rng(0)


def test_partial_correlation_of_one_control_is_the_textbook_formula() -> None:
    x, y, z = RNG.gamma(1.0, size=(3, 190))
    r = compare_rdms([x, y, z], [x, y, z])
    expected = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    assert partial_correlation(x, y, z)[0, 0] == pytest.approx(expected, abs=1e-12)
    semi = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt(1 - r[0, 2] ** 2)
    assert semipartial_correlation(x, y, z)[0, 0] == pytest.approx(semi, abs=1e-12)


def test_controlling_for_the_common_cause_leaves_nothing() -> None:
    z = RNG.normal(size=4950)
    x, y = z + 0.5 * RNG.normal(size=(2, 4950))
    assert compare_rdms(x, y, "pearson")[0, 0] > 0.7
    # standard error 1 / sqrt(4950) = .014
    assert abs(partial_correlation(x, y, z, "pearson")[0, 0]) < 0.05
    assert np.isnan(partial_correlation(x, y, np.stack([z, 2 * x + 1]), "pearson")[0, 0])


def test_mask_and_missing_pairs_leave_every_row() -> None:
    rows = RNG.gamma(1.0, size=(3, 45))
    mask = RNG.random(45) < 0.8
    rows[2, 7] = np.nan
    kept = mask & (np.arange(45) != 7)
    ours = partial_correlation(rows[0], rows[1], rows[2], pair_mask=mask)[0, 0]
    nan = np.where(kept, 0.0, np.nan)
    assert ours == pytest.approx(partial_correlation(rows[0] + nan, rows[1], rows[2])[0, 0])
    with pytest.raises(ValueError, match="spearman or pearson"):
        partial_correlation(rows[0], rows[1], rows[1], "linear-cka")


def test_commonalities_add_up_and_name_the_shared_part() -> None:
    common, a, b, noise = RNG.normal(size=(4, 19900))
    predictors = {"a": common + a, "b": common + b}
    parts = variance_partitioning(2 * common + a + noise, predictors, "pearson")
    assert sum(parts.commonality.values()) == pytest.approx(parts.r2[("a", "b")], abs=1e-12)
    # y = 2c + a + n has variance 6 and covariances 3 and 2 with a' = c + a and b' = c + b, which
    # have variance 2 and covariance 1: weights 4/3 and 1/3, R^2 = 7/9; alone 3/4 and 1/3.
    # Standard errors are below .01.
    assert parts.commonality[("a",)] == pytest.approx(7 / 9 - 1 / 3, abs=0.02)
    assert parts.commonality[("b",)] == pytest.approx(7 / 9 - 3 / 4, abs=0.02)
    assert parts.commonality[("a", "b")] == pytest.approx(3 / 4 + 1 / 3 - 7 / 9, abs=0.02)
    table = parts.table()
    assert list(table.predictors) == ["a", "b", "a & b"]
    assert table.share.sum() == pytest.approx(1.0)


def test_unique_part_is_the_squared_semipartial_correlation() -> None:
    rows = RNG.gamma(1.0, size=(4, 190))
    parts = variance_partitioning(rows[0], {"a": rows[1], "b": rows[2], "c": rows[3]})
    semi = semipartial_correlation(rows[1], rows[0], rows[2:])[0, 0]
    assert parts.commonality[("a",)] == pytest.approx(semi**2, abs=1e-12)


def test_reweighting_finds_the_features_that_matter() -> None:
    x = RNG.normal(size=(60, 6))
    components = feature_components(x)
    np.testing.assert_allclose(components.sum(0), compute_rdm(x, "sqeuclidean").dissimilarities)
    target = 5 * components[1] + components[4] + 0.1 * RNG.normal(size=components.shape[1])
    fit = reweighted_rsa(components, target, rng=np.random.default_rng(1))
    assert (fit.weights >= 0).all()
    np.testing.assert_allclose(fit.weights[:, 1] / fit.weights[:, 4], 5.0, rtol=0.05)
    assert fit.scores.min() > 0.98
    assert (fit.scores > fit.plain_scores).all()
    with pytest.raises(ValueError, match="n_folds"):
        reweighted_rsa(components, target, n_folds=40, rng=RNG)


def test_choosing_a_layer_on_held_out_stimuli_removes_the_bonus() -> None:
    """Four equally good layers: the naive best is above their common score, the held-out one
    is not (inflation about .014 at 100 stimuli). Means over 20 data sets."""
    bonus, held_out = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        signal = rng.normal(size=(60, 20))
        brain = [compute_rdm(signal + rng.normal(size=(60, 20)))]
        layers = [compute_rdm(signal + 2 * rng.normal(size=(60, 20))) for _ in range(4)]
        each = compare_rdms(layers, brain)[:, 0]
        choice = choose_layer(layers, brain, n_splits=10, rng=rng)
        bonus.append(choice.naive - each.mean())
        held_out.append(choice.score - each.mean())
        assert choice.chosen.sum() == pytest.approx(1.0)
    assert np.mean(bonus) > 0.01
    # held out, half of the stimuli still know a little of which layer is really better
    assert abs(np.mean(held_out)) < 0.5 * np.mean(bonus)


def test_bh_and_by_by_hand() -> None:
    p = [0.01, 0.04, np.nan, 0.03]
    # sorted .01 .03 .04 times 3 / rank = .03 .045 .04, then the running minimum from the end
    np.testing.assert_allclose(adjust_p(p), [0.03, 0.04, np.nan, 0.04])
    harmonic = 1 + 1 / 2 + 1 / 3
    np.testing.assert_allclose(adjust_p(p, "by"), np.array([0.03, 0.04, np.nan, 0.04]) * harmonic)
    with pytest.raises(ValueError, match="known: bh, by"):
        adjust_p(p, "holm")  # type: ignore[arg-type]


def test_max_over_layers_null_is_calibrated_and_the_naive_one_is_not() -> None:
    """Eight layers of noise against a noise brain: p of the best must be uniform, so below
    .1 in about a tenth of 60 data sets (binomial sd .04); the naive minimum is far more often."""
    best, naive = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        layers = [compute_rdm(rng.normal(size=(12, 8))) for _ in range(8)]
        null = permute_labels(
            layers, compute_rdm(rng.normal(size=(12, 8))), n_permutations=99, rng=rng
        )
        best.append(null.p_value_of_best()[0])
        naive.append(null.p_value().min())
    assert np.mean(np.array(best) <= 0.1) < 0.1 + 3 * 0.04
    assert np.mean(np.array(naive) <= 0.1) > 0.35


def test_label_null_is_wider_than_shuffled_pairs_and_p_is_never_zero() -> None:
    rng = np.random.default_rng(3)
    # One-dimensional codes: a stimulus far out is far from all others.
    x, y = (compute_rdm(rng.normal(size=(40, 1)), "euclidean") for _ in range(2))
    null = permute_labels(x, y, n_permutations=300, rng=rng)
    shuffled = [compare_rdms(rng.permutation(x.dissimilarities), y)[0, 0] for _ in range(300)]
    assert null.null.std() > 1.5 * np.std(shuffled)
    assert permute_labels(x, x, n_permutations=50, rng=rng).p_value()[0, 0] == 1 / 51
    distance = permute_labels(x, x, "procrustes", n_permutations=20, rng=rng)
    assert distance.p_value()[0, 0] == distance.p_value_of_best()[0] == 1 / 21  # closer is less
    identity = np.arange(40)[None]
    assert permute_labels(x, y, permutations=identity).p_value()[0, 0] == 1.0  # ties count


def test_a_silent_stimulus_of_a_model_is_left_out_of_the_null_on_both_sides() -> None:
    rng = np.random.default_rng(30)
    x, y = rng.normal(size=(2, 9, 5))
    x[4] = 1.0
    with pytest.warns(UserWarning, match="#4"):
        model = compute_rdm(x)
    brain = compute_rdm(y)
    orders = np.array([rng.permutation(8) for _ in range(30)])
    ours = permute_labels(model, brain, permutations=orders)
    others = np.delete(np.arange(9), 4)
    expected = permute_labels(compute_rdm(x[others]), compute_rdm(y[others]), permutations=orders)
    np.testing.assert_allclose(ours.null, expected.null, atol=1e-12)
    np.testing.assert_allclose(ours.observed, compare_rdms(model, brain), atol=1e-12)
    with pytest.raises(ValueError, match=r"hold 0 \.\.\. 7 once each"):
        permute_labels(model, brain, permutations=np.arange(9)[None])
    holed = brain.dissimilarities.copy()
    holed[3] = np.nan
    with pytest.raises(ValueError, match="lacks 1 single pairs"):
        permute_labels(holed, brain, rng=rng)


def test_bootstrap_intervals_hold_the_truth_and_differences_are_paired() -> None:
    rng = np.random.default_rng(4)
    signal = rng.normal(size=(50, 10))
    brain = [compute_rdm(signal + rng.normal(size=(50, 10))) for _ in range(3)]
    good, bad = (compute_rdm(signal + s * rng.normal(size=(50, 10))) for s in (0.7, 2.0))
    boot = bootstrap_stimuli([good, bad], brain, n_samples=200, rng=rng)
    lower, upper = boot.interval()
    assert ((lower < boot.observed) & (boot.observed < upper)).all()
    table = pairwise_differences(boot, ["good", "bad"])
    assert table.lower[0] > 0
    assert table.p[0] == pytest.approx(2 / 201)
    unpaired = np.hypot(*boot.standard_error().mean(axis=1))
    assert boot.difference(0, 1).samples.mean(axis=1).std() < unpaired
    again = bootstrap_stimuli([good, bad], brain, n_samples=200, rng=np.random.default_rng(5))
    same = bootstrap_stimuli([good, bad], brain, n_samples=200, rng=np.random.default_rng(5))
    np.testing.assert_array_equal(again.samples, same.samples)


@pytest.mark.parametrize("procedure", ["bh", "by"])
def test_differences_of_three_models_are_adjusted_as_asked(procedure) -> None:
    rng = np.random.default_rng(12)
    shifts = np.array([0.0, 1.0, 2.5])
    samples = shifts + rng.normal(size=(400, 3))
    table = pairwise_differences(Bootstrap(shifts, samples), ["a", "b", "c"], procedure=procedure)
    assert list(zip(table.a, table.b, strict=True)) == [("a", "b"), ("a", "c"), ("b", "c")]
    np.testing.assert_array_equal(table.difference, [-1.0, -2.5, -1.5])
    p = table.p.to_numpy()
    assert ((p > 0) & (p < 1)).all()
    # p times 3 / rank, the running minimum from the end; "by" times the harmonic sum besides.
    order = np.argsort(p)
    stepped = np.minimum.accumulate((p[order] * 3 / np.arange(1, 4))[::-1])[::-1]
    harmonic = {"bh": 1.0, "by": 1 + 1 / 2 + 1 / 3}[procedure]
    np.testing.assert_allclose(table.p_adjusted[order], np.minimum(stepped * harmonic, 1))


def test_bootstrap_over_axes_has_the_textbook_standard_error() -> None:
    scores = np.random.default_rng(6).normal(size=(30, 4))
    boot = bootstrap_means(scores, [0], n_samples=4000, rng=np.random.default_rng(7))
    expected = scores.std(axis=0, ddof=0) / np.sqrt(30)
    np.testing.assert_allclose(boot.standard_error(), expected, rtol=0.05)  # 4,000 draws: 1 %
    with pytest.raises(ValueError, match="NaN"):
        bootstrap_means([[np.nan]], [0], rng=RNG)


def test_split_half_reliability_steps_up_by_spearman_brown() -> None:
    signal = RNG.normal(size=19900)
    rows = signal + RNG.normal(size=(7, 19900))  # odd: halves of three, stepped up to seven
    reliability = split_half_reliability(rows, "pearson", n_splits=20, rng=RNG)
    assert reliability == pytest.approx(7 / 8, abs=0.02)
