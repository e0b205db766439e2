"""The scores of a network, and what stands beside them: bounds, chance, references."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from neurosim.rsa import (
    BrainRDMs,
    bootstrap_crossed,
    choose_layer,
    partial_correlation,
    permute_labels,
)
from neurosim.rsa.inference.crossed import CrossedBootstrap

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Bounds:
    """Of one region: lower and upper noise bound, and p of the lower one under relabelling."""

    lower: float
    upper: float
    p: float
    n_subjects: int


@dataclass(frozen=True)
class Chosen:
    """Of one region: the best layer, its score, chance of the best, and the held-out choice.

    p: of the best of all layers against the best of all with the stimuli relabelled.
    chance: the 95th percentile of that null. held_out: score of the layer chosen on one half of
        the stimuli on the other. often: share of the halves on which the best layer was chosen.
    """

    layer: str
    score: float
    p: float
    chance: float
    held_out: float
    often: float


@dataclass(frozen=True)
class Against:
    """Of one region and layer: low-level references and what they leave.

    scores: reference -> its own score; given: reference -> partial correlation of the layer;
    given_all: with all references taken out of both sides.
    """

    scores: Mapping[str, float]
    given: Mapping[str, float]
    given_all: float


def mean_scores(brain: BrainRDMs, rdms: Array) -> Array:
    """(n_models, n_rois) Spearman with each subject's RDM, mean over subjects; NaN without one."""
    by_subject = brain.subject_scores(rdms)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all NaN: a constant layer
        return np.asarray(np.nanmean(by_subject, axis=1))


def bounds(brain: BrainRDMs, roi: str, rng: np.random.Generator, n: int = 500) -> Bounds:
    """The noise bounds of a region, and whether the lower one is above chance.

    p: each subject's RDM relabelled against the mean of the others' ranks, mean over subjects.
    """
    rows = brain.of_roi(roi)
    rows = rows[~np.isnan(rows).all(axis=1)]
    lower, upper = brain.noise_bounds()[brain.rois.index(roi)]
    if len(rows) < 2:
        return Bounds(np.nan, np.nan, np.nan, len(rows))
    ranks = stats.rankdata(rows, axis=1, nan_policy="omit")
    others = (ranks.sum(axis=0) - ranks) / (len(rows) - 1)
    null = permute_labels(others, rows, n_permutations=n, rng=rng, pair_mask=brain.pair_mask)
    own = np.arange(len(rows))
    observed = float(null.observed[own, own].mean())
    drawn = null.null[:, own, own].mean(axis=1)
    p = float((1 + np.count_nonzero(drawn >= observed)) / (1 + n))
    return Bounds(float(lower), float(upper), p, len(rows))


def choose(
    brain: BrainRDMs, roi: str, rdms: Mapping[str, Array], rng: np.random.Generator, n: int
) -> Chosen | None:
    """The best layer of a region; None where no layer has a score."""
    names = [name for name, rdm in rdms.items() if np.isfinite(rdm).sum() > 1]
    if not names:
        return None
    rows = np.stack([rdms[name] for name in names])
    subjects = brain.of_roi(roi)
    null = permute_labels(rows, subjects, n_permutations=n, rng=rng, pair_mask=brain.pair_mask)
    has = ~np.isnan(subjects).all(axis=1)
    observed = null.observed[:, has].mean(axis=1)
    if np.isnan(observed).all():
        return None
    best = int(np.nanargmax(observed))
    drawn = np.nanmax(null.null[:, :, has].mean(axis=2), axis=1)
    p = float((1 + np.count_nonzero(drawn >= observed[best])) / (1 + len(drawn)))
    choice = choose_layer(rows, subjects, n_splits=20, rng=rng, pair_mask=brain.pair_mask)
    return Chosen(
        names[best], float(observed[best]), p, float(np.quantile(drawn, 0.95)), choice.score,
        float(choice.chosen[best]),
    )  # fmt: skip


def against(brain: BrainRDMs, roi: str, rdm: Array, references: Mapping[str, Array]) -> Against:
    """A layer beside low-level references, and given each and all of them."""
    rows = brain.of_roi(roi)
    rows = rows[~np.isnan(rows).all(axis=1)]
    known = {n: r for n, r in references.items() if np.isfinite(r).all() and r.std() > 0}

    def left(controls: list[Array]) -> float:
        mask = brain.pair_mask
        return float(partial_correlation(rdm, rows, np.stack(controls), pair_mask=mask).mean())

    own = mean_scores(brain, np.stack(list(known.values())))[:, brain.rois.index(roi)]
    return Against(
        dict(zip(known, own.tolist(), strict=True)),
        {name: left([row]) for name, row in known.items()},
        left(list(known.values())),
    )


def crossed(
    brain: BrainRDMs,
    roi: str,
    models: Sequence[Sequence[Array]],
    rng: np.random.Generator,
    n_samples: int,
) -> CrossedBootstrap | None:
    """Mean scores of models over seeds and subjects, with their spread over stimuli as well.

    Args:
        models: for each the RDMs of its seeds; a network without seeds is given once and counts
            for each seed. None where a model has no RDM, or there is one subject.
    """
    n_seeds = max(map(len, models))
    rows = [np.stack(list(m) * n_seeds if len(m) == 1 else m) for m in models]
    subjects = brain.of_roi(roi)
    subjects = subjects[~np.isnan(subjects).all(axis=1)]
    if len(subjects) < 2 or any(np.isnan(r).all(axis=1).any() for r in rows):
        return None
    over = ("stimuli", "seeds", "subjects") if n_seeds > 1 else ("stimuli", "subjects")
    return bootstrap_crossed(
        rows, subjects, over=over, n_samples=n_samples, rng=rng, pair_mask=brain.pair_mask
    )


def above_twins(score: float, twins: Sequence[float]) -> tuple[float, float]:
    """Calibrated score z and one-sided p of one more draw from the twins' distribution.

    z = (score - mean) / sd; p of t = z / sqrt(1 + 1/n) with n - 1 degrees of freedom (a prediction
    interval). NaN of fewer than three twins, or of twins that do not differ.
    """
    n, spread = len(twins), float(np.std(twins, ddof=1)) if len(twins) > 1 else 0.0
    if n < 3 or not spread > 0:
        return np.nan, np.nan
    z = (score - float(np.mean(twins))) / spread
    return z, float(stats.t.sf(z / np.sqrt(1 + 1 / n), n - 1))
