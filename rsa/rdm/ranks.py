"""Midranks of many RDMs, kept for many comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from neurosim.rsa.rdm.distances import GRID

_FEW = 3  # rows; from four on, BLAS on converted blocks is faster
_MOST_WITH_SPARE = 2**24  # pairs: beyond, a second array for sorting costs too much memory
_BLOCK = 8192  # pairs converted to float64 at a time: they stay in the cache


@final
@dataclass(frozen=True, eq=False)
class Ranks:
    """Twice the midranks of each row, exact integers, half the memory of float64.

    Attributes:
        doubled: (n_rows, n_pairs) int32, values 2 ... 2 n_pairs.
        squares: (n_rows,) sum of squares of ``doubled`` about its mean n_pairs + 1.
    """

    doubled: NDArray[np.int32]
    squares: NDArray[np.float64]

    @classmethod
    def of(cls, rows: NDArray[np.floating]) -> Ranks:
        """Rank each row of (n_rows, n_pairs); no NaN."""
        # Imported here: numba costs half a second that --help should not pay.
        from neurosim.rsa.kernels.rank import doubled_midranks, packed_midranks

        doubled = np.empty(rows.shape, dtype=np.int32)
        squares = np.empty(len(rows))
        n_bits = int(rows.shape[1] - 1).bit_length()
        for i, row in enumerate(rows):
            packed = _sorted_packed(row, n_bits)
            if packed is None:
                squares[i] = doubled_midranks(row, np.argsort(row), doubled[i])
            else:
                squares[i] = packed_midranks(packed, n_bits, doubled[i])
        return cls(doubled, squares)

    def products(self, other: Ranks) -> NDArray[np.float64]:
        """(n_self, n_other) sums of products of ranks about their means."""
        from neurosim.rsa.kernels.rank import centred_products

        n = self.doubled.shape[1]
        total = np.zeros((len(self.doubled), len(other.doubled)))
        if len(self.doubled) <= _FEW:
            centred_products(self.doubled, other.doubled, n + 1, total)
            return total / 4.0
        for start in range(0, n, _BLOCK):
            part = slice(start, start + _BLOCK)
            a = self.doubled[:, part].astype(np.float64)
            b = other.doubled[:, part].astype(np.float64)
            a -= n + 1
            b -= n + 1
            total += a @ b.T
        return total / 4.0


def ascending(row: NDArray[np.floating]) -> NDArray[np.integer]:
    """The places of the values of ``row`` in ascending order; no NaN."""
    n_bits = int(len(row) - 1).bit_length()
    packed = _sorted_packed(row, n_bits)
    if packed is None:
        return np.argsort(row)
    packed &= np.uint64((1 << n_bits) - 1)
    return packed


def _sorted_packed(row: NDArray[np.floating], n_bits: int) -> NDArray[np.uint64] | None:
    from neurosim.rsa.kernels.rank import radix_sorted

    packed = _packed(row, n_bits)
    if packed is None:
        return None
    if len(packed) > _MOST_WITH_SPARE:
        packed.sort()
        return packed
    n_value_bits = int(packed.max()).bit_length() - n_bits
    return radix_sorted(packed, np.empty_like(packed), n_bits, max(n_value_bits, 1))


def _packed(row: NDArray[np.floating], n_bits: int) -> NDArray[np.uint64] | None:
    """Values and places in one integer each, value above place, or None if they do not fit.

    Sorting plain integers is two to three times faster than sorting places by value. float32
    always fits; float64 does where it lies on the grid of bounded dissimilarities, as those of
    ``compute_rdm`` do.
    """
    from neurosim.rsa.kernels.rank import pack_float32_bits, pack_grid_values

    packed = np.empty(len(row), dtype=np.uint64)
    if row.dtype == np.float32 and n_bits <= 32:
        pack_float32_bits(np.ascontiguousarray(row).view(np.int32), n_bits, packed)
        return packed
    return packed if pack_grid_values(row, 1.0 / GRID, n_bits, packed) else None
