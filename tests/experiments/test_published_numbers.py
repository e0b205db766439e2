"""The command that holds the published profile against its numbers."""

import pandas as pd
import pytest

from neurosim.experiments.published import numbers
from neurosim.experiments.published.numbers import LAYERS, PUBLISHED, compared
from neurosim.experiments.published_numbers import main

SMALL = ["--training", "demo", "--n-train", "128", "--rules", "pc"]


def test_an_interrupted_training_ends_the_same(tmp_path, monkeypatch, capsys):
    """Stopped after its first epoch and resumed, against one in a piece: the same to the bit."""
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    options = [*SMALL, "--epochs", "2"]
    assert main([*options, "--out", str(whole)]) == 0

    write = numbers.write_tree

    def stop_after(path, tree):
        write(path, tree)
        raise KeyboardInterrupt

    monkeypatch.setattr(numbers, "write_tree", stop_after)
    assert main([*options, "--out", str(parted)]) == 130
    monkeypatch.setattr(numbers, "write_tree", write)
    assert main([*options, "--out", str(parted)]) == 0
    tables = [pd.read_csv(folder / "published_numbers.csv") for folder in (whole, parted)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    capsys.readouterr()
    assert main([*SMALL, "--epochs", "3", "--out", str(whole)]) == 2
    assert (
        "other settings (checkpoints: [0, 2] there, [0, 3] asked; epochs: 2"
        in capsys.readouterr().err
    )


def test_an_unknown_switch_lists_the_known_ones(capsys, tmp_path):
    assert main([*SMALL, "--without", "leak", "--out", str(tmp_path)]) == 2
    assert "unknown switch 'leak'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rule", "moved", "accuracy", "agrees"),
    [
        ("bp", (29.0, 104.0, 119.0), 0.80, [True, False, True, True]),
        ("pc", (2.1, 7.2, 0.0), 0.50, [True, True, True, False]),
        ("pc", (2.1, 7.2, 0.06), 0.60, [True, True, False, True]),
        ("stdp", (0.09, 0.11, 0.0), 0.63, [True, False, True, True]),
        ("fa", (1.0, 1.0, 1.0), 0.37, [None, None, None, True]),
    ],
)
def test_agreement_is_15_percent_or_the_bound(rule, moved, accuracy, agrees):
    log = {name: [value] for name, value in zip(LAYERS, moved, strict=True)}
    table = compared({rule: {**log, "accuracy": [accuracy]}})
    assert list(table["agrees"]) == agrees


def test_every_rule_has_published_numbers():
    assert set(PUBLISHED) == {"bp", "fa", "pc", "stdp"}
