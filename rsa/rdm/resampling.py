"""Scores under resampled or relabelled stimuli.

A comparator that knows nothing better uses the plain definitions here (write the vectors
out, then compare); the rank and inner-product comparators have exact faster forms:

- A resample of stimuli is integer weights w_i w_j on pairs (self-pairs left out), so midranks
  are cumulative weights along an order that is sorted once, not once a resample.
- Relabelling never changes ranks: rank once, gather.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.rsa.rdm.ranks import Ranks, ascending
from neurosim.rsa.rdm.squares import n_stimuli_of, to_square
from neurosim.rsa.rdm.threads import in_threads

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]
Rows = NDArray[np.floating]


def resampled_pairs(indices: Ints, n_stimuli: int) -> NDArray[np.intp]:
    """Condensed positions of all pairs of one resample; pairs of a stimulus with itself are
    left out, since their dissimilarity is zero by construction."""
    upper = np.triu_indices(len(indices), 1)
    a, b = indices[upper[0]], indices[upper[1]]
    low, high = np.minimum(a, b), np.maximum(a, b)
    keep = low != high
    low, high = low[keep], high[keep]
    return low * (2 * n_stimuli - low - 1) // 2 + high - low - 1


def resample_plainly(compare: Any, models: Rows, brains: Rows, indices: Ints, used: Flags) -> Array:
    """(n_samples, n_models, n_brains) by writing every resampled vector out."""
    n_stimuli = n_stimuli_of(models.shape[1])
    scores = np.full((len(indices), len(models), len(brains)), np.nan)
    for s, sample in enumerate(indices):
        pairs = resampled_pairs(sample, n_stimuli)
        pairs = pairs[used[pairs]]
        if len(pairs) > 1:
            scores[s] = compare(models[:, pairs], brains[:, pairs])
    return scores


def relabel_plainly(
    compare: Any, models: Rows, brains: Rows, permutations: Ints, used: Flags
) -> Array:
    """(n_permutations, n_models, n_brains) by writing every relabelled vector out."""
    squares = to_square(models)
    upper = np.triu_indices(squares.shape[1], 1)
    rows, columns = upper[0][used], upper[1][used]
    everything = None if used.all() else used
    scores = np.empty((len(permutations), len(models), len(brains)))
    for s, p in enumerate(permutations):
        scores[s] = compare(squares[:, p[rows], p[columns]], brains[:, used], everything)
    return scores


class SortedPairs:
    """The pairs in use of one RDM, in ascending order of dissimilarity.

    Attributes:
        order: their places among the pairs in use; first, second: their two stimuli.
        ends: where each run of ties ends.
    """

    def __init__(self, row: Rows, used: Flags) -> None:
        from neurosim.rsa.kernels.resample import run_ends

        values = np.asarray(row[used], dtype=np.float64)
        self.order = ascending(values).astype(np.uint32)
        rows, columns = (side[used] for side in np.triu_indices(n_stimuli_of(len(row)), 1))
        self.first = rows.astype(np.uint16)[self.order]
        self.second = columns.astype(np.uint16)[self.order]
        ends = np.empty(len(values), dtype=np.int32)
        self.ends = ends[: run_ends(values, self.order, ends)].copy()

    def places(self) -> NDArray[np.uint32]:
        """Where each pair in use stands in this order."""
        places = np.empty_like(self.order)
        places[self.order] = np.arange(len(places), dtype=np.uint32)
        return places


_MOST_LANES = 32  # resamples at a time: more do not pay, and every pair needs a rank in each
_RANK_BYTES = 2**27


def resample_ranks(
    models: Rows, brains: Rows, indices: Ints, used: Flags, tie_corrected: bool
) -> Array:
    """The same as ``resample_plainly`` with Spearman's rho or rho-a, sorting once.

    Every pair of a model and a brain RDM is numbered in the model's ascending order: then the
    model's ranks are a running sum, and only the brain's are written out.
    """
    n_stimuli = n_stimuli_of(models.shape[1])
    if indices.shape[1] ** 2 >= 2**31:
        raise ValueError(f"a resample draws at most 46,340 stimuli; got {indices.shape[1]}")
    n_lanes = max(1, min(_MOST_LANES, _RANK_BYTES // (4 * models.shape[1])))
    n_batches = -(-len(indices) // n_lanes)
    # Empty resamples fill the last batch: every lane is then computed by the same instructions.
    counts = np.zeros((n_batches * n_lanes, n_stimuli), dtype=np.int32)
    for s, sample in enumerate(indices):
        counts[s] = np.bincount(sample, minlength=n_stimuli)
    batches = np.ascontiguousarray(counts.reshape(n_batches, n_lanes, n_stimuli).swapaxes(1, 2))
    scores = np.empty((len(models), len(brains), n_batches * n_lanes))
    base, other = ([SortedPairs(row, used) for row in rows] for rows in (models, brains))
    for m, x in enumerate(base):
        places = x.places()
        for b, y in enumerate(other):
            _resample_pair(batches, x, y, places[y.order], tie_corrected, scores[m, b])
    return np.ascontiguousarray(np.moveaxis(scores, 2, 0)[: len(indices)])


def _resample_pair(
    batches: NDArray[np.int32],
    x: SortedPairs,
    y: SortedPairs,
    order: NDArray[np.uint32],
    tie_corrected: bool,
    scores: Array,
) -> None:
    """Write the scores of all resamples; ``order`` is y's among the places of x's."""
    n_lanes = batches.shape[2]

    def work(part: range) -> None:
        ranks = np.empty((len(order), n_lanes), dtype=np.int32)
        for batch in part:
            lanes = slice(batch * n_lanes, (batch + 1) * n_lanes)
            scores[lanes] = _lanes(batches[batch], x, y, order, ranks, tie_corrected)

    in_threads(work, len(batches))


def _lanes(
    counts: NDArray[np.int32],
    x: SortedPairs,
    y: SortedPairs,
    order: NDArray[np.uint32],
    ranks: NDArray[np.int32],
    tie_corrected: bool,
) -> Array:
    """(n_lanes,) scores of one batch of resamples; ``ranks`` is overwritten."""
    from neurosim.rsa.kernels.resample import pair_weights, resampled_products, resampled_ranks

    n_lanes = counts.shape[1]
    totals, untied = np.empty(n_lanes, dtype=np.int64), np.empty(n_lanes)
    pair_weights(counts, x.first, x.second, totals, untied)
    products, of_x, of_y = np.empty(n_lanes), untied.copy(), untied.copy()
    means = (totals + 1).astype(np.int32)
    resampled_ranks(counts, order, y.first, y.second, y.ends, ranks, of_y)
    resampled_products(counts, x.first, x.second, x.ends, ranks, means, products, of_x)
    most = totals.astype(np.float64) ** 3 - totals
    # NaN where fewer than two pairs are drawn, or a side is constant among those drawn: one run
    # of ties, whose cube float64 holds within rounding only.
    enough = (totals > 1) & (np.minimum(most - of_x, most - of_y) > 1e-12 * most)
    rest_x, rest_y = np.maximum(most - of_x, 0.0), np.maximum(most - of_y, 0.0)
    scale = (np.sqrt(rest_x) * np.sqrt(rest_y) if tie_corrected else most) / 12.0
    return np.divide(products / 4.0, scale, out=np.full(n_lanes, np.nan), where=enough)


def resample_products(
    models: Rows, brains: Rows, indices: Ints, used: Flags, centred: bool
) -> Array:
    """The same as ``resample_plainly`` with Pearson's r or the cosine, by weighted sums."""
    n_stimuli = n_stimuli_of(models.shape[1])
    upper = np.triu_indices(n_stimuli, 1)
    rows, columns = upper[0][used], upper[1][used]
    x, y = models[:, used], brains[:, used]
    scores = np.full((len(indices), len(models), len(brains)), np.nan)
    # What is left of a row that is constant among the pairs drawn is rounding.
    floor_x, floor_y = ((1e-13 * np.abs(side).max(axis=1)) ** 2 for side in (x, y))
    for s, sample in enumerate(indices):
        counts = np.bincount(sample, minlength=n_stimuli).astype(np.float64)
        weights = counts[rows] * counts[columns]
        total = weights.sum()
        if total < 2:
            continue
        # Centred by the weighted mean first: the one-pass formula cancels.
        a, b = (side - (side @ weights / total)[:, None] for side in (x, y))
        squares_a, squares_b = ((side * side) @ weights for side in (a, b))
        varied = np.logical_and.outer(squares_a > floor_x * total, squares_b > floor_y * total)
        if not centred:
            a, b = x, y
            squares_a, squares_b = ((side * side) @ weights for side in (a, b))
        scale = np.sqrt(np.outer(squares_a, squares_b))
        products = (a * weights) @ b.T
        scores[s] = np.divide(products, scale, out=np.full_like(scale, np.nan), where=varied)
    return scores


