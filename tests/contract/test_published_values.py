"""Defaults that stand for what a paper or its code fixes, and our own that results rest on.

One that drifts breaks no law and changes results: these change on purpose, with a line in the
CHANGELOG, or not at all.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from neurosim.models.published.first_spikes import FirstSpikePairs
from neurosim.models.spiking.competitive import Competition
from neurosim.models.spiking.probe import PENALTIES
from neurosim.models.spiking.stdp import FilterNorm
from neurosim.rsa import (
    PoissonKL,
    bootstrap_stimuli,
    choose_layer,
    permute_labels,
    reweighted_rsa,
    split_half_reliability,
)
from neurosim.spiking import Clopath, SpikeVoltage

#: (What has the defaults, where they come from, the defaults).
VALUES: list[tuple[Callable[..., Any], str, dict[str, float]]] = [
    (
        Competition,
        "Diehl & Cook 2015, 10.3389/fncom.2015.00099: rest -65 mV, threshold -52, reversal of "
        "inhibition -100; their code",
        {
            "threshold_mv": -52 + 65, "inhibition_mv": 17, "floor_mv": -100 + 65,
            "rise_mv": 0.05, "tau_rise_ms": 1e7, "refractory_ms": 5, "duration_ms": 350,
        },
    ),
    (
        Clopath,
        "Clopath et al. 2010, 10.1038/nn.2479, visual cortex; the delay: NEST",
        {
            "a_ltd": 14e-5, "a_ltp": 8e-5, "theta_minus": -70.6, "theta_plus": -45.3,
            "tau_x_ms": 15, "tau_minus_ms": 10, "tau_plus_ms": 7, "delay_ms": 5,
        },
    ),
    (
        SpikeVoltage,
        "Clopath et al. 2010: 281 pF, 30 nS, 400 pA over 40 ms",
        {
            "rest": -70.6, "peak": 33, "width_ms": 2, "reset": -60, "after": 400 / 30,
            "tau_membrane_ms": 281 / 30, "tau_after_ms": 40,
        },
    ),
    (
        FirstSpikePairs,
        "Leutenegger 2026, arXiv 2605.30556",
        {"n_ticks": 10, "limit": 0.002},
    ),
    (
        PoissonKL,
        "Schuett et al. 2023, 10.7554/eLife.82566",
        {"prior_rate": 1, "prior_weight": 0.1},
    ),
    (FilterNorm, "ours", {"bound_factor": 2.5}),
    (reweighted_rsa, "ours", {"n_folds": 5, "ridge": 0}),
    (choose_layer, "ours", {"n_splits": 50}),
    (split_half_reliability, "ours", {"n_splits": 100}),
    (bootstrap_stimuli, "ours", {"n_samples": 1000}),
    (permute_labels, "ours", {"n_permutations": 10_000}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("made", "source", "values"), VALUES, ids=lambda v: getattr(v, "__name__", "")
)
def test_defaults_are_those_of_their_source(made, source, values):
    parameters = inspect.signature(made).parameters
    assert {name: parameters[name].default for name in values} == values, source


def test_penalties_of_the_probe_span_eight_decades():
    assert PENALTIES == (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4)
