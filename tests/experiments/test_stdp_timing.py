"""``experiments/stdp_timing.py``: what it draws, what it checks, what it refuses."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurosim.arrays.streams import generator
from neurosim.experiments import stdp_timing
from neurosim.experiments.figures import style as figure_style
from neurosim.experiments.lab import check as stdp_check
from neurosim.experiments.lab import protocols as stdp_protocols
from neurosim.experiments.lab.protocols import (
    SJOSTROM,
    Ensemble,
    PoissonRun,
    best_pair_rule,
    chi2,
    measured_drift,
    pairing_change,
    settle_weights,
)
from neurosim.experiments.lab.timing_settings import FIGURE_NAMES
from neurosim.spiking import (
    AllPairs,
    Multiplicative,
    NearestPair,
    PoissonNeuron,
    Triplet,
    poisson_drift,
    stationary_density,
)


def test_check_passes_for_every_registered_variant(capsys):
    """One line a comparison, every variant among them, exit status 0."""
    assert stdp_timing.main(["--check", "--n-trains", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].endswith("0 failed")
    for name in stdp_check.checked_timings():
        assert any(line.startswith(f"ok     {name} ") and "direct sums" in line for line in lines)
    for fit in ("0.342", "0.356", "0.232", "0.348"):
        assert any(f"chi2/10 = {fit}" in line for line in lines)


@pytest.mark.parametrize("error", [1e-9, float("nan")])
def test_check_fails_on_a_wrong_kernel(monkeypatch, capsys, error):
    """An error of 1e-9, or none that is a number, fails by name with exit status 1."""
    real = stdp_check.weight_change

    def wrong(timing, *args, **options):
        found = real(timing, *args, **options)
        return found + error if isinstance(timing, NearestPair) else found

    monkeypatch.setattr(stdp_check, "weight_change", wrong)
    assert stdp_timing.main(["--check", "--n-trains", "1"]) == 1
    out = capsys.readouterr().out
    assert "FAILED nearest-pair " in out
    assert out.splitlines()[-1].endswith("nearest-pair; nearest-pair-centred; nearest-pair-reduced")


def test_a_run_leaves_figures_and_tables(tmp_path, capsys, monkeypatch):
    """Every figure with its table beside it; a weight-dependent variant is left out of the rates
    with a word. Two ensembles and coarse pictures: half of the time went into PDF and SVG, which
    ``test_figures`` holds."""

    def as_png(figure, folder, name):
        figure.savefig(folder / f"{name}.png", dpi=60)

    monkeypatch.setattr(figure_style, "save", as_png)
    few = dict(list(stdp_protocols.ENSEMBLES.items())[:2])
    monkeypatch.setattr(stdp_protocols, "ENSEMBLES", few)
    options = ["--variants", "all-pairs", "first-spike", "--time-share", "0.01"]
    assert stdp_timing.main([*options, "--out", str(tmp_path)]) == 0
    assert "first-spike is left out" in capsys.readouterr().err
    # Its ensembles are its own, whatever the variants.
    alone = ["--figures", "weights", "--time-share", "0.01", "--out", str(tmp_path)]
    assert stdp_timing.main(alone) == 0
    for name in FIGURE_NAMES:
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    frequency = pd.read_csv(tmp_path / "frequency.csv")
    assert set(frequency) == {"timing", "lag_ms", "rho_hz", "change", "chi2_per_point"}
    assert {"all-pairs", "first-spike", "all-pairs, best amplitudes"} < set(frequency["timing"])
    rates = pd.read_csv(tmp_path / "rates.csv")
    assert rates["timing"].unique().tolist() == ["all-pairs"]
    assert np.isfinite(rates[["drift", "standard_error", "expected"]]).all(axis=None)
    weights = pd.read_csv(tmp_path / "weights.csv")
    assert weights["weight"].between(0, 1).all()
    assert (weights.groupby("ensemble").size() == 1000).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--variants", "tripplet"], "did you mean 'triplet'"),
        (["--variants", "all", "triplet"], "all stands alone"),
        (["--figures", "windows"], "did you mean 'window'"),
        (["--time-share", "0"], "--time-share"),
        (["--time-share", "1e-9"], "--time-share must lie between 0.01 and 100"),
        (["--n-trains", "0"], "--n-trains"),
        (["--variant", "all"], "did you mean --variants"),
        (["--variants", "first-spike", "--figures", "rates"], "known for none of the variants"),
    ],
)
def test_bad_options_are_answered_in_one_line(options, words, capsys, tmp_path):
    assert stdp_timing.main([*options, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert words in error
    assert not (tmp_path / "out").exists()


def test_out_is_no_file(tmp_path, capsys):
    """One sentence before any work, and the file stays."""
    out = tmp_path / "afile"
    out.write_text("mine")
    for given in (out, out / "below"):
        assert stdp_timing.main(["--out", str(given)]) == 2
        assert f"{out} is a file, not a folder" in capsys.readouterr().err
    assert out.read_text() == "mine"


def test_check_keeps_to_the_variants_it_is_given(capsys):
    """Their lines alone, without the fits of another kind."""
    assert stdp_timing.main(["--check", "--variants", "nearest-pair", "--n-trains", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = {line[7:41].strip() for line in lines[:-1]}
    assert "nearest-pair" in names
    assert not any(word in line for line in lines for word in ("chi2", "all-pairs", "triplet"))
    assert stdp_timing.main(["--check", "--variants", "nearest", "--n-trains", "1"]) == 2


def test_help_is_quick():
    """Within 1.5 s: nothing heavy is imported for it."""
    started = time.monotonic()
    code = "from neurosim.experiments.stdp_timing import main; main(['--help'])"
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert time.monotonic() - started < 1.5 or _busy()


def _busy() -> bool:
    """Whether the machine is too loaded for a bound on wall time to mean anything."""
    import os

    return os.getloadavg()[0] > (os.cpu_count() or 1)


def test_pair_rules_miss_the_data_whatever_their_amplitudes_and_triplets_meet_it():
    """The argument of Pfister & Gerstner 2006 for triplets, and that the fit is a minimum."""
    for kind in (AllPairs, NearestPair):
        best = best_pair_rule(kind)
        assert chi2(best) > 10 * chi2(Triplet.visual_cortex("all", "full"))
        for change in ({"a_plus": best.a_plus + 1e-3}, {"a_minus": best.a_minus - 1e-3}):
            assert chi2(replace(best, **change)) > chi2(best)
    assert len(SJOSTROM) == 10


def test_a_single_pairing_rate_gives_sixty_windows():
    """At .1 Hz pairs do not meet: 60 times the window, to rounding."""
    timing = AllPairs()
    expected = 60 * float(timing.window(10.0))
    assert pairing_change(timing, 10.0, 0.1) == pytest.approx(expected, rel=1e-12)


def test_measured_drift_is_the_law():
    """Within 4 standard errors plus the 2 % that ticks of .5 ms cost."""
    timing = Triplet.visual_cortex("all", "full")
    run = PoissonRun(seconds=5.0, n=30)
    drift, error = measured_drift(timing, 20.0, 30.0, run, generator(1, "test"))
    expected = poisson_drift(timing, 20.0, 30.0).total
    assert 0 < error < 0.3 * abs(expected)
    assert abs(drift - expected) < 4 * error + 0.02 * abs(expected)


def test_weights_settle_where_theory_says():
    """Multiplicative: mean and spread of 1,000 weights after 10 s. The step is large (.04), so the
    expansion is good to about its size: .03 in the mean, 15 % in the spread."""
    ensemble = Ensemble(AllPairs(0.04, 0.042, dependence=Multiplicative()), 10.0)
    neuron = PoissonNeuron()
    weight = settle_weights(ensemble, neuron, seed=0)
    grid = np.linspace(0, 1, 2001)
    density = stationary_density(ensemble.timing, neuron, grid)
    density /= density.sum()
    mean = (grid * density).sum()
    spread = np.sqrt(((grid - mean) ** 2 * density).sum())
    assert weight.shape == (stdp_protocols.N_NEURONS, neuron.n_inputs)
    assert weight.mean() == pytest.approx(mean, abs=0.03)
    assert weight.std() == pytest.approx(spread, rel=0.15)


def test_the_same_seed_gives_the_same_weights():
    ensemble = Ensemble(AllPairs(0.04, 0.042, dependence=Multiplicative()), 2.0)
    runs = [settle_weights(ensemble, PoissonNeuron(), seed) for seed in (5, 5, 6)]
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])
