"""A comparison on another network than the published one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from neurosim.experiments.comparison.run import run
from neurosim.experiments.job.network import network_of, roles_of
from neurosim.experiments.results.table import read_csv
from neurosim.experiments.settings.config import (
    NETWORK_NAMES,
    Comparison,
    Execution,
    with_defaults,
)

SMALL = {
    "training": "demo", "stimuli": "demo", "n_train": 32, "n_test": 16, "batch_size": 16,
    "epochs": 1, "checkpoints": (0, 1), "evaluation_px": (32,), "n_calibration": 16,
    "normalisation": ("running", "calibrated"), "readouts": ("gap",), "seeds": (1,),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_the_network_of_the_settings_has_the_roles_of_its_builder(name):
    settings = Comparison(network=name)
    net = network_of(settings)
    assert roles_of(settings) == net.roles
    assert {net.roles.headline, *net.roles.scored} <= {layer.name for layer in net.layers}


def test_a_run_from_before_networks_is_of_the_published_one():
    """So that it can be gone on with."""
    kept = Comparison().cell_settings()
    del kept["network"]
    assert with_defaults(kept)["network"] == "conv3"


def test_the_published_profile_is_of_the_published_network():
    with pytest.raises(ValueError, match="profile published is of the published network, not of v"):
        Comparison(network="vgg", profile="published")


def test_a_rule_that_does_not_run_on_the_network_is_refused_before_any_job(tmp_path):
    settings = Comparison(network="resnet", rules=("bp", "stdp"), **SMALL)
    with pytest.raises(ValueError, match=r"stdp on resnet: .*such as conv3"):
        run(settings, Execution(workers=1), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_residual_network_goes_from_training_to_report(tmp_path):
    """Every scored layer stands in the table, and the report speaks of the headline."""
    settings = Comparison(network="resnet", rules=("untrained", "dfa"), **SMALL)
    words = run(settings, Execution(workers=1), tmp_path / "run")
    roles = roles_of(settings)
    table = (tmp_path / "run" / "results.csv").read_text("utf-8")
    assert all(f",{layer}," in table for layer in roles.scored)
    assert roles.headline in words
    assert (tmp_path / "run" / "report.html").is_file()


def test_a_torch_module_of_the_docs_runs_by_every_kind_of_rule(tmp_path, monkeypatch):
    """The example of docs/own.md as its reader has it: a file of their own and one command."""
    text = (Path(__file__).parents[2] / "docs" / "own.md").read_text("utf-8")
    (mine,) = [
        code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "nn." in code
    ]
    (tmp_path / "mine.py").write_text(mine, "utf-8")
    monkeypatch.chdir(tmp_path)
    settings = Comparison(
        network="./mine.py:net(width=4)", rules=("bp", "fa", "pc-supervised", "stdp"), **SMALL
    )
    run(settings, Execution(workers=1), tmp_path / "run")
    table = read_csv(tmp_path / "run" / "results.csv")
    table = table[table["rule"].isin(settings.rules)]
    assert set(table["layer"]) == {"layer0", "layer4"}
    learnt = table[(table["epoch"] == 1) & ~table["statistics_only"] & (table["layer"] == "layer0")]
    by_rule = learnt.groupby("rule")["displacement"].max()
    assert (by_rule[list(settings.rules)] > 0).all()
