"""numba kernels of the stimulus bootstrap and the label permutation.

Callers validate values; kernels check sizes and loop. Sums may be reordered (``reassoc``)
so that they vectorise: no NaN ever enters them.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_REORDER = {"reassoc", "contract", "nsz"}

# Pairs and stimuli are numbered without sign: numba then leaves out the test for negative
# indices, which costs a third of the time of these loops.
Places = NDArray[np.uint32]
Stimuli = NDArray[np.uint16]
IntVector = NDArray[np.int32]
IntMatrix = NDArray[np.int32]
Vector = NDArray[np.float64]


@njit(cache=True, nogil=True)
def _within(places: Stimuli, n: int) -> bool:
    """Whether every place is one of n. ``max`` runs over many at a time, a loop of comparisons
    would take a tenth of the time of all resamples."""
    return len(places) == 0 or places.max() < n


@njit(cache=True, nogil=True)
def run_ends(values: Vector, order: Places, ends: IntVector) -> int:
    """Where each run of equal values ends in sorted order; returns the number of runs."""
    if len(order) == 0 or len(values) != len(order) or len(ends) != len(order):
        raise ValueError("values, order and ends must have one length, at least 1")
    n_runs = 0
    for k in range(1, len(order)):
        if values[order[k]] != values[order[k - 1]]:
            ends[n_runs] = k
            n_runs += 1
    ends[n_runs] = len(order)
    return n_runs + 1


@njit(cache=True, nogil=True)
def resampled_ranks(
    counts: IntMatrix,
    order: Places,
    first: Stimuli,
    second: Stimuli,
    ends: IntVector,
    ranks: IntMatrix,
    cubes: Vector,
) -> None:
    """Twice the midranks of every pair of one RDM in many resamples (lanes) at once, integers.

    Pair (i, j) occurs counts[i] counts[j] times, so the midrank of a run of ties is
    C + (W + 1) / 2, with W its total weight and C the weight of all below. Writes ``ranks``
    (n_pairs, n_lanes) at ``order``, and adds to ``cubes`` (n_lanes,) what ties add to the sum
    of W^3 - W over runs. No sum crosses lanes.
    """
    n_lanes = counts.shape[1]
    n_pairs = len(order)
    if len(first) != n_pairs or len(second) != n_pairs or ranks.shape != (n_pairs, n_lanes):
        raise ValueError("order, first and second are (n_pairs,), ranks (n_pairs, n_lanes)")
    if len(cubes) != n_lanes or len(ends) == 0 or ends[-1] != n_pairs:
        raise ValueError("cubes is (n_lanes,), and ends ends at n_pairs")
    if not (_within(first, len(counts)) and _within(second, len(counts))):
        raise ValueError("counts is (n_stimuli, n_lanes) with a row for every stimulus")
    below = np.zeros(n_lanes, np.int32)
    weight = np.zeros(n_lanes, np.int32)
    start = 0
    for run in range(len(ends)):
        end = ends[run]
        if end == start + 1:
            a, b, out = counts[first[start]], counts[second[start]], ranks[order[start]]
            for s in range(n_lanes):
                w = a[s] * b[s]
                out[s] = 2 * below[s] + w + 1
                below[s] += w
        else:
            _weigh_run(counts, first[start:end], second[start:end], weight, cubes)
            for k in range(start, end):
                out = ranks[order[k]]
                for s in range(n_lanes):
                    out[s] = 2 * below[s] + weight[s] + 1
            for s in range(n_lanes):
                below[s] += weight[s]
        start = end


@njit(cache=True, nogil=True)
def _weigh_run(
    counts: IntMatrix, first: Stimuli, second: Stimuli, weight: IntVector, cubes: Vector
) -> None:
    """The weight W of a run of ties in every lane; adds W^3 - W less the same of its pairs."""
    weight[:] = 0
    for k in range(len(first)):
        a, b = counts[first[k]], counts[second[k]]
        for s in range(len(weight)):
            w = a[s] * b[s]
            weight[s] += w
            single = float(w)
            cubes[s] -= (single * single - 1.0) * single
    for s in range(len(weight)):
        total = float(weight[s])
        cubes[s] += (total * total - 1.0) * total


@njit(cache=True, nogil=True)
def resampled_products(
    counts: IntMatrix,
    first: Stimuli,
    second: Stimuli,
    ends: IntVector,
    ranks: IntMatrix,
    means: IntVector,
    products: Vector,
    cubes: Vector,
) -> None:
    """sum over pairs of weight (x - mean)(y - mean), twice the midranks each, in every lane.

    x is the RDM in whose ascending order the pairs stand: its ranks are the running sum of the
    weights. y are ``ranks`` (n_pairs, n_lanes) in that order. ``cubes`` as for the ranks, of x.
    """
    n_lanes = counts.shape[1]
    n_pairs = len(first)
    if len(second) != n_pairs or ranks.shape != (n_pairs, n_lanes):
        raise ValueError("first and second are (n_pairs,), ranks (n_pairs, n_lanes)")
    if len(means) != n_lanes or len(products) != n_lanes or len(cubes) != n_lanes:
        raise ValueError("means, products and cubes are (n_lanes,)")
    if len(ends) == 0 or ends[-1] != n_pairs:
        raise ValueError("ends must end at n_pairs")
    if not (_within(first, len(counts)) and _within(second, len(counts))):
        raise ValueError("counts is (n_stimuli, n_lanes) with a row for every stimulus")
    below = np.zeros(n_lanes, np.int32)
    weight = np.zeros(n_lanes, np.int32)
    products[:] = 0.0
    start = 0
    for run in range(len(ends)):
        end = ends[run]
        if end == start + 1:
            a, b, y = counts[first[start]], counts[second[start]], ranks[start]
            for s in range(n_lanes):
                w = a[s] * b[s]
                x = float(2 * below[s] + w + 1 - means[s])
                products[s] += float(w) * (x * float(y[s] - means[s]))
                below[s] += w
        else:
            _weigh_run(counts, first[start:end], second[start:end], weight, cubes)
            for k in range(start, end):
                a, b, y = counts[first[k]], counts[second[k]], ranks[k]
                for s in range(n_lanes):
                    x = float(2 * below[s] + weight[s] + 1 - means[s])
                    products[s] += float(a[s] * b[s]) * (x * float(y[s] - means[s]))
            for s in range(n_lanes):
                below[s] += weight[s]
        start = end


@njit(cache=True, nogil=True)
def pair_weights(
    counts: IntMatrix, first: Stimuli, second: Stimuli, totals: NDArray[np.int64], cubes: Vector
) -> None:
    """In every lane, the sum of the weights of these pairs and that of their w^3 - w."""
    n_lanes = counts.shape[1]
    if len(first) != len(second) or len(totals) != n_lanes or len(cubes) != n_lanes:
        raise ValueError("first and second are (n_pairs,), totals and cubes (n_lanes,)")
    if not (_within(first, len(counts)) and _within(second, len(counts))):
        raise ValueError("counts is (n_stimuli, n_lanes) with a row for every stimulus")
    totals[:] = 0
    cubes[:] = 0.0
    for k in range(len(first)):
        a, b = counts[first[k]], counts[second[k]]
        for s in range(len(totals)):
            w = a[s] * b[s]
            totals[s] += w
            single = float(w)
            cubes[s] += (single * single - 1.0) * single


@njit(cache=True, nogil=True, fastmath=_REORDER)
def relabelled_products(
    square: np.ndarray,
    rows: np.ndarray,
    orders: np.ndarray,
    places: np.ndarray,
    out: NDArray[np.float64],
) -> None:
    """out[s, r] = sum_{i<j} square[p_i, p_j] rows[r, ij] of many relabellings p = orders[s].

    Goes along the rows of ``square``, so that the one gathered from stays in the first cache for
    all relabellings; ``places`` are their inverses. ``square`` and ``rows`` are float64, or
    int32 (half the memory to read), of one type.
    """
    n, n_orders = len(square), len(orders)
    if square.shape != (n, n) or rows.shape[1] != n * (n - 1) // 2:
        raise ValueError("square is (n, n), rows (n_rows, n (n - 1) / 2)")
    if orders.shape != (n_orders, n) or places.shape != (n_orders, n):
        raise ValueError("orders and places are (n_orders, n)")
    if out.shape != (n_orders, len(rows)):
        raise ValueError("out is (n_orders, n_rows)")
    gathered = np.empty(n, square.dtype)
    out[:] = 0.0
    for a in range(n):
        source = square[a]
        for s in range(len(orders)):
            i = np.int64(places[s, a])
            length = n - i - 1
            start = i * (2 * n - i - 1) // 2
            order = orders[s, i + 1 :]
            for j in range(length):
                gathered[j] = source[order[j]]
            for r in range(len(rows)):
                row = rows[r, start : start + length]
                part = 0.0
                for j in range(length):
                    part += float(gathered[j]) * float(row[j])
                out[s, r] += part


@njit(cache=True, nogil=True)
def relabelled_masked_ranks(
    new_label: NDArray[np.int64],
    used: NDArray[np.bool_],
    first: Stimuli,
    second: Stimuli,
    ends: IntVector,
    mean: float,
    out: NDArray[np.float64],
) -> float:
    """Midranks, less their mean, of the pairs that fall on used places after relabelling.

    Stimulus i moves to new_label[i]; a pair that moves to a place that is not used counts
    for nothing. Writes to the upper triangle of the square ``out``; returns the sum of squares.
    """
    n, n_pairs = len(new_label), len(first)
    if used.shape != (n, n) or out.shape != (n, n):
        raise ValueError("new_label is (n,), used and out (n, n)")
    if len(second) != n_pairs or len(ends) == 0 or ends[-1] != n_pairs:
        raise ValueError("first and second are (n_pairs,), and ends ends at n_pairs")
    if not (_within(first, n) and _within(second, n)):
        raise ValueError("new_label is (n_stimuli,) with a label for every stimulus")
    below = 0
    squares = 0.0
    start = 0
    for run in range(len(ends)):
        weight = 0
        for k in range(start, ends[run]):
            weight += used[new_label[first[k]], new_label[second[k]]]
        rank = below + 0.5 * (weight + 1) - mean
        for k in range(start, ends[run]):
            i, j = new_label[first[k]], new_label[second[k]]
            if used[i, j]:
                out[min(i, j), max(i, j)] = rank
        squares += weight * rank * rank
        below += weight
        start = ends[run]
    return squares
