"""A user's own rule, encoder, network, images, brain and measures, from a folder outside the
checkout, in one run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import own_lab
import pandas as pd
import pytest

from neurosim.experiments import cli, training_dynamics
from neurosim.experiments.comparison.api import compare
from neurosim.experiments.data.loaded import data_of
from neurosim.experiments.job.batches import normalise
from neurosim.experiments.results.table import read_csv, selection
from neurosim.experiments.run.stored import TRAINED, StoredRun
from neurosim.experiments.settings.config import Comparison
from neurosim.models import variant
from neurosim.models.network.normalisation import BatchNorm
from neurosim.models.network.readouts import grid
from neurosim.naming import own
from neurosim.spiking import AllPairs, Triplet

SMALL = [
    "--training", "demo", "--n-train", "64", "--n-test", "32", "--batch-size", "32", "--seeds", "1",
    "--evaluation-px", "32", "64", "--n-calibration", "64",
]  # fmt: skip
RULES = ["./mine.py:oja", "stdp(encoder=./mine.py:Early(last=3), label=early)", "bp"]
OWN = [
    "--stimuli", "./pictures", "--brain", "it.csv", "--network", "./mine.py:net(width=6)",
    "--norm", "batch(momentum=0.2)", "--dissimilarity", "./mine.py:city_block",
    "--comparator", "./mine.py:agreement", "--readouts", "grid(n=2)", "./mine.py:contrast",
    "--normalisation", "running", "./mine.py:doubled(by=3)",
]  # fmt: skip


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return own_lab.make(tmp_path_factory.mktemp("lab"))


def program(lab, *arguments, **options):
    command = [sys.executable, "-m", "neurosim.experiments.cli", "compare", *SMALL, "--out", "run",
               *arguments]  # fmt: skip
    return subprocess.Popen(command, cwd=lab, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, start_new_session=True, **options)  # fmt: skip


@pytest.fixture(scope="module")
def finished(lab):
    """Run by two workers, killed in the middle, and resumed."""
    arguments = ["--rules", *RULES, *OWN, "--epochs", "2", "--workers", "2"]
    first = program(lab, *arguments)
    until = time.monotonic() + 240
    while time.monotonic() < until and first.poll() is None:
        if list((lab / "run" / "resume").glob("*.h5")):
            break
        time.sleep(0.2)
    assert first.poll() is None, "it was killed in the middle"
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert list((lab / "run").glob("cells/*.h5"))
    second = program(lab, *arguments)
    told, _ = second.communicate(timeout=400)
    assert second.returncode == 0, told
    assert "Empty DataFrame" not in told
    assert "subject_mean agreement" in told
    return lab / "run"


def test_it_runs_by_workers_is_killed_and_resumed(lab, finished):
    record = json.loads((finished / "run.json").read_text())
    early = f"stdp(encoder={lab}/mine.py:Early(last=3), label=early)"
    assert record["rules"] == [f"{lab}/mine.py:oja", early, "bp"]
    assert list(record["sources"]) == [f"{lab}/mine.py"]
    settings, mine = record["settings"], f"{lab}/mine.py"
    assert settings["stimuli"] == f"{lab}/pictures(brain={lab}/it.csv)"
    assert settings["network"] == f"{mine}:net(width=6)"
    assert settings["norm"] == "batch(momentum=0.2)"
    assert settings["readouts"] == ["grid(n=2)", f"{mine}:contrast"]
    assert settings["normalisation"] == ["running", f"{mine}:doubled(by=3)"]
    assert settings["dissimilarity"] == f"{mine}:city_block"
    assert settings["comparator"] == f"{mine}:agreement"
    table = read_csv(finished / "results.csv")
    assert list(table["rule"].unique()[:3]) == record["rules"]
    assert set(table["roi"]) == {"it"}
    assert set(table.loc[table["epoch"].notna(), "layer"]) == {"Maps"}
    assert set(table["readout"].dropna()) == {"grid(n=2)", f"{mine}:contrast"}
    assert set(table["normalisation"].dropna()) == {"running", f"{mine}:doubled(by=3)", "none"}
    moved = table[(table["rule"] == record["rules"][0]) & (table["epoch"] == 2)]
    assert moved[~moved["statistics_only"]].groupby("layer")["displacement"].max().min() > 0
    names = sorted(path.name for path in (finished / "cells").glob("*.h5"))
    assert "bp-seed1.h5" in names
    assert all(name.replace("-seed1.h5", "").replace("-", "").isalnum() for name in names)


def test_the_scores_are_those_of_the_measures_by_hand(lab, finished):
    """The network of the last epoch, shown the pictures here, its patterns compared by the user's
    own functions: 1e-6, as networks are float32."""
    mine = own.located(f"{lab}/mine.py:city_block").__globals__
    run = StoredRun.read(finished)
    state = next(s for s in run.states() if (s.rule, s.weights) == ("bp", TRAINED))
    _, stimuli = data_of("demo", run.settings.stimuli, None)
    activity = state.learner(run.settings).represent(normalise(stimuli.at_px(64)))
    patterns = mine["contrast"](activity["Maps"]).numpy().astype(float)
    distances = mine["city_block"](patterns)[np.triu_indices(len(patterns), 1)]
    expected = mine["agreement"](distances, stimuli.brain.mean_rdm("it"))
    table = read_csv(finished / "results.csv")
    rows = selection(table[table["rule"] == "bp"], px=64, readout=f"{lab}/mine.py:contrast")
    row = rows[(rows["epoch"] == 2) & ~rows["statistics_only"]]
    assert row["rho"].item() == pytest.approx(expected, abs=1e-6)


def test_it_is_reported_and_audited_under_its_labels(lab, finished, monkeypatch):
    monkeypatch.chdir(lab)
    for made, asked in (("report.html", "report"), ("audit.json", "audit")):
        (finished / made).unlink()
        status = cli.main([asked, "run"])
        # Of an audit in which a finding failed it is 1.
        assert status == int('"verdict": "fail"' in (finished / made).read_text())
    page = (finished / "report.html").read_text()
    for told in ("Oja", "Oja (1982)", "early", f"{lab}/mine.py:oja", "city_block", "agreement"):
        assert told in page


def test_a_file_that_changed_is_refused_with_its_name(lab, finished, monkeypatch, capsys):
    monkeypatch.chdir(lab)
    mine = lab / "mine.py"
    before = mine.read_text()
    try:
        mine.write_text(before.replace("1e-6", "2e-6"))
        for asked in (
            [*SMALL, "--rules", *RULES, *OWN, "--epochs", "2", "--workers", "1", "--out", "run"],
            ["--report", "run"],
        ):
            assert training_dynamics.main(asked) == 2
            told = capsys.readouterr().err
            assert f"{mine} (SHA-256" in told
            assert "has changed since this run was begun" in told
        mine.unlink()
        assert training_dynamics.main(["--report", "run"]) == 2
        assert f"{mine} cannot be read" in capsys.readouterr().err
    finally:
        mine.write_text(before)


def test_the_same_from_python(lab, finished, monkeypatch, tmp_path):
    """Functions and objects of a module of one's own; equal to the command line to the bit."""
    monkeypatch.chdir(lab)
    monkeypatch.syspath_prepend(str(lab))
    # Another test may have imported a module of this name.
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    import mine

    run = compare(
        rules=[variant("./mine.py:oja"), variant("stdp", encoder=mine.Early(3), label="early")],
        training="demo", stimuli=lab / "pictures", brain=lab / "it.csv", n_train=64, n_test=32,
        batch_size=32, seeds=[1], epochs=2, checkpoints=[0, 2], evaluation_px=[32, 64],
        network=partial(mine.net, width=6), norm=partial(BatchNorm, momentum=0.2),
        dissimilarity=mine.city_block, comparator=mine.agreement,
        normalisation=["running", partial(mine.doubled, by=3)],
        readouts=[partial(grid, n=2), mine.contrast], n_calibration=64, out=tmp_path / "run",
    )  # fmt: skip
    there = read_csv(finished / "results.csv")
    ours = run.results[run.results["rule"].str.endswith("mine.py:oja")]
    theirs = there[there["rule"].str.endswith("mine.py:oja") & there["epoch"].isin([0, 2])]
    pd.testing.assert_series_equal(
        ours["rho"].reset_index(drop=True), theirs["rho"].reset_index(drop=True), check_exact=True
    )
    assert run.results["rule"].unique()[1].startswith("stdp(encoder=mine:Early(last=3)")


