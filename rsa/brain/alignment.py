"""Activations against a brain, as one tidy table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.rsa.brain.brain import BrainRDMs, Convention
from neurosim.rsa.compare.comparator import Array, Comparator
from neurosim.rsa.compare.comparators import find_comparator
from neurosim.rsa.rdm.distances import Dissimilarity
from neurosim.rsa.rdm.names import names_of_table
from neurosim.rsa.rdm.rdm import RDM, compute_quietly

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
            an ``RDM``. A table whose index is the numbers of the stimuli is put in their order;
            one that names them in another order is refused.
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
    ``rho`` is the score of ``method``, whatever that is: for a distance (``procrustes``,
    ``gromov-wasserstein``) smaller is closer, ``noise_lower`` is what no model can go below and
    ``mean_rdm`` has no bounds (NaN). ``table.attrs`` says which: ``method``, ``larger_is_closer``.
    ``n_pairs`` counts the pairs that the layer and all these subjects have, ``n_undefined`` the
    silent or missing patterns of the layer, which are left out on both sides and of the bounds;
    ``table.attrs["undefined"]`` has their names, a list for each layer that has any.
    """
    import pandas as pd

    unknown = [c for c in conventions if c not in CONVENTIONS]
    if unknown or not conventions:
        raise ValueError(f"unknown conventions {unknown}; known: {', '.join(CONVENTIONS)}")
    for what, given in (("activations", activations), ("references", references)):
        if given is not None and not isinstance(given, Mapping):
            raise TypeError(
                f"{what} maps names to layers, e.g. {{'fc1': patterns}}; "
                f"got a {type(given).__name__}"
            )
    if not activations:
        raise ValueError("no activations given: need at least one layer")
    comparator = find_comparator(method)
    all_given = dict(activations)
    all_given |= {f"reference:{name}": rdm for name, rdm in (references or {}).items()}
    layers = {name: _layer_rdm(name, given, brain, metric) for name, given in all_given.items()}
    models = np.stack([rdm.dissimilarities for rdm in layers.values()])
    names, rdms = list(layers), list(layers.values())
    rows: list[dict[str, object]] = []
    for convention in conventions:
        cells, bounded_as = _CELLS[convention]
        for cell in cells(models, brain, comparator):
            rdm = rdms[cell.layer]
            present = ~np.isnan(rdm.dissimilarities)
            bounds = brain.noise_bounds(comparator, bounded_as, pairs=present)
            rows.append(
                {
                    "layer": names[cell.layer],
                    "roi": brain.rois[cell.roi],
                    "convention": convention,
                    "subject": cell.subject,
                    "rho": cell.rho,
                    "noise_lower": float(bounds[cell.roi, 0]),
                    "noise_upper": float(bounds[cell.roi, 1]),
                    "n_subjects": len(cell.behind),
                    "n_pairs": _n_pairs(rdm, brain, cell),
                    "n_undefined": len(rdm.undefined),
                }
            )
    table = pd.DataFrame(rows)
    table.attrs["undefined"] = {
        name: list(rdm.undefined) for name, rdm in layers.items() if rdm.undefined
    }
    table.attrs |= {"method": comparator.name, "larger_is_closer": comparator.larger_is_closer}
    for position, (label, value) in enumerate((labels or {}).items()):
        if label in table.columns:
            raise ValueError(f"the label {label!r} is a column of the table; name it otherwise")
        table.insert(position, label, value)
    return table


def _layer_rdm(
    name: str, given: ArrayLike | RDM, brain: BrainRDMs, metric: str | Dissimilarity
) -> RDM:
    rdm = given if isinstance(given, RDM) else _computed(name, given, brain, metric)
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


def _computed(name: str, patterns: ArrayLike, brain: BrainRDMs, metric: str | Dissimilarity) -> RDM:
    # Names only where they fit: the caller says what is wrong with another number.
    fits = np.ndim(patterns) == 0 or len(patterns) == brain.n_stimuli  # type: ignore[arg-type]
    try:
        own = names_of_table(patterns, brain.stimuli)  # checked by the caller
        rdm = compute_quietly(patterns, metric, own or (brain.stimuli if fits else None))
    except (TypeError, ValueError) as error:
        raise type(error)(f"layer {name!r}: {error}") from error
    # A table that is numbered by the stimuli says where each row belongs.
    if own and all(name.isdigit() for name in own) and set(own) == set(brain.stimuli):
        return rdm.select(brain.stimuli)
    return rdm


class _Cell(NamedTuple):
    """One score of the table, and the positions of the subjects behind it."""

    layer: int
    roi: int
    subject: str
    rho: float
    behind: NDArray[np.intp]


def _subject_mean_cells(models: Array, brain: BrainRDMs, method: Comparator) -> Iterator[_Cell]:
    scores = brain.subject_scores(models, method)
    for i, r in np.ndindex(len(models), brain.n_rois):
        present = np.flatnonzero(brain.has_roi()[:, r])
        yield _Cell(i, r, "all", float(scores[i, present, r].mean()), present)


def _subject_cells(models: Array, brain: BrainRDMs, method: Comparator) -> Iterator[_Cell]:
    scores = brain.subject_scores(models, method)
    for i, r in np.ndindex(len(models), brain.n_rois):
        for s in np.flatnonzero(brain.has_roi()[:, r]):
            yield _Cell(i, r, brain.subjects[s], float(scores[i, s, r]), np.array([s]))


def _mean_rdm_cells(models: Array, brain: BrainRDMs, method: Comparator) -> Iterator[_Cell]:
    scores = brain.mean_rdm_scores(models, method)
    for i, r in np.ndindex(len(models), brain.n_rois):
        yield _Cell(i, r, "all", float(scores[i, r]), np.flatnonzero(brain.has_roi()[:, r]))


_CELLS: dict[str, tuple[Callable[[Array, BrainRDMs, Comparator], Iterator[_Cell]], Convention]] = {
    "subject_mean": (_subject_mean_cells, "subject_mean"),
    "subject": (_subject_cells, "subject_mean"),
    "mean_rdm": (_mean_rdm_cells, "mean_rdm"),
}


def _n_pairs(rdm: RDM, brain: BrainRDMs, cell: _Cell) -> int:
    """How many pairs the layer, the mask and all subjects behind the score have."""
    used = ~np.isnan(rdm.dissimilarities)
    if brain.pair_mask is not None:
        used &= brain.pair_mask
    if not brain.is_complete():
        used &= ~np.isnan(brain.rdms[brain.has_roi()[:, cell.roi], cell.roi]).any(axis=0)
    return int(np.count_nonzero(used))
