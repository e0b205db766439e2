"""STDP against golden values of Brian2 2.9 (``make_brian2_golden.py`` made them, float64).

Tolerance 1e-9 (the changes are of size .01 to 1): both sides are float64 with exact exponentials;
at most 200 spikes a train, so that only the order of some thousand additions differs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurosim.spiking import weight_change
from neurosim.spiking.timing import AbstractTiming, AllPairs, NearestPair, Triplet
from neurosim.spiking.weight_dependence import Guetig, HardBounds, Multiplicative, VanRossum

GOLDEN = json.loads(Path(__file__).with_name("brian2_golden.json").read_text(encoding="utf-8"))
SCHEMES = {
    "symmetric": "symmetric",
    "presynaptic": "presynaptic-centred",
    "reduced": "reduced",
}
DEPENDENCES = {
    "additive": HardBounds(),
    "multiplicative": Multiplicative(),
    "van-rossum": VanRossum(),
    "guetig": Guetig(mu=0.3),
}


def timing(case: dict[str, Any]) -> AbstractTiming:
    """The timing object that a golden case is about."""
    options = {**case["parameters"], "coincidence": case["coincidence"]}
    if case["rule"] == "triplet":
        return Triplet(**options, interaction=case["variant"])
    if case["rule"] == "weight-dependent":
        return AllPairs(**options, dependence=DEPENDENCES[case["variant"]])
    if case["variant"] == "all":
        return AllPairs(**options)
    return NearestPair(**options, scheme=SCHEMES[case["variant"]])


def name(case: dict[str, Any]) -> str:
    return f"{case['rule']}, {case['variant']}, coincidence {case['coincidence']}"


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=name)
def test_brian2_gives_the_same_change(case):
    """Sparse, bursting, tied and lopsided trains, each under every coincidence policy."""
    dt_ms, w = GOLDEN["dt_ms"], GOLDEN["w"]
    found = {
        train: weight_change(
            timing(case), np.multiply(t["pre"], dt_ms), np.multiply(t["post"], dt_ms),
            dt_ms=dt_ms, w=w,
        )
        for train, t in GOLDEN["trains"].items()
    }  # fmt: skip
    assert found == pytest.approx(case["change"], abs=1e-9)


def test_golden_trains_hold_ties_and_bursts_and_the_policies_differ():
    """The comparison can fail: ties are there, and what they do depends on the policy."""
    tied = GOLDEN["trains"]["ties"]
    assert len(set(tied["pre"]) & set(tied["post"])) >= 10
    assert min(np.diff(GOLDEN["trains"]["bursts"]["pre"])) == 1
    for rule, variant in {(c["rule"], c["variant"]) for c in GOLDEN["cases"]}:
        changes = [
            c["change"]["ties"]
            for c in GOLDEN["cases"]
            if (c["rule"], c["variant"]) == (rule, variant)
        ]
        assert len(set(np.round(changes, 6))) == 3, f"{rule} {variant}"
