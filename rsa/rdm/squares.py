"""Condensed and square RDMs, and what makes a square matrix an RDM.

Everywhere in this package an RDM is its condensed vector: the upper triangle, row major,
``n_pairs = n_stimuli (n_stimuli - 1) / 2``.
"""

from __future__ import annotations

from math import isqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.rsa.rdm.checks import as_numbers

_ASYMMETRY = 1e-4
"""Of the larger of the pair and the median pair: what float32 tools leave is 1e-7 to 1e-6."""
_DIAGONAL = 1e-2
"""Of the median pair. The diagonal is not read, it only says what the matrix holds: similarities
have theirs at their largest value, float32 distances (torch.cdist) at 1e-3 of their median."""


def triangle_side(n_pairs: int) -> int:
    """The number n of stimuli, two or more, with n (n - 1) / 2 = ``n_pairs``; 0 where none has."""
    n = isqrt(2 * n_pairs) + 1
    return n if n > 1 and n * (n - 1) == 2 * n_pairs else 0


def n_stimuli_of(n_pairs: int) -> int:
    """The number of stimuli whose upper triangle has ``n_pairs`` entries."""
    n = triangle_side(n_pairs)
    if n == 0:
        raise ValueError(
            f"{n_pairs} is not a number of pairs n (n - 1) / 2 of any number of stimuli; "
            "give the upper triangle without its diagonal, or a square matrix"
        )
    return n


def to_square(condensed: ArrayLike) -> NDArray[np.float64]:
    """(..., n_pairs) condensed -> (..., n_stimuli, n_stimuli), zero diagonal."""
    rows = np.asarray(as_numbers(condensed), dtype=np.float64)
    n = n_stimuli_of(rows.shape[-1])
    upper = np.triu_indices(n, 1)
    square = np.zeros((*rows.shape[:-1], n, n))
    square[..., upper[0], upper[1]] = rows
    square[..., upper[1], upper[0]] = rows
    return square


def to_condensed(square: ArrayLike, what: str = "the square matrix") -> NDArray[np.float64]:
    """(..., n, n) symmetric -> (..., n_pairs): the upper triangle. The diagonal is not read.

    Symmetric means within rounding, in no unit: the two entries of a pair differ by less than
    1e-4 of the larger of the pair and the median pair.

    Raises:
        ValueError: not square, not symmetric, or values or NaN on one side of the diagonal only.
    """
    matrix = np.asarray(as_numbers(square), dtype=np.float64)
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2] or matrix.shape[-1] < 2:
        raise ValueError(f"a square RDM is (..., n, n) with n >= 2; got shape {matrix.shape}")
    above, below = _triangles(matrix)
    if mirrored(matrix) is not None:
        raise ValueError(
            f"{what} {matrix.shape} has values on one side of its diagonal only; give both sides: "
            "D + D.T, or np.fmax(D, D.T) where the other holds NaN"
        )
    odd = np.isnan(above) != np.isnan(below)
    if odd.any():
        k = int(np.argwhere(odd)[0][-1])
        i, j = (int(side[k]) for side in np.triu_indices(matrix.shape[-1], 1))
        if not np.isnan(above[odd][0]):
            i, j = j, i
        raise ValueError(
            f"{what}: entry ({i}, {j}) is NaN and ({j}, {i}) is not, in {np.count_nonzero(odd)} "
            "pairs; a missing pair is NaN on both sides of the diagonal: put NaN or the value on "
            "both"
        )
    if not _symmetric(above, below):
        worst = float(np.nanmax(np.abs(above - below)))
        raise ValueError(
            f"{what} {matrix.shape} is not symmetric (largest difference {worst:.3g}); an RDM is "
            "symmetric: give (D + D.T) / 2 if that is what is meant"
        )
    return above


