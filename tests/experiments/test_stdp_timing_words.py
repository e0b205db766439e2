"""What the STDP laboratory's figures say of themselves, and why training longer is refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import neurosim
from neurosim.experiments import stdp_timing
from neurosim.experiments.lab import figures as stdp_figures
from neurosim.experiments.lab import timing
from neurosim.experiments.lab.protocols import CURVES, ENSEMBLES, PoissonRun
from neurosim.experiments.system.failures import why_not_longer
from neurosim.spiking import HardBounds


def words(figure) -> str:
    texts = [text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text"))]
    return " | ".join(filter(None, texts))


def test_a_panel_is_called_by_its_dependence():
    assert "additive" not in ENSEMBLES
    assert isinstance(ENSEMBLES["hard bounds"].timing.dependence, HardBounds)


def test_weights_refuse_variants_or_are_left_out(tmp_path, monkeypatch, capsys):
    drawn = []
    monkeypatch.setattr(
        timing, "_DRAW", {n: lambda *_, n=n: drawn.append(n) for n in timing.FIGURE_NAMES}
    )
    options = ["--variants", "triplet-full", "--out", str(tmp_path)]
    assert stdp_timing.main([*options, "--figures", "weights", "window"]) == 2
    assert "leave it out of --figures, or give other --variants" in capsys.readouterr().err
    assert stdp_timing.main(options) == 0
    assert drawn == ["window", "frequency", "rates"]
    assert "weights: left out" in capsys.readouterr().err
    drawn.clear()
    # No drift by rates is known of a rule that reads the voltage: said before anything is drawn.
    options = ["--variants", "clopath", "--out", str(tmp_path)]
    assert stdp_timing.main([*options, "--figures", "window", "rates"]) == 2
    assert "the figure rates is of drifts" in capsys.readouterr().err
    assert drawn == []
    assert stdp_timing.main(options) == 0
    assert drawn == ["window", "frequency"]


@pytest.mark.parametrize("seconds", [1.0, 20.0])
def test_figures_say_how_long_was_simulated(seconds):
    rows = [
        {"timing": "a", "curve": curve, "post_hz": hz, "drift": 0.0, "standard_error": 1.0,
         "expected": 0.0}
        for curve in CURVES for hz in (1.0, 2.0)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    figure = stdp_figures.rates(table, PoissonRun(seconds=seconds))
    assert f"{seconds:g} s simulated per point" in words(figure)
    found = pd.DataFrame({"ensemble": "hard bounds", "weight": [0.1, 0.9]})
    theory = found.assign(density=1.0)
    figure = stdp_figures.weights(found, theory, {"hard bounds": seconds})
    assert f"hard bounds, {seconds:g} s" in words(figure)


@pytest.mark.parametrize(("largest", "told"), [(1.0, ""), (7.0, "(beyond the axis, to +7)")])
def test_a_curve_that_the_axis_cuts_says_how_far_it_goes(largest, told):
    table = pd.DataFrame(
        {"timing": "mine", "lag_ms": [10.0, -10.0], "rho_hz": 10.0, "change": [largest, 0.0]}
    )
    figure = stdp_figures.frequency(table, {"mine": 1.0})
    assert ("beyond" in words(figure)) == bool(told)
    assert told in words(figure)


@pytest.mark.parametrize(
    ("there", "asked", "told"),
    [
        ("cosine", "cosine", "cosine learning rate of every epoch depends on how many"),
        ("constant", "constant", "not its optimiser's memory"),
    ],
)
def test_the_refusal_to_train_longer_says_why(there, asked, told):
    one, two = {"epochs": 1, "schedule": there}, {"epochs": 2, "schedule": asked}
    assert told in why_not_longer(one, two)
    assert why_not_longer(one, {**two, "epochs": 1}) == ""


def test_an_installation_keeps_no_compiled_kernels_beside_its_sources(tmp_path):
    """pip would leave them behind, and the folder would hide a checkout that is installed later."""
    source = Path(neurosim.__file__).parent
    shutil.copytree(
        source, tmp_path / "neurosim", ignore=shutil.ignore_patterns("__pycache__", "spiking")
    )
    code = "import neurosim, os; print(neurosim.__file__, os.environ['NUMBA_CACHE_DIR'])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": "/caches"},
    )  # fmt: skip
    file, caches = done.stdout.split()
    assert Path(file).is_relative_to(tmp_path)
    assert caches == "/caches/neurosim/numba"
