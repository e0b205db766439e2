"""The summary of a control command: means over seeds that agree with its tables, and a page."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurosim.experiments.control_summary import main

LOOK = ["px", "content", "normalisation", "readout", "layer", "roi"]
STATE = ["rule", "weights", "epoch", *LOOK]
WEIGHTS = (("initialised", 0), ("statistics-only", 5), ("trained", 5))
PX, POLICIES, LAYERS = (32, 160), ("running", "calibrated"), (("gap", "Conv1"), ("units", "FC1"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Tables as normalisation_cross.py writes them, of two seeds, with numbers drawn at random."""
    out = tmp_path_factory.mktemp("controls") / "normalisation_cross"
    out.mkdir()
    rng = np.random.default_rng(0)
    looks = [
        dict(zip(LOOK, (px, "native", policy, *layer, "V1"), strict=True))
        for px in PX for policy in POLICIES for layer in LAYERS
    ]  # fmt: skip
    states = [
        {"rule": "bp", "seed": seed, "weights": w, "epoch": e}
        for seed in (1, 2)
        for w, e in WEIGHTS
    ]
    beside = {"noise_lower": 0.2, "noise_upper": 0.3, "trained": "trained"}
    scores = pd.DataFrame(
        [{**s, **k, "convention": c, "rho": rng.normal(0, 0.1), "rho_given_all": 0.05, **beside}
         for s in states for k in looks for c in ("subject_mean", "mean_rdm")]
    )  # fmt: skip
    reference = {"rule": "reference:luminance", "px": 32, "content": "native", "layer": "luminance",
                 "roi": "V1", "convention": "subject_mean", "rho": 0.0321}  # fmt: skip
    scores = pd.concat([scores, pd.DataFrame([reference])], ignore_index=True)
    scores.to_csv(out / "scores.csv", index=False)
    parts = pd.DataFrame([{"rule": "bp", **k, "n_seeds": 2} for k in looks])
    names = ("initialised", "statistics_only", "trained", "normalisation_part", "learning_part",
             "change")  # fmt: skip
    for i, name in enumerate(names):
        for suffix, shift in (("", 0.0), ("_lower", -0.1), ("_upper", 0.1)):
            parts[name + suffix] = 0.01 * i + shift
        parts[f"{name}_seeds_up"] = 1
    # One part that is certain, so that the sign depends on the policy.
    parts.loc[parts["normalisation"] == "running", "learning_part_upper"] = -0.01
    parts.to_csv(out / "decomposition.csv", index=False)
    choice = [
        {**s, **{k: look[k] for k in ("px", "content", "normalisation", "roi")},
         "fixed_layer": "FC1", "fixed_rho": 0.1, "best_rho": 0.2, "held_out_rho": 0.15,
         "best_layer": "Conv1" if s["seed"] == 1 else "FC1"}
        for s in states for look in looks if look["layer"] == "FC1"
    ]  # fmt: skip
    pd.DataFrame(choice).to_csv(out / "layer_choice.csv", index=False)
    asked = {
        "command": "normalisation_cross", "simulated": True,
        "run": {"n_train": 4000, "training": "cifar10", "epochs": 5, "seeds": [1, 2],
                "stimuli": "demo", "training_px": 32, "norm": "batch", "labels": "true",
                "profile": "reference"},
        "grid": {"n_calibration": 256, "n_resamples": 500, "n_splits": 10},
    }  # fmt: skip
    (out / "asked.json").write_text(json.dumps(asked))
    return out


def summary(folder: Path, out: Path, *arguments: str) -> pd.DataFrame:
    assert main([str(folder), "--out", str(out), *arguments]) == 0
    return pd.read_csv(out / "normalisation_cross_scores.csv", keep_default_na=False,
                       na_values=[""])  # fmt: skip


