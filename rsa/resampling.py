"""Scores under resampled or relabelled stimuli.

A comparator that knows nothing better uses the plain definitions here (write the vectors
out, then compare); the rank and inner-product comparators have exact faster forms:

- A resample of stimuli is integer weights w_i w_j on pairs (self-pairs left out), so midranks
  are cumulative weights along an order that is sorted once, not once a resample.
- Relabelling never changes ranks: rank once, gather.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.rsa.rdm import n_stimuli_of, to_square

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


def in_threads(work: Callable[[range], None], n: int) -> None:
    """Share ``range(n)`` among as many threads as numba may use (NUMBA_NUM_THREADS); the
    kernels let go of the interpreter, and every item is computed alone, whoever does it."""
    import numba

    n_threads = min(int(numba.config.NUMBA_NUM_THREADS), max(1, n // 16))  # type: ignore[attr-defined]
    if n_threads == 1:
        work(range(n))
        return
    bounds = np.linspace(0, n, n_threads + 1).astype(int)
    with ThreadPoolExecutor(n_threads) as pool:
        parts = [range(bounds[t], bounds[t + 1]) for t in range(n_threads)]
        for done in [pool.submit(work, part) for part in parts]:
            done.result()


class SortedPairs:
    """The pairs in use of one RDM, in ascending order of dissimilarity.

    Attributes:
        order: their condensed positions; first, second: their two stimuli.
        ends: where each run of ties ends.
    """

    def __init__(self, row: Rows, used: Flags) -> None:
        from neurosim.rsa._resample_kernels import run_ends

        places = np.flatnonzero(used)
        order = places[np.argsort(row[places])]
        upper = np.triu_indices(n_stimuli_of(len(row)), 1)
        self.order = order.astype(np.uint32)
        self.first = upper[0][order].astype(np.uint16)
        self.second = upper[1][order].astype(np.uint16)
        ends = np.empty(len(order), dtype=np.int32)
        self.ends = ends[: run_ends(np.asarray(row, np.float64), self.order, ends)].copy()


def _pair_weights(counts: NDArray[np.int32], used: SortedPairs | None) -> tuple[int, float]:
    """The number T of pairs of a resample, and sum (W^3 - W) of their weights W = w_i w_j."""
    if used is not None:
        from neurosim.rsa._resample_kernels import pair_weights

        return pair_weights(counts, used.first, used.second)
    w = counts.astype(np.int64)
    total = int(w.sum() ** 2 - w @ w) // 2
    return total, float(int((w**3).sum()) ** 2 - int((w**6).sum())) / 2 - total


def resample_ranks(
    models: Rows, brains: Rows, indices: Ints, used: Flags, tie_corrected: bool
) -> Array:
    """The same as ``resample_plainly`` with Spearman's rho or rho-a, sorting once."""
    from neurosim.rsa._resample_kernels import resampled_ranks, weighted_product

    n_stimuli = n_stimuli_of(models.shape[1])
    masked = not used.all()
    rows = np.concatenate([models, brains]).astype(np.float64)
    sorts = [SortedPairs(row, used) for row in rows]
    all_counts = np.array([np.bincount(i, minlength=n_stimuli) for i in indices], dtype=np.int32)
    scores = np.full((len(indices), len(models), len(brains)), np.nan)

    def work(part: range) -> None:
        # The product runs over all pairs: those not in use stand at the mean, and add nothing.
        ranks, squares = np.empty(rows.shape, dtype=np.int32), np.empty(len(rows))
        for s in part:
            counts = all_counts[s]
            total, untied = _pair_weights(counts, sorts[0] if masked else None)
            if total < 2:
                continue
            if masked:
                ranks[:, ~used] = total + 1
            for r, pairs in enumerate(sorts):
                cubes = resampled_ranks(
                    counts, pairs.order, pairs.first, pairs.second, pairs.ends, ranks[r]
                )
                if np.isnan(cubes):
                    cubes = untied
                squares[r] = (float(total) ** 3 - total - cubes) / 12.0
            weights = counts.astype(np.float64)
            for m in range(len(models)):
                for b in range(len(models), len(rows)):
                    product = weighted_product(weights, ranks[m], ranks[b], total + 1) / 4.0
                    scale = (
                        np.sqrt(squares[m] * squares[b])
                        if tie_corrected
                        else (float(total) ** 3 - total) / 12.0
                    )
                    scores[s, m, b - len(models)] = product / scale if scale > 0 else np.nan

    in_threads(work, len(indices))
    return scores


def resample_products(
    models: Rows, brains: Rows, indices: Ints, used: Flags, centred: bool
) -> Array:
    """The same as ``resample_plainly`` with Pearson's r or the cosine, by weighted sums."""
    n_stimuli = n_stimuli_of(models.shape[1])
    upper = np.triu_indices(n_stimuli, 1)
    rows, columns = upper[0][used], upper[1][used]
    x, y = models[:, used], brains[:, used]
    scores = np.full((len(indices), len(models), len(brains)), np.nan)
    for s, sample in enumerate(indices):
        counts = np.bincount(sample, minlength=n_stimuli).astype(np.float64)
        weights = counts[rows] * counts[columns]
        total = weights.sum()
        if total < 2:
            continue
        # Centred by the weighted mean first: the one-pass formula cancels.
        a = x - (x @ weights / total)[:, None] if centred else x
        b = y - (y @ weights / total)[:, None] if centred else y
        scale = np.sqrt(np.outer((a * a) @ weights, (b * b) @ weights))
        products = (a * weights) @ b.T
        scores[s] = np.divide(products, scale, out=np.full_like(scale, np.nan), where=scale > 0)
    return scores


def relabel_products(models: NDArray[Any], brains: NDArray[Any], permutations: Ints) -> Array:
    """(n_permutations, n_models, n_brains) sums of products of relabelled model rows with brain
    rows, float64 or int32; both already on the footing on which their product is the score."""
    from neurosim.rsa._resample_kernels import relabelled_products

    squares = to_square(models).astype(models.dtype)
    rows = np.ascontiguousarray(brains)
    scores = np.empty((len(permutations), len(models), len(brains)))
    orders = permutations.astype(np.uint32)

    def work(part: range) -> None:
        for s in part:
            for m, square in enumerate(squares):
                relabelled_products(square, rows, orders[s], scores[s, m])

    in_threads(work, len(orders))
    return scores


def relabel_masked_ranks(
    models: Rows, brains: Rows, permutations: Ints, used: Flags, tie_corrected: bool
) -> Array:
    """Rank correlation under relabelling when only some places are used: which model pairs
    fall on them changes with the labels, so ranks are counted along the sorted order."""
    from neurosim.rsa._resample_kernels import relabelled_masked_ranks
    from neurosim.rsa.ranks import Ranks

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
            scores[s, m] = np.divide(
                products, scale, out=np.full_like(scale, np.nan), where=scale > 0
            )
    return scores
