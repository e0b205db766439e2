"""What is left of a score when reference RDMs are taken out, and who shares what with whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import ArrayLike

from neurosim.rsa.compare.common import all_present
from neurosim.rsa.compare.comparator import Array, Comparator, constant_rows
from neurosim.rsa.compare.comparators import find_comparator
from neurosim.rsa.compare.correlations import InnerProduct, RankCorrelation
from neurosim.rsa.rdm.rdm import RDMInput, as_one, as_rows, check_same_stimuli, stimuli_of

if TYPE_CHECKING:
    import pandas as pd

_MOST_PREDICTORS = 10  # 2^10 regressions


def partial_correlation(
    x: RDMInput,
    y: RDMInput,
    controls: RDMInput,
    method: str | Comparator = "spearman",
    *,
    pair_mask: ArrayLike | None = None,
) -> Array:
    """(n_x, n_y) correlation of x and y, both less what ``controls`` predict of them.

    Rows are put on the footing of the method (ranks, or values for ``pearson``), regressed on
    the controls on the same footing and a constant, and the residuals correlated.

    Args:
        controls: one or several reference RDMs, (n_controls, n_pairs).
        pair_mask: True = use the pair. A pair that is NaN anywhere is left out for all.

    NaN where the controls leave nothing of a row, or a row is constant; a constant control takes
    nothing away.
    """
    a, b, basis = _on_footing(x, y, controls, method, pair_mask)
    return np.clip(_residual(a, basis) @ _residual(b, basis).T, -1.0, 1.0)


def semipartial_correlation(
    x: RDMInput,
    y: RDMInput,
    controls: RDMInput,
    method: str | Comparator = "spearman",
    *,
    pair_mask: ArrayLike | None = None,
) -> Array:
    """(n_x, n_y) correlation of y, as it is, with x less what ``controls`` predict of x.

    Its square is the share of y's variance that x adds to the controls.
    """
    a, b, basis = _on_footing(x, y, controls, method, pair_mask)
    return np.clip(_residual(a, basis) @ _residual(b, basis[:0]).T, -1.0, 1.0)


def _on_footing(
    x: RDMInput,
    y: RDMInput,
    controls: RDMInput,
    method: str | Comparator,
    pair_mask: ArrayLike | None,
) -> tuple[Array, Array, Array]:
    """Centred x and y, and an orthonormal basis of the centred controls, as rows."""
    comparator = find_comparator(method)
    if not isinstance(comparator, RankCorrelation) and comparator != InnerProduct("pearson", True):
        raise ValueError(
            f"controlling is a regression of ranks or values: use spearman or pearson, "
            f"not {comparator.name}"
        )
    if isinstance(controls, (list, tuple)) and not controls:
        raise ValueError("no controls given: need at least one reference RDM")
    controlling = as_rows(controls, "controls")
    check_same_stimuli(
        {
            "y": stimuli_of(y, "y"),
            "x": stimuli_of(x, "x"),
            "the controls": stimuli_of(controls, "controls"),
        }
    )
    others = np.concatenate([np.asarray(as_rows(y, "y"), dtype=np.float64), controlling])
    pairs = all_present(x, others, pair_mask)
    values = np.concatenate([pairs.x, pairs.y])[:, pairs.used]
    rows = comparator.normalise(values)
    rows -= rows.mean(axis=1, keepdims=True)
    rows[constant_rows(values)] = 0.0  # not what rounding leaves of them
    n_x, n_controls = len(pairs.x), len(controlling)
    basis = _basis(rows[len(rows) - n_controls :])
    return rows[:n_x], rows[n_x : len(rows) - n_controls], basis


def _basis(rows: Array) -> Array:
    """Orthonormal rows that span the centred rows; collinear ones count once."""
    _, values, vectors = np.linalg.svd(rows, full_matrices=False)
    return np.asarray(vectors[values > 1e-10 * values.max(initial=0.0)])


def _residual(rows: Array, basis: Array) -> Array:
    """Unit rows orthogonal to the basis; NaN where nothing is left."""
    left = rows - (rows @ basis.T) @ basis
    norms = np.linalg.norm(left, axis=1)
    norms[norms <= 1e-10 * np.linalg.norm(rows, axis=1)] = np.nan
    return np.asarray(left / norms[:, None])


@final
@dataclass(frozen=True, eq=False)
class Partition:
    """Explained variance of one RDM, split among predictors.

    Attributes:
        r2: predictors of a regression (a subset, in order) -> its R^2.
        commonality: subset -> the part of the variance that exactly these share: unique
            for one predictor; may be negative (suppression). Adds up to the R^2 of all.
    """

    r2: dict[tuple[str, ...], float]
    commonality: dict[tuple[str, ...], float]

    def table(self) -> pd.DataFrame:
        """One row a subset: predictors, n_predictors, r2, commonality, share."""
        import pandas as pd

        total = self.r2[max(self.r2, key=len)] or float("nan")
        return pd.DataFrame(
            {
                "predictors": [" & ".join(subset) for subset in self.r2],
                "n_predictors": [len(subset) for subset in self.r2],
                "r2": list(self.r2.values()),
                "commonality": [self.commonality[subset] for subset in self.r2],
                "share": [self.commonality[subset] / total for subset in self.r2],
            }
        )


def variance_partitioning(
    target: RDMInput,
    predictors: Mapping[str, RDMInput],
    method: str | Comparator = "spearman",
    *,
    pair_mask: ArrayLike | None = None,
) -> Partition:
    """Commonality analysis of one target RDM (Mood 1971; Newton & Spurrell 1967).

    A constant predictor explains nothing; all is NaN where the target is constant.

    With R^2(S) the variance explained by the predictors S and U all of them, the part common
    to exactly S is sum over T within S of (-1)^(|S| - |T| + 1) (R^2(U) - R^2(T u (U - S))),
    signs such that the parts add up to R^2(U).
    """
    names = tuple(predictors)
    if not 1 <= len(names) <= _MOST_PREDICTORS:
        raise ValueError(f"give 1 to {_MOST_PREDICTORS} predictors; got {len(names)}")
    each = [as_one(p, f"predictor {name!r}") for name, p in predictors.items()]
    if len({len(row) for row in each}) > 1:
        raise ValueError("predictors are of different numbers of stimuli")
    check_same_stimuli(
        {"the target": stimuli_of(target)}
        | {f"the predictor {name!r}": stimuli_of(p) for name, p in predictors.items()}
    )
    rows = np.stack(each)
    y, x, _ = _on_footing(as_one(target, "target"), rows, rows, method, pair_mask)
    length = float(np.linalg.norm(y[0]))
    unit = y[0] / length if length else np.full_like(y[0], np.nan)
    subsets = [s for k in range(1, len(names) + 1) for s in combinations(range(len(names)), k)]
    explained: dict[tuple[int, ...], float] = {(): 0.0}
    for subset in subsets:
        basis = _basis(x[list(subset)])
        explained[subset] = min(1.0, float(np.sum((basis @ unit) ** 2))) if length else np.nan
    everything = subsets[-1]
    common = {}
    for subset in subsets:
        others = tuple(i for i in everything if i not in subset)
        total = 0.0
        for k in range(len(subset) + 1):
            for part in combinations(subset, k):
                total += (-1) ** (len(part) + 1) * explained[tuple(sorted(part + others))]
        common[subset] = total

    def named(subset: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(names[i] for i in subset)

    return Partition(
        {named(s): explained[s] for s in subsets}, {named(s): common[s] for s in subsets}
    )
