"""Nulls by relabelling stimuli (Mantel 1967), also for the best of several layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.rsa.compare.common import common_pairs
from neurosim.rsa.compare.comparator import Array, Comparator
from neurosim.rsa.compare.comparators import find_comparator
from neurosim.rsa.compare.measure import compare_rdms
from neurosim.rsa.inference.paired import ALTERNATIVES, Alternative
from neurosim.rsa.rdm.checks import check_count, check_rng
from neurosim.rsa.rdm.rdm import RDMInput, stimuli_of
from neurosim.rsa.rdm.squares import n_stimuli_of, pair_indices, to_square

Ints = NDArray[np.int64]


@final
@dataclass(frozen=True, eq=False)
class LabelNull:
    """Scores as observed and under relabelled stimuli.

    Attributes:
        observed: (n_models, n_brains).
        null: (n_permutations, n_models, n_brains); all models and brains share the labels.
        larger_is_closer: False for distances.
    """

    observed: Array
    null: Array
    larger_is_closer: bool = True

    def p_value(self, alternative: Alternative | None = None) -> Array:
        """(n_models, n_brains) p = (1 + count) / (1 + n_permutations): never zero, since the
        labels as observed are one of the relabellings. NaN where there is no score.

        By default one-sided for being closer than chance: ``greater`` for similarities, ``less``
        for distances.
        """
        return _p_value(self.observed, self.null, alternative or self._closer())

    def p_value_of_best(self) -> Array:
        """(n_brains,) p of the best model (layer) against the null of the best: the best
        over models is taken anew in every permutation, so choosing it costs nothing.

        A model without a score (a constant RDM) cannot be the best and is left out of both; NaN
        where no model has a score."""
        none = -np.inf if self.larger_is_closer else np.inf
        best = np.max if self.larger_is_closer else np.min
        scored = ~np.isnan(self.observed)
        observed = best(np.where(scored, self.observed, none), axis=0)
        null = best(np.where(scored, self.null, none), axis=1)
        observed = np.where(scored.any(axis=0), observed, np.nan)
        return _p_value(observed, null, self._closer())

    def _closer(self) -> Alternative:
        return "greater" if self.larger_is_closer else "less"


def permute_labels(
    models: RDMInput,
    brains: RDMInput,
    method: str | Comparator = "spearman",
    *,
    n_permutations: int = 10_000,
    rng: np.random.Generator | None = None,
    permutations: ArrayLike | None = None,
    pair_mask: ArrayLike | None = None,
) -> LabelNull:
    """Relabel the stimuli of the models -> ``LabelNull``.

    Pairs are not exchangeable (those of one stimulus share it), so stimuli are relabelled and
    pairs are never shuffled: shuffling pairs makes the null up to 2.5 times too narrow.

    Args:
        rng: draws the permutations; or
        permutations: (n_permutations, n_stimuli): place i takes stimulus p[i].
        pair_mask: stays with the places (runs are a matter of the measurement). NaN in a brain
            RDM likewise. A stimulus that is silent or missing in a model (NaN in all its pairs)
            is left out of both sides, and the others are relabelled. A row that is NaN
            throughout (a subject without the ROI) has NaN scores.

    Raises:
        ValueError: neither or both of rng and permutations; permutations of another number of
            stimuli than are left; a model lacks single pairs.
    """
    comparator = find_comparator(method)
    pairs = common_pairs(models, brains, pair_mask)
    x, y, used = _without_silent(pairs.x, pairs.y, pairs.used, stimuli_of(models))
    orders = _orders(n_stimuli_of(x.shape[1]), n_permutations, rng, permutations)
    observed = compare_rdms(x, y, comparator, pair_mask=used)
    null = comparator.relabel(x, y, orders, used)
    return LabelNull(pairs.spread(observed), pairs.spread(null), comparator.larger_is_closer)


def _without_silent(
    x: Array, y: Array, used: NDArray[np.bool_], names: tuple[str, ...] | None
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Both sides without the stimuli that any model lacks."""
    if not np.isnan(x).any():
        return x, y, used
    n_pairs_of = to_square(np.where(np.isnan(x), 0.0, 1.0)).sum(axis=2)
    kept = np.flatnonzero(np.min(n_pairs_of, axis=0))
    if len(kept) < 3:
        raise ValueError(f"only {len(kept)} stimuli are present in all models; leave out the empty")
    pairs = pair_indices(kept, n_stimuli_of(x.shape[1]))
    lacking = np.isnan(x[:, pairs]).any(axis=0)
    if lacking.any():
        i, j = kept[np.argwhere(np.triu(to_square(lacking)))[0]]
        name = (lambda k: f"#{k}") if names is None else (lambda k: repr(names[k]))
        raise ValueError(
            f"a model RDM lacks {np.count_nonzero(lacking)} single pairs, the first of them of "
            f"stimuli {name(i)} and {name(j)}, which relabelling would carry to other places: set "
            "all pairs of one of the two to NaN (empty its row and column in a file) and it is "
            "left out of both sides, or leave it out yourself (RDM.select, BrainRDMs.select)"
        )
    return x[:, pairs], y[:, pairs], used[pairs]


def _p_value(observed: Array, null: Array, alternative: Alternative) -> Array:
    if alternative not in ALTERNATIVES:
        raise ValueError(f"unknown alternative {alternative!r}; known: {', '.join(ALTERNATIVES)}")
    if alternative == "two-sided":
        observed, null = np.abs(observed), np.abs(null)
    elif alternative == "less":
        observed, null = -observed, -null
    # A relabelling that leaves the RDM as it is must tie with it whatever the rounding; one
    # without a score (NaN) speaks for nothing, and counts as reaching the observed score.
    largest = np.max(np.abs(null), axis=0, initial=0.0, where=~np.isnan(null))
    rounding = 1e-12 * np.maximum(np.abs(observed), largest)
    count = np.count_nonzero(~(null < observed - rounding), axis=0)
    p = (1.0 + count) / (1.0 + len(null))
    return np.where(np.isnan(observed), np.nan, p)


def _orders(
    n_stimuli: int,
    n_permutations: int,
    rng: np.random.Generator | None,
    permutations: ArrayLike | None,
) -> Ints:
    if (rng is None) == (permutations is None):
        raise ValueError("give either rng (to draw permutations) or permutations")
    if rng is not None:
        check_rng(rng)
        check_count("n_permutations", n_permutations)
        return rng.permuted(np.tile(np.arange(n_stimuli), (n_permutations, 1)), axis=1)
    orders = np.asarray(permutations)
    if not _permute(orders, n_stimuli):
        raise ValueError(
            f"permutations are rows that hold 0 ... {n_stimuli - 1} once each; "
            f"got shape {orders.shape}"
        )
    return orders.astype(np.int64)


def _permute(orders: NDArray[Any], n: int) -> bool:
    """Whether every row is a permutation of 0 ... n - 1."""
    if orders.ndim != 2 or not len(orders) or orders.shape[1] != n or orders.dtype.kind not in "iu":
        return False
    if orders.size and not (orders.min() >= 0 and orders.max() < n):
        return False
    found = np.zeros(orders.shape, dtype=bool)
    np.put_along_axis(found, orders, True, axis=1)
    return bool(found.all())
