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

from neurosim.experiments.lab.check import golden_changes

GOLDEN = json.loads(Path(__file__).with_name("brian2_golden.json").read_text(encoding="utf-8"))


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
