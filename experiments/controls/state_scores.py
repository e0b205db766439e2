"""One stored network on a grid of controls: alignment, partial alignment, resamples, layer choice.

Everything is scored against the same stimuli resamples, so that differences between networks,
policies and sizes are paired.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from neurosim.experiments.job.evaluate import Evaluation, KnownStatistics
from neurosim.experiments.job.extraction import PURE
from neurosim.experiments.job.stimulus_content import check_content
from neurosim.models.network.policies import POLICIES
from neurosim.models.network.readouts import READOUTS, UNITS
from neurosim.models.rules.learner import Learner
from neurosim.naming.made import canonical
from neurosim.rsa import (
    RDM,
    BrainRDMs,
    UndefinedPatternWarning,
    alignment_table,
    bootstrap_stimuli,
    choose_layer,
    compute_rdm,
    partial_correlation,
)
from neurosim.rsa.inference.crossed import draw_shares, mean_of_drawn, subsets

#: Controls of the partial alignments, and the columns they go to.
GIVEN: Mapping[str, tuple[str, ...]] = {
    "rho_given_luminance": ("luminance",),
    "rho_given_pixels": ("pixels",),
    "rho_given_gabor": ("gabor",),
    "rho_given_all": ("luminance", "pixels", "gabor"),
}
#: Seed of the resamples and halvings: the same for every network.
_RESAMPLING_SEED = 0
#: What a resample of ``Scores.samples`` draws; training seeds are drawn where networks meet.
DRAWN = tuple(subsets(("stimuli", "subjects")))


@dataclass(frozen=True)
class Grid:
    """The axes of an evaluation after the fact.

    n_resamples: bootstrap resamples of stimuli; n_splits: halvings of the stimuli for the
    held-out choice of a layer; 0 leaves either out.
    """

    px: tuple[int, ...]
    content: tuple[str, ...]
    normalisation: tuple[str, ...]
    readouts: tuple[str, ...]
    n_calibration: int
    n_resamples: int
    n_splits: int

    def __post_init__(self) -> None:
        for name in ("px", "content", "normalisation", "readouts"):
            value = getattr(self, name)
            if not value or len(set(value)) != len(value):
                raise ValueError(f"{name} must name at least one entry, and none twice: {value}")
        for name, registry in (("normalisation", POLICIES), ("readouts", READOUTS)):
            texts = tuple(canonical(registry, each) for each in getattr(self, name))
            object.__setattr__(self, name, texts)
        check_content(self.content)
        if any(px < 8 for px in self.px):
            raise ValueError(f"px must be at least 8 each, got {self.px}")
        if self.n_calibration < 1:
            raise ValueError(f"n_calibration must be at least 1, got {self.n_calibration}")
        if min(self.n_resamples, self.n_splits) < 0:
            raise ValueError("n_resamples and n_splits must not be negative")


@dataclass(frozen=True)
class Scores:
    """What one network scores.

    table: a row for each px, content, normalisation, readout, layer, roi and convention.
    resampled: a row for each px, content, normalisation, readout and layer; samples:
        (len(DRAWN), n_rows, n_rois, n_resamples) of ``subject_mean``, float32.
    choice: best layer, on all and on held-out stimuli, among the maps of the first readout and
        the layers without space.
    """

    table: pd.DataFrame
    resampled: pd.DataFrame
    samples: np.ndarray
    choice: pd.DataFrame


def score(
    learner: Learner,
    evaluation: Evaluation,
    shown: Mapping[int, Mapping[str, Tensor]],
    references: Mapping[int, Mapping[str, RDM]],
    grid: Grid,
) -> Scores:
    """Score a network on the whole grid, changing nothing in it.

    Args:
        evaluation: stimuli, calibration, policies and readouts; its images are not used.
        shown: px -> content -> images; references: px -> low-level reference models.

    Raises:
        ChangedStateError: the network's fingerprint differs afterwards.
    """
    brain, known = evaluation.stimuli.brain, KnownStatistics()
    tables, resampled, samples, choices = [], [], [], []
    with PURE.watch(learner):
        for px, contents in shown.items():
            for content, images in contents.items():
                part = replace(evaluation, images={px: images})
                rows = _rdms(learner, part, known, content)
                tables.append(_table(rows, brain, references[px]))
                if grid.n_resamples:
                    resampled.append(pd.DataFrame([labels for labels, _ in rows]))
                    samples.append(_samples([rdm for _, rdm in rows], brain, grid.n_resamples))
                if grid.n_splits:
                    first = [row for row in rows if row[0]["readout"] in (grid.readouts[0], UNITS)]
                    choices.append(_choices(first, brain, grid.n_splits))
    return Scores(
        pd.concat(tables, ignore_index=True),
        pd.concat(resampled, ignore_index=True) if resampled else pd.DataFrame(),
        np.concatenate(samples, 1)
        if samples
        else np.empty((len(DRAWN), 0, brain.n_rois, 0), np.float32),
        pd.concat(choices, ignore_index=True) if choices else pd.DataFrame(),
    )


Rows = Sequence[tuple[dict[str, Any], RDM]]


def _rdms(learner: Learner, part: Evaluation, known: KnownStatistics, content: str) -> Rows:
    rows = []
    with warnings.catch_warnings():
        # Silent patterns are counted in the table's column n_undefined.
        warnings.simplefilter("ignore", UndefinedPatternWarning)
        for labels, features in part.patterns(learner, known):
            for layer, patterns in features.items():
                named = {"px": labels["px"], "content": content, **labels, "layer": layer}
                rows.append((named, compute_rdm(patterns)))
    return rows


def _table(rows: Rows, brain: BrainRDMs, references: Mapping[str, RDM]) -> pd.DataFrame:
    rdms = [rdm for _, rdm in rows]
    scores = alignment_table({str(i): rdm for i, rdm in enumerate(rdms)}, brain)
    place = scores["layer"].astype(int).to_numpy()
    labels = pd.DataFrame([labels for labels, _ in rows]).iloc[place].reset_index(drop=True)
    table = labels.join(scores.drop(columns=["layer", "subject"]))
    roi = np.array([brain.rois.index(name) for name in table["roi"]])
    by_subject = (table["convention"] == "subject_mean").to_numpy()
    for column, values in partial_alignments(rdms, brain, references).items():
        table[column] = np.where(by_subject, values[place, roi], np.nan)
    return table


def partial_alignments(
    rdms: Sequence[RDM], brain: BrainRDMs, references: Mapping[str, RDM]
) -> dict[str, np.ndarray]:
    """Column of ``GIVEN`` -> (n_rdms, n_rois) partial Spearman, mean over subjects.

    Models with silent patterns lose those pairs alone: they are put on ranks by themselves.
    """
    vectors, groups = _ranked_alike(rdms)
    found = {}
    for column, names in GIVEN.items():
        controls = np.stack([references[name].dissimilarities for name in names])
        values = np.full((len(rdms), brain.n_rois), np.nan)
        for r, roi in enumerate(brain.rois):
            subjects = present_subjects(brain, roi)
            for group in groups:
                partial = partial_correlation(
                    vectors[group], subjects, controls, pair_mask=brain.pair_mask
                )
                values[group, r] = partial.mean(axis=1)
        found[column] = values
    return found


def _ranked_alike(rdms: Sequence[RDM]) -> tuple[np.ndarray, list[np.ndarray]]:
    """(n_rdms, n_pairs), and the rows that can be put on ranks together: those without a missing
    pair, and each of the others by itself."""
    vectors = np.stack([rdm.dissimilarities for rdm in rdms])
    whole = ~np.isnan(vectors).any(axis=1)
    groups = [np.flatnonzero(whole), *np.flatnonzero(~whole)[:, None]]
    return vectors, [group for group in groups if len(group)]


def present_subjects(brain: BrainRDMs, roi: str) -> np.ndarray:
    """(n_present, n_pairs) RDMs of the subjects who have a ROI."""
    rows = brain.of_roi(roi)
    return rows[~np.isnan(rows).all(axis=1)]


def _samples(rdms: Sequence[RDM], brain: BrainRDMs, n_resamples: int) -> np.ndarray:
    """(len(DRAWN), n_rdms, n_rois, n_resamples) float32: mean over subjects in each resample."""
    n, rng = brain.n_stimuli, np.random.default_rng(_RESAMPLING_SEED)
    draws = rng.integers(0, n, (n_resamples, n))
    vectors, groups = _ranked_alike(rdms)
    samples = np.empty((len(DRAWN), len(rdms), brain.n_rois, n_resamples), dtype=np.float32)
    for r, roi in enumerate(brain.rois):
        subjects = present_subjects(brain, roi)
        shares = draw_shares(len(subjects), n_resamples, rng)
        for group in groups:
            found = bootstrap_stimuli(
                vectors[group], subjects, indices=draws, pair_mask=brain.pair_mask
            )
            for d, drawn in enumerate(DRAWN):
                scores = found.samples if "stimuli" in drawn else found.observed[None]
                picked = shares if "subjects" in drawn else None
                samples[d, group, r] = mean_of_drawn(scores, picked, 2).T
    return samples


def _choices(rows: Rows, brain: BrainRDMs, n_splits: int) -> pd.DataFrame:
    """Best layer on all stimuli (as published: optimistic) and chosen on held-out ones."""
    policies = dict.fromkeys(labels["normalisation"] for labels, _ in rows)
    found = []
    for policy in policies:
        chosen = [(labels, rdm) for labels, rdm in rows if labels["normalisation"] == policy]
        layers = [labels["layer"] for labels, _ in chosen]
        vectors = np.stack([rdm.dissimilarities for _, rdm in chosen])
        for roi in brain.rois:
            choice = choose_layer(
                vectors,
                present_subjects(brain, roi),
                n_splits=n_splits,
                rng=np.random.default_rng(_RESAMPLING_SEED),
                pair_mask=brain.pair_mask,
            )
            labels = chosen[0][0]
            found.append(
                {
                    **{name: labels[name] for name in ("px", "content", "normalisation")},
                    "roi": roi,
                    "best_rho": choice.naive,
                    "held_out_rho": choice.score,
                    "most_chosen": layers[int(np.argmax(choice.chosen))],
                    "share_chosen": float(choice.chosen.max()),
                }
            )
    return pd.DataFrame(found)
