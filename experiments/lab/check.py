"""Every registered timing held against what it must be: one line each, with the largest error.

Four comparisons: with the closed-form window on single pairs, with sums over all pairs and triplets
on random trains, with golden values of Brian2, and with the fit that Pfister & Gerstner 2006
published for the four visual-cortex triplet sets.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.experiments.lab.protocols import START, chi2, window_table
from neurosim.experiments.results.words import number
from neurosim.naming.made import made
from neurosim.spiking import (
    TIMINGS,
    WEIGHT_DEPENDENCES,
    AbstractTiming,
    AllPairs,
    Guetig,
    HardBounds,
    Multiplicative,
    NearestPair,
    Rewarded,
    Triplet,
    VanRossum,
    direct_change,
    weight_change,
)

#: float64 on both sides: only the order of some hundred additions differs.
EXACT = 1e-10
#: As golden values of another simulator are commonly asked to agree.
GOLDEN = 1e-6
LAGS_MS = (-80.0, -20.0, -10.0, -0.1, 0.0, 0.1, 10.0, 20.0, 80.0)
DTS_MS = (0.1, 1.0, 5.0)
#: Mean squared error in units of standard errors on the data of Sjostrom et al. 2001, to the digits
#: that the published parameters allow.
PUBLISHED_CHI2 = {
    ("all", "full"): 0.342,
    ("all", "minimal"): 0.356,
    ("nearest", "full"): 0.232,
    ("nearest", "minimal"): 0.348,
}
GOLDEN_FILE = Path(__file__).resolve().parents[2] / "tests" / "frozen" / "brian2_golden.json"


@dataclass(frozen=True)
class Finding:
    """One comparison. error: the largest found; a NaN fails."""

    name: str
    against: str
    error: float
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether the error is within tolerance."""
        return self.error <= self.tolerance

    def __str__(self) -> str:
        mark = "ok    " if self.ok else "FAILED"
        return (
            f"{mark} {self.name:<34} {self.against:<34} largest error {self.error:.1e}"
            f"  (allowed {self.tolerance:.0e})"
        )


def checked_timings() -> dict[str, AbstractTiming]:
    """Every registered timing, and all pairs under every registered weight dependence."""
    found = {name: make() for name, make in TIMINGS.items()}
    for name, dependence in WEIGHT_DEPENDENCES.items():
        found[f"all-pairs, {name}"] = AllPairs(dependence=dependence())
    return found


def check(n_trains: int, seed: int, variants: Sequence[str] | None = None) -> Iterator[Finding]:
    """Run every comparison; the cheap ones of a timing first.

    variants: names of ``TIMINGS``: those alone, all pairs with their weight dependences, and what
        Brian2 and the published fits say about timings of their kinds. None for everything.
    """
    chosen = None if variants is None else {name: made(TIMINGS, name) for name in variants}
    checked = checked_timings()
    checked.update({name: each for name, each in (chosen or {}).items() if name not in checked})
    for name, timing in checked.items():
        if chosen is not None and not {name, name.split(", ")[0]} & set(chosen):
            continue
        if hasattr(timing, "window"):
            table = window_table({name: timing}, LAGS_MS)
            error = float((table["change"] - table["closed_form"]).abs().max(skipna=False))
            yield Finding(name, "closed-form window", error, EXACT)
        yield against_direct_sums(name, timing, n_trains, seed)
    kinds = None if chosen is None else {type(timing) for timing in chosen.values()}
    yield from against_brian2(kinds)
    if kinds is not None and Triplet not in kinds:
        return
    for (interaction, terms), published in PUBLISHED_CHI2.items():
        found = chi2(Triplet.visual_cortex(interaction, terms))
        name = f"triplet visual cortex, {interaction}, {terms}"
        # The published value has three digits.
        yield Finding(name, f"chi2/10 = {number(found)}, expected {published}",
                      abs(found - published), 5e-4)  # fmt: skip


def against_direct_sums(name: str, timing: AbstractTiming, n_trains: int, seed: int) -> Finding:
    """Random trains of all lengths and densities, so that ties and bursts are common."""
    rng = np.random.default_rng([seed, *name.encode()])
    worst = 0.0
    for index in range(n_trains):
        dt_ms = DTS_MS[index % len(DTS_MS)]
        span = int(rng.integers(40, 400))
        trains = [
            np.sort(rng.choice(span, rng.integers(1, 31), replace=False)) * dt_ms for _ in range(2)
        ]
        found = weight_change(timing, *trains, dt_ms=dt_ms, w=START)
        expected = direct_change(timing, *trains, dt_ms=dt_ms, w=START)
        error = abs(found - expected)
        worst = error if math.isnan(error) or error > worst else worst
    return Finding(name, f"direct sums, {n_trains} random trains", worst, EXACT)


def against_brian2(kinds: Collection[type] | None = None) -> Iterator[Finding]:
    """One finding for each rule and variant of the golden file, over its trains and policies.

    kinds: classes of timings; None for all.
    """
    golden = json.loads(GOLDEN_FILE.read_text(encoding="utf-8"))
    worst: dict[str, float] = {}
    for case in golden["cases"]:
        if kinds is not None and type(golden_timing(case)) not in kinds:
            continue
        name = f"{case['rule']}, {case['variant']}"
        for train, found in golden_changes(golden, case).items():
            error = abs(found - case["change"][train])
            worst[name] = max(worst.get(name, 0.0), error)
    for name, error in worst.items():
        yield Finding(name, "Brian2, all coincidence policies", error, GOLDEN)


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
