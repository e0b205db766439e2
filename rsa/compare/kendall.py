"""Kendall's tau, in n log n."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    Array = NDArray[np.float64]


def tau_a(x: Array, y: Array) -> float:
    """(concordant - discordant) / all pairs: a tie counts as no agreement."""
    surplus, total, _, _ = _counts(x, y)
    return surplus / total


def tau_b(x: Array, y: Array) -> float:
    """(concordant - discordant) / sqrt(pairs untied in x times pairs untied in y)."""
    surplus, total, tied_x, tied_y = _counts(x, y)
    scale = np.sqrt(float(total - tied_x)) * np.sqrt(float(total - tied_y))
    return surplus / scale if scale > 0 else float("nan")


def _counts(x: Array, y: Array) -> tuple[int, int, int, int]:
    """(concordant - discordant, all pairs, pairs tied in x, pairs tied in y)."""
    from neurosim.rsa.kernels.rank import inversions, tied_pairs

    order = np.lexsort((y, x))
    x, y = x[order], y[order]
    same_x = x[1:] == x[:-1]
    tied_x = tied_pairs(same_x)
    tied_both = tied_pairs(same_x & (y[1:] == y[:-1]))
    ascending = y.copy()
    discordant = inversions(ascending, np.empty_like(ascending))
    tied_y = tied_pairs(ascending[1:] == ascending[:-1])
    total = len(x) * (len(x) - 1) // 2
    return total - tied_x - tied_y + tied_both - 2 * discordant, total, tied_x, tied_y
