"""What a few seeds can carry: intervals of a mean, and the share of a change that is statistics."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import stdtrit

#: Changes of rho below this are called none and are not divided by: rho is not reproducible to
#: better over stimuli.
NEGLIGIBLE = 0.005
_LEVEL = 0.95


def interval(values: ArrayLike) -> tuple[float, float]:
    """The 95 % t-interval of the mean, mean +- t(n - 1) s / sqrt(n), one value per seed.

    NaN is left out; below two values the interval is the whole line.
    """
    given = np.asarray(values, dtype=float)
    finite = given[np.isfinite(given)]
    n = len(finite)
    if n < 2:
        return -np.inf, np.inf
    half = float(stdtrit(n - 1, (1 + _LEVEL) / 2) * finite.std(ddof=1) / np.sqrt(n))
    mean = float(finite.mean())
    return mean - half, mean + half


def told_apart(values: ArrayLike) -> bool:
    """Whether the interval of the mean leaves zero out."""
    low, high = interval(values)
    return low > 0 or high < 0


def share_of_statistics(parts: pd.DataFrame) -> float:
    """normalisation part / change, both means over seeds: what happens without any learning.

    Args:
        parts: rows of ``results.decompose``, one per seed.

    NaN where there is no such share: the change is negligible; an interval over seeds (of the
    change, or of either part) includes zero; or the two parts pull apart.
    """
    three = parts[["change", "normalisation_part", "learning_part"]].dropna()
    change, normalisation, learning = three.mean()
    if not abs(change) >= NEGLIGIBLE or normalisation * learning <= 0:
        return np.nan
    return normalisation / change if all(told_apart(three[name]) for name in three) else np.nan
