"""How patterns become RDMs and RDMs scores: chosen by name, object, text or function."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import kendalltau

from neurosim.arrays.storage import read_tree, write_tree
from neurosim.experiments.comparison.api import compare
from neurosim.experiments.data.loaded import data_of
from neurosim.experiments.job.batches import normalise
from neurosim.experiments.job.measures import Measures
from neurosim.experiments.results.table import selection
from neurosim.experiments.results.words import SCORES, score_label, score_symbol
from neurosim.experiments.run.stored import INITIALISED, StoredRun
from neurosim.experiments.settings.config import COMPARATOR_NAMES, Comparison
from neurosim.rsa import Comparator, compute_rdm
from neurosim.rsa.rdm.distances import Euclidean, OfFunction

SMALL = {
    "rules": ("untrained",), "n_train": 32, "n_test": 16, "epochs": 1, "checkpoints": (0, 1),
    "evaluation_px": (32,), "normalisation": ("running",), "readouts": ("grid(n=2)",),
    "n_calibration": 32,
}  # fmt: skip


@dataclass(frozen=True)
class Gap(Comparator):
    """Minus the mean absolute difference: larger is closer, but not from -1 to 1."""

    name: str = "gap"
    factor: float = -1.0

    def read(self, rows, used=None):
        return np.asarray(rows, dtype=float)

    def measure(self, a, b):
        return self.factor * np.abs(a[:, None] - b[None]).mean(2) * 10


class Distance(Gap):
    larger_is_closer = False


def wrong_shape(patterns):
    return patterns.sum(1)


def negative(patterns):
    return -np.ones((len(patterns), len(patterns)))


def fails(a, b):
    return 1 / 0


@pytest.mark.parametrize(
    ("setting", "thing", "message"),
    [
        ("comparator", Gap(), "scores an RDM with itself .* has to give numbers from -1 to 1"),
        ("comparator", Gap(factor=0.1), "itself lower .* larger has to be closer"),
        ("comparator", Distance(), "is a distance, smaller where RDMs are closer"),
        ("comparator", fails, "cannot be used .ZeroDivisionError"),
        ("dissimilarity", wrong_shape, r"wrong_shape of 6 patterns has the shape \(6,\): return"),
        ("dissimilarity", negative, "negative gives NaN or negative numbers"),
    ],
)
def test_what_would_give_other_scores_than_readers_take_them_for_is_refused(
    setting, thing, message
):
    with pytest.raises(ValueError, match=message):
        Measures.of(replace(Comparison(), **{setting: thing}))


def test_a_function_of_patterns_is_a_dissimilarity():
    """Of the Euclidean distances by another library; a missing row is missing in all its pairs."""
    patterns = np.random.default_rng(0).normal(size=(7, 4))
    patterns[2] = np.nan
    found = compute_rdm(patterns, OfFunction("mine", pdist))
    known = compute_rdm(patterns, Euclidean())
    np.testing.assert_allclose(found.dissimilarities, known.dissimilarities, rtol=1e-9)
    assert found.undefined == known.undefined == ("#2",)


def test_every_comparator_has_words():
    assert set(SCORES) == set(COMPARATOR_NAMES)
    assert (score_label("spearman"), score_symbol("spearman")) == ("Spearman ρ", "ρ")
    assert score_label("/a/mine.py:agreement") == "agreement"
    assert score_symbol("linear-cka") == "score"


def test_scores_are_made_by_the_measures_that_the_run_names(tmp_path):
    """By scipy: Kendall's tau-b of Euclidean distances (1e-6: networks are float32)."""
    run = compare(dissimilarity="euclidean", comparator="kendall-tau-b", out=tmp_path / "run",
                  **SMALL)  # fmt: skip
    stored = StoredRun.read(run.path)
    assert stored.settings.comparator == "kendall-tau-b"
    _, stimuli = data_of("demo", "demo", None)
    (state,) = [s for s in stored.states() if s.weights == INITIALISED]
    activity = state.learner(stored.settings).represent(normalise(stimuli.at_px(32)))["Conv1"]
    corners = [activity[..., i : i + 8, j : j + 8].mean((2, 3)) for i in (0, 8) for j in (0, 8)]
    patterns = np.stack([c.numpy() for c in corners], 2).reshape(len(activity), -1)
    roi = stimuli.brain.rois[0]
    expected = kendalltau(pdist(patterns.astype(float)), stimuli.brain.mean_rdm(roi)).statistic
    rows = selection(run.results, px=32, readout="grid(n=2)", convention="mean_rdm")
    row = rows[(rows["roi"] == roi) & (rows["layer"] == "Conv1") & (rows["epoch"] == 0)]
    assert row["rho"].iloc[0] == pytest.approx(expected, abs=1e-6)
    page = run.report.read_text()
    for words in ("the Euclidean distance between patterns", "Kendall&#39;s tau-b", "Kendall τ_b"):
        assert words in page
    assert "Spearman" not in page.split('id="reproduce"')[0]
    figure = run.figures["figure_1_trajectory"]
    assert "Kendall τ_b" in {axes.get_ylabel() for axes in figure.axes}


def test_a_folder_of_before_goes_on_with_the_defaults(tmp_path):
    """Its record and its jobs name no measures; nothing is computed again."""
    out = tmp_path / "run"
    compare(out=out, **SMALL)
    record = json.loads((out / "run.json").read_text())
    (job,) = (out / "cells").glob("*.h5")
    tree = read_tree(job)
    identity = json.loads(tree["identity"])
    for name in ("dissimilarity", "comparator"):
        del record["settings"][name], identity[name]
    (out / "run.json").write_text(json.dumps(record))
    write_tree(job, {**tree, "identity": json.dumps(identity)})
    written = job.stat().st_mtime_ns
    compare(out=out, **SMALL)
    assert job.stat().st_mtime_ns == written
    with pytest.raises(ValueError, match=r"other settings .*comparator"):
        compare(out=out, comparator="pearson", **SMALL)
