"""Hints and shown values: only what is near is named, and nothing large is shown whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurosim.experiments.settings.config import Comparison, Execution
from neurosim.experiments.settings.options import names
from neurosim.models.catalogue import RULES
from neurosim.naming.choices import Choices, nearest, shown
from neurosim.spiking.cells.registry import CELLS
from neurosim.spiking.encoders.registry import ENCODERS
from neurosim.spiking.timing.rules import TIMINGS

REGISTRIES = [RULES, ENCODERS, CELLS, TIMINGS]
OPTIONS = [f"--{name.replace('_', '-')}" for name in names(Comparison, Execution)] + ["--plan"]


@pytest.mark.parametrize(
    ("given_name", "known", "meant"),
    [
        ("--lr", OPTIONS, None),
        ("--channels", OPTIONS, None),
        ("--depth", OPTIONS, None),
        ("--epocs", OPTIONS, "--epochs"),
        ("--n_train", OPTIONS, "--n-train"),
        ("tau_plus", ["a_plus", "a_minus", "tau_plus_ms", "tau_minus_ms"], "tau_plus_ms"),
        ("a_pluss", ["a_plus", "tau_plus_ms"], "a_plus"),
        ("resting", ["rest", "peak", "reset"], "rest"),
        ("", ["rest"], None),
    ],
)
def test_a_hint_is_given_only_where_a_name_is_near(given_name, known, meant):
    assert nearest(given_name, known) == meant


@given(st.data())
def test_one_slip_in_a_registered_name_is_recognised(data):
    """A letter left out of a name of five or more: at least 4 of 5 letters agree (ratio 8 / 9)."""
    entries = data.draw(st.sampled_from(REGISTRIES))
    name = data.draw(st.sampled_from([name for name in entries if len(name) >= 5]))
    place = data.draw(st.integers(1, len(name) - 1))
    slip = name[:place] + name[place + 1 :]
    if slip not in entries:
        with pytest.raises(ValueError, match="did you mean"):
            _ = entries[slip]


@pytest.mark.parametrize(
    "value",
    [
        np.zeros((40, 32, 32, 3)),
        torch.zeros(7, 3000),
        np.zeros((5, 5)).tolist() * 50,
        "x" * 100_000,
        list(range(10_000)),
        {i: i for i in range(10_000)},
    ],
)
def test_a_large_value_never_enters_a_message(value):
    """Three hundred letters hold a sentence; a picture has ten thousand."""
    assert len(shown(value)) < 300
    with pytest.raises(ValueError, match=r"unknown thing .{1,300}: the known ones are a$"):
        _ = Choices("thing", {"a": 1})[value]


@pytest.mark.parametrize("value", [3, "abc", (1, 2), None, [1.5], np.float64(2.0)])
def test_a_small_value_is_shown_as_it_is(value):
    assert shown(value) == repr(value)
