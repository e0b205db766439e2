"""numba kernels of the stimulus bootstrap and the label permutation.

Callers validate; kernels loop. Sums may be reordered (``reassoc``) so that they vectorise:
no NaN ever enters them.
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
Vector = NDArray[np.float64]


@njit(cache=True, nogil=True)
def run_ends(values: Vector, order: Places, ends: IntVector) -> int:
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
    counts: IntVector,
    order: Places,
    first: Stimuli,
    second: Stimuli,
    ends: IntVector,
    out: IntVector,
) -> float:
    """Twice the midranks of every pair in one resample of the stimuli, integers.

    Pair (i, j) occurs counts[i] counts[j] times, so the midrank of a run of ties is
    C + (W + 1) / 2, with W its total weight and C the weight of all below. Writes to ``out``
    by pair; returns sum (W^3 - W) over the runs, what ties take from the sum of squares.
    """
    below = 0
    cubes = 0.0
    if len(ends) == len(order):  # no ties in the original: every run is one pair
        for k in range(len(order)):
            weight = counts[first[k]] * counts[second[k]]
            out[order[k]] = 2 * below + weight + 1
            below += weight
        return np.nan
    start = 0
    for run in range(len(ends)):
        weight = 0
        for k in range(start, ends[run]):
            weight += counts[first[k]] * counts[second[k]]
        for k in range(start, ends[run]):
            out[order[k]] = 2 * below + weight + 1
        cubes += (float(weight) ** 2 - 1.0) * weight
        below += weight
        start = ends[run]
    return cubes


@njit(cache=True, nogil=True)
def pair_weights(counts: IntVector, first: Stimuli, second: Stimuli) -> tuple[int, float]:
    """The total weight of these pairs, and sum (W^3 - W) when every run is one pair."""
    total = 0
    cubes = 0
    for k in range(len(first)):
        weight = counts[first[k]] * counts[second[k]]
        total += weight
        cubes += (weight * weight - 1) * weight
    return total, float(cubes)


@njit(cache=True, nogil=True, fastmath=_REORDER)
def weighted_product(counts: Vector, x: IntVector, y: IntVector, mean: int) -> float:
    """sum_{i<j} counts_i counts_j (x_ij - mean)(y_ij - mean) over condensed vectors."""
    n = len(counts)
    total = 0.0
    start = 0
    for i in range(n - 1):
        length = n - i - 1
        if counts[i] > 0:
            part = 0.0
            a, b, c = x[start : start + length], y[start : start + length], counts[i + 1 :]
            for j in range(length):
                part += c[j] * (float(a[j] - mean) * float(b[j] - mean))
            total += counts[i] * part
        start += length
    return total


@njit(cache=True, nogil=True, fastmath=_REORDER)
def relabelled_products(
    square: np.ndarray, rows: np.ndarray, permutation: Places, out: Vector
) -> None:
    """out[r] = sum_{i<j} square[p_i, p_j] rows[r, ij]: one gather for all rows.

    ``square`` and ``rows`` are float64, or int32 (half the memory to read), of one type.
    """
    n = len(permutation)
    gathered = np.empty(n, square.dtype)
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
                part += float(gathered[j]) * float(rows[r, start + j])
            out[r] += part
        start += length


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