def test_means_are_those_of_the_scores_to_the_last_digit_kept(folder, tmp_path):
    """Averaged here by hand, over the rows of one convention; 4 digits are kept."""
    found = summary(folder, tmp_path)
    plain = pd.read_csv(folder / "scores.csv")
    plain = plain[(plain["convention"] == "subject_mean") & (plain["rule"] == "bp")]
    models = found[found["rule"] == "bp"]
    assert len(models) == 3 * len(PX) * len(POLICIES) * len(LAYERS)
    for row in models.to_dict("records"):
        same = np.logical_and.reduce([plain[name] == row[name] for name in STATE])
        values = plain.loc[same, "rho"].to_numpy()
        assert len(values) == row["n_seeds"] == 2
        assert row["rho"] == pytest.approx((values[0] + values[1]) / 2, abs=5.1e-5)
        assert row["sd"] == pytest.approx(abs(values[0] - values[1]) / np.sqrt(2), abs=5.1e-5)
    (reference,) = found[found["rule"] == "reference:luminance"].to_dict("records")
    assert reference["rho"] == 0.0321


@pytest.mark.parametrize(
    ("n_train", "told"),
    [
        (4000, ["Run: 4,000 images of cifar10", "256 calibration images"]),
        (128, ["Run: 128 images of cifar10", "128 calibration images"]),
        (None, ["Run: all images of cifar10", "256 calibration images"]),
    ],
)
def test_the_page_says_how_many_images_there_were(folder, tmp_path, n_train, told):
    """All of a training set have no number; calibration has no more than the training."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    asked = json.loads((copy / "asked.json").read_text())
    asked["run"]["n_train"] = n_train
    (copy / "asked.json").write_text(json.dumps(asked))
    summary(copy, tmp_path / "out")
    page = (tmp_path / "out" / "normalisation_cross.md").read_text()
    assert all(words in page for words in told)


def test_each_state_has_the_interval_of_its_level(folder, tmp_path):
    found = summary(folder, tmp_path)
    for weights, level in (("initialised", 0.0), ("statistics-only", 0.01), ("trained", 0.02)):
        rows = found[(found["weights"] == weights) & (found["rule"] == "bp")]
        assert rows["rho_lower"].tolist() == pytest.approx([level - 0.1] * len(rows))
        assert rows["rho_upper"].tolist() == pytest.approx([level + 0.1] * len(rows))


def test_the_page_says_what_was_asked_and_where_a_sign_depends_on_the_policy(folder, tmp_path):
    summary(folder, tmp_path)
    text = (tmp_path / "normalisation_cross.md").read_text("utf-8")
    assert "4,000 images of cifar10, 5 epochs, seeds 1, 2" in text
    assert "SIMULATED" in text
    assert "FC1, 160 px" in text
    assert "BP: whether trained lies above statistics-only depends on the policy: below it under "\
           "running; not told apart from it under calibrated." in text  # fmt: skip
    # Every row of a table has as many fields as its head.
    widths = {}
    for line in text.splitlines():
        if line.startswith("|---"):
            widths["now"] = line.count("|")
        elif line.startswith("| ") and "now" in widths:
            assert line.count("|") == widths["now"], line
        elif not line.startswith("|"):
            widths.pop("now", None)
    assert "FC1 0.100 | Conv1 (not in all seeds) 0.200 | 0.150" in text


def test_without_resamples_and_splits_the_scores_are_summarised_alone(folder, tmp_path):
    bare = tmp_path / "normalisation_cross"
    bare.mkdir()
    (bare / "scores.csv").write_bytes((folder / "scores.csv").read_bytes())
    found = summary(bare, tmp_path / "out")
    assert found["rho_lower"].isna().all()
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "normalisation_cross.md", "normalisation_cross_scores.csv",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["NOWHERE"], "NOWHERE holds no scores.csv"),
        (["FOLDER", "FOLDER"], "two folders are of the same command"),
        (["FOLDER", "--layer", "Conv9"], "no scores of layer Conv9: there are those of Conv1, FC1"),
        (["FOLDER", "--px", "64"], "no scores of px 64: there are those of 32, 160"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(folder, arguments, told, capsys, tmp_path):
    given = [str(folder) if a == "FOLDER" else a for a in arguments]
    assert main([*given, "--out", str(tmp_path / "out")]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_table_that_is_not_of_a_control_command_is_named(folder, tmp_path, capsys):
    (tmp_path / "scores.csv").write_text("a,b\n1,2\n")
    assert main([str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "has no column rule, weights" in capsys.readouterr().err
