"""numba kernels of the stimulus bootstrap and the label permutation.

Callers validate; kernels loop. Sums may be reordered (``reassoc``) so that they vectorise:
no NaN ever enters them.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_REORDER = {"reassoc", "contract", "nsz"}

IntVector = NDArray[np.int32]
Vector = NDArray[np.float64]


@njit(cache=True, nogil=True)
def run_ends(values: Vector, order: IntVector, ends: IntVector) -> int:
    """Where each run of equal values ends in sorted order; returns the number of runs."""
    n_runs = 0
    for k in range(1, len(order)):
        if values[order[k]] != values[order[k - 1]]:
            ends[n_runs] = k
            n_runs += 1
    ends[n_runs] = len(order)
    return n_runs + 1


@njit(cache=True, nogil=True)
def resampled_ranks(
    counts: NDArray[np.int64],
    order: IntVector,
    first: IntVector,
    second: IntVector,
    ends: IntVector,
    mean: float,
    out: Vector,
) -> float:
    """Midranks, less their mean, of every pair in one resample of the stimuli.

    Pair (i, j) occurs counts[i] counts[j] times, so the midrank of a run of ties is
    C + (W + 1) / 2, with W its total weight and C the weight of all below. Writes to ``out``
    by pair; returns the weighted sum of squares.
    """
    below = 0
    squares = 0.0
    if len(ends) == len(order):  # no ties in the original: every run is one pair
        for k in range(len(order)):
            weight = counts[first[k]] * counts[second[k]]
            rank = below + 0.5 * (weight + 1) - mean
            out[order[k]] = rank
            squares += weight * rank * rank
            below += weight
        return squares
    start = 0
    for run in range(len(ends)):
        weight = 0
        for k in range(start, ends[run]):
            weight += counts[first[k]] * counts[second[k]]
        rank = below + 0.5 * (weight + 1) - mean
        for k in range(start, ends[run]):
            out[order[k]] = rank
        squares += weight * rank * rank
        below += weight
        start = ends[run]
    return squares


@njit(cache=True, nogil=True, fastmath=_REORDER)
def weighted_product(counts: Vector, x: Vector, y: Vector) -> float:
    """sum_{i<j} counts_i counts_j x_ij y_ij over condensed vectors."""
    n = len(counts)
    total = 0.0
    start = 0
    for i in range(n - 1):
        length = n - i - 1
        if counts[i] > 0:
            part = 0.0
            for j in range(length):
                part += counts[i + 1 + j] * (x[start + j] * y[start + j])
            total += counts[i] * part
        start += length
    return total


@njit(cache=True, nogil=True, fastmath=_REORDER)
def relabelled_products(
    square: NDArray[np.float64],
    rows: NDArray[np.float64],
    permutation: NDArray[np.int64],
    out: Vector,
) -> None:
    """out[r] = sum_{i<j} square[p_i, p_j] rows[r, ij]: one gather for all rows."""
    n = len(permutation)
    gathered = np.empty(n)
    out[:] = 0.0
    start = 0
    for i in range(n - 1):
        source = square[permutation[i]]
        length = n - i - 1
        for j in range(length):
            gathered[j] = source[permutation[i + 1 + j]]
        for r in range(len(rows)):
            part = 0.0
            for j in range(length):
                part += gathered[j] * rows[r, start + j]
            out[r] += part
        start += length


@njit(cache=True, nogil=True)
def relabelled_masked_ranks(
    new_label: NDArray[np.int64],
    used: NDArray[np.bool_],
    order: IntVector,
    first: IntVector,
    second: IntVector,
    ends: IntVector,
    mean: float,
    out: NDArray[np.float64],
) -> float:
    """Midranks, less their mean, of the pairs that fall on used places after relabelling.

    Stimulus i moves to new_label[i]; a pair that moves to a place that is not used counts
    for nothing. Writes to the upper triangle of the square ``out``; returns the sum of squares.
    """
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
