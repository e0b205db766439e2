"""How often intervals hold the truth and tests reject it, by simulation.

Nominal 95 % intervals hold it in 90 to 98 % of the simulated experiments, tests at .05 reject a
true null hypothesis in 3 to 7 %. Seeds are fixed; one standard error of a share of .05 (.95) is
.011 in 400 experiments and .007 in 1,000.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import numpy as np
import pytest

from neurosim.rsa import (
    adjust_p,
    bootstrap_means,
    bootstrap_stimuli,
    choose_layer,
    compute_rdm,
    encode,
    group_reliability,
    pairwise_differences,
    permute_labels,
    sign_flip_test,
    split_half_reliability,
)

Generator = np.random.Generator


def holds(share: float) -> bool:
    return 0.90 <= share <= 0.98


def rejects(share: float) -> bool:
    return 0.03 <= share <= 0.07


def rdm(patterns: np.ndarray) -> np.ndarray:
    return compute_rdm(patterns, "sqeuclidean").dissimilarities


def noise(rng: Generator, n_stimuli: int, n: int = 1) -> np.ndarray:
    """(n, n_pairs) RDMs of patterns that have nothing in common."""
    return np.stack([rdm(rng.normal(size=(n_stimuli, 8))) for _ in range(n)])


def sharing(rng: Generator, n_stimuli: int, n: int = 2) -> np.ndarray:
    """(n, n_pairs) RDMs of which half of the variance of the patterns is shared."""
    shared = rng.normal(size=(n_stimuli, 10))
    return np.stack([rdm(shared + rng.normal(size=shared.shape)) for _ in range(n)])


@pytest.mark.parametrize("method", ["spearman", "pearson"])
def test_stimulus_bootstrap(method: str) -> None:
    """Forty stimuli; the true score of two that share half is that of 10 x 400 stimuli, .249."""
    rng = np.random.default_rng(0)
    held, held_none, rejected = [], [], []
    big = [bootstrap_observed(sharing(rng, 400), method) for _ in range(10)]
    true = float(np.mean(big))
    n_experiments = 400 if method == "spearman" else 200
    for _ in range(n_experiments):
        x, y = sharing(rng, 40)
        low, high = bootstrap_stimuli(x, y, method, n_samples=200, rng=rng).interval()[:, 0, 0]
        held.append(low <= true <= high)
        none = bootstrap_stimuli(noise(rng, 40), noise(rng, 40), method, n_samples=200, rng=rng)
        low, high = none.interval()[:, 0, 0]
        held_none.append(low <= 0 <= high)
        rejected.append(none.p_value()[0, 0] <= 0.05)
    assert holds(np.mean(held)), np.mean(held)
    assert holds(np.mean(held_none)), np.mean(held_none)
    assert np.mean(rejected) <= 0.07  # the bootstrap of stimuli errs on the wide side
    assert np.mean(rejected) > 0.01


def bootstrap_observed(two: np.ndarray, method: str) -> float:
    from neurosim.rsa import compare_rdms

    return float(compare_rdms(two[0], two[1], method)[0, 0])


@pytest.mark.parametrize("n_units", [3, 5, 8, 15, 40])
def test_bootstrap_of_means_over_few_units(n_units: int) -> None:
    """Plain percentiles hold the mean of five units in 83 % and reject it in 16 %. The last axis
    holds 3,000 experiments, which share their draws and nothing else."""
    rng = np.random.default_rng(1)
    boot = bootstrap_means(rng.normal(size=(n_units, 3000)), [0], n_samples=400, rng=rng)
    low, high = boot.interval()
    assert holds(np.mean((low <= 0) & (high >= 0)))
    assert rejects(np.mean(boot.p_value() <= 0.05))
    np.testing.assert_array_equal(boot.p_value() <= 0.05, (low > 0) | (high < 0))


def test_bootstrap_of_means_over_two_axes() -> None:
    rng = np.random.default_rng(2)
    seeds, subjects = rng.normal(size=(5, 1, 1000)), rng.normal(size=(15, 1000))
    table = seeds + subjects + rng.normal(size=(5, 15, 1000))
    low, high = bootstrap_means(table, [0, 1], n_samples=300, rng=rng).interval()
    assert 0.95 <= np.mean((low <= 0) & (high >= 0)) <= 0.995  # on the wide side, as it says


def test_units_that_do_not_differ_give_no_p_value() -> None:
    boot = bootstrap_means(np.full((5, 2), 0.3), [0], n_samples=50, rng=np.random.default_rng(0))
    assert np.isnan(boot.p_value()).all()
    np.testing.assert_allclose(boot.interval(), 0.3)


def test_permutation_of_labels() -> None:
    rng = np.random.default_rng(3)
    nulls = [
        permute_labels(noise(rng, 12), noise(rng, 12), n_permutations=99, rng=rng)
        for _ in range(1500)
    ]
    for alternative in ("greater", "less", "two-sided"):
        p = np.array([null.p_value(alternative)[0, 0] for null in nulls])  # type: ignore[arg-type]
        assert rejects(np.mean(p <= 0.05)), (alternative, np.mean(p <= 0.05))
        assert abs(np.mean(p) - 0.505) < 4 * np.sqrt(1 / 12 / 1500)


def test_permutation_for_the_best_of_six_layers() -> None:
    """Each alone would pass in .05, one of six in about .26."""
    rng = np.random.default_rng(4)
    best, any_alone = [], []
    for _ in range(400):
        null = permute_labels(noise(rng, 12, 6), noise(rng, 12), n_permutations=99, rng=rng)
        best.append(null.p_value_of_best()[0] <= 0.05)
        any_alone.append((null.p_value() <= 0.05).any())
    assert rejects(np.mean(best)), np.mean(best)
    assert np.mean(any_alone) > 0.15


def test_a_permutation_p_counts_the_labels_as_observed() -> None:
    """One relabelling that is worse: p = 1/2, not 0; one that is the same labels: p = 1."""
    rng = np.random.default_rng(5)
    x = noise(rng, 8)
    same, other = np.arange(8), np.roll(np.arange(8), 3)
    assert permute_labels(x, x, permutations=[other]).p_value()[0, 0] == 1 / 2
    assert permute_labels(x, x, permutations=[same]).p_value()[0, 0] == 1.0
    assert permute_labels(x, x, permutations=[other]).p_value_of_best()[0] == 1 / 2


@pytest.mark.parametrize(
    "draw", [lambda r: r.normal(size=8), lambda r: r.laplace(size=8), lambda r: r.uniform(-1, 1, 8)]
)
def test_sign_flips(draw: Callable[[Generator], np.ndarray]) -> None:
    rng = np.random.default_rng(6)
    for alternative in ("greater", "less", "two-sided"):
        p = np.array([sign_flip_test(draw(rng), alternative) for _ in range(1000)])  # type: ignore[arg-type]
        assert rejects(np.mean(p <= 0.05)), (alternative, np.mean(p <= 0.05))
    p = np.array([sign_flip_test(draw(rng), n_samples=99, rng=rng) for _ in range(1000)])
    assert rejects(np.mean(p <= 0.05)), np.mean(p <= 0.05)


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
def test_sampled_sign_flips_approach_all_of_them(alternative: str) -> None:
    """20,000 patterns of 2^9: within 4 standard errors of the share over all patterns."""
    rng = np.random.default_rng(8)
    d = rng.normal(0.4, 1.0, size=9)
    exact = sign_flip_test(d, alternative)
    sampled = sign_flip_test(d, alternative, n_samples=20_000, rng=rng)
    assert abs(sampled - exact) < 4 * np.sqrt(exact * (1 - exact) / 20_000)


def test_false_discovery_rate_where_nothing_is_there() -> None:
    """Then the rate is the share of experiments with any rejection, .05 for independent tests."""
    p = np.random.default_rng(7).random((1000, 15))
    assert rejects(np.mean([(adjust_p(row) <= 0.05).any() for row in p]))
    assert np.mean([(adjust_p(row, "by") <= 0.05).any() for row in p]) <= 0.03


def test_differences_of_models_that_do_not_differ() -> None:
    rng = np.random.default_rng(8)
    rejected, held = [], []
    for _ in range(300):
        shared = rng.normal(size=(40, 10))
        a, b, brain = (rdm(shared + rng.normal(size=shared.shape)) for _ in range(3))
        boot = bootstrap_stimuli([a, b], brain, n_samples=200, rng=rng)
        row = pairwise_differences(boot, ["a", "b"]).iloc[0]
        rejected.append(row["p"] <= 0.05)
        held.append(row["lower"] <= 0 <= row["upper"])
    assert holds(np.mean(held)), np.mean(held)
    assert 0.01 < np.mean(rejected) <= 0.07, np.mean(rejected)


def test_models_are_resampled_on_the_same_stimuli() -> None:
    """A model beside itself: the same to the bit in every draw, so their difference has no
    spread, and so has that of one that differs by a constant rank."""
    rng = np.random.default_rng(9)
    x, y = sharing(rng, 12)
    boot = bootstrap_stimuli([x, x, np.exp(x / x.max())], y, n_samples=50, rng=rng)
    np.testing.assert_array_equal(boot.samples[:, 0], boot.samples[:, 1])
    np.testing.assert_allclose(boot.samples[:, 0], boot.samples[:, 2], atol=1e-12)
    assert boot.difference(0, 1).standard_error() == 0


def test_a_layer_is_scored_on_the_half_it_was_not_chosen_on() -> None:
    """Of 30 layers of noise the best has a score of .2 to .4 where it was chosen, and 0 on
    average elsewhere."""
    rng = np.random.default_rng(10)
    held_out, naive = [], []
    for _ in range(60):
        choice = choose_layer(noise(rng, 20, 30), noise(rng, 20, 2), n_splits=3, rng=rng)
        held_out.append(choice.score)
        naive.append(choice.naive)
    error = np.std(held_out, ddof=1) / np.sqrt(60)
    assert abs(np.mean(held_out)) < 4 * error
    assert np.mean(naive) > 0.1 > 8 * error


def equally_correlated(n: int, r: float) -> np.ndarray:
    """(n, 45) rows of which every two correlate by exactly r."""
    q, _ = np.linalg.qr(np.random.default_rng(11).normal(size=(45, n + 2)))
    q -= q.mean(axis=0)
    q, _ = np.linalg.qr(q)
    return np.sqrt(r) * q[:, :1].T + np.sqrt(1 - r) * q[:, 1 : n + 1].T


@pytest.mark.parametrize("n", [2, 3, 4, 5, 7, 8])
@pytest.mark.parametrize("r", [0.2, 0.5, 0.9])
def test_reliability_of_rows_that_correlate_equally_is_exact(n: int, r: float) -> None:
    """n r / (1 + (n - 1) r), from pairs and from halves alike, n odd or even."""
    rows = equally_correlated(n, r)
    expected = n * r / (1 + (n - 1) * r)
    rng = np.random.default_rng(12)
    assert group_reliability(rows, "pearson") == pytest.approx(expected, rel=1e-10)
    halves = split_half_reliability(rows, "pearson", n_splits=7, rng=rng)
    assert halves == pytest.approx(expected, rel=1e-10)


def test_reliability_weighs_subjects_as_the_plain_average_does() -> None:
    """Scales 1 to 8: the means of two groups correlate as R says, to a hundredth. Where all are
    weighed alike R would be .80, and the score between groups is .67."""
    rng = np.random.default_rng(13)
    scales = np.array([1.0, 1.0, 1.0, 8.0])[:, None]
    signal = rng.normal(size=19900)
    groups = [scales * (signal + rng.normal(size=(4, 19900))) for _ in range(6)]
    between = np.corrcoef([g.mean(axis=0) for g in groups])[np.triu_indices(6, 1)].mean()
    for method in ("pearson", "spearman"):
        found = np.mean([group_reliability(g, method) for g in groups])
        assert found == pytest.approx(between, abs=0.02)
    assert found < 0.7
    with pytest.raises(ValueError, match=r"varies .* times as much .*standardised\(\)"):
        group_reliability(groups[0] * np.array([[1], [1], [1], [2.0]]))


@pytest.mark.parametrize("r", [-1.0, -0.5, -1 / 3, -0.01, 0.0, 0.3, 1.0])
def test_a_reliability_is_a_share(r: float) -> None:
    from neurosim.rsa.inference.noise import spearman_brown

    for factor in (1.0, 2.0, 4.0, 51.0):
        assert 0 <= spearman_brown(r, factor) <= 1
    rows = np.random.default_rng(14).random(45)
    opposed = np.stack([rows, 1 - rows])
    assert group_reliability(opposed) == 0
    assert split_half_reliability(opposed, n_splits=3, rng=np.random.default_rng(0)) == 0
    assert np.isnan(spearman_brown(float("nan"), 3.0))


@pytest.mark.skipif(importlib.util.find_spec("himalaya") is None, reason="needs himalaya")
def test_predicting_the_training_mean_explains_exactly_nothing() -> None:
    """Features that say nothing predict it, and r2 is 0. About the means of the held-out stimuli,
    which nobody knew, it would be negative."""
    rng = np.random.default_rng(15)
    responses = rng.normal(size=(20, 4))
    found = encode(np.zeros((20, 3)), responses, n_folds=4, rng=rng)
    np.testing.assert_allclose(found.r2, 0.0, atol=1e-12)
    for predicted in found.predictions:
        held_out = np.isclose(found.predictions, predicted).all(axis=1)  # the stimuli of one fold
        assert held_out.sum() == 5
        np.testing.assert_allclose(predicted, responses[~held_out].mean(axis=0), atol=1e-12)
    constant = np.full((20, 1), 0.1)
    flat = encode(rng.normal(size=(20, 3)), constant, n_folds=4, rng=rng)
    assert np.isnan(flat.r2).all()
    assert np.isnan(flat.r).all()
