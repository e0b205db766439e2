"""What of a score is learning: the states of a network compared, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from neurosim.experiments.model_audit import scores
from neurosim.experiments.model_audit.evidence import Evidence
from neurosim.models.interop.module_states import GIVEN, RANDOM
from neurosim.rsa.inference.crossed import CrossedBootstrap


@dataclass(frozen=True)
class Part:
    """A difference of scores; its 95 % interval over stimuli, seeds and subjects (NaN: none, since
    there is one subject). size is NaN where a state was not given or has no score."""

    size: float
    low: float
    high: float

    @property
    def differs(self) -> bool:
        return self.low > 0 or self.high < 0

    @property
    def is_known(self) -> bool:
        return bool(np.isfinite(self.size))

    @property
    def has_interval(self) -> bool:
        return bool(np.isfinite(self.low))

    @property
    def sign(self) -> int:
        return int(np.sign(self.size)) if self.is_known else 0


@dataclass(frozen=True)
class Change:
    """Of one region: the best layer of every state, and what they differ by.

    best: (weights, statistics) -> (layer, score, mean over seeds).
    whole: given as given - random as initialised, as everybody compares.
    matched: given - random weights, both with the statistics of the same images.
    initial: given - random weights, both with statistics as initialised.
    The change is ``whole`` = normalisation + learning. With statistics first, learning is
    ``matched``; with weights first it is ``initial``; normalisation is what is left. ``learning``
    and ``normalisation`` are Shapley's means over the two orders.
    """

    roi: str
    best: Mapping[tuple[str, str], tuple[str, float]]
    whole: Part
    matched: Part
    initial: Part
    normalisation_first: Part
    normalisation_last: Part
    learning: Part
    normalisation: Part
    n_seeds: int
    n_subjects: int


def change(found: Evidence, roi: str, rng: np.random.Generator) -> Change | None:
    """The change of a region; None where the given network or the random one has no score."""
    kinds = {"own": (GIVEN, found.own), "fresh": (RANDOM, found.fresh),
             "matched": (GIVEN, found.matched), "random": (RANDOM, found.matched),
             "early": (GIVEN, found.fresh)}  # fmt: skip
    best = {kind: found.best(roi, *kind) for kind in kinds.values()}
    if not best[kinds["own"]][0] or not best[kinds["fresh"]][0]:
        return None
    unlike = [kind for kind in dict.fromkeys(kinds.values()) if best[kind][0]]
    rdms = [found.of(*kind, best[kind][0]) for kind in unlike]
    boot = scores.crossed(found.given.brain, roi, rdms, rng, found.n_samples)
    observed = np.array([best[kind][1] for kind in unlike])

    def part(**weights: float) -> Part:
        w = np.zeros(len(unlike))
        for name, weight in weights.items():
            if kinds[name] not in unlike:
                return Part(np.nan, np.nan, np.nan)
            w[unlike.index(kinds[name])] += weight
        size = float(observed @ w)
        if boot is None:
            return Part(size, np.nan, np.nan)
        low, high = CrossedBootstrap(
            np.asarray(boot.observed @ w), {s: x @ w for s, x in boot.samples.items()}, boot.sizes
        ).interval()
        return Part(size, float(low), float(high))

    return Change(
        roi,
        best,
        whole=part(own=1, fresh=-1),
        matched=part(matched=1, random=-1),
        initial=part(early=1, fresh=-1),
        normalisation_first=part(own=1, fresh=-1, matched=-1, random=1),
        normalisation_last=part(own=1, early=-1),
        learning=part(matched=0.5, random=-0.5, early=0.5, fresh=-0.5),
        normalisation=part(own=1, fresh=-0.5, matched=-0.5, random=0.5, early=-0.5),
        n_seeds=len(found.seeds),
        n_subjects=found.bounds[roi].n_subjects,
    )
