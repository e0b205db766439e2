"""``experiments/unsupervised_digits.py`` at a scale that ends in seconds."""

from __future__ import annotations

import errno
import os
import sys
import tempfile

import pandas as pd
import pytest
import torch

from neurosim.arrays.storage import read_tree
from neurosim.experiments import unsupervised_digits
from neurosim.experiments.data import digits
from neurosim.experiments.data.types import MissingDataError
from neurosim.experiments.lab import digits as lab
from neurosim.experiments.lab.digits_settings import Settings


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One pass over 600 digits, 200 held out: folder and what was printed."""
    out = tmp_path_factory.mktemp("digits")
    settings = Settings(
        # As many spikes as by default, in half the ticks.
        seeds=(0,), epochs=1, n_train=600, duration_ms=50.0, max_rate_hz=256.0, out=out, workers=1
    )  # fmt: skip
    real = digits.load

    def fewer(*args) -> digits.Digits:
        data = real(*args)
        return digits.Digits(data.x_train, data.y_train, data.x_test[:200], data.y_test[:200])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digits, "load", fewer)
        return out, lab.run(settings)


def test_one_pass_without_labels_beats_the_untrained_network(run):
    """On held-out digits, by the class of each cell; the numbers of a seed are always the same,
    so the margin is no matter of luck."""
    out, text = run
    table = pd.read_csv(out / "results.csv").set_index(["network", "read_by"])["accuracy"]
    trained, untrained = (table[name, "class of cell"] for name in ("trained", "untrained"))
    assert trained > untrained + 0.05
    assert "chance is 10" in text


def test_receptive_fields_and_weights_are_there(run):
    out, _ = run
    assert (out / "receptive_fields.png").stat().st_size > 20_000
    stored = read_tree(out / "weights.h5")["seed0"]
    assert stored["weight"].shape == (100, 784)
    # 78.4 for every cell (Diehl & Cook 2015), to float32 rounding.
    assert stored["weight"].sum(1) == pytest.approx(78.4, rel=1e-4)
    assert set(stored["class_of_cell"]) <= set(range(-1, 10))


def test_the_split_of_a_seed_holds_every_digit_once():
    data = digits.load(8, 1400, seed=4)
    assert data.x_train.shape == (1400, 8, 8)
    assert data.x_test.shape == (397, 8, 8)
    both = torch.cat([data.x_train, data.x_test])
    again = digits.load(8, 300, seed=4)
    assert torch.equal(both[:300], again.x_train)
    assert 0 <= both.min() < both.max() == 1
    counts = torch.bincount(torch.cat([data.y_train, data.y_test]))
    assert counts.sum() == 1797
    assert counts.min() > 170


def test_the_results_of_other_settings_are_not_written_over(run, capsys):
    out, _ = run
    before = (out / "results.csv").read_bytes()
    assert unsupervised_digits.main(["--seeds", "0", "--n-cells", "5", "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert "holds a run with other settings" in error
    assert "n_cells: 100 there, 5 asked" in error
    assert (out / "results.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--n-train", "1797"], "n_train"),
        (["--n-train", "0"], "n_train"),
        (["--image-px", "4"], "image_px=4"),
        (["--image-px", "-1"], "image_px=-1"),
        (["--image-px", "1000000000"], "give 8 to 128"),
        (["--n-cells", "1" + 20 * "0"], "--n-cells on the command line"),
        (["--duration-ms", "inf"], "finite"),
        (["--epochs", "0"], "epochs"),
        (["--seeds", "1", "1"], "seeds"),
        (["--max-rate-hz", "2000"], "max_rate_hz"),
        (["--duration-ms", "0.3"], "duration_ms"),
        (["--epoch", "1"], "did you mean --epochs"),
    ],
)
def test_bad_options_are_answered_in_one_line(options, words, capsys, tmp_path, monkeypatch):
    """Before the digits are loaded, thus without scikit-learn too."""
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    out = tmp_path / "out"
    assert unsupervised_digits.main([*options, "--out", str(out)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert words in error
    assert not out.exists()


def test_a_folder_that_cannot_be_written_to_is_refused_before_the_training(
    tmp_path, monkeypatch, capsys
):
    """A file in its place, and one that the system refuses: no digit is shown before."""
    monkeypatch.setattr(lab, "evaluate", lambda *_: pytest.fail("work began"))
    monkeypatch.setattr(digits, "load", lambda *_: None)
    small = ["--seeds", "0", "--n-cells", "2", "--out"]
    (tmp_path / "file").write_text("mine")
    assert unsupervised_digits.main([*small, str(tmp_path / "file")]) == 2
    assert "is a file, not a folder" in capsys.readouterr().err

    def refused(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "mkstemp", refused)
    assert unsupervised_digits.main([*small, str(tmp_path / "out")]) == 2
    assert "asked.json cannot be used (Read-only file system)" in capsys.readouterr().err


def test_without_scikit_learn_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingDataError, match=r"\[digits\]"):
        digits.load(8, 1000, seed=0)
