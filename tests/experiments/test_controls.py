"""The control commands on a small run: self-tests of the controls, resume, refusals, intervals."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from neurosim.experiments.controls import figure_bands
from neurosim.experiments.controls import run as control_run
from neurosim.experiments.controls.commands import CROSS, SWEEP
from neurosim.experiments.controls.options import GridOptions, WorkOptions
from neurosim.experiments.controls.result import Result
from neurosim.experiments.controls.state_scores import Scores, _table
from neurosim.experiments.controls.tables import decomposition_table
from neurosim.experiments.controls.tasks import ControlTask
from neurosim.experiments.controls.words import sign_sentence
from neurosim.experiments.data.registry import load_stimuli
from neurosim.experiments.job.evaluate import reference_table
from neurosim.experiments.job.stimulus_content import check_content, shown
from neurosim.experiments.report import files as report
from neurosim.experiments.resolution_sweep import main as sweep_main
from neurosim.experiments.run.stored import State, StoredRun
from neurosim.experiments.training_dynamics import main
from neurosim.rsa import BrainRDMs, compute_rdm

OPTIONS = {"resamples": 20, "splits": 1, "n_calibration": 16}
KEYS = ["rule", "seed", "weights", "epoch", "readout", "layer", "roi", "convention"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("controls") / "run"
    with pytest.MonkeyPatch.context() as patch:
        # The page shows the figures; neither is looked at here.
        patch.setattr(report, "draw_all", lambda *args, **kw: None)
        patch.setattr(report, "write_page", lambda *args, **kw: None)
        status = main(
            ["--n-train", "64", "--n-test", "32", "--batch-size", "32", "--epochs", "1",
             "--evaluation-px", "32", "--normalisation", "running", "--readouts", "gap",
             "--rules", "bp", "untrained", "--seeds", "1", "--workers", "1", "--out", str(out)]
        )  # fmt: skip
    assert status == 0
    return out


@pytest.fixture(scope="module")
def sweep(run, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("sweep")
    options = GridOptions(px=(48,), normalisation=("calibrated", "calibrated-at-px"), **OPTIONS)
    SWEEP.run(run, options, WorkOptions(workers=1, out=out))
    assert {p.name for p in out.iterdir()} >= {
        "scores.csv", "decomposition.csv", "layer_choice.csv", "resolution_sweep.png", "asked.json",
    }  # fmt: skip
    return out


@pytest.fixture(scope="module")
def swept(sweep) -> pd.DataFrame:
    return pd.read_csv(sweep / "scores.csv", keep_default_na=False, na_values=[""])


def scores(table: pd.DataFrame, **chosen) -> pd.Series:
    rows = table[~table["rule"].str.startswith("reference:")]
    for name, value in chosen.items():
        rows = rows[rows[name] == value]
    return rows.set_index(KEYS)["rho"].sort_index()


def test_a_run_is_audited(run):
    assert '"format": "neurosim-audit-2"' in (run / "audit.json").read_text()


def test_upsampled_is_native_at_the_training_size_and_nowhere_else(swept):
    """To the bit: nothing is resized there."""
    for policy in ("calibrated", "calibrated-at-px"):
        at = {"px": 32, "normalisation": policy}
        native, up = (scores(swept, content=c, **at) for c in ("native", "upsampled"))
        pd.testing.assert_series_equal(native, up, check_exact=True)
    other = [scores(swept, content=c, px=48, normalisation="calibrated") for c in
             ("native", "upsampled")]  # fmt: skip
    assert not np.allclose(*other)


def test_calibrated_at_px_is_calibrated_at_the_training_size(swept):
    at = {"px": 32, "content": "native"}
    there, here = (scores(swept, normalisation=p, **at) for p in ("calibrated", "calibrated-at-px"))
    pd.testing.assert_series_equal(there, here, check_exact=True)
    at["px"] = 48
    assert not np.allclose(
        *(scores(swept, normalisation=p, **at) for p in ("calibrated", "calibrated-at-px"))
    )


def test_calibration_makes_the_statistics_of_passes_irrelevant(swept):
    """Statistics-only networks have the weights of epoch 0: calibrated, they score the same."""
    rows = swept[(swept["normalisation"] == "calibrated") & (swept["rule"] == "bp")]
    start, after = (
        rows[rows["weights"] == w].set_index(["px", "content", *KEYS[4:]])["rho"].sort_index()
        for w in ("initialised", "statistics-only")
    )
    pd.testing.assert_series_equal(start, after, check_exact=True)


def test_running_scores_are_those_of_the_run(run, tmp_path):
    """The stored weights, evaluated again: the numbers of results.csv, to the bit."""
    options = GridOptions(normalisation=("running",), readouts=("gap",), **OPTIONS)
    CROSS.run(run, options, WorkOptions(workers=1, out=tmp_path))
    again = pd.read_csv(tmp_path / "scores.csv", keep_default_na=False, na_values=[""])
    first = pd.read_csv(run / "results.csv", keep_default_na=False, na_values=[""])
    names = ["rule", "seed", "layer", "roi", "convention"]
    for weights, epoch, flag in (
        ("initialised", 0, False), ("statistics-only", 1, True), ("trained", 1, False),
    ):  # fmt: skip
        of_run = first[
            (first["epoch"] == epoch) & (first["statistics_only"].astype("boolean") == flag)
        ]
        ours = again[again["weights"] == weights].set_index(names)
        theirs = of_run.set_index(names)["rho"].sort_index()
        pd.testing.assert_series_equal(ours["rho"].sort_index(), theirs, check_exact=True)
        assert (ours["epoch"] == epoch).all()
    trained = again[(again["weights"] == "trained") & (again["rule"] == "bp")]
    assert (trained["displacement"] > 0).all()
    still = again[(again["weights"] == "statistics-only") & (again["rule"] == "bp")]
    assert (still["displacement"] == 0).all()


def test_networks_that_cells_share_are_scored_once_and_not_again(run, tmp_path, monkeypatch):
    """bp and untrained of a seed: one start, one statistics-only, and bp as trained."""
    done = []
    plain = ControlTask.compute

    def counted(task, report):
        done.append(task.state)
        return plain(task, report)

    monkeypatch.setattr(ControlTask, "compute", counted)
    options = GridOptions(normalisation=("running",), readouts=("gap",), resamples=0, splits=0)
    CROSS.run(run, options, WorkOptions(workers=1, out=tmp_path))
    assert len(done) == 3
    kept = (tmp_path / "scores.csv").read_bytes()
    CROSS.run(run, options, WorkOptions(workers=1, out=tmp_path))
    assert len(done) == 3
    next((tmp_path / "states").iterdir()).write_bytes(b"damaged")
    CROSS.run(run, options, WorkOptions(workers=1, out=tmp_path))
    assert len(done) == 4, "a damaged file is computed again, alone"
    assert (tmp_path / "scores.csv").read_bytes() == kept


def test_the_weights_in_a_run_are_those_before_every_sweep(run, swept):
    """Scoring reads: no file of the run is newer, and no network changed (or it would raise)."""
    states = StoredRun.read(run).states()
    newest = max(state.path.stat().st_mtime_ns for state in states)
    assert newest < (run / "audit.json").stat().st_mtime_ns


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["NOWHERE"], "no run in NOWHERE"),
        (["RUN", "--px", "4"], "px must be at least 8"),
        (["RUN", "--content", "blurred"], "unknown content 'blurred'"),
        (["RUN", "--content", "blur-x"], "unknown content 'blur-x'"),
        (["RUN", "--normalisation", "runing"], "did you mean 'running'"),
        (["RUN", "--epochs", "7"], "no checkpoint after epoch 7"),
        (["RUN", "--layer", "Conv9"], "unknown layer 'Conv9'"),
        (["RUN", "--workers", "0"], "--workers must be at least 1"),
        (["RUN", "--pixels", "4"], "unknown option '--pixels'"),
    ],
)
def test_bad_input_is_refused_before_any_work(run, arguments, told, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(control_run, "finished", lambda *a: pytest.fail("work was started"))
    given = [str(run) if a == "RUN" else a for a in arguments]
    assert sweep_main([*given, "--out", str(tmp_path / "out")]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_contents_are_what_they_say():
    stimuli = load_stimuli("demo")
    check_content(("native", "upsampled", "blur-12.5", "bands"))
    found = shown(stimuli, 32, 16, ("native", "blur-8", "bands"))
    bands = [x for name, x in found.items() if name.startswith("only-")]
    # float32 sums of 4 filtered images
    torch.testing.assert_close(sum(bands), found["native"], rtol=0, atol=1e-4)
    notch, only = found["notch-8-16"], found["only-8-16"]
    torch.testing.assert_close(notch + only, found["native"], rtol=0, atol=1e-5)
    assert found["blur-8"].var() < found["native"].var()


def test_the_reference_that_fc1_must_beat_stands_in_the_table():
    names = set(reference_table(load_stimuli("demo"), (32,))["rule"])
    assert {"reference:luminance", "reference:pixels-4x4-projected"} <= names


def known_scores(shift: float, rng: np.random.Generator, n: int = 400) -> Scores:
    look = {"px": 32, "content": "native", "normalisation": "running", "readout": "units",
            "layer": "FC1"}  # fmt: skip
    row = {**look, "roi": "V1", "convention": "subject_mean", "rho": shift}
    stimuli, subjects = rng.normal(0, 0.01, (2, n))
    # In the order of DRAWN: stimuli, subjects, both.
    samples = shift + np.stack([stimuli, subjects, stimuli + subjects])[:, None, None]
    return Scores(pd.DataFrame([row]), pd.DataFrame([look]), samples, pd.DataFrame())


BRAIN = BrainRDMs(
    np.random.default_rng(0).random((4, 1, 45), np.float32),
    tuple("abcd"),
    ("V1",),
    tuple("ABCDEFGHIJ"),
)


def three_states(of_seed: dict[int, tuple[float, float, float]]) -> dict[State, Scores]:
    """Initialised, statistics-only and trained networks; noise is shared within a seed."""
    return {
        State("bp", seed, weights, epoch, Path("x")): known_scores(value, np.random.default_rng(7))
        for seed, values in of_seed.items()
        for (weights, epoch), value in zip(
            (("initialised", 0), ("statistics-only", 5), ("trained", 5)), values, strict=True
        )
    }


def test_parts_and_their_intervals_are_those_of_the_seeds():
    """Parts are exact means. Noise of stimuli and subjects that the networks share cancels; the
    seeds' own does not: standard error of the learning parts -.05, .05, 0, .04 over sqrt(4),
    Student's t with 3 degrees of freedom (400 draws: 4 %)."""
    parts = (-0.05, 0.05, 0.0, 0.04)
    found = three_states({s: (0.2, 0.1, 0.1 + part) for s, part in enumerate(parts)})
    (row,) = decomposition_table(found, BRAIN).to_dict("records")
    assert row["normalisation_part"] == pytest.approx(-0.1)
    assert row["learning_part"] == pytest.approx(0.01)
    assert row["change"] == pytest.approx(-0.09)
    for bound in ("lower", "upper"):
        assert row[f"normalisation_part_{bound}"] == pytest.approx(-0.1, abs=1e-6)
    half = stats.t.ppf(0.975, 3) * np.std(parts, ddof=0) / 2
    assert row["learning_part_upper"] - 0.01 == pytest.approx(half, rel=0.15)
    assert 0.01 - row["learning_part_lower"] == pytest.approx(half, rel=0.15)
    assert row["learning_part_seeds_up"] == 2


