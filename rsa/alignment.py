"""Activations against a brain, as one tidy table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from neurosim.rsa.brain import BrainRDMs
from neurosim.rsa.comparator import Array, Comparator, Rows
from neurosim.rsa.comparators import find_comparator
from neurosim.rsa.distances import Dissimilarity
from neurosim.rsa.rdm import RDM, compute_quietly

if TYPE_CHECKING:
    import pandas as pd

TableConvention = Literal["subject_mean", "mean_rdm", "subject"]
CONVENTIONS: tuple[TableConvention, ...] = ("subject_mean", "mean_rdm", "subject")


def alignment_table(
    activations: Mapping[str, ArrayLike | RDM],
    brain: BrainRDMs,
    *,
    conventions: Sequence[TableConvention] = ("subject_mean", "mean_rdm"),
    method: str | Comparator = "spearman",
    metric: str | Dissimilarity = "correlation",
    references: Mapping[str, RDM] | None = None,
    labels: Mapping[str, object] | None = None,
) -> pd.DataFrame:
    """Every layer against every ROI by every convention, with noise bounds.

    Args:
        activations: layer name -> (n_stimuli, n_features) in the brain's stimulus order, or
            an ``RDM``.
        conventions: ``subject_mean`` = score with each subject's RDM, then the mean;
            ``mean_rdm`` = score with the subject-averaged RDM (systematically higher);
            ``subject`` = one row a subject.
        metric: the dissimilarity, for the layers given as activations.
        references: reference models, e.g. of ``reference_rdms``; their rows have the layer
            ``reference:<name>``.
        labels: columns put first in every row (rule, seed, epoch, ...).

    Returns a table with the label columns, then ``layer, roi, convention, subject, rho,
    noise_lower, noise_upper, n_subjects, n_pairs, n_undefined``. ``subject`` is ``all``
    except for the rows of one subject. The bounds are those of the convention
    (``BrainRDMs.noise_bounds``; a subject's row has those of ``subject_mean``).
    ``n_pairs`` counts the pairs compared (the fewest over subjects), ``n_undefined`` the
    silent or missing patterns of the layer, which are left out on both sides.
    """
    import pandas as pd

    unknown = [c for c in conventions if c not in CONVENTIONS]
    if unknown or not conventions:
        raise ValueError(f"unknown conventions {unknown}; known: {', '.join(CONVENTIONS)}")
    if not activations:
        raise ValueError("no activations given: need at least one layer")
    comparator = find_comparator(method)
    all_given = dict(activations)
    all_given |= {f"reference:{name}": rdm for name, rdm in (references or {}).items()}
    layers = {name: _layer_rdm(name, given, brain, metric) for name, given in all_given.items()}
    models = np.stack([rdm.dissimilarities for rdm in layers.values()])
    rows: list[dict[str, object]] = []
    for convention in conventions:
        rows += _ROWS[convention](layers, models, brain, comparator)
    table = pd.DataFrame(rows)
    for position, (label, value) in enumerate((labels or {}).items()):
        if label in table.columns:
            raise ValueError(f"the label {label!r} is a column of the table; name it otherwise")
        table.insert(position, label, value)
    return table


def _layer_rdm(
    name: str, given: ArrayLike | RDM, brain: BrainRDMs, metric: str | Dissimilarity
) -> RDM:
    rdm = given if isinstance(given, RDM) else compute_quietly(given, metric)
    if rdm.n_stimuli != brain.n_stimuli:
        raise ValueError(
            f"layer {name!r} has {rdm.n_stimuli} stimuli, the brain data {brain.n_stimuli}; "
            "extract activations for brain.stimuli, in that order"
        )
    if rdm.stimuli is not None and rdm.stimuli != brain.stimuli:
        raise ValueError(
            f"layer {name!r} names its stimuli otherwise or in another order than the brain "
            "data; bring it in order with rdm.select(brain.stimuli)"
        )
    return rdm


def _subject_mean_rows(
    layers: Mapping[str, RDM], models: Array, brain: BrainRDMs, comparator: Comparator
) -> list[dict[str, object]]:
    scores = brain.subject_scores(models, comparator)
    present = brain.has_roi()
    bounds = brain.noise_bounds(comparator)
    return [
        _row(
            layer,
            brain.rois[r],
            "subject_mean",
            "all",
            float(scores[i, present[:, r], r].mean()),
            bounds[r],
            int(present[:, r].sum()),
            _n_pairs(rdm, brain.rdms[present[:, r], r], brain),
            rdm,
        )
        for i, (layer, rdm) in enumerate(layers.items())
        for r in range(brain.n_rois)
    ]


def _subject_rows(
    layers: Mapping[str, RDM], models: Array, brain: BrainRDMs, comparator: Comparator
) -> list[dict[str, object]]:
    scores = brain.subject_scores(models, comparator)
    present = brain.has_roi()
    bounds = brain.noise_bounds(comparator)
    return [
        _row(
            layer,
            brain.rois[r],
            "subject",
            brain.subjects[s],
            float(scores[i, s, r]),
            bounds[r],
            1,
            _n_pairs(rdm, brain.rdms[s : s + 1, r], brain),
            rdm,
        )
        for i, (layer, rdm) in enumerate(layers.items())
        for r in range(brain.n_rois)
        for s in np.flatnonzero(present[:, r])
    ]


def _mean_rdm_rows(
    layers: Mapping[str, RDM], models: Array, brain: BrainRDMs, comparator: Comparator
) -> list[dict[str, object]]:
    scores = brain.mean_rdm_scores(models, comparator)
    present = brain.has_roi()
    bounds = brain.noise_bounds(comparator, "mean_rdm")
    return [
        _row(
            layer,
            roi,
            "mean_rdm",
            "all",
            float(scores[i, r]),
            bounds[r],
            int(present[:, r].sum()),
            _n_pairs(rdm, brain.mean_rdm(roi)[None], brain),
            rdm,
        )
        for i, (layer, rdm) in enumerate(layers.items())
        for r, roi in enumerate(brain.rois)
    ]


_ROWS = {
    "subject_mean": _subject_mean_rows,
    "subject": _subject_rows,
    "mean_rdm": _mean_rdm_rows,
}


def _row(
    layer: str,
    roi: str,
    convention: str,
    subject: str,
    rho: float,
    bounds: Array,
    n_subjects: int,
    n_pairs: int,
    rdm: RDM,
) -> dict[str, object]:
    return {
        "layer": layer,
        "roi": roi,
        "convention": convention,
        "subject": subject,
        "rho": rho,
        "noise_lower": float(bounds[0]),
        "noise_upper": float(bounds[1]),
        "n_subjects": n_subjects,
        "n_pairs": n_pairs,
        "n_undefined": len(rdm.undefined),
    }


def _n_pairs(rdm: RDM, rows: Rows, brain: BrainRDMs) -> int:
    """The fewest pairs that were compared with any of these brain RDMs."""
    used = ~np.isnan(rdm.dissimilarities)
    if brain.pair_mask is not None:
        used &= brain.pair_mask
    if brain.is_complete():
        return int(np.count_nonzero(used))
    return int((used & ~np.isnan(rows)).sum(axis=1).min())
