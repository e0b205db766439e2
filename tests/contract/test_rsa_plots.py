"""Figures hold what they are given, and say so when the data are simulated."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from neurosim.rsa import COMPARATORS, BrainRDMs, alignment_table, compare_rdms, compute_rdm
from neurosim.rsa import plots as rsa_plots

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 6))
CATEGORIES = ["a", "b", "a", "c"] * 3
BRAIN = BrainRDMs(
    np.stack([[compute_rdm(X + RNG.normal(size=X.shape)).dissimilarities] * 2 for _ in range(3)]),
    ("s", "t", "u"),
    ("V1", "IT"),
    tuple("abcdefghijkl"),
)


@pytest.fixture(autouse=True)
def _close() -> object:
    yield
    plt.close("all")


def test_rdm_image_is_sorted_by_category() -> None:
    rdm = compute_rdm(X)
    ax = rsa_plots.plot_rdm(rdm, categories=CATEGORIES, percentile=False)
    order = [0, 2, 4, 6, 8, 10, 1, 5, 9, 3, 7, 11]
    shown = np.array(ax.images[0].get_array())
    expected = rdm.square()[np.ix_(order, order)]
    off = ~np.eye(12, dtype=bool)
    np.testing.assert_allclose(shown[off], expected[off])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b", "c"]
    with pytest.raises(ValueError, match="3 categories for 12"):
        rsa_plots.plot_rdm(rdm, categories=["a", "b", "c"])


def test_mds_recovers_a_plane() -> None:
    plane = RNG.normal(size=(12, 2))
    rdm = compute_rdm(plane, "sqeuclidean")
    points, share = rsa_plots.classical_mds(rdm)
    np.testing.assert_allclose(
        compute_rdm(points, "sqeuclidean").dissimilarities, rdm.dissimilarities, atol=1e-9
    )
    assert share == pytest.approx(1.0)
    ax = rsa_plots.plot_mds(compute_rdm(X), categories=CATEGORIES)
    assert len(ax.collections) == 3


def test_shepard_names_its_score() -> None:
    a, b = compute_rdm(X), compute_rdm(RNG.normal(size=(12, 6)))
    ax = rsa_plots.plot_shepard(a, b)
    assert f"{compare_rdms(a, b)[0, 0]:.3f}" in ax.get_title()


def test_layer_roi_map_and_trajectory_carry_bounds_and_the_simulated_mark() -> None:
    tables = [
        alignment_table(
            {"fc": X + RNG.normal(size=X.shape)}, BRAIN, labels={"rule": "bp", "epoch": e}
        )
        for e in range(3)
    ]
    ax = rsa_plots.plot_layer_roi_map(tables[0], simulated=True)
    assert ax.get_title().startswith("SIMULATED DATA")
    assert len(ax.texts) == 2
    table = pd.concat(tables)
    ax = rsa_plots.plot_trajectory(table, roi="V1", layer="fc", references=tables[0])
    assert [line.get_label() for line in ax.get_lines()][:2] == ["bp", "reference: fc"]
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "noise bounds" in labels
    with pytest.raises(ValueError, match="no rows of ROI 'V9'"):
        rsa_plots.plot_trajectory(table, roi="V9", layer="fc")
    with pytest.raises(ValueError, match="it has subject_mean, mean_rdm"):
        rsa_plots.plot_layer_roi_map(tables[0], convention="subject")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("spearman", r"Spearman $\rho$ (subject_mean)"),
        ("pearson", "Pearson $r$ (subject_mean)"),
        ("linear-cka", "linear CKA (subject_mean)"),
        ("procrustes", "Procrustes distance, smaller is closer (subject_mean)"),
    ],
)
def test_axes_name_the_comparator_that_made_the_scores(name: str, shown: str) -> None:
    table = alignment_table(
        {"fc": X + RNG.normal(size=X.shape)}, BRAIN, method=name, labels={"rule": "bp", "epoch": 0}
    )
    ax = rsa_plots.plot_layer_roi_map(table)
    bar = ax.images[0].colorbar
    assert bar is not None
    assert bar.ax.get_ylabel() == shown
    line = rsa_plots.plot_trajectory(table, roi="V1", layer="fc")
    assert line.get_ylabel() == shown
    distance = not COMPARATORS[name].larger_is_closer
    assert ("upper noise bound" in ax.get_title()) == distance
    assert (ax.images[0].get_clim()[0] == 0) == distance


def test_every_comparator_has_words_for_an_axis() -> None:
    assert set(rsa_plots._SCORES) == set(COMPARATORS)


def test_a_distance_is_held_against_the_bound_that_leaves_one_out() -> None:
    """The bound a good model comes below is the upper one; mean_rdm of a distance has none."""
    table = alignment_table({"fc": X + RNG.normal(size=X.shape)}, BRAIN, method="procrustes")
    row = table[(table["roi"] == "V1") & (table["convention"] == "subject_mean")].iloc[0]
    ax = rsa_plots.plot_layer_roi_map(table)
    assert ax.texts[0].get_text() == f"{row['rho']:.3f}\n{row['rho'] / row['noise_upper']:.0%}"
    ax = rsa_plots.plot_layer_roi_map(table, convention="mean_rdm")
    assert "%" not in ax.texts[0].get_text()
    assert ax.get_title() == "distance"


def test_scores_of_unknown_making_are_called_scores() -> None:
    """Concatenation drops ``attrs`` where tables differ in them; a caller may still say."""
    table = alignment_table({"fc": X}, BRAIN, method="cosine")
    table.attrs = {}
    bar = rsa_plots.plot_layer_roi_map(table).images[0].colorbar
    assert bar is not None
    assert bar.ax.get_ylabel() == "score (subject_mean)"
    bar = rsa_plots.plot_layer_roi_map(table, method="cosine").images[0].colorbar
    assert bar is not None
    assert bar.ax.get_ylabel() == "cosine similarity (subject_mean)"
    with pytest.raises(ValueError, match="unknown comparison method"):
        rsa_plots.plot_layer_roi_map(table, method="cosin")
