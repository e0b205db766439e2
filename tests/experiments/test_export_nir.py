"""The command ``export_nir``: the network of a run, or one sentence why not."""

from __future__ import annotations

import dataclasses
import json

import nir
import numpy as np
import pytest

from neurosim.arrays.storage import write_tree
from neurosim.experiments import export_nir
from neurosim.experiments.job.job import build_learner
from neurosim.experiments.job.revisions import revision_of
from neurosim.experiments.settings.config import Comparison
from neurosim.models.spiking.dynamics import SpikingNetwork


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder with one finished stdp cell, its weights those of the start, doubled."""
    path = tmp_path_factory.mktemp("run")
    settings = Comparison(
        rules=("stdp",), seeds=(7,), epochs=1, checkpoints=(0, 1), training_px=16,
        evaluation_px=(16,),
    )  # fmt: skip
    learner = build_learner(settings, "stdp", 7, 10)
    start = {name: tensor.numpy().copy() for name, tensor in learner.tensors().items()}
    trained = {**start, "Conv1.weight": 2 * start["Conv1.weight"]}
    weights = {"epoch_0": start, "epoch_1": trained}
    identity = json.dumps({"revision": revision_of(settings, "stdp")})
    tree = {"finished": True, "epoch": 1, "weights": weights, "identity": identity}
    write_tree(path / "cells" / "stdp-seed7.h5", tree)
    record = {
        "settings": dataclasses.asdict(settings), "rules": ["stdp"], "seeds": [7], "data": {},
    }  # fmt: skip
    (path / "run.json").write_text(json.dumps(record))
    return path, trained


def test_the_trained_weights_are_in_the_file(run, tmp_path, capsys):
    """Each map of Conv1 times one positive number, its threshold's; 1e-6: float32."""
    path, trained = run
    out = tmp_path / "net.nir"
    assert export_nir.main([str(path), "--without-competition", "--out", str(out)]) == 0
    weight = nir.read(str(out)).nodes["Conv1"].weight
    norms = [np.linalg.norm(w.reshape(len(w), -1), axis=1)
             for w in (weight, trained["Conv1.weight"])]  # fmt: skip
    scale = norms[0] / norms[1]
    assert scale.std() > 0
    np.testing.assert_allclose(
        weight, scale[:, None, None, None] * trained["Conv1.weight"], rtol=1e-5, atol=1e-6
    )
    told = capsys.readouterr().out
    assert "epoch 1, 16 px, 12 ticks of 5 ms; competition left out" in told
    assert "dt=0.005" in told


def test_for_snntorch_the_file_has_its_step_and_pooling(run, tmp_path, capsys, monkeypatch):
    """Its importer's step of .1 ms is one tick, and it knows no pooling by sum."""
    monkeypatch.setattr(SpikingNetwork, "calibrate", lambda *_: None)
    out = tmp_path / "net.nir"
    options = ["--without-competition", "--simulator", "snntorch", "--out", str(out)]
    assert export_nir.main([str(run[0]), *options]) == 0
    graph = nir.read(str(out))
    assert graph.metadata["dt_ms"] == 0.1
    assert {type(node).__name__ for node in graph.nodes.values()} == {
        "Input", "Conv2d", "LIF", "AvgPool2d", "Output",
    }  # fmt: skip
    assert "snntorch.import_nir.import_from_nir" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--simulator", "snntorhc"), "did you mean 'snntorch'"),
        ((), "add --without-competition"),
        (("--seed", "8"), "no finished job of a spiking rule of seed 8"),
        (("--rule", "stpd"), "no finished job of a spiking rule stpd in"),
        (("--epoch", "3"), "no checkpoint after epoch 3"),
        (("--without-competition", "--px", "4"), "a larger px"),
    ],
)
def test_what_cannot_be_exported_is_refused(run, options, message, tmp_path, capsys):
    """One sentence, no file."""
    out = tmp_path / "net.nir"
    assert export_nir.main([str(run[0]), "--out", str(out), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not out.exists()


def test_a_folder_without_a_run_is_refused(tmp_path, capsys):
    """And says what it should have been."""
    assert export_nir.main([str(tmp_path), "--out", str(tmp_path / "net.nir")]) == 2
    assert "a comparison wrote" in capsys.readouterr().err
