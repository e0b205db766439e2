"""The alignment table says what compare_rdms says, row by row."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from neurosim.rsa import BrainRDMs, alignment_table, compute_rdm

N = 8
RNG = np.random.default_rng(0)
RDMS = RNG.gamma(2.0, size=(3, 2, 28)).astype(np.float32)
BRAIN = BrainRDMs(RDMS, ("a", "b", "c"), ("V1", "IT"), tuple("pqrstuvw"), RNG.random(28) < 0.9)
LAYERS = {"conv1": RNG.normal(size=(N, 20)).astype(np.float32), "fc": RNG.normal(size=(N, 6))}


def test_rows_columns_and_numbers() -> None:
    table = alignment_table(
        LAYERS,
        BRAIN,
        conventions=("subject_mean", "mean_rdm", "subject"),
        labels={"rule": "bp", "seed": 3},
    )
    assert list(table.columns) == [
        "rule", "seed", "layer", "roi", "convention", "subject", "rho", "noise_lower",
        "noise_upper", "n_subjects", "n_pairs", "n_undefined",
    ]  # fmt: skip
    assert len(table) == 2 * 2 * (1 + 1 + 3)
    mask = BRAIN.pair_mask
    for layer, x in LAYERS.items():
        d = compute_rdm(x).dissimilarities[mask]
        for r, roi in enumerate(BRAIN.rois):
            rows = table[(table.layer == layer) & (table.roi == roi)].set_index("convention")
            each = [spearmanr(d, RDMS[s, r][mask]).statistic for s in range(3)]
            mean = spearmanr(d, RDMS[:, r].astype(float).mean(0)[mask]).statistic
            assert rows.rho["subject_mean"] == pytest.approx(np.mean(each), abs=1e-12)
            assert rows.rho["mean_rdm"] == pytest.approx(mean, abs=1e-12)
            np.testing.assert_allclose(rows.loc["subject"].rho, each, atol=1e-12)
            bounds = BRAIN.noise_bounds()[r]
            assert tuple(rows.loc["subject_mean", ["noise_lower", "noise_upper"]]) == tuple(bounds)
    assert (table.n_pairs == mask.sum()).all()
    assert (table.rule == "bp").all()


def test_references_stand_beside_the_layers() -> None:
    rdm = compute_rdm(RNG.normal(size=(N, 3)))
    table = alignment_table(LAYERS, BRAIN, references={"noise": rdm})
    own = alignment_table({"x": rdm}, BRAIN)
    np.testing.assert_allclose(table[table.layer == "reference:noise"].rho, own.rho)
    assert len(table) == 2 * 2 * 3


def test_a_silent_pattern_is_left_out_on_both_sides_and_counted() -> None:
    x = LAYERS["fc"].copy()
    x[2] = 0.25
    row = (
        alignment_table({"fc": x, "conv1": LAYERS["conv1"]}, BRAIN)
        .set_index("layer")
        .loc["fc"]
        .iloc[0]
    )
    others = [s for i, s in enumerate(BRAIN.stimuli) if i != 2]
    without = alignment_table({"fc": np.delete(x, 2, 0)}, BRAIN.select(stimuli=others)).iloc[0]
    assert row.rho == pytest.approx(without.rho, abs=1e-12)
    assert row.n_undefined == 1
    table = alignment_table({"fc": x, "conv1": LAYERS["conv1"]}, BRAIN)
    assert table.attrs["undefined"] == {"fc": ["r"]}
    assert row.n_pairs == without.n_pairs


def test_a_subject_without_the_roi_does_not_enter_the_mean() -> None:
    rdms = RDMS.copy()
    rdms[1, 1] = np.nan
    some = BrainRDMs(rdms, BRAIN.subjects, BRAIN.rois, BRAIN.stimuli)
    two = BrainRDMs(RDMS[[0, 2]], ("a", "c"), BRAIN.rois, BRAIN.stimuli)
    ours = alignment_table(LAYERS, some).query("roi == 'IT'")
    theirs = alignment_table(LAYERS, two).query("roi == 'IT'")
    np.testing.assert_allclose(ours.rho, theirs.rho, atol=1e-14)
    assert (ours.n_subjects == 2).all()


def test_misfits_are_refused_with_the_layer_named() -> None:
    with pytest.raises(ValueError, match="layer 'fc' has 7 stimuli"):
        alignment_table({"fc": LAYERS["fc"][:7]}, BRAIN)
    with pytest.raises(ValueError, match="another order"):
        alignment_table({"fc": compute_rdm(LAYERS["fc"], stimuli=tuple("qprstuvw"))}, BRAIN)
    with pytest.raises(ValueError, match="known: subject_mean"):
        alignment_table(LAYERS, BRAIN, conventions=("mean",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="label 'layer'"):
        alignment_table(LAYERS, BRAIN, labels={"layer": 1})
