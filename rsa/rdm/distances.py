"""What a dissimilarity is, and those of pattern vectors: correlation, cosine, Euclidean.

A dissimilarity is an object with a ``name`` and one method, patterns -> (condensed,
undefined). ``neurosim.rsa.rdm.dissimilarities`` registers them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.rsa.rdm.checks import as_numbers
from neurosim.rsa.rdm.threads import default_threads

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

GRID = 2.0**-40
"""Dissimilarities are multiples of GRID times a unit: see ``compute_rdm``."""

_BITS = 40
_ROUNDED_AT_ONCE = 2**20

_BLOCK = 1024  # rows of the Gram matrix at a time: 8,740 stimuli need 71 MB, not 611
# From 4 MiB on numpy asks for huge pages; to touch as many small new ones takes a third of the
# time of a whole RDM.
_HUGE_PAGES = 5 * 2**17


# Between these the squares of a row, summed over many features, neither overflow nor vanish.
LEAST, MOST = 2.0**-400, 2.0**400


class Dissimilarity(ABC):
    """Patterns in, condensed dissimilarities and the patterns that have none out."""

    name: str

    @abstractmethod
    def condensed(self, patterns: ArrayLike | Any) -> tuple[Array, Flags]:
        """``patterns`` (n_stimuli, ...) -> ((n_pairs,), (n_stimuli,) True where undefined)."""


@final
@dataclass(frozen=True)
class OneMinusProduct(Dissimilarity):
    """1 - a.b of the rows that ``embed`` maps to unit length, (n, d) -> ((n, d), undefined)."""

    name: str
    embed: Callable[[Array], tuple[Array, Flags]]

    def condensed(self, patterns: ArrayLike | Any) -> tuple[Array, Flags]:
        matrix, missing = as_patterns(patterns)
        rows, undefined = self.embed(matrix)
        return blank(one_minus_products(rows), undefined | missing), undefined | missing


@final
@dataclass(frozen=True)
class Euclidean(Dissimilarity):
    """|a - b|, or its square."""

    squared: bool = False

    @property
    def name(self) -> str:  # type: ignore[override]
        return "sqeuclidean" if self.squared else "euclidean"

    def condensed(self, patterns: ArrayLike | Any) -> tuple[Array, Flags]:
        matrix, missing = as_patterns(patterns)
        values = on_relative_grid(squared_distances(matrix))
        return blank(values if self.squared else np.sqrt(values), missing), missing


@final
@dataclass(frozen=True)
class OfFunction(Dissimilarity):
    """A function of one's own, patterns (n, d) -> (n_pairs,) condensed or (n, n) square.

    Missing rows reach it as zeros, and are left out of what it gives.
    """

    name: str
    function: Callable[[Array], ArrayLike]

    def condensed(self, patterns: ArrayLike | Any) -> tuple[Array, Flags]:
        matrix, missing = as_patterns(patterns)
        n = len(matrix)
        found = np.array(self.function(matrix), dtype=np.float64)
        if found.shape == (n, n):
            found = found[np.triu_indices(n, 1)]
        if found.shape != (n * (n - 1) // 2,):
            raise ValueError(
                f"the dissimilarity {self.name} of {n} patterns has the shape {found.shape}: "
                f"return ({n * (n - 1) // 2},), the pairs i < j row by row, or ({n}, {n})"
            )
        if np.isnan(found).any() or (found < 0).any():
            raise ValueError(
                f"the dissimilarity {self.name} gives NaN or negative numbers: return distances "
                "of 0 or more"
            )
        return blank(found, missing), missing


def as_patterns(patterns: ArrayLike | Any) -> tuple[Array, Flags]:
    """Validate a pattern matrix; returns it in float64 with missing rows zeroed, and those."""
    matrix = as_numbers(patterns)
    if matrix.ndim != 2 or matrix.shape[0] < 2 or matrix.shape[1] < 1:
        raise ValueError(
            "patterns must be (n_stimuli >= 2, n_features >= 1); got shape "
            f"{matrix.shape} (flatten feature maps with x.reshape(len(x), -1))"
        )
    if matrix.dtype.kind not in "fiub":
        raise TypeError(f"patterns must be real numbers; got dtype {matrix.dtype}")
    # Always a copy: the embeddings below work in place.
    matrix = np.array(matrix, dtype=np.float64)
    with np.errstate(over="ignore"):
        total = matrix.sum(axis=1)
    missing = np.zeros(len(matrix), dtype=bool)
    for i in np.flatnonzero(~np.isfinite(total)):
        if np.isnan(matrix[i]).all():
            missing[i] = True
            matrix[i] = 0.0
        elif not np.isfinite(matrix[i]).all():
            raise ValueError(
                f"pattern #{i} holds NaN or infinity in part; a missing condition is a row of "
                "NaN only, and a missing feature must be left out for all stimuli"
            )
    return matrix, missing


def one_minus_products(rows: Array) -> Array:
    """1 - r_i.r_j for i < j, clipped to [0, 2] and put on the grid."""
    from neurosim.rsa.kernels.distance import one_minus

    def fill(start: int, diagonal: Array, right: Array, out: Array, filled: int) -> None:
        one_minus(diagonal, right, rows[start:], GRID, out, filled)

    return _from_gram(rows, fill)


def squared_distances(rows: Array) -> Array:
    """|r_i - r_j|^2 for i < j, each accurate relative to itself."""
    from neurosim.rsa.kernels.distance import squared_distance

    # Distances ignore the common offset, the expanded square |a|^2 + |b|^2 - 2 a.b does not.
    with np.errstate(over="ignore", invalid="ignore"):
        centred = rows - rows.mean(axis=0)
        norms = np.einsum("ij,ij->i", centred, centred)
    largest = norms.max()
    if not largest < MOST**2 or (largest < LEAST**2 and centred.any()):
        raise ValueError(
            f"patterns that differ by {np.abs(centred).max():.2g} have squared distances that "
            "float64 cannot hold; divide all patterns by one number of that size first"
        )

    def fill(start: int, diagonal: Array, right: Array, out: Array, filled: int) -> None:
        squared_distance(diagonal, right, norms[start:], rows[start:], out, filled)

    return _from_gram(centred, fill)


_Fill = Callable[[int, Array, Array, Array, int], None]


def _from_gram(rows: Array, fill: _Fill) -> Array:
    """Condensed values from the Gram matrix, block by block.

    ``fill(start, r r', r s', out, filled)`` writes the pairs of block ``r`` from place ``filled``
    on; s are all rows after the block. Blocks keep memory down, and beyond the first they are
    shared among threads: each writes its own part of ``out``, the same whatever their number.
    """
    n = len(rows)
    out = np.empty(n * (n - 1) // 2)

    def block(start: int) -> None:
        fill(start, *_gram_block(rows, start), out, start * (2 * n - start - 1) // 2)

    starts = range(0, n, _BLOCK)
    if len(starts) == 1:
        block(0)
        return out
    with ThreadPoolExecutor(default_threads()) as pool:
        list(pool.map(block, starts))
    return out


def _gram_block(rows: Array, start: int) -> tuple[Array, Array]:
    """(r r', r s') with r the rows of one block and s all rows after it.

    numpy computes a product with its own transpose in half the time.
    """
    block, after = rows[start : start + _BLOCK], rows[start + _BLOCK :]
    k, m = len(block), len(after)
    work = np.empty(max(k * (k + m), _HUGE_PAGES))
    diagonal = work[: k * k].reshape(k, k)
    right = work[k * k : k * (k + m)].reshape(k, m)
    np.matmul(block, block.T, out=diagonal)
    np.matmul(block, after.T, out=right)
    return diagonal, right


def on_relative_grid(values: Array, sizes: Array | None = None) -> Array:
    """Round in place to multiples of GRID times the power of two above each value, or above the
    size given for it."""
    for start in range(0, len(values), _ROUNDED_AT_ONCE):
        part = slice(start, start + _ROUNDED_AT_ONCE)
        _, exponents = np.frexp((values if sizes is None else sizes)[part])
        values[part] = np.ldexp(
            np.rint(np.ldexp(values[part], _BITS - exponents)), exponents - _BITS
        )
    return values


def blank(condensed: Array, undefined: Flags) -> Array:
    """NaN in every pair of an undefined pattern."""
    n = len(undefined)
    for i in np.flatnonzero(undefined):
        before = np.arange(i)
        condensed[before * (2 * n - before - 1) // 2 + i - before - 1] = np.nan
        start = i * (2 * n - i - 1) // 2
        condensed[start : start + n - i - 1] = np.nan
    return condensed


def _norms(matrix: Array) -> Array:
    return np.sqrt(np.einsum("ij,ij->i", matrix, matrix))


def _tame(matrix: Array, size: Array) -> bool:
    """Bring rows whose squares would overflow or vanish to a size about 1, in place; exact but
    for what float64 cannot hold, since it multiplies by powers of two. Whether there were any."""
    extreme = np.flatnonzero(~((size > LEAST) & (size < MOST)))
    if not len(extreme):
        return False
    rows = matrix[extreme]
    _, exponents = np.frexp(np.abs(rows).max(axis=1, keepdims=True))
    matrix[extreme] = np.ldexp(rows, -exponents)
    return True


def _unit_rows(matrix: Array, scale: Array) -> tuple[Array, Flags]:
    norms = _norms(matrix)
    # What is left of a constant pattern after centring is rounding, not a pattern.
    undefined = norms <= 1e-13 * scale * np.sqrt(matrix.shape[1])
    norms[undefined] = 1.0
    matrix /= norms[:, None]
    matrix[undefined] = 0.0
    return matrix, undefined


def _largest(matrix: Array) -> Array:
    return np.maximum(matrix.max(axis=1), -matrix.min(axis=1))


def _centred_unit(matrix: Array) -> tuple[Array, Flags]:
    scale = _largest(matrix)
    if _tame(matrix, scale):
        scale = _largest(matrix)
    matrix -= matrix.mean(axis=1, keepdims=True)
    return _unit_rows(matrix, scale)


def _unit(matrix: Array) -> tuple[Array, Flags]:
    _tame(matrix, _norms(matrix))
    return _unit_rows(matrix, np.zeros(len(matrix)))


CORRELATION = OneMinusProduct("correlation", _centred_unit)
COSINE = OneMinusProduct("cosine", _unit)