def test_new_subjects_and_new_stimuli_are_in_the_interval_of_a_score():
    """Both were .01: t (3 subjects' degrees of freedom) times .0141, and .0115 for one alone."""
    found = three_states(dict.fromkeys(range(6), (0.2, 0.1, 0.1)))
    (row,) = decomposition_table(found, BRAIN).to_dict("records")
    half = (row["trained_upper"] - row["trained_lower"]) / 2
    # Stimuli n = 10 and subjects n = 4 with their small-sample factors, held below the plain sum.
    assert half == pytest.approx(stats.t.ppf(0.975, 3) * 0.01 * np.sqrt(2), rel=0.1)


def test_what_there_is_one_of_is_held_fixed():
    (row,) = decomposition_table(three_states({1: (0.2, 0.1, 0.15)}), BRAIN).to_dict("records")
    assert row["learning_part_lower"] == pytest.approx(0.05, abs=1e-6)
    assert row["trained_upper"] > 0.15


def test_a_sign_counts_only_where_the_interval_leaves_out_zero():
    rows = pd.DataFrame(
        {"px": [32, 64, 96], "change_lower": [0.01, -0.02, -0.01],
         "change_upper": [0.03, -0.01, 0.01]}
    )  # fmt: skip
    assert sign_sentence("bp", rows, "px", "size") == (
        "bp: whether trained lies above initialised depends on the size: above it at 32; below it "
        "at 64; not told apart from it at 96."
    )
    assert sign_sentence("bp", rows[:1], "px", "size").endswith("above initialised at every size.")


