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

from neurosim.spiking import (
    AbstractTiming,
    AllPairs,
    Guetig,
    HardBounds,
    Multiplicative,
    NearestPair,
    Rewarded,
    Triplet,
    VanRossum,
    weight_change,
)

GOLDEN = json.loads(Path(__file__).with_name("brian2_golden.json").read_text(encoding="utf-8"))


_SCHEMES = {
    "symmetric": "symmetric",
    "presynaptic": "presynaptic-centred",
    "reduced": "reduced",
}
_DEPENDENCES = {
    "additive": HardBounds(),
    "multiplicative": Multiplicative(),
    "van-rossum": VanRossum(),
    "guetig": Guetig(mu=0.3),
}


def golden_timing(case: dict[str, Any]) -> AbstractTiming:
    """The timing that a golden case is about."""
    options = {**case["parameters"], "coincidence": case["coincidence"]}
    if case["rule"] == "rewarded":
        taus = {key: options.pop(key) for key in ("tau_eligibility_ms", "tau_reward_ms")}
        return Rewarded(AllPairs(**options), **taus)
    if case["rule"] == "triplet":
        return Triplet(**options, interaction=case["variant"])
    if case["rule"] == "weight-dependent":
        return AllPairs(**options, dependence=_DEPENDENCES[case["variant"]])
    if case["variant"] == "all":
        return AllPairs(**options)
    return NearestPair(**options, scheme=_SCHEMES[case["variant"]])


def golden_changes(golden: dict[str, Any], case: dict[str, Any]) -> dict[str, float]:
    """What the kernels give on every train of the golden file."""
    timing, dt_ms = golden_timing(case), golden["dt_ms"]
    reward: dict[str, Any] = {}
    if case["rule"] == "rewarded":
        given = golden["reward"]
        reward = {"reward_ms": np.multiply(given["ticks"], dt_ms), "reward": given["sizes"]}
    return {
        name: weight_change(
            timing,
            np.multiply(train["pre"], dt_ms),
            np.multiply(train["post"], dt_ms),
            dt_ms=dt_ms,
            w=golden["w"],
            **reward,
        )
        for name, train in golden["trains"].items()
    }


def name(case: dict[str, Any]) -> str:
    return f"{case['rule']}, {case['variant']}, coincidence {case['coincidence']}"


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=name)
def test_brian2_gives_the_same_change(case):
    """Sparse, bursting, tied and lopsided trains, each under every coincidence policy."""
    found = golden_changes(GOLDEN, case)
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
