"""Files of activations that are none: refused by name; and how much memory a folder takes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import planted
import pytest
from planted import honest

from neurosim.experiments.audit.activations import audit_activations, write_activations


@pytest.fixture(scope="module")
def shown():
    return planted.stimuli()


ERRORS = {
    "a text for a flag": ({"statistics_only": "False"}, "statistics_only has to be True or False"),
    "a part of an epoch": ({"epoch": 0.5}, "epoch has to be a whole number from 0 on; got 0.5"),
    "a negative seed": ({"seed": -1}, "seed has to be a whole number from 0 on; got -1"),
    "two seeds": ({"seed": np.array([0, 1])}, "seed has to be one value"),
    "not a number": ({"epoch": np.nan}, "epoch has to be a whole number"),
    "a reference": ({"rule": "reference:pixels"}, "rule has to be a text"),
    "a number for a rule": ({"rule": 3}, "rule has to be a text, such as 'bp'; got 3"),
    "passes of no epoch": (
        {"statistics_only": True, "epoch": 0}, "statistics_only is of passes at learning rate 0"
    ),
    "half a pixel": ({"px": 32.5}, "px has to be a whole number"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_a_label_that_is_not_one_is_refused_by_both_doors(name, tmp_path):
    """Written or read, the law is one; the file is named where it is read."""
    labels, message = ERRORS[name]
    labels = {"rule": "net", "seed": 1, "epoch": 3} | labels
    with pytest.raises(ValueError, match=message):
        write_activations(tmp_path / "x.npz", {"a": np.ones((3, 2))}, **labels)
    np.savez(tmp_path / "x.npz", **labels, **{"activations/a": np.ones((3, 2))})
    with pytest.raises(ValueError, match=f"x.npz: {message}"):
        audit_activations(tmp_path, "demo", None)


FILE_ERRORS = {
    "transposed": (
        lambda given, shown: given.update(
            activations={k: a.T for k, a in given["activations"].items()}, alone=None
        ),
        r"layer 'a' has 48 stimuli, the brain data of 'demo' 60.*transposed",
    ),
    "not finite": (
        lambda given, shown: given["activations"]["b"].__setitem__((3, 4), np.nan),
        r"1 of 2880 values of activations/b are not finite",
    ),
    "other stimuli": (
        lambda given, shown: given.update(stimuli=["face", *shown.brain.stimuli[1:]]),
        r"its 60 stimuli are not the 60 of the brain data.*face",
    ),
    "a stimulus twice": (
        lambda given, shown: given.update(stimuli=[*shown.brain.stimuli, shown.brain.stimuli[0]]),
        r"its 61 stimuli are not the 60 of the brain data, each once",
    ),
    "other units alone": (
        lambda given, shown: given["alone"].update(c=np.ones((4, 7))),
        r"alone/c must hold the first stimuli of activations/c again",
    ),
    "weights of another shape": (
        lambda given, shown: given["weights"].update(c=np.ones((4, 7))),
        r"weights/c has the shape \(4, 7\), at epoch 0 \(net-1-start.npz\)",
    ),
}


@pytest.mark.parametrize("name", FILE_ERRORS)
def test_a_file_that_does_not_fit_is_refused_by_name(name, shown, tmp_path):
    spoil, message = FILE_ERRORS[name]
    files = honest(shown, (1,))
    spoil(files["net-1-end"], shown)
    planted.write(tmp_path, files)
    with pytest.raises(ValueError, match=f"(?s)net-1-end.npz: .*{message}"):
        audit_activations(tmp_path, "demo", None)


def test_the_same_file_twice_is_refused_with_both_names(shown, tmp_path):
    files = honest(shown, (1,))
    planted.write(tmp_path, files | {"net-1-again": files["net-1-end"]})
    with pytest.raises(ValueError, match=r"net-1-again.npz and .*net-1-end.npz say that they are"):
        audit_activations(tmp_path, "demo", None)


def test_one_value_in_an_array_is_that_value(shown, tmp_path):
    files = honest(shown, (1,))
    for given in files.values():
        given["seed"] = np.array([given["seed"]])
    planted.write(tmp_path, files)
    assert audit_activations(tmp_path, "demo", None).findings


def test_memory_does_not_grow_with_the_number_of_files(shown, tmp_path):
    """Ten files of one layer of 4 MB peak where four do: what is kept of each is its sketch."""
    peaks = []
    for n in (4, 10):
        folder = tmp_path / str(n)
        folder.mkdir()
        for seed in range(n):
            layer = np.random.default_rng(seed).normal(size=(60, 17_000)).astype(np.float32)
            write_activations(folder / f"{seed}.npz", {"c": layer}, rule="net", seed=seed, epoch=0)
        tracemalloc.start()
        audit_activations(folder, "demo", None)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 2e6
