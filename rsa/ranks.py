"""Midranks of many RDMs, kept for many comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

_FEW = 3  # rows; from four on, BLAS on converted blocks is faster
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
        from neurosim.rsa._rank_kernels import doubled_midranks

        doubled = np.empty(rows.shape, dtype=np.int32)
        squares = np.empty(len(rows))
        for i, row in enumerate(rows):
            squares[i] = doubled_midranks(row, np.argsort(row), doubled[i])
        return cls(doubled, squares)

    def products(self, other: Ranks) -> NDArray[np.float64]:
        """(n_self, n_other) sums of products of ranks about their means."""
        from neurosim.rsa._rank_kernels import centred_products

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
