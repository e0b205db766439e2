"""What has no score passes no test: NaN, constant and absent RDMs through every inference.

NaN compares false, so every count, ranking, interval and p-value is asked here for each of them.
"""

from __future__ import annotations

import importlib.util
import itertools
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.rsa import (
    COMPARATORS,
    RDM,
    Bootstrap,
    BrainRDMs,
    LabelNull,
    adjust_p,
    alignment_table,
    bootstrap_crossed,
    bootstrap_means,
    bootstrap_stimuli,
    choose_layer,
    cohens_d,
    compare_rdms,
    group_reliability,
    halves_by_dispersion,
    noise_ceiling,
    pairwise_differences,
    partial_correlation,
    permute_labels,
    reweighted_rsa,
    semipartial_correlation,
    split_half_reliability,
    variance_partitioning,
)
from neurosim.rsa.inference.bootstrap import UndefinedResampleWarning

N, PAIRS = 10, 45
NEEDS = {"gromov-wasserstein": "ot"}
EVERY = [
    pytest.param(
        m,
        marks=pytest.mark.skipif(
            m in NEEDS and importlib.util.find_spec(NEEDS[m]) is None, reason="needs POT"
        ),
    )
    for m in sorted(COMPARATORS)
]
VECTORS = [
    m
    for m, c in COMPARATORS.items()
    if type(c).__name__ in ("RankCorrelation", "InnerProduct", "Pairwise")
]
CONSTANTS = st.sampled_from([0.0, 1.0, 0.1, 0.3, 1e-9, 7e8])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def rdms(seed: int, n: int = 3) -> np.ndarray:
    return rng(seed).gamma(2.0, size=(n, PAIRS))


def nearly_constant(value: float) -> np.ndarray:
    """Constant, but for what adding and taking away leaves: 0.1 + 0.2 - 0.2 is not 0.1."""
    steps = rng(1).random(PAIRS)
    return (value + steps * value) - steps * value


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("method", EVERY)
@settings(deadline=None, max_examples=12)
@given(value=CONSTANTS)
def test_a_constant_side_has_no_score_with_anything(
    method: str, rounded: bool, value: float
) -> None:
    """One policy for all comparators, on either side, alone, resampled and relabelled."""
    flat = nearly_constant(value) if rounded else np.full(PAIRS, value)
    good = rdms(2, 2)
    models = np.stack([good[0], flat])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no division by zero on the way
        scores = compare_rdms(models, good, method)
        assert np.isnan(scores[1]).all()
        assert np.isfinite(scores[0]).all()
        assert np.isnan(compare_rdms(good, models, method)[:, 1]).all()
        comparator, used = COMPARATORS[method], np.ones(PAIRS, bool)
        orders = np.array([rng(3).permutation(N) for _ in range(4)])
        for kept in (used, np.arange(PAIRS) != 7):
            if method in VECTORS:
                null = comparator.relabel(models, good, orders, kept)
                assert np.isnan(null[:, 1]).all()
                assert np.isfinite(null[:, 0]).all()
                drawn = comparator.resample(models, good, rng(4).integers(0, N, (5, N)), kept)
                assert np.isnan(drawn[:, 1]).all()
                assert np.isfinite(drawn[:, 0]).all()


@pytest.mark.parametrize("method", [m for m in VECTORS if COMPARATORS[m].is_correlation])
def test_a_correlation_is_never_beyond_one(method: str) -> None:
    """Exactly: arccos, Fisher's z and sqrt(1 - r^2) of 1.0000000000000002 are NaN."""
    a = rdms(5, 40)
    b = np.concatenate([a * 3.7, a.max() - a])
    assert np.abs(compare_rdms(a, b, method)).max() <= 1.0
    used, ways = np.ones(PAIRS, bool), np.tile(np.arange(N), (2, 1))
    comparator = COMPARATORS[method]
    assert np.nanmax(np.abs(comparator.resample(a, b, ways, used))) <= 1.0
    assert np.nanmax(np.abs(comparator.relabel(a, b, ways, used))) <= 1.0


def test_a_partial_correlation_is_never_beyond_one() -> None:
    for seed in range(300):
        x, control = rdms(seed, 2)
        for find in (partial_correlation, semipartial_correlation):
            for method in ("pearson", "spearman"):
                both = find(x, np.stack([x, -x]), control, method)
                assert np.abs(both).max() <= 1.0
    for seed in range(100):
        x = rdms(seed, 2)
        r2 = variance_partitioning(x[0], {"a": x[0] * 2 + 1, "b": x[1]}, "pearson").r2
        assert max(r2.values()) <= 1.0


