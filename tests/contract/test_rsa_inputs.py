"""What is given may be an array, a masked array, a list or a table: what it says is not lost."""

from __future__ import annotations

import warnings

import needs
import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist, squareform

from neurosim.rsa import (
    RDM,
    BrainRDMs,
    adjust_p,
    bootstrap_means,
    cohens_d,
    compare_rdms,
    compute_rdm,
    group_reliability,
    noise_ceiling,
    partial_correlation,
    permute_labels,
)
from neurosim.rsa.compare.comparators import COMPARATORS
from neurosim.rsa.inference.noise import mean_rdm

N = 8
NAMES = tuple("abcdefgh")
DRAW = np.random.default_rng(0)
PATTERNS = DRAW.normal(size=(N, 30))
MODEL, BRAIN = pdist(PATTERNS), pdist(DRAW.normal(size=(N, 30)))
SUBJECTS = np.stack([BRAIN, BRAIN + DRAW.random(28), BRAIN + DRAW.random(28)])
MISSING = np.median(MODEL) < MODEL


def hidden(values, mask):
    """Masked, with a value under the mask that would be noticed."""
    return np.ma.masked_array(np.where(mask, 1e6, values), mask=mask)


ROW = np.zeros((N, 30), dtype=bool)
ROW[2] = True
SOME = np.arange(28) % 5 == 0

#: name -> (a call, what is masked, its mask): the call with NaN there must say the same.
DOORS = {
    "patterns": (lambda x: compute_rdm(x).dissimilarities, PATTERNS, ROW),
    "RDM": (lambda d: RDM(d).dissimilarities, MODEL, MISSING),
    "models": (lambda d: compare_rdms(d, BRAIN), MODEL, MISSING),
    "brains": (lambda d: compare_rdms(BRAIN, d), MODEL, MISSING),
    "a list of models": (lambda d: compare_rdms([d, d], BRAIN), MODEL, MISSING),
    "controls": (lambda d: partial_correlation(MODEL, BRAIN, d), MODEL[::-1], SOME),
    "subjects": (noise_ceiling, SUBJECTS, np.tile(SOME, (3, 1))),
    "reliability": (group_reliability, SUBJECTS, np.tile(SOME, (3, 1))),
    "mean": (mean_rdm, SUBJECTS, np.tile(SOME, (3, 1))),
    "brain": (
        lambda d: BrainRDMs(d[:, None], tuple("xyz"), ("r",), NAMES).rdms,
        SUBJECTS, np.tile(SOME, (3, 1)),
    ),
    "p-values": (adjust_p, np.array([0.01, 0.02, 0.5]), np.array([False, False, True])),
    "effect size": (lambda a: cohens_d(a, 2 * a[::-1]), MODEL, SOME),
    "effect size of groups": (lambda a: cohens_d(a, 2 * a[::-1], "pooled"), MODEL, SOME),
}  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.filterwarnings("ignore::neurosim.rsa.UndefinedPatternWarning")
def test_what_is_masked_is_missing(door, dtype):
    """A masked array is one with NaN where the mask is: what lies under it is not read."""
    call, values, mask = DOORS[door]
    values = values.astype(dtype)
    expected = call(np.where(mask, dtype(np.nan), values))
    np.testing.assert_array_equal(call(hidden(values, mask)), expected)


@pytest.mark.parametrize("door", DOORS)
def test_numbers_in_single_precision_are_computed_with_in_double(door):
    """They are the numbers they are: another order of sums is all that may differ."""
    call, values, _ = DOORS[door]
    given = values.astype(np.float32)
    np.testing.assert_allclose(call(given), call(given.astype(np.float64)), rtol=1e-12)


def test_masked_whole_numbers_are_missing_too():
    given = np.ma.masked_array(np.arange(28), mask=SOME)
    np.testing.assert_array_equal(np.isnan(RDM(given).dissimilarities), SOME)


