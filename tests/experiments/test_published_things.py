"""Published numbers of THINGS: they agree among themselves, and are shown with THINGS alone."""

from __future__ import annotations

import json

import made_data
import numpy as np
import pandas as pd
import pytest
import result_tables

from neurosim.experiments.audit import published as audit_published
from neurosim.experiments.audit.questions import Audited, Finding, audit
from neurosim.experiments.figures import all_figures as figures
from neurosim.experiments.figures.all_figures import figures_of
from neurosim.experiments.figures.published import beside_published
from neurosim.experiments.report import files as report
from neurosim.experiments.report.published import published_tables
from neurosim.experiments.results.choice import Headline
from neurosim.experiments.results.published_things import (
    VALID,
    beside,
    changes,
    is_things,
    our_changes,
    published_values,
    sweep,
    trajectory,
)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return result_tables.table(seeds=(1, 2), epochs=(0, 1, 40), px=(32, 224), rois=("V1", "IT"))


@pytest.fixture(scope="module")
def headline(table) -> Headline:
    return Headline.of(table, layer="FC1")


def test_every_number_has_a_source_a_convention_and_a_status():
    values = published_values()
    assert set(values["source"]) == {"arXiv 2605.30556", "arXiv 2608.12408"}
    assert set(values["convention"]) == {"subject_mean", "mean_rdm"}
    assert set(values["status"]) == {VALID, "INVALID: batch-statistics BN"}
    assert np.isfinite(values["value"]).all()
    broken = values[values["status"] != VALID]
    assert set(broken["rule"]) == {"pc", "stdp"}
    # The correction: what was wrong is the first paper's, and nothing since.
    assert set(broken["source"]) == {"arXiv 2605.30556"}


@pytest.mark.parametrize("px", [32, 224])
@pytest.mark.parametrize("rule", ["bp", "fa", "pc", "stdp"])
def test_published_changes_are_those_of_their_trajectories(rule, px):
    """Two files of the source: printed changes, and ends of curves, to five digits each."""
    curve = trajectory(rule, px).set_index("epoch")["value"]
    values = published_values()
    (change,) = values[
        (values["series"] == "trajectory") & (values["quantity"] == "change")
        & (values["rule"] == rule) & (values["px"] == px) & (values["pairs"] == "cross-run")
    ]["value"]  # fmt: skip
    assert curve[40] - curve[0] == pytest.approx(change, abs=2e-5)


@pytest.mark.parametrize("px", [32, 224])
def test_zero_points_differ_as_the_untrained_network_does(px):
    """The trained network is the same, so two changes differ by two untrained scores."""
    values = published_values()
    untrained = values[
        (values["series"] == "normalisation") & (values["quantity"] == "rho") & (values["px"] == px)
    ].set_index("normalisation")["value"]  # fmt: skip
    wide = changes(px)[changes(px)["rule"] == "bp"].set_index("normalisation")["value"]
    for policy in ("calibrated", "augmented-accumulated"):
        shift = untrained["identity"] - untrained[policy]
        assert wide[policy] - wide["identity"] == pytest.approx(shift, abs=3e-5)


def test_content_is_the_same_at_the_training_size_and_the_sweep_is_ordered():
    for rule in ("untrained", "bp"):
        native, up = sweep(rule), sweep(rule, "upsampled")
        assert native["px"].tolist() == [32, 64, 96, 128, 160, 224]
        assert native["value"].iloc[0] == up["value"].iloc[0]


def test_ours_are_the_means_of_the_table_at_the_same_axes(table):
    rows = beside(table, readout="gap").to_dict("records")

    def one(**chosen) -> float:
        (row,) = [r for r in rows if all(r[k] == v for k, v in chosen.items())]
        return row["ours"]

    def scores(layer: str, epoch: int, policy: str, convention="subject_mean") -> pd.Series:
        chosen = table[
            (table["rule"] == "bp") & (table["roi"] == "V1") & (table["px"] == 224)
            & (table["layer"] == layer) & (table["normalisation"] == policy)
            & (table["convention"] == convention) & table["readout"].isin(["gap", "units"])
            & (table["epoch"] == epoch) & ~table["statistics_only"]
        ]  # fmt: skip
        return chosen.set_index("seed")["rho"]

    at = {"rule": "bp", "roi": "V1", "px": 224}
    assert one(series="trajectory", quantity="rho", epoch=1, **at) == pytest.approx(
        scores("Conv1", 1, "running").mean()
    )
    best = np.maximum(scores("Conv1", 0, "identity"), scores("FC1", 0, "identity"))
    assert one(series="first paper", quantity="rho", epoch=0, **at) == pytest.approx(best.mean())
    change = scores("Conv1", 40, "running", "mean_rdm") - scores("Conv1", 0, "identity", "mean_rdm")
    named = {"series": "normalisation", "quantity": "change", "normalisation": "identity"}
    assert one(**named, **at) == pytest.approx(change.mean())
    mine = our_changes(table, 224, "identity", "gap")
    assert mine["bp"] == pytest.approx(change.mean())
    assert "stdp" not in our_changes(table, 224, "calibrated", "gap")
    # A policy that the run has not, and images of other content: no number, no other one instead.
    assert np.isnan(one(**{**named, "normalisation": "calibrated"}, **at))
    assert np.isnan(one(series="sweep", quantity="rho", content="upsampled", **at))
    # What no policy reaches is no calibrated network.
    assert np.isnan(one(**{**named, "normalisation": "calibrated"}, **{**at, "rule": "stdp"}))


