"""Intervals over seeds and the share of a change that is statistics, against known answers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from neurosim.experiments.results.seed_intervals import (
    NEGLIGIBLE,
    interval,
    share_of_statistics,
    told_apart,
)

PARTS = st.lists(
    st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3)), min_size=1, max_size=6
)  # fmt: skip


def parts(pairs) -> pd.DataFrame:
    normalisation, learning = np.array(pairs, dtype=float).T
    return pd.DataFrame(
        {"normalisation_part": normalisation, "learning_part": learning,
         "change": normalisation + learning}
    )  # fmt: skip


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_the_interval_is_students(n):
    """Equal to scipy's to rounding, and it holds the true mean in 95 % of samples: 4,000 of them
    have a standard error of .35 %, four of which are allowed."""
    samples = np.random.default_rng(n).normal(0.3, 2.0, (4000, n))
    low, high = np.array([interval(row) for row in samples]).T
    first = samples[0]
    theirs = stats.t.interval(0.95, n - 1, first.mean(), stats.sem(first))
    np.testing.assert_allclose((low[0], high[0]), theirs, rtol=1e-12)
    assert abs(((low < 0.3) & (high > 0.3)).mean() - 0.95) < 0.014


def test_one_seed_tells_nothing_apart():
    assert interval([0.4]) == (-np.inf, np.inf)
    assert not told_apart([0.4])
    assert not told_apart([0.4, np.nan])


@given(PARTS)
def test_a_share_is_between_none_and_all_and_of_what_is_told_apart(pairs):
    """Two parts of one sign: their share of the sum lies between 0 and 1, and is their ratio."""
    given_parts = parts(pairs)
    share = share_of_statistics(given_parts)
    if np.isfinite(share):
        mean = given_parts.mean()
        assert 0 < share <= 1
        assert share * mean["change"] == pytest.approx(mean["normalisation_part"])
        assert abs(mean["change"]) >= NEGLIGIBLE
        assert all(told_apart(given_parts[name]) for name in given_parts)


@pytest.mark.parametrize(
    ("pairs", "share"),
    [
        ([(0.06, 0.02), (0.06, 0.02)], 0.75),
        ([(0.06, -0.02), (0.06, -0.02)], np.nan),  # pull apart
        ([(0.06, 0.02)], np.nan),  # one seed
        ([(0.003, 0.001), (0.003, 0.001)], np.nan),  # no change to speak of
        ([(0.06, 0.02), (0.06, -0.01)], np.nan),  # learning is not told apart from zero
        ([(0.06, 0.02), (-0.01, 0.02)], np.nan),  # nor here the statistics
    ],
)
def test_where_there_is_a_share(pairs, share):
    assert share_of_statistics(parts(pairs)) == pytest.approx(share, nan_ok=True)
