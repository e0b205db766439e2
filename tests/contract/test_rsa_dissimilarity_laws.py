"""Laws that hold for every registered dissimilarity of pattern matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.rsa import (
    DISSIMILARITIES,
    RDM,
    UndefinedPatternWarning,
    compute_rdm,
    to_condensed,
    to_square,
)
from neurosim.rsa.rdm.distances import GRID

PRECISION = np.linalg.inv(np.cov(np.random.default_rng(99).normal(size=(40, 12)).T))
# Options and the kind of pattern for every entry: a new entry without a line here fails.
OPTIONS: dict[str, dict[str, object]] = {
    "correlation": {},
    "cosine": {},
    "euclidean": {},
    "sqeuclidean": {},
    "poisson-kl": {},
    "mahalanobis": {"precision": PRECISION},
    "crossnobis": {"precision": PRECISION[:4, :4]},
    "victor-purpura": {"cost_per_ms": 0.3},
    "van-rossum": {"tau_ms": 7.0},
}
EVERY = sorted(DISSIMILARITIES)
OF_MATRICES = [m for m in EVERY if m not in ("crossnobis", "victor-purpura", "van-rossum")]


def patterns(seed: int, n: int = 9, d: int = 12) -> np.ndarray:
    # Positive: rates for Poisson-KL, and spike times in ms for the spike-train distances.
    return np.random.default_rng(seed).gamma(2.0, size=(n, d))


def rdm_of(x: np.ndarray, metric: str, **names: object) -> RDM:
    """The same numbers as patterns, as folds or as spike times."""
    given: object = x.reshape(len(x), 3, 4) if metric == "crossnobis" else x
    return compute_rdm(given, metric, **names, **OPTIONS[metric])  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", EVERY)
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_relabelling_the_stimuli_relabels_the_rdm(metric: str, seed: int) -> None:
    x = patterns(seed)
    order = np.random.default_rng(seed + 1).permutation(len(x))
    permuted = rdm_of(x[order], metric).square()
    # One grid step: another order of summation may round to the neighbour.
    np.testing.assert_allclose(
        permuted, rdm_of(x, metric).square()[np.ix_(order, order)], rtol=1e-11, atol=2 * GRID
    )


@pytest.mark.parametrize("metric", EVERY)
def test_not_negative_and_zero_for_the_same_pattern_twice(metric: str) -> None:
    x = patterns(3)
    x[4] = x[1]
    square = rdm_of(x, metric).square()
    if metric != "crossnobis":  # unbiased, so it may be negative
        assert square.min() >= 0
        assert square[1, 4] == 0.0
    np.testing.assert_array_equal(square[1, [0, 2, 3, 5]], square[4, [0, 2, 3, 5]])


@pytest.mark.parametrize("metric", OF_MATRICES)
def test_float32_and_order_of_axes_in_memory_do_not_matter(metric: str) -> None:
    x = patterns(5).astype(np.float32)
    reference = rdm_of(x.astype(np.float64), metric).dissimilarities
    for same in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(rdm_of(same, metric).dissimilarities, reference)


@pytest.mark.parametrize("metric", EVERY)
def test_input_is_not_changed(metric: str) -> None:
    x = patterns(6)
    before = x.copy()
    rdm_of(x, metric)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("metric", OF_MATRICES)
def test_blocks_join(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block size is not in the result: blocks of 4 rows give the RDM of one block."""
    x = patterns(7, n=13)
    whole = rdm_of(x, metric).dissimilarities
    monkeypatch.setattr("neurosim.rsa.rdm.distances._BLOCK", 4)
    np.testing.assert_allclose(rdm_of(x, metric).dissimilarities, whole, rtol=1e-11, atol=2 * GRID)


@pytest.mark.parametrize("metric", OF_MATRICES)
def test_a_missing_condition_is_named_and_leaves_the_others_alone(metric: str) -> None:
    x = patterns(8)
    names = [f"s{i}" for i in range(len(x))]
    others = np.delete(np.arange(len(x)), 3)
    expected = rdm_of(x[others], metric).square()
    x[3] = np.nan
    with pytest.warns(UndefinedPatternWarning, match="s3"):
        rdm = rdm_of(x, metric, stimuli=names)
    assert rdm.undefined == ("s3",)
    assert np.isnan(np.delete(rdm.square()[3], 3)).all()
    np.testing.assert_allclose(rdm.square()[np.ix_(others, others)], expected, rtol=1e-10)


def test_constant_patterns_have_no_correlation_distance_and_zero_patterns_no_cosine() -> None:
    x = patterns(9)
    x[2] = 0.1  # 0.1 is not exact in binary: centring leaves rounding, not a pattern
    x[5] = 0.0
    with pytest.warns(UndefinedPatternWarning, match="#2, #5"):
        assert compute_rdm(x, "correlation").undefined == ("#2", "#5")
    with pytest.warns(UndefinedPatternWarning, match="#5"):
        assert compute_rdm(x, "cosine").undefined == ("#5",)
    assert compute_rdm(x, "euclidean").undefined == ()


def test_true_ties_stay_ties_on_spike_counts() -> None:
    """Counts of few spikes give pairs of exactly equal distance. Sums in another order break
    such ties (plain BLAS or pdist do); on the grid the number of distinct values must be
    that of exact rational arithmetic."""
    from fractions import Fraction

    counts = np.random.default_rng(0).poisson(0.7, size=(24, 8))
    counts = counts[counts.std(axis=1) > 0]
    n, d = counts.shape
    exact = set()
    for i in range(n):
        for j in range(i + 1, n):
            a, b = [d * counts[k] - counts[k].sum() for k in (i, j)]
            dot = int(a @ b)
            # sign and square identify the correlation without an irrational root
            exact.add((np.sign(dot), Fraction(dot * dot, int(a @ a) * int(b @ b))))
    assert len(np.unique(compute_rdm(counts).dissimilarities)) == len(exact)


def test_partly_missing_or_misshapen_patterns_are_refused_with_the_remedy() -> None:
    x = patterns(10)
    x[1, 2] = np.nan
    with pytest.raises(ValueError, match="pattern #1"):
        compute_rdm(x)
    with pytest.raises(ValueError, match="reshape"):
        compute_rdm(np.zeros((4, 3, 2)))
    with pytest.raises(ValueError, match=r"known: .*correlation"):
        compute_rdm(patterns(0), "corelation")
    with pytest.raises(TypeError, match="real numbers"):
        compute_rdm(patterns(0).astype(complex))


def test_square_and_condensed_are_inverse_and_asymmetry_is_refused() -> None:
    rdm = compute_rdm(patterns(11))
    np.testing.assert_array_equal(to_condensed(to_square(rdm.dissimilarities)), rdm.dissimilarities)
    bent = rdm.square()
    bent[0, 1] += 0.1
    with pytest.raises(ValueError, match="not symmetric"):
        to_condensed(bent)


def test_select_finds_stimuli_by_exact_name() -> None:
    x = patterns(12)
    rdm = compute_rdm(x, stimuli=[f"s{i}" for i in range(9)])
    part = rdm.select(["s7", "s1", "s4"])
    np.testing.assert_allclose(
        part.dissimilarities, compute_rdm(x[[7, 1, 4]]).dissimilarities, atol=2 * GRID
    )
    with pytest.raises(ValueError, match="s70"):
        rdm.select(["s7", "s70"])
    with pytest.raises(ValueError, match="unique"):
        RDM(rdm.dissimilarities, ("a",) * 9)
