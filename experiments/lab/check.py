"""Every registered timing held against what it must be: one line each, with the largest error.

Three comparisons: with the closed-form window on single pairs, with sums over all pairs and
triplets on random trains, and with the fit that Pfister & Gerstner 2006 published for the four
visual-cortex triplet sets. (``tests/frozen/test_stdp_brian2.py`` holds them to Brian2.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from neurosim.experiments.lab.protocols import START, chi2, window_table
from neurosim.experiments.results.words import number
from neurosim.naming.made import made
from neurosim.spiking import (
    TIMINGS,
    WEIGHT_DEPENDENCES,
    AbstractTiming,
    AllPairs,
    Triplet,
    direct_change,
    weight_change,
)

#: float64 on both sides: only the order of some hundred additions differs.
EXACT = 1e-10
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

    variants: names of ``TIMINGS``: those alone, all pairs with their weight dependences, and the
        published fits where a triplet rule is among them. None for everything.
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
    if chosen is not None and not any(type(timing) is Triplet for timing in chosen.values()):
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
