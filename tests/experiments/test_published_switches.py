"""The table of switches: which cells it needs, and its two ends."""

import pandas as pd
import pytest

from neurosim.experiments.published.switches import trained_without, variants
from neurosim.experiments.published_switches import main
from neurosim.experiments.settings.config import SWITCH_NAMES


def test_every_switch_has_a_line_between_the_two_ends():
    lines = [variant.name for variant in variants(["bp", "stdp"])]
    assert lines == ["published", *(f"without {name}" for name in SWITCH_NAMES), "reference"]


def test_a_rule_is_trained_again_only_for_the_switches_that_act_on_it():
    assert trained_without("bp", SWITCH_NAMES) == ("black_padding", "own_init")
    assert trained_without("fa", ("pc_channel_means", "best_layer_per_epoch")) == ()


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> pd.DataFrame:
    out = tmp_path_factory.mktemp("switches")
    options = ["--preset", "demo", "--rules", "untrained", "bp", "--n-train", "32", "--epochs", "1"]
    assert main([*options, "--out", str(out)]) == 0
    assert len(list((out / "cells").glob("*.h5"))) == 8
    return pd.read_csv(out / "switches.csv")


def test_the_readings_of_one_network_differ_where_their_switch_says(table):
    """bp: FC1 alone can be no higher than the best layer; the learning part is not the change."""
    bp = table[table["rule"] == "bp"].set_index(["roi", "variant"])
    for roi in table["roi"].unique():
        published, one_layer = (
            bp.loc[roi, name] for name in ("published", "without best_layer_per_epoch")
        )
        assert one_layer["final_layer"] == "FC1"
        assert one_layer["final"] <= published["final"]
        other_zero = bp.loc[roi, "without identity_bn_epoch0"]
        assert other_zero["final"] == published["final"]
        assert other_zero["start"] != published["start"]
        assert published["shift"] == 0