def test_the_figure_of_spatial_frequencies_draws_bands_from_coarse_to_fine():
    """Bands alone and all but them at the largest size; without bands there is no such figure."""
    contents = ("native", "only-16-32", "only-8-16", "only-dc", "notch-16-32", "notch-8-16",
                "notch-dc")  # fmt: skip
    rows = pd.DataFrame(
        [{"rule": "bp", "seed": 1, "weights": w, "epoch": e, "px": 32, "content": c,
          "normalisation": "running", "readout": "units", "layer": "FC1", "roi": "V1",
          "convention": "subject_mean", "rho": i / 100 + e, "noise_lower": 0.1, "noise_upper": 0.2}
         for w, e in (("initialised", 0), ("trained", 5)) for i, c in enumerate(contents)]
    )  # fmt: skip
    luminance = rows[:1].assign(rule="reference:luminance")
    result = Result({"scores": pd.concat([rows, luminance])}, "FC1", 32, False)
    figure = figure_bands.spatial_frequencies(result)
    assert figure is not None
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["dc", "8-16", "16-32"]
    lines = {line.get_gid(): line.get_ydata() for line in axes.lines}
    np.testing.assert_allclose(lines["bp:initialised:only-"], [0.03, 0.02, 0.01])
    np.testing.assert_allclose(lines["bp:trained:notch-"], [5.06, 5.05, 5.04])
    bare = result.tables["scores"][result.tables["scores"]["content"] == "native"]
    assert figure_bands.spatial_frequencies(Result({"scores": bare}, "FC1", 32, False)) is None