def test_what_cannot_be_found_again_is_refused_before_any_work(tmp_path):
    with pytest.raises(ValueError, match="is defined inside a function"):
        compare(rules=[lambda start: None], out=tmp_path / "run")
    with pytest.raises(ValueError, match="cannot be found again by other processes"):
        compare(training=object(), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def r(start): return 3", "gave 3: the builder of a rule takes a SharedStart"),
        ("def r(start): return 1 / 0", r"cannot be built \(ZeroDivisionError"),
        ("r = 3", "it has to be a class, function or object"),
        ("import nowhere", r"cannot be run \(ModuleNotFoundError"),
        ("", r"has no object 'r'"),
    ],
)
def test_a_rule_that_cannot_be_built_is_refused_before_any_work(
    tmp_path, monkeypatch, body, message
):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(body)
    with pytest.raises(ValueError, match=message):
        compare(rules=["./mine.py:r"], out="run", n_train=32, n_test=32)
    assert not Path("run").exists()


def test_the_norm_of_an_own_rule_has_an_effect(lab):
    """It need not spike, whatever spikes beside it."""
    rules = (f"{lab}/mine.py:oja", "stdp")
    assert Comparison(rules=rules, norm="group").norm == "group"
    with pytest.raises(ValueError, match="norm group would have no effect"):
        Comparison(rules=("stdp",), norm="group")


def test_objects_are_settings_too():
    settings = Comparison(rules=("stdp",), timing=AllPairs(1.0, 1.05, 10.0,
                          coincidence="potentiate"), encoder="poisson(max_rate_hz=50)")  # fmt: skip
    assert settings.timing == "all-pairs(tau_plus_ms=10)"
    assert settings.encoder == "poisson(max_rate_hz=50)"
    rules = Comparison(rules=("bp", variant("stdp", timing=Triplet()))).rules
    assert rules[1].startswith("stdp(timing=triplet(a3_plus=")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rules": ("stdp", "stdp(label=b)")}, "stdp and stdp.label=b. are one rule"),
        ({"rules": ("bp", "stdp(label=BP)")}, "have one label"),
        ({"rules": ("stdp(timing=triplet)",), "timing": "clopath"},
         "timing clopath would have no effect: .* names one of their own"),
        ({"rules": ("bp", "stdp(timing=triplet)"), "profile": "published"}, "take no settings"),
        ({"rules": ("stdp(timing=tripelt)",)}, "did you mean 'triplet'"),
    ],
)  # fmt: skip
def test_settings_that_do_not_go_together(settings, message):
    with pytest.raises(ValueError, match=message):
        Comparison(**settings)
