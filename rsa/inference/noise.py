"""How well any model could do: noise ceilings and the reliability of a group RDM."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from neurosim.rsa.compare.comparator import Array, Comparator, Flags, Rows, constant_rows
from neurosim.rsa.compare.comparators import COMPARATORS, find_comparator
from neurosim.rsa.rdm.checks import check_count, check_rng
from neurosim.rsa.rdm.rdm import RDMInput, as_pair_mask, as_rows

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
            (``Comparator.normalise``: ranks, also for Kendall's taus; for correlations centred
            vectors of unit length; for the others vectors of unit length), as Nili et al. and
            rsatoolbox do; ``average_then_rank`` averages raw dissimilarities, and refuses subjects
            whose scales differ more than tenfold. The two differ in the third decimal: name the one
            used.
        pair_mask: (n_pairs,) or (n, n) bool, True = use the pair.

    Returns NaN bounds for fewer than two subjects.
    """
    comparator = find_comparator(method)
    if order not in ORDERS:
        raise ValueError(f"unknown order {order!r}; known: {', '.join(ORDERS)}")
    rows, used = complete_rows(subject_rdms, pair_mask)
    if len(rows) < 2:
        return float("nan"), float("nan")
    if order == "rank_then_average":
        footing: Rows = comparator.normalise(rows)
    else:
        check_scales(rows)
        footing = rows
    total = footing.sum(axis=0, dtype=np.float64)
    prepared = comparator.prepare(rows, used)
    upper = comparator.score(prepared, comparator.prepare(total[None] / len(rows), used))[:, 0]
    others = (total - footing) / (len(rows) - 1)
    lower = [comparator(rows[s : s + 1], others[s : s + 1], used) for s in range(len(rows))]
    bounds = float(np.mean(lower)), float(np.mean(upper))
    return bounds if comparator.larger_is_closer else bounds[::-1]


def _needs_adding_up(comparator: Comparator) -> None:
    if not comparator.adds_up:
        known = ", ".join(name for name, c in COMPARATORS.items() if c.adds_up)
        raise ValueError(
            f"reliability (Spearman-Brown) is of inner products of rows, which {comparator.name!r} "
            f"is not; use noise_ceiling, or one of {known}"
        )


def group_reliability(
    subject_rdms: RDMInput,
    method: str | Comparator = "spearman",
    *,
    pair_mask: ArrayLike | None = None,
) -> float:
    """Reliability R of the subject-averaged RDM, from the mean score r between pairs of subjects:
    n' r / (1 + (n' - 1) r), Spearman-Brown with n' = (sum s)^2 / sum s^2.

    n' is how many subjects the plain average is worth: s is the standard deviation of each
    subject's RDM (for a cosine its root mean square), by which that subject weighs in it. It is n
    where all are of one scale.

    R is the score to expect between this group's mean RDM and that of as many other subjects;
    its square root is that of a noise-free model. They bound the ``mean_rdm`` convention. NaN for
    fewer than two subjects, 0 where r is not positive.

    Raises:
        ValueError: a method to which the formula does not apply (a distance, Kendall's taus), or
            subjects whose scales differ more than tenfold.
    """
    comparator = find_comparator(method)
    _needs_adding_up(comparator)
    rows, used = complete_rows(subject_rdms, pair_mask)
    n = len(rows)
    if n < 2:
        return float("nan")
    check_scales(rows)
    scores = comparator(rows, rows, used)
    weights = comparator.spread(rows)
    worth = float(weights.sum() ** 2 / np.sum(weights**2)) if weights.any() else float("nan")
    return spearman_brown(float(scores[np.triu_indices(n, 1)].mean()), worth)


def spearman_brown(r: float, factor: float = 2.0) -> float:
    """Reliability of a measurement ``factor`` >= 1 times as long: k r / (1 + (k - 1) r).

    A reliability is the share of the variance that is no noise, 0 ... 1: an estimate r below 0
    counts as 0 (the formula has a pole at -1 / (k - 1)), one that rounding puts above 1 as 1.
    """
    share = float(np.clip(r, 0.0, 1.0))  # NaN stays NaN
    return factor * share / (1.0 + (factor - 1.0) * share)


_MOST_SCALES = 10.0


def check_scales(rows: Rows) -> None:
    """Refuse to average rows of scales so different that the mean is that of one of them."""
    spread = np.std(rows, axis=1, dtype=np.float64)
    varied = np.flatnonzero(~constant_rows(rows))
    if not len(varied):
        return
    least, most = varied[np.argmin(spread[varied])], varied[np.argmax(spread[varied])]
    ratio = spread[most] / spread[least]
    if ratio > _MOST_SCALES:
        raise ValueError(
            f"the RDM of subject #{most} varies {ratio:.3g} times as much as that of #{least}, so "
            "their average is about that of one subject; bring them to one scale first "
            "(BrainRDMs.standardised(), or rows / rows.std(axis=1, keepdims=True)), or score every "
            "subject (subject_mean)"
        )


def complete_rows(
    subject_rdms: RDMInput, pair_mask: ArrayLike | None = None
) -> tuple[Rows, Flags | None]:
    """Present subjects on the allowed pairs that all of them have, and which those are (None =
    all)."""
    rows: Rows = as_rows(subject_rdms, "subject_rdms")
    mask: Flags | None = as_pair_mask(pair_mask, rows.shape[1])
    missing = np.isnan(rows)
    if missing.any():
        present = ~missing.all(axis=1)
        rows, shared = rows[present], np.asarray(~missing[present].any(axis=0))
        mask = shared if mask is None else mask & shared
    if mask is not None and mask.all():
        mask = None
    if mask is not None:
        rows = rows[:, mask]
    if len(rows) > 1 and rows.shape[1] < 2:
        raise ValueError(
            f"{rows.shape[1]} pairs are left that the pair mask allows and all {len(rows)} "
            "subjects have; a score needs at least two"
        )
    return rows, mask


def mean_rdm(subject_rdms: RDMInput) -> Array:
    """(n_pairs,) plain average over the present subjects; NaN where one of them lacks the pair
    (else different pairs would be means of different people).

    Raises:
        ValueError: subjects whose scales differ more than tenfold.
    """
    rows = as_rows(subject_rdms, "subject_rdms")
    missing = np.isnan(rows)
    present = ~missing.all(axis=1)
    if not present.any():
        return np.full(rows.shape[1], np.nan)
    shared = ~missing[present].any(axis=0)
    if shared.any():
        check_scales(rows[np.ix_(present, shared)])
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
    Methods and scales are refused as by ``group_reliability``.
    """
    comparator = find_comparator(method)
    _needs_adding_up(comparator)
    check_count("n_splits", n_splits)
    check_rng(rng)
    rows, used = complete_rows(measurements, pair_mask)
    n = len(rows)
    if n < 2:
        return float("nan")
    check_scales(rows)
    half = n // 2
    scores = []
    for _ in range(n_splits):
        order = rng.permutation(n)
        a, b = rows[order[:half]], rows[order[half : 2 * half]]
        mean_a, mean_b = (x.mean(axis=0, dtype=np.float64)[None] for x in (a, b))
        scores.append(comparator(mean_a, mean_b, used)[0, 0])
    return spearman_brown(float(np.mean(scores)), n / half)