def test_the_figure_draws_both_and_says_which_is_which(headline):
    figure = beside_published(headline)
    lines = {line.get_gid(): line for axes in figure.axes for line in axes.lines}
    theirs = figure.axes[0].lines
    (drawn,) = [line for line in theirs if line.get_gid() == "published:bp"]
    np.testing.assert_allclose(drawn.get_ydata(), trajectory("bp", 224)["value"])
    assert drawn.is_dashed()
    (own,) = [line for line in theirs if line.get_gid() == "ours:bp"]
    curve = headline.view("V1", "Conv1").curve("bp").mean(axis=1)
    np.testing.assert_allclose(own.get_ydata(), curve)
    assert not own.is_dashed()
    assert {"invalid:pc", "invalid:stdp"} <= set(lines)
    assert not len(lines["invalid:bp"].get_xdata())


def test_a_run_without_what_was_published_says_so_in_its_place():
    other = result_tables.table(("bp",), (1,), epochs=(0, 1), px=(48,), rois=("V1",))
    for table, told in (
        (other, "evaluated at neither"),
        (result_tables.table(("bp",), (1,), epochs=(0, 1), px=(32,), rois=("EVC",)), "V1"),
    ):
        figure = beside_published(Headline.of(table, layer="FC1"))
        said = [text.get_text() for axes in figure.axes for text in axes.texts]
        assert any(told in " ".join(text.split()) for text in said)


@pytest.mark.parametrize("stimuli", ["brain92", "demo", "", "somethings"])
def test_other_stimuli_have_none_of_it(stimuli, headline):
    assert not is_things(stimuli)
    assert "figure_7_published" not in figures_of(stimuli)
    assert published_tables(headline, stimuli) == []
    small = result_tables.table(("bp",), (1,), epochs=(0, 1), px=(32,), rois=("V1",))
    assert "published" not in {finding.id for finding in audit(small, stimuli=stimuli)}


def finding(table: pd.DataFrame) -> Finding:
    return audit_published.beside_published(
        Audited(table, Headline.of(table, layer="FC1"), (), "things")
    )


def test_the_audit_counts_signs_and_leaves_invalid_ones_out(table):
    found = finding(table)
    valid = [v for v in found.values if v["quantity"] == "change" and v["status"] == VALID]
    same = sum(np.sign(v["ours"]) == np.sign(v["published"]) for v in valid)
    assert f"{same} of {len(valid)} valid published changes" in found.answer
    assert "INVALID, and not counted" in found.answer
    short = table[table["epoch"].isna() | (table["epoch"] < 40)]
    assert finding(short).verdict == "unknown"


# Some of its photographs are of one colour.
@pytest.mark.filterwarnings("ignore::neurosim.rsa.UndefinedPatternWarning")
def test_a_small_run_of_the_preset_paper_stands_beside_them(tmp_path, monkeypatch):
    """The SYNTHETIC fixture in the layout of THINGS: every file and sentence, no real number."""
    from neurosim.experiments.training_dynamics import main

    folder = tmp_path / "data" / "things"
    folder.mkdir(parents=True)
    for part in ("betas_csv", "object_images"):
        (folder / part).symlink_to(made_data.things() / part)
    # The other figures and pictures have tests of their own.
    monkeypatch.setattr(figures, "FIGURES", {})
    page = {}
    monkeypatch.setattr(
        report, "render", lambda run, headline, stimuli, svg: page.update(svg) or ""
    )
    out = tmp_path / "run"
    status = main(
        ["--preset", "paper", "--training", "demo", "--n-train", "32", "--n-test", "32",
         "--batch-size", "32", "--epochs", "1", "--evaluation-px", "32", "--rules", "bp",
         "--seeds", "1", "--normalisation", "running", "--readouts", "gap", "--workers", "1",
         "--n-calibration", "8", "--data-dir", str(tmp_path / "data"), "--out", str(out)]
    )  # fmt: skip
    assert status == 0
    assert list(page) == ["figure_7_published"]
    assert (out / "figures" / "figure_7_published.pdf").is_file()
    found = pd.read_csv(out / "published.csv")
    run = pd.read_csv(out / "results.csv", keep_default_na=False, na_values=[""])
    (mine,) = run[
        (run["rule"] == "bp") & (run["roi"] == "V1") & (run["layer"] == "Conv1")
        & (run["epoch"] == 1) & (run["convention"] == "subject_mean")
        & (run["statistics_only"].astype(str) == "False")
    ]["rho"]  # fmt: skip
    (row,) = found[
        (found["series"] == "trajectory") & (found["quantity"] == "rho") & (found["rule"] == "bp")
        & (found["px"] == 32) & (found["epoch"] == 1)
    ].to_dict("records")  # fmt: skip
    assert row["ours"] == pytest.approx(mine, abs=1e-12)
    assert row["value"] == 0.02487
    findings = json.loads((out / "audit.json").read_text())["findings"]
    assert "published" in {finding["id"] for finding in findings}