@given(value=CONSTANTS, seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=15)
def test_a_constant_model_passes_no_test(value: float, seed: int) -> None:
    good, brain = rdms(seed, 1)[0], rdms(seed + 1, 2)
    models = [good, np.full(PAIRS, value)]
    boot = bootstrap_stimuli(models, brain, n_samples=50, rng=rng())
    for found in (boot.p_value(), boot.interval()[0], boot.interval()[1], boot.standard_error()):
        assert np.isnan(found[1]).all()
        assert np.isfinite(found[0]).all()
    null = permute_labels(models, brain, n_permutations=20, rng=rng())
    assert np.isnan(null.p_value()[1]).all()
    assert np.isnan(null.p_value("two-sided")[1]).all()
    alone = permute_labels([good], brain, n_permutations=20, rng=rng())
    np.testing.assert_array_equal(null.p_value_of_best(), alone.p_value_of_best())
    table = pairwise_differences(boot, ["good", "flat"])
    assert table[["difference", "lower", "upper", "p", "p_adjusted"]].isna().all(axis=None)
    choice = choose_layer(models, brain, n_splits=4, rng=rng())
    assert choice.chosen.tolist() == [1.0, 0.0]
    crossed = bootstrap_crossed([[models[1]] * 2], brain, n_samples=20, rng=rng())
    assert np.isnan(crossed.p_value()).all()
    assert np.isnan(crossed.interval()).all()


def test_a_resample_without_a_score_speaks_for_no_difference() -> None:
    """Four stimuli: in 34 % of the resamples fewer than three are different."""
    x = rng(0).random(6)
    with pytest.warns(UndefinedResampleWarning, match=r"3\d\.\d% of the resamples have no score"):
        boot = bootstrap_stimuli(x, x, n_samples=1000, rng=rng(1))
    undefined = int(boot.n_undefined()[0, 0])
    assert 250 < undefined < 450
    assert boot.p_value()[0, 0] == min(1.0, 2 * (1 + undefined) / 1001)
    assert np.isnan(boot.interval()).all()  # more is undefined than lies outside it
    assert np.isfinite(boot.interval(0.5)).all()


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0, np.nan]), min_size=3, max_size=30))
@settings(deadline=None)
def test_bootstrap_p_counts_every_resample_and_is_never_zero(samples: list[float]) -> None:
    p = float(Bootstrap(np.array(0.5), np.array(samples)).p_value())
    below = sum(not s > 0 for s in samples)
    above = sum(not s < 0 for s in samples)
    assert p == min(1.0, 2 * (1 + min(below, above)) / (1 + len(samples)))
    assert p > 0
    assert np.isnan(Bootstrap(np.array(np.nan), np.array(samples)).p_value())


@given(st.lists(st.sampled_from([-1.0, 0.2, 1.0, np.nan]), min_size=1, max_size=30))
@settings(deadline=None)
def test_permutation_p_counts_the_labels_as_observed_and_undefined_relabellings(
    null: list[float],
) -> None:
    made = LabelNull(np.array([[0.2]]), np.array(null)[:, None, None])
    reached = sum(not s < 0.2 for s in null)
    expected = (1 + reached) / (1 + len(null))
    assert made.p_value()[0, 0] == made.p_value_of_best()[0] == expected
    less = LabelNull(np.array([[0.2]]), np.array(null)[:, None, None], larger_is_closer=False)
    assert less.p_value()[0, 0] == (1 + sum(not s > 0.2 for s in null)) / (1 + len(null))


