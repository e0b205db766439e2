"""The audit of features that other tools wrote: what it says is what it says of the model, and it
does not know what only the model could tell."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from planted_models import HONEST, N, brain_of, pictures, shown, trained
from torch import nn

import neurosim
from neurosim.experiments.cli import main
from neurosim.experiments.data.registry import load_stimuli
from neurosim.rsa import BrainRDMs

LAYERS = ("conv1", "act2")
NAMES = tuple(f"picture {i:02}" for i in range(N))
QUICK: dict[str, Any] = {"n_permutations": 99, "n_samples": 100}
OF_THE_MODEL = ("mode", "state", "determinism", "batch", "size", "readout")


@torch.no_grad()
def features(model: nn.Module, images: np.ndarray) -> dict[str, np.ndarray]:
    seen: dict[str, np.ndarray] = {}
    handles = [
        model.get_submodule(name).register_forward_hook(
            lambda _, args, out, name=name: seen.__setitem__(name, out.numpy())
        )
        for name in LAYERS
    ]
    model(shown(images))
    for handle in handles:
        handle.remove()
    return seen


def group_normed() -> nn.Module:
    return trained(HONEST["group norm"])


def fresh(seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return HONEST["group norm"]().eval()


def brain() -> BrainRDMs:
    rows = brain_of(group_normed(), pictures())["V"]
    return BrainRDMs(rows[:, None].astype(np.float32), tuple("abcdef"), ("V",), NAMES)


def thingsvision(folder: Path, seen: dict[str, np.ndarray], order: np.ndarray) -> Path:
    for layer, rows in seen.items():
        (folder / layer).mkdir(parents=True)
        np.save(folder / layer / "features.npy", rows[order])
    names = [f"{NAMES[i]}.jpg\n" for i in order]
    (folder / "file_names.txt").write_text("".join(names), encoding="utf-8")
    return folder


def net2brain(folder: Path, seen: dict[str, np.ndarray], order: np.ndarray) -> Path:
    folder.mkdir()
    for i in order:
        rows = {layer: x[i : i + 1] for layer, x in seen.items()}
        np.savez_compressed(folder / f"{NAMES[i]}.jpg.npz", **rows)
    return folder


SHUFFLED = np.random.default_rng(4).permutation(N)


@pytest.fixture(scope="module")
def of_model():
    return neurosim.audit(
        group_normed(), pictures(), brain(), layers=LAYERS, seeds=4, random=fresh, **QUICK
    )


@pytest.mark.parametrize("write", [thingsvision, net2brain])
def test_features_say_what_the_model_says(write, of_model, tmp_path):
    """Stored in another order and named: the same scores, chance, references, twins, learning."""
    given = write(tmp_path / "given", features(group_normed(), pictures()), SHUFFLED)
    random = [
        write(tmp_path / f"random-{i}", features(fresh(i), pictures()), SHUFFLED) for i in range(4)
    ]
    found = neurosim.audit(
        given, pictures(), brain(), random=random, keeps_statistics=False, layers=LAYERS, **QUICK
    )
    verdicts = {f.id: f.verdict for f in found.findings}
    assert {verdicts[name] for name in OF_THE_MODEL} == {"unknown"}
    for name in ("chance", "low-level", "twins", "learning", "noise", "copies", "layer-choice"):
        assert found[name].verdict == of_model[name].verdict
        # Random twins and resamples are the same, activity differs by rounding of the batches.
        if name in ("chance", "low-level"):
            ours, theirs = found[name].values[0], of_model[name].values[0]
            assert ours["layer"] == theirs["layer"]
            assert ours["rho"] == pytest.approx(theirs["rho"], abs=1e-4)
    ours, theirs = (a["learning"].values[0] for a in (found, of_model))
    part = "as_everybody_compares"
    assert ours[part] == pytest.approx(theirs[part], abs=1e-4)
    assert "matched by name" in found["stimuli"].answer.splitlines()[1]


def test_rows_in_another_order_are_told_though_the_images_are_right():
    seen = features(group_normed(), pictures())
    turned = {layer: rows[::-1] for layer, rows in seen.items()}
    found = neurosim.audit(turned, pictures(), brain(), **QUICK)
    assert found["stimuli"].verdict == "fail"
    assert "the features fit the pictures better reversed" in found["stimuli"].answer
    shuffled = {layer: rows[SHUFFLED] for layer, rows in seen.items()}
    found = neurosim.audit(shuffled, pictures(), brain(), **QUICK)
    assert found["stimuli"].verdict == "warning"
    assert "file_names.txt" in found["stimuli"].answer


def test_what_was_not_given_is_not_known_and_says_how_to_tell():
    seen = features(group_normed(), pictures())
    alone = neurosim.audit(seen, pictures(), brain(), **QUICK)
    for name in ("twins", "learning", "normalisation"):
        assert alone[name].verdict == "unknown"
        assert "random" in alone[name].answer
    random = [features(fresh(i), pictures()) for i in range(3)]
    beside = neurosim.audit(seen, pictures(), brain(), random=random, **QUICK)
    assert beside["learning"].verdict == "unknown"
    assert "of_stimuli, random_of_stimuli" in beside["learning"].answer
    calibrated = {"of_stimuli": seen, "random_of_stimuli": random}
    both = neurosim.audit(seen, pictures(), brain(), random=random, **calibrated, **QUICK)
    assert "with the statistics of the stimuli on both sides" in both["learning"].answer
    values = both["learning"].values[0]
    assert values["same_statistics"] == values["as_everybody_compares"]
    assert "computed by other code" in both.methods()


ERRORS: dict[str, tuple[dict[str, Any], str]] = {
    "another architecture": (
        {"random": [{layer: np.ones((N, 3)) for layer in LAYERS}]},
        "random weights (seed 0), statistics as initialised: layer 'conv1' has 3 features",
    ),
    "a layer that is missing": ({"layers": ["fc"]}, "no features of 'fc'; of conv1, act2"),
    "other seeds": (
        {"random_of_stimuli": [{}]},
        "there are 0 random networks as initialised and 1 with the statistics of the stimuli",
    ),
    "statistics of none": (
        {"of_stimuli": {}, "keeps_statistics": False}, "a network that keeps no statistics has no",
    ),
    "too few rows": (
        {"model": {"a": np.ones((5, 4))}}, "'a' has 5 rows, and there are 24 images",
    ),
    "one row": ({"model": {"a": np.ones(24)}}, "features are numbers, one row per stimulus"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_features_that_do_not_fit_are_told_in_a_sentence(name):
    wrong, message = ERRORS[name]
    given = {"model": features(group_normed(), pictures()), "images": pictures(), "brain": brain()}
    with pytest.raises(ValueError, match=re.escape(message)):
        neurosim.audit(**(given | wrong))


def test_a_model_takes_no_features_of_its_states():
    with pytest.raises(ValueError, match="a model is shown the images in every state itself"):
        neurosim.audit(group_normed(), pictures(), brain(), keeps_statistics=False)
    with pytest.raises(ValueError, match=r"random is a function from a seed"):
        neurosim.audit(group_normed(), pictures(), brain(), random=[fresh(0)])


def test_random_networks_of_another_architecture_are_refused():
    with pytest.raises(ValueError, match=r"seed 0 is of another architecture: 'norm1\.weight'"):
        neurosim.audit(
            group_normed(), pictures(), brain(), random=lambda seed: HONEST["plain convolutions"]()
        )


def test_the_command_audits_a_folder_of_features(tmp_path, capsys):
    demo = load_stimuli("demo", progress=False)
    pixels = np.stack([np.asarray(image) for image in demo.images])
    small = nn.functional.interpolate(shown(pixels), (8, 8), mode="area").numpy()
    (tmp_path / "net" / "conv1").mkdir(parents=True)
    np.save(tmp_path / "net" / "conv1" / "features.npy", small)
    out = tmp_path / "out"
    status = main(
        ["audit", str(tmp_path / "net"), "--images", "demo", "--out", str(out), "--strict"]
    )
    told = capsys.readouterr().out
    assert "neurosim audit of net:" in told
    record = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    assert record["about"]["features_given"] is True
    assert (out / "audit.html").is_file()
    assert status == int(any(f["verdict"] in ("warning", "fail") for f in record["findings"]))