def mirrored(squares: ArrayLike) -> NDArray[np.float64] | None:
    """(..., n, n) with the upper triangle below the diagonal too, or the other way round, where
    one of them is empty (zero or NaN throughout) in all matrices and the other is not; else None.
    """
    above, below = _triangles(np.asarray(squares, dtype=np.float64))
    full = [bool((np.nan_to_num(side) != 0).any()) for side in (above, below)]
    if full[0] == full[1]:
        return None
    matrices = np.array(squares, dtype=np.float64)
    first, second = np.triu_indices(matrices.shape[-1], 1)
    if full[0]:
        matrices[..., second, first] = above
    else:
        matrices[..., first, second] = below
    return matrices


def condensed_rdms(squares: ArrayLike, what: str) -> NDArray[np.float64]:
    """``to_condensed`` of matrices that are to be RDMs: similarities are refused."""
    matrices = np.asarray(as_numbers(squares), dtype=np.float64)
    condensed = to_condensed(matrices, what)
    if not _zero_diagonal(matrices, condensed):
        raise ValueError(
            f"{what}: a symmetric matrix {matrices.shape} whose diagonal is not zero holds "
            "similarities, or is no RDM; give 1 - similarity, or to_condensed(matrix) if its upper "
            "triangle holds dissimilarities"
        )
    return condensed


def is_one_square(matrix: NDArray[np.floating]) -> bool:
    """Whether a two-dimensional array is meant as one square matrix; else it is a stack of
    condensed vectors.

    n x n with n of the form k (k - 1) / 2 could be both. One that is nearly an RDM (symmetric, or
    with a zero diagonal) is meant as a square: as a stack it would be read without a word.
    """
    n = len(matrix)
    if matrix.shape != (n, n) or n < 2:
        return False
    if not triangle_side(n):
        return True
    above, below = _triangles(matrix)
    return _zero_diagonal(matrix, above) or _symmetric(above, below)


def pair_indices(stimuli: ArrayLike, n_stimuli: int) -> NDArray[np.intp]:
    """Where the pairs of these stimuli (distinct positions, in this order) stand in the
    condensed vector of all ``n_stimuli``."""
    order = np.asarray(stimuli, dtype=np.intp)
    upper = np.triu_indices(len(order), 1)
    low = np.minimum(order[upper[0]], order[upper[1]])
    high = np.maximum(order[upper[0]], order[upper[1]])
    return low * (2 * n_stimuli - low - 1) // 2 + high - low - 1


def _triangles(matrix: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(..., n_pairs) above and below the diagonal, pair by pair."""
    first, second = np.triu_indices(matrix.shape[-1], 1)
    square = np.asarray(matrix, dtype=np.float64)
    return square[..., first, second], square[..., second, first]


def _symmetric(above: NDArray[np.floating], below: NDArray[np.floating]) -> bool:
    """Within rounding of each matrix's own scale; a pair that is NaN on both sides is."""
    size = np.maximum(np.abs(above), np.abs(below))
    allowed = _ASYMMETRY * np.maximum(size, _median(size)[..., None])
    same = np.isnan(above) & np.isnan(below)
    with np.errstate(invalid="ignore"):
        same |= (above == below) | (np.abs(above - below) <= allowed)
    return bool(same.all())


def _zero_diagonal(matrix: NDArray[np.floating], above: NDArray[np.floating]) -> bool:
    """Within rounding of each matrix's own scale; NaN counts as zero."""
    diagonal = np.abs(np.diagonal(matrix, axis1=-2, axis2=-1))
    allowed = _DIAGONAL * _median(np.abs(above))[..., None]
    return bool(np.all((diagonal <= allowed) | np.isnan(diagonal)))


def _median(size: NDArray[np.floating]) -> NDArray[np.float64]:
    """(...) median of the pairs that are present and not zero, 0 where there are none.

    Not the largest: beside one outlier everything else would be within rounding of it.
    """
    flat = np.asarray(size, dtype=np.float64).reshape(-1, size.shape[-1])
    medians = [float(np.median(row[row > 0])) if (row > 0).any() else 0.0 for row in flat]
    return np.array(medians).reshape(size.shape[:-1])