def test_partial_alignments_are_those_of_each_subject():
    """Their mean stands in the rows of subject_mean; the rows of mean_rdm have none. By hand:
    Pearson of what a linear fit on the control's ranks leaves of both sides' ranks."""
    brain, draws = load_stimuli("demo").brain, np.random.default_rng(0)
    names = ("luminance", "pixels", "gabor")
    model, *rest = (compute_rdm(draws.normal(size=(brain.n_stimuli, 6))) for _ in range(4))
    labels = {"px": 32, "content": "native", "layer": "FC1"}
    table = _table([(labels, model)], brain, dict(zip(names, rest, strict=True)))
    rows = table.set_index(["roi", "convention"])["rho_given_luminance"]
    control = stats.rankdata(rest[0].dissimilarities)

    def left(values: np.ndarray) -> np.ndarray:
        ranks = stats.rankdata(values)
        return ranks - np.polyval(np.polyfit(control, ranks, 1), control)

    for roi in brain.rois:
        own = [
            np.corrcoef(left(model.dissimilarities), left(rdm))[0, 1] for rdm in brain.of_roi(roi)
        ]
        assert rows[roi, "subject_mean"] == pytest.approx(np.mean(own), abs=1e-10)
        assert np.isnan(rows[roi, "mean_rdm"])