def test_where_nothing_may_be_missing_a_masked_value_is_refused_as_nan_is():
    with pytest.raises(ValueError, match="NaN or infinity in part"):
        compute_rdm(hidden(PATTERNS, np.eye(N, 30, dtype=bool)))
    with pytest.raises(ValueError, match="hold NaN"):
        bootstrap_means(hidden(MODEL, SOME), (0,), rng=np.random.default_rng(0))


def table(rdm, names):
    return pd.DataFrame(squareform(rdm), index=NAMES, columns=NAMES).loc[list(names), list(names)]


def data_array(rdm, names):
    xr = needs.extra("dev", "xarray")
    return xr.DataArray(table(rdm, names), dims=("one", "other"))


@pytest.mark.parametrize("make", [table, data_array])
def test_a_square_table_names_its_stimuli(make):
    """In order it is its array; in another order it is refused against anything that has names."""
    other = NAMES[::-1]
    expected = compare_rdms(MODEL, BRAIN)
    named = RDM(BRAIN, NAMES)
    np.testing.assert_array_equal(compare_rdms(make(MODEL, NAMES), named), expected)
    np.testing.assert_array_equal(
        compare_rdms(make(MODEL, other), table(BRAIN, other)), compare_rdms(
            squareform(table(MODEL, other)), squareform(table(BRAIN, other)))
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for call in (
        lambda x: compare_rdms(x, named),
        lambda x: compare_rdms(named, x),
        lambda x: compare_rdms([table(MODEL, NAMES), x], BRAIN),
        lambda x: partial_correlation(named, BRAIN, x),
        lambda x: noise_ceiling([table(MODEL, NAMES), x]),
        lambda x: permute_labels(x, named, n_permutations=5, rng=rng),
    ):
        with pytest.raises(ValueError, match="in another order"):
            call(make(MODEL, other))


def test_a_table_whose_columns_are_in_another_order_than_its_rows_is_refused():
    odd = table(MODEL, NAMES).loc[list(NAMES[::-1])]
    with pytest.raises(ValueError, match=r"different orders; .* table\.loc\[names, names\]"):
        compare_rdms(odd, BRAIN)


def test_tables_that_only_count_are_arrays():
    plain = pd.DataFrame(squareform(MODEL))
    expected = compare_rdms(MODEL, BRAIN)
    np.testing.assert_array_equal(compare_rdms(plain, RDM(BRAIN, NAMES)), expected)
    rows = pd.DataFrame(SUBJECTS, index=list("xyz"))  # subjects, condensed: no stimuli
    np.testing.assert_array_equal(compare_rdms(rows, RDM(BRAIN, NAMES)), compare_rdms(
        SUBJECTS, BRAIN))  # fmt: skip


@pytest.mark.parametrize("method", COMPARATORS)
def test_one_pair_has_no_score(method):
    """Two stimuli have one dissimilarity and no order: NaN by every method, without a warning."""
    if method == "gromov-wasserstein":
        pytest.importorskip("ot")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(compare_rdms([1.0], [2.0], method)).all()


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300])
def test_sizes_whose_squares_float64_cannot_hold_are_refused(size):
    """They were scored: .20932 in place of .20921 at 1e-160, NaN at 1e160."""
    for call in (
        lambda x: compare_rdms(x, BRAIN, "pearson"),
        lambda x: compare_rdms(BRAIN, RDM(x), "pearson"),
        lambda x: partial_correlation(MODEL, BRAIN, x[::-1], "pearson"),
        lambda x: noise_ceiling([x, 2 * x[::-1]]),
    ):
        with pytest.raises(ValueError, match="cannot hold; divide all RDMs by one number"):
            call(MODEL * size)


@pytest.mark.parametrize("size", [2.0**-390, 2.0**-60, 2.0**60, 2.0**390])
@pytest.mark.parametrize("method", ["spearman", "pearson", "cosine", "whitened-correlation"])
def test_a_score_has_no_unit(method, size):
    """A power of two changes no bit of the mantissas, so none of the score either."""
    expected = compare_rdms(MODEL, BRAIN, method)
    np.testing.assert_array_equal(compare_rdms(MODEL * size, BRAIN, method), expected)