def test_adjusting_leaves_out_what_is_no_test() -> None:
    p = np.array([0.01, np.nan, 0.04, np.nan])
    for procedure in ("bh", "by"):
        adjusted = adjust_p(p, procedure)  # type: ignore[arg-type]
        np.testing.assert_array_equal(adjusted[[0, 2]], adjust_p(p[[0, 2]], procedure))  # type: ignore[arg-type]
        assert np.isnan(adjusted[[1, 3]]).all()
    for value in (np.inf, -np.inf, -0.1, 1.1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            adjust_p([0.1, value])


def with_absent(rows: np.ndarray) -> np.ndarray:
    return np.insert(rows, 1, np.nan, axis=0)


def test_absent_subjects_change_nothing_for_the_others() -> None:
    layers, subjects = rdms(7, 2), rdms(8, 4)
    absent, others = with_absent(subjects), [0, 2, 3, 4]
    boot, alone = (
        bootstrap_stimuli(layers, s, n_samples=20, rng=rng()) for s in (absent, subjects)
    )
    np.testing.assert_array_equal(boot.samples[:, :, others], alone.samples)
    assert np.isnan(boot.samples[:, :, 1]).all()
    assert np.isnan(boot.p_value()[:, 1]).all()
    assert pairwise_differences(boot, ["a", "b"]).equals(pairwise_differences(alone, ["a", "b"]))
    null, alone_null = (
        permute_labels(layers, s, n_permutations=20, rng=rng()) for s in (absent, subjects)
    )
    np.testing.assert_array_equal(null.p_value()[:, others], alone_null.p_value())
    assert np.isnan(null.p_value_of_best()[1])
    a, b = (choose_layer(layers, s, n_splits=5, rng=rng()) for s in (absent, subjects))
    assert (a.score, a.naive) == (b.score, b.naive)
    np.testing.assert_array_equal(a.held_out, b.held_out)
    found = [bootstrap_crossed([layers], s, n_samples=20, rng=rng()) for s in (absent, subjects)]
    np.testing.assert_array_equal(found[0].interval(), found[1].interval())
    for bound in (noise_ceiling, group_reliability):
        assert bound(absent) == bound(subjects)
    halves = [split_half_reliability(s, n_splits=9, rng=rng()) for s in (absent, subjects)]
    assert halves[0] == halves[1]


def test_rows_without_a_pair_are_refused_where_they_mean_nothing() -> None:
    rows = with_absent(rdms(9, 2))
    for call in (
        lambda: partial_correlation(rdms(1), rdms(2), rows),
        lambda: variance_partitioning(rdms(1)[0], {"a": rows[0], "b": rows[1]}),
        lambda: reweighted_rsa(rows, rdms(2)[0], n_folds=2, rng=rng()),
    ):
        with pytest.raises(ValueError, match=r"has no pair at all \(a row of NaN\); leave it out"):
            call()


@pytest.mark.parametrize("method", ["spearman", "pearson"])
@pytest.mark.parametrize("value", [0.0, 0.1, 0.3])
def test_constant_predictors_and_controls_explain_nothing(method: str, value: float) -> None:
    target, x = rdms(10, 2)
    flat = np.full(PAIRS, value)
    parts = variance_partitioning(target, {"x": x, "flat": flat}, method)
    assert parts.r2["flat",] == 0.0
    assert parts.r2["x", "flat"] == pytest.approx(parts.r2["x",])
    alone = variance_partitioning(target, {"flat": flat}, method)
    assert alone.r2 == {("flat",): 0.0}
    assert np.isnan(alone.table()["share"]).all()
    nothing = variance_partitioning(flat, {"x": x, "t": target}, method)
    assert all(np.isnan(r2) for r2 in nothing.r2.values())
    plain = compare_rdms(x, target, method)
    np.testing.assert_allclose(partial_correlation(x, target, flat, method), plain, atol=1e-12)
    for find in (partial_correlation, semipartial_correlation):
        assert np.isnan(find(flat, target, x, method)).all()
        assert np.isnan(find(x, flat, target, method)).all()


@pytest.mark.parametrize("value", [0.0, 0.1])
def test_reweighting_without_anything_to_fit_is_nan(value: float) -> None:
    flat, good = np.full(PAIRS, value), rdms(11, 2)
    for components, target in ((good, flat), (np.stack([flat, flat]), good[0])):
        found = reweighted_rsa(components, target, n_folds=2, rng=rng())
        assert np.isnan(found.scores).all()
        assert np.isnan(found.weights).all()
    one_flat = reweighted_rsa(np.stack([good[0], flat]), good[1], n_folds=2, rng=rng())
    assert (one_flat.weights[:, 1] == 0).all()


def inference(models: np.ndarray, brains: np.ndarray) -> dict[str, Callable[[], object]]:
    scores = models[:, :5]
    return {
        "compare": lambda: compare_rdms(models, brains),
        "bootstrap_stimuli": lambda: bootstrap_stimuli(models, brains, n_samples=3, rng=rng()),
        "bootstrap_crossed": lambda: bootstrap_crossed([models], brains, n_samples=3, rng=rng()),
        "bootstrap_means": lambda: bootstrap_means(scores, [0], n_samples=3, rng=rng()),
        "permute": lambda: permute_labels(models, brains, n_permutations=3, rng=rng()),
        "choose": lambda: choose_layer(models, brains, n_splits=2, rng=rng()),
        "partial": lambda: partial_correlation(models, brains, rdms(1)),
        "semipartial": lambda: semipartial_correlation(models, brains, rdms(1)),
        "partition": lambda: variance_partitioning(models[0], {"a": brains[0]}),
        "reweighted": lambda: reweighted_rsa(models, brains[0], n_folds=2, rng=rng()),
        "ceiling": lambda: noise_ceiling(models),
        "reliability": lambda: group_reliability(models),
        "halves": lambda: split_half_reliability(models, n_splits=2, rng=rng()),
        "dispersion": lambda: halves_by_dispersion(np.arange(N), models, brains),
    }


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("name", inference(rdms(0), rdms(0)))
def test_infinite_dissimilarities_are_refused_by_every_inference(name: str, value: float) -> None:
    models = rdms(12)
    models[0, 3] = value
    with pytest.raises(ValueError, match="infini"):
        inference(models, rdms(13))[name]()


def test_effect_sizes_know_rounding_from_spread() -> None:
    a = [0.3, 0.4, 0.5]
    assert cohens_d(a, [0.2, 0.3, 0.4]) == np.inf
    assert cohens_d([0.2, 0.3, 0.4], a) == -np.inf
    assert np.isnan(cohens_d(a, a))
    assert np.isnan(cohens_d([0.1 + 0.2] * 3, [0.3] * 3))
    assert cohens_d([1e-9, 2e-9, 3e-9], [0.0, 0.0, 0.0]) == pytest.approx(2.0)  # small is no zero
    for kind, bad in itertools.product(("paired", "pooled", "hedges"), (np.nan, np.inf, -np.inf)):
        assert np.isnan(cohens_d([bad, 1.0], [0.0, 0.0], kind))  # type: ignore[arg-type]


def incomplete_brain() -> BrainRDMs:
    """Four subjects; the second has no RDM, the third lacks one stimulus."""
    base = rng(14).random(PAIRS)
    rows = (base + 0.2 * rng(15).random((4, PAIRS))).astype(np.float32)
    rows[1] = np.nan
    first, second = np.triu_indices(N, 1)
    rows[2, (first == 3) | (second == 3)] = np.nan
    return BrainRDMs(rows[:, None], tuple("1234"), ("V1",), tuple("abcdefghij"))


@pytest.mark.parametrize("method", ["spearman", "pearson", "whitened-cosine", "procrustes"])
def test_scores_and_bounds_are_of_the_same_pairs(method: str) -> None:
    """As if the stimuli that one subject (or the layer) lacks had never been shown."""
    brain = incomplete_brain()
    conventions = ("subject_mean", "subject", "mean_rdm")
    layer = brain.mean_rdm("V1") * 0 + rng(16).random(PAIRS)  # NaN as the brain has
    whole = np.where(np.isnan(layer), 0.5, layer)
    silent = whole.copy()
    first, second = np.triu_indices(N, 1)
    silent[(first == 6) | (second == 6)] = np.nan
    for row, left_out in ((whole, "d"), (silent, "dg")):
        kept = [name for name in brain.stimuli if name not in left_out]
        few = brain.select(stimuli=kept)
        table = alignment_table(
            {"fc": RDM(row, brain.stimuli)}, brain, conventions=conventions, method=method
        )
        expected = alignment_table(
            {"fc": RDM(row, brain.stimuli).select(kept)},
            few,
            conventions=conventions,
            method=method,
        )
        columns = ["rho", "noise_lower", "noise_upper", "n_pairs", "n_subjects"]
        np.testing.assert_allclose(
            table[columns].to_numpy(float), expected[columns].to_numpy(float), atol=1e-6
        )


def test_a_layer_that_is_silent_throughout_has_neither_score_nor_bounds() -> None:
    brain = incomplete_brain()
    layers = {"dead": np.zeros((N, 3)), "two": np.vstack([np.eye(2), np.zeros((N - 2, 2))])}
    table = alignment_table({**layers, "good": rng(17).random((N, 4))}, brain)
    numbers = table.set_index("layer")[["rho", "noise_lower", "noise_upper"]]
    assert numbers.loc[["dead", "two"]].isna().all(axis=None)
    assert numbers.loc["good"].notna().all(axis=None)
