"""What does not belong together is refused in one sentence, before any number is returned."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurosim.rsa import (
    RDM,
    BrainRDMs,
    alignment_table,
    bootstrap_crossed,
    bootstrap_means,
    bootstrap_stimuli,
    choose_layer,
    compare_rdms,
    compute_rdm,
    group_reliability,
    halves_by_dispersion,
    noise_ceiling,
    partial_correlation,
    permute_labels,
    prepare_rdms,
    reweighted_rsa,
    semipartial_correlation,
    sign_flip_test,
    split_half_reliability,
    variance_partitioning,
)
from neurosim.rsa.io.rdm_files import RDMFileError, load_rdms
from neurosim.rsa.plots import plot_shepard, plot_trajectory

N = 9
NAMES = tuple("abcdefghi")
PATTERNS = np.random.default_rng(0).normal(size=(N, 5))
OTHER = np.random.default_rng(1).normal(size=(N, 5))
A, B = compute_rdm(PATTERNS, stimuli=NAMES), compute_rdm(OTHER, stimuli=NAMES)
BRAIN = BrainRDMs(
    np.stack([A.dissimilarities, B.dissimilarities])[:, None].astype(np.float32),
    ("1", "2"),
    ("V1",),
    NAMES,
)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


OF_TWO_SIDES = {
    "compare_rdms": compare_rdms,
    "prepare_rdms": lambda x, y: prepare_rdms(y).compare(x),
    "bootstrap_stimuli": lambda x, y: bootstrap_stimuli(x, y, n_samples=2, rng=rng()),
    "bootstrap_crossed": lambda x, y: bootstrap_crossed(
        [x], y, over=("stimuli",), n_samples=2, rng=rng()
    ),
    "permute_labels": lambda x, y: permute_labels(x, y, n_permutations=2, rng=rng()),
    "choose_layer": lambda x, y: choose_layer(x, y, n_splits=1, rng=rng()),
    "reweighted_rsa": lambda x, y: reweighted_rsa(x, y, n_folds=2, rng=rng()),
    "partial_correlation": lambda x, y: partial_correlation(x, A, y),
    "semipartial_correlation": lambda x, y: semipartial_correlation(x, y, A.dissimilarities),
    "variance_partitioning": lambda x, y: variance_partitioning(x, {"y": y}),
    "halves_by_dispersion": lambda x, y: halves_by_dispersion(np.arange(N), x, y),
    "a list": lambda x, y: compare_rdms([x, y], A.dissimilarities),
    "noise_ceiling": lambda x, y: noise_ceiling([x, y]),
    "brain": lambda x, y: BRAIN.subject_scores(y if y.stimuli != NAMES else x),
}


@pytest.mark.parametrize("name", OF_TWO_SIDES)
def test_stimuli_of_other_names_or_in_another_order_are_refused(name: str) -> None:
    score = OF_TWO_SIDES[name]
    turned = B.select(NAMES[::-1])
    with pytest.raises(ValueError, match=r"in another order than .*at place 0 '.' and '.'"):
        score(A, turned)
    with pytest.raises(ValueError, match="name their stimuli otherwise"):
        score(A, RDM(B.dissimilarities, tuple("jklmnopqr")))
    score(A, turned.select(NAMES))
    score(A, RDM(B.dissimilarities))  # without names: taken to be in order


def test_text_whose_rows_and_columns_are_named_differently(tmp_path: Path) -> None:
    square = pd.DataFrame(A.square(), NAMES, NAMES)
    file = tmp_path / "a.csv"
    square.loc[list(NAMES[::-1])].to_csv(file)  # rows move with their names, columns stay
    (read,) = load_rdms(file).values()
    assert read.stimuli == NAMES[::-1]
    np.testing.assert_allclose(compare_rdms(read.select(NAMES), A), 1.0, atol=1e-12)
    square.set_axis([*NAMES[:3], "z", *NAMES[4:]]).to_csv(file)
    with pytest.raises(RDMFileError, match="row 4 is named 'z', column 4 'd'"):
        load_rdms(file)


SCORES = np.ones((3, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: permute_labels(A, B, n_permutations=0, rng=rng()), "n_permutations is at least 1"),
        (lambda: permute_labels(A, B, permutations=np.empty((0, N), int)), "permutations are rows"),
        (lambda: permute_labels(A, B, rng=0), "rng is a generator, e.g. numpy.*; got 0"),  # type: ignore[arg-type]
        (lambda: bootstrap_stimuli(A, B, n_samples=-2, rng=rng()), "n_samples is at least 1; got"),
        (lambda: bootstrap_stimuli(A, B, n_samples=2.5, rng=rng()), "n_samples is a whole number"),  # type: ignore[arg-type]
        (lambda: bootstrap_stimuli(A, B, indices=np.empty((0, N), int)), "indices are"),
        (lambda: bootstrap_crossed([A], B, n_samples=0, rng=rng()), "n_samples is at least 1"),
        (lambda: bootstrap_means(SCORES, [0], n_samples=0, rng=rng()), "n_samples is at least 1"),
        (lambda: bootstrap_means(SCORES, [0], rng=1), "rng is a generator"),  # type: ignore[arg-type]
        (lambda: bootstrap_means(SCORES, [0, 0], rng=rng()), "resampled once each"),
        (lambda: bootstrap_means(SCORES, [0, -2], rng=rng()), "resampled once each"),
        (lambda: bootstrap_means(SCORES, [2], rng=rng()), r"axes are of scores of shape \(3, 2\)"),
        (lambda: bootstrap_means(SCORES, [], rng=rng()), "axes are of scores"),
        (lambda: choose_layer(A, B, n_splits=0, rng=rng()), "n_splits is at least 1; got 0"),
        (lambda: split_half_reliability([A, B], n_splits=0, rng=rng()), "n_splits is at least 1"),
        (lambda: sign_flip_test([1.0], n_samples=0, rng=rng()), "n_samples is at least 1"),
        (lambda: reweighted_rsa(A, B, ridge=float("nan"), n_folds=2, rng=rng()), "ridge is a pen"),
        (lambda: partial_correlation(A, B, []), "no controls given"),
        (lambda: alignment_table([PATTERNS], BRAIN), "activations maps names .* got a list"),  # type: ignore[arg-type]
        (lambda: noise_ceiling([A, B], pair_mask=np.arange(36) < 1), "1 pairs are left"),
        (lambda: group_reliability([A, B], "procrustes"), "inner products of rows"),
        (lambda: group_reliability([A, B], "kendall-tau-a"), "which 'kendall-tau-a' is not"),
        (lambda: split_half_reliability([A, B], "procrustes", rng=rng()), "inner products"),
        (
            lambda: split_half_reliability([A, B], "kendall-tau-b", rng=rng()),
            "use noise_ceiling, or one of spearman",
        ),
        (lambda: bootstrap_means(SCORES[:1], [0], rng=rng()), "one unit on an axis"),
        (lambda: bootstrap_crossed([A], [A, B], rng=rng()), "leave seeds out of over"),
    ],
)
def test_arguments_that_mean_nothing_are_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        call()


@pytest.mark.parametrize("metric", ["correlation", "cosine"])
@pytest.mark.parametrize("exponent", [-1000, 515, 1000])
def test_patterns_of_any_size_have_the_dissimilarities_of_their_directions(
    metric: str, exponent: int
) -> None:
    """1 - r does not depend on the size of a pattern: to the bit for powers of two. The squares
    of 2^515 overflow, those of 2^-1000 are zero."""
    sizes = np.where(np.arange(N) % 2, 1.0, 2.0**exponent)[:, None]
    expected = compute_rdm(PATTERNS, metric).dissimilarities
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for scale in (sizes, 2.0**exponent):
            found = compute_rdm(PATTERNS * scale, metric).dissimilarities
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
@pytest.mark.parametrize("scale", [1e155, 1e-200, 1e308])
def test_distances_that_float64_cannot_hold_are_refused(metric: str, scale: float) -> None:
    x = np.clip(PATTERNS, -1, 1) * scale
    with pytest.raises(ValueError, match="divide all patterns by one number"):
        compute_rdm(x, metric)


@pytest.mark.parametrize("method", ["spearman", "procrustes"])
def test_a_model_without_a_score_does_not_enter_the_best(method: str) -> None:
    constant = np.zeros(36) if method == "procrustes" else np.ones(36)
    options = {"permutations": np.array([rng().permutation(N) for _ in range(5)])}
    alone = permute_labels([A], B, method, **options)
    beside = permute_labels([A, RDM(constant, NAMES)], B, method, **options)
    assert np.isnan(beside.observed[1, 0])
    np.testing.assert_array_equal(beside.p_value_of_best(), alone.p_value_of_best())
    only = permute_labels(constant, B, method, **options)
    assert np.isnan(only.p_value_of_best()).all()


def test_noise_bounds_of_a_distance_are_in_order_and_bound_it() -> None:
    """The mean of the group is a model: it stands at the bound that no model passes."""
    base = np.random.default_rng(5).normal(size=(N, 4))
    noise = np.random.default_rng(6).normal(size=(5, N, 4))
    rdms = [compute_rdm(base + x, "sqeuclidean", stimuli=NAMES) for x in noise]
    lower, upper = noise_ceiling(rdms, "procrustes")
    assert 0 < lower < upper
    rows = np.stack([r.dissimilarities for r in rdms])
    mean = np.mean(rows / np.sqrt(np.mean(rows**2, axis=1, keepdims=True)), axis=0)
    assert compare_rdms(mean, rdms, "procrustes").mean() == pytest.approx(lower, abs=1e-12)
    stack = rows[:, None].astype(np.float32)
    brain = BrainRDMs(stack, tuple("12345"), ("V1",), NAMES)
    table = alignment_table({"A": A}, brain, method="procrustes").set_index("convention")
    assert table.noise_lower["subject_mean"] == pytest.approx(lower, abs=1e-3)
    assert table.noise_upper["subject_mean"] == pytest.approx(upper, abs=1e-3)
    assert table.loc["mean_rdm", ["noise_lower", "noise_upper"]].isna().all()
    assert table.attrs["method"] == "procrustes"
    assert not table.attrs["larger_is_closer"]


def test_numbers_around_a_text_table_are_no_dissimilarities(tmp_path: Path) -> None:
    """As pandas writes a table without names: its counts of rows and columns, corner empty."""
    file = tmp_path / "a.csv"
    for labels, stimuli in ((None, None), (range(5, 5 + N), tuple(map(str, range(5, 5 + N))))):
        pd.DataFrame(A.square(), labels, labels).to_csv(file)
        (read,) = load_rdms(file).values()
        np.testing.assert_allclose(read.dissimilarities, A.dissimilarities, atol=1e-15)
        assert read.stimuli == stimuli
    blank = A.square()
    np.fill_diagonal(blank, np.nan)  # an empty diagonal is no frame
    pd.DataFrame(blank).to_csv(file, index=False, header=False)
    (read,) = load_rdms(file).values()
    np.testing.assert_allclose(read.dissimilarities, A.dissimilarities, atol=1e-15)


def test_a_table_names_its_rows() -> None:
    table = pd.DataFrame(PATTERNS, index=NAMES)
    assert compute_rdm(table).stimuli == NAMES
    assert compute_rdm(table, stimuli=NAMES[::-1]).stimuli == NAMES[::-1]
    assert compute_rdm(table.reset_index(drop=True)).stimuli is None
    alignment_table({"fc": table}, BRAIN)
    with pytest.raises(ValueError, match="layer 'fc' names its stimuli otherwise"):
        alignment_table({"fc": table[::-1]}, BRAIN)


def test_plots_name_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="x has 36 pairs, y 28"):
        plot_shepard(A, B.select(NAMES[1:]))
    with pytest.raises(ValueError, match="no column 'epoch', 'rule'; give x and hue of layer, roi"):
        plot_trajectory(alignment_table({"fc": PATTERNS}, BRAIN), roi="V1", layer="fc")