_RELABELLINGS = 64  # at a time: while they share a row, their 2 x 720 places stay in the cache


def relabel_products(models: NDArray[Any], brains: NDArray[Any], permutations: Ints) -> Array:
    """(n_permutations, n_models, n_brains) sums of products of relabelled model rows with brain
    rows, float64 or int32; both already on the footing on which their product is the score."""
    from neurosim.rsa.kernels.resample import relabelled_products

    squares = to_square(models).astype(models.dtype)
    rows = np.ascontiguousarray(brains)
    scores = np.empty((len(models), len(permutations), len(brains)))
    n = squares.shape[1]
    # Half the bytes to read; stimuli are numbered without sign as in the kernels.
    number = np.uint16 if n < 2**16 else np.uint32
    orders = permutations.astype(number)
    places = np.empty_like(orders)
    np.put_along_axis(places, permutations, np.arange(n, dtype=number)[None], axis=1)
    n_batches = -(-len(orders) // _RELABELLINGS)

    def work(part: range) -> None:
        for batch in part:
            lanes = slice(batch * _RELABELLINGS, (batch + 1) * _RELABELLINGS)
            for m, square in enumerate(squares):
                relabelled_products(square, rows, orders[lanes], places[lanes], scores[m, lanes])

    in_threads(work, n_batches)
    return np.ascontiguousarray(scores.swapaxes(0, 1))


def relabel_masked_ranks(
    models: Rows, brains: Rows, permutations: Ints, used: Flags, tie_corrected: bool
) -> Array:
    """Rank correlation under relabelling when only some places are used: which model pairs
    fall on them changes with the labels, so ranks are counted along the sorted order."""
    from neurosim.rsa.kernels.resample import relabelled_masked_ranks

    n_used = int(used.sum())
    mean = (n_used + 1) / 2
    n_stimuli = n_stimuli_of(models.shape[1])
    upper = np.triu_indices(n_stimuli, 1)
    rows, columns = upper[0][used], upper[1][used]
    mask = to_square(used).astype(bool)
    everywhere = np.ones(models.shape[1], dtype=bool)
    sorts = [SortedPairs(row, everywhere) for row in np.asarray(models, dtype=np.float64)]
    brain_ranks = Ranks.of(brains[:, used])
    centred = brain_ranks.doubled / 2.0 - mean
    ranks = np.zeros((n_stimuli, n_stimuli))
    scores = np.empty((len(permutations), len(models), len(brains)))
    for s, p in enumerate(permutations):
        new_label = np.argsort(p)
        for m, pairs in enumerate(sorts):
            squares = relabelled_masked_ranks(
                new_label, mask, pairs.first, pairs.second, pairs.ends, mean, ranks
            )
            products = centred @ ranks[rows, columns]
            if tie_corrected:
                scale = np.sqrt(squares * brain_ranks.squares / 4.0)
            else:
                scale = np.full(len(brains), (float(n_used) ** 3 - n_used) / 12.0)
            varied = (squares > 0) & (brain_ranks.squares > 0)
            scores[s, m] = np.divide(products, scale, out=np.full_like(scale, np.nan), where=varied)
    return scores
