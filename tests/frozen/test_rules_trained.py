"""Every rule of the table learns what it learnt when these numbers were written."""

from __future__ import annotations

import json

import pytest
from rules_trained import CASES, FILE, measured


def test_every_rule_is_frozen():
    assert set(json.loads(FILE.read_text())) == set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_two_batches_change_each_tensor_as_they_did(case):
    """Another processor or torch sums in another order: float32 changes of 1e-6, which Adam's
    first steps blow up where a gradient is near 0 (its step is the sign). 1 % of each change, and
    .1 of the direction's standard deviation; another statistic, mask or order of updates is far
    beyond both."""
    expected, found = json.loads(FILE.read_text())[case], measured(case)
    assert set(found) == set(expected)
    for name, (before, length, along) in expected.items():
        assert found[name][0] == pytest.approx(before, rel=1e-5), name
        assert found[name][1] == pytest.approx(length, rel=0.01, abs=1e-7 * max(before, 1)), name
        if length > 1e-5 * before:
            assert found[name][2] == pytest.approx(along, abs=0.1), name
