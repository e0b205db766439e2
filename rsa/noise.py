"""How well any model could do: noise ceilings and the reliability of a group RDM."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from neurosim.rsa._checks import check_count, check_rng
from neurosim.rsa.comparator import Array, Comparator, Rows
from neurosim.rsa.comparators import find_comparator
from neurosim.rsa.rdm import RDMInput, as_pair_mask, as_rows

Order = Literal["rank_then_average", "average_then_rank"]
ORDERS: tuple[Order, ...] = ("rank_then_average", "average_then_rank")


def noise_ceiling(
    subject_rdms: RDMInput,
    method: str | Comparator = "spearman",
    order: Order = "rank_then_average",
    *,
    pair_mask: ArrayLike | None = None,
) -> tuple[float, float]:
    """Leave-one-subject-out bounds (lower, upper) of the mean score over subjects.

    lower = mean_s score(d_s, average of the others); upper = mean_s score(d_s, average of
    all, s included). Nili et al. 2014, PLoS Comput Biol 10:e1003553,
    doi:10.1371/journal.pcbi.1003553. They bound the ``subject_mean`` convention.

    For a distance (``procrustes``, ``gromov-wasserstein``) smaller is closer, and the two change
    places so that lower <= upper: lower = with the average of all, closer than any model can be;
    upper = with the average of the others, which a good model comes below.

    Args:
        subject_rdms: (n_subjects, n_pairs), NaN row = absent subject, left out. A pair
            missing in any other subject is left out for all.
        order: ``rank_then_average`` puts each subject's RDM on a common footing first
            (``Comparator.normalise``: ranks, for Pearson centred unit vectors, for cosine unit
            vectors), as Nili et al. and rsatoolbox do; ``average_then_rank`` averages raw
            dissimilarities. The two differ in the third decimal: name the one used.
        pair_mask: (n_pairs,) or (n, n) bool, True = use the pair.

    Returns NaN bounds for fewer than two subjects.
    """
    comparator = find_comparator(method)
    if order not in ORDERS:
        raise ValueError(f"unknown order {order!r}; known: {', '.join(ORDERS)}")
    rows = complete_rows(subject_rdms, pair_mask)
    if len(rows) < 2:
        return float("nan"), float("nan")
    footing = comparator.normalise(rows) if order == "rank_then_average" else rows
    total = footing.sum(axis=0, dtype=np.float64)
    prepared = comparator.prepare(rows)
    upper = comparator.score(prepared, comparator.prepare(total[None] / len(rows)))[:, 0]
    others = (total - footing) / (len(rows) - 1)
    lower = [
        comparator.score(comparator.prepare(rows[s : s + 1]), comparator.prepare(others[s : s + 1]))
        for s in range(len(rows))
    ]
    bounds = float(np.mean(lower)), float(np.mean(upper))
    return bounds if comparator.larger_is_closer else bounds[::-1]


def _refuse_distance(comparator: Comparator) -> None:
    if not comparator.larger_is_closer:
        raise ValueError(
            f"{comparator.name!r} is a distance: reliability (Spearman-Brown) is of correlations; "
            "use noise_ceiling, or a similarity, e.g. spearman"
        )


def group_reliability(
    subject_rdms: RDMInput,
    method: str | Comparator = "spearman",
    *,
    pair_mask: ArrayLike | None = None,
) -> float:
    """Reliability of the subject-averaged RDM, by Spearman-Brown from the mean score between
    pairs of subjects: n r / (1 + (n - 1) r).

    It is the score to expect between this group's mean RDM and that of as many other
    subjects; its square root is that of a noise-free model. They bound the ``mean_rdm``
    convention. NaN for fewer than two subjects; a distance is refused.
    """
    comparator = find_comparator(method)
    _refuse_distance(comparator)
    rows = complete_rows(subject_rdms, pair_mask)
    n = len(rows)
    if n < 2:
        return float("nan")
    scores = comparator(rows, rows)
    r = float(scores[np.triu_indices(n, 1)].mean())
    return spearman_brown(r, n)


def spearman_brown(r: float, factor: float = 2.0) -> float:
    """Reliability of a measurement ``factor`` times as long: k r / (1 + (k - 1) r)."""
    return factor * r / (1.0 + (factor - 1.0) * r)


def complete_rows(subject_rdms: RDMInput, pair_mask: ArrayLike | None = None) -> Rows:
    """Present subjects on the used pairs that all of them have."""
    rows: Rows = as_rows(subject_rdms, "subject_rdms")
    mask = as_pair_mask(pair_mask, rows.shape[1])
    if mask is not None:
        rows = rows[:, mask]
    missing = np.isnan(rows)
    if missing.any():
        present = ~missing.all(axis=1)
        rows, missing = rows[present], missing[present]
        rows = rows[:, ~missing.any(axis=0)]
    if len(rows) > 1 and rows.shape[1] < 2:
        raise ValueError(
            f"{rows.shape[1]} pairs are left that the pair mask allows and all {len(rows)} "
            "subjects have; a score needs at least two"
        )
    return rows


def mean_rdm(subject_rdms: RDMInput) -> Array:
    """(n_pairs,) average over the present subjects; NaN where one of them lacks the pair
    (else different pairs would be means of different people)."""
    rows = as_rows(subject_rdms, "subject_rdms")
    present = ~np.isnan(rows).all(axis=1)
    if not present.any():
        return np.full(rows.shape[1], np.nan)
    return rows[present].mean(axis=0, dtype=np.float64)


def split_half_reliability(
    measurements: RDMInput,
    method: str | Comparator = "spearman",
    *,
    n_splits: int = 100,
    rng: np.random.Generator,
    pair_mask: ArrayLike | None = None,
) -> float:
    """Reliability of the mean of all measurements (subjects or sessions) from random halves.

    The mean score between the means of two halves of n // 2, stepped up to n by
    Spearman-Brown with factor n / (n // 2). With an odd n one is left out of each split.
    A distance is refused.
    """
    comparator = find_comparator(method)
    _refuse_distance(comparator)
    check_count("n_splits", n_splits)
    check_rng(rng)
    rows = complete_rows(measurements, pair_mask)
    n = len(rows)
    if n < 2:
        return float("nan")
    half = n // 2
    scores = []
    for _ in range(n_splits):
        order = rng.permutation(n)
        a, b = rows[order[:half]], rows[order[half : 2 * half]]
        means = [x.mean(axis=0, dtype=np.float64)[None] for x in (a, b)]
        scores.append(comparator(*means)[0, 0])
    return spearman_brown(float(np.mean(scores)), n / half)
