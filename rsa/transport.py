"""Gromov-Wasserstein: comparing geometries without saying which stimulus is which.

Needs POT (the extra ``transport``): pip install neurosim[transport].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from neurosim.rsa.comparator import Array, Comparator, Flags, Ints, Rows
from neurosim.rsa.geometry import no_resampling, refuse_partial
from neurosim.rsa.rdm import RDMInput, as_one
from neurosim.rsa.squares import to_square


@final
@dataclass(frozen=True, eq=False)
class Transport:
    """How one geometry is carried onto another.

    Attributes:
        distance: root of the Gromov-Wasserstein cost of the plan; 0 for the same geometry.
        plan: (n, n) mass carried from stimulus i to stimulus j, 1 / n out of and into each.
        diagonal_mass: share of the mass that stays with its stimulus: 1 if the geometry
            identifies every stimulus, 1 / n by chance.
    """

    distance: float
    plan: Array
    diagonal_mass: float


def gromov_wasserstein(a: RDMInput, b: RDMInput, epsilon: float = 0.0) -> Transport:
    """Gromov-Wasserstein between two RDMs with uniform weights (Memoli 2011,
    doi:10.1007/s10208-011-9093-5), as in arXiv:2505.09085.

    cost = min_T sum_ijkl (A_ik - B_jl)^2 T_ij T_kl; distance = sqrt(cost), of RDMs divided by
    their root mean square. The problem is not convex: conditional gradient descent starts
    from the coupling of stimuli with the most alike sorted distances to all others, which
    knows nothing of the labels (ours), and finds a local minimum.

    Args:
        epsilon: > 0 adds entropy to the plan (smoother, faster; then distance is biased up).
    """
    x, y = as_one(a, "a"), as_one(b, "b")
    if np.isnan(x).any() or np.isnan(y).any():
        raise ValueError("an RDM holds NaN: leave the silent stimuli out first (RDM.select)")
    return _transport(_scaled(x), _scaled(y), epsilon)


@final
@dataclass(frozen=True)
class GromovWasserstein(Comparator):
    """The distance of ``gromov_wasserstein``, smaller is closer."""

    name: str
    epsilon: float = 0.0
    larger_is_closer: ClassVar[bool] = False

    def read(self, rows: Rows, used: Flags | None = None) -> list[Array]:
        _import_pot()
        refuse_partial(rows, used, self.name)
        return [_scaled(row) for row in np.asarray(rows, dtype=np.float64)]

    def measure(self, a: list[Array], b: list[Array]) -> Array:
        return np.array([[_transport(x, y, self.epsilon).distance for y in b] for x in a])

    def resample(self, models: Rows, brains: Rows, indices: Ints, used: Flags) -> Array:
        raise no_resampling(self.name)


def _scaled(row: Rows) -> Array:
    square = to_square(row)
    size = float(np.sqrt(np.mean(square**2)))
    return square / size if size > 0 else np.full_like(square, np.nan)


def _transport(x: Array, y: Array, epsilon: float) -> Transport:
    from scipy.optimize import linear_sum_assignment

    if np.isnan(x).any() or np.isnan(y).any():
        return Transport(float("nan"), np.full((len(x), len(y)), np.nan), float("nan"))
    gromov = _import_pot()
    n, m = len(x), len(y)
    p, q = np.full(n, 1.0 / n), np.full(m, 1.0 / m)
    if epsilon > 0:
        plan = gromov.entropic_gromov_wasserstein(x, y, p, q, epsilon=epsilon)
    else:
        start = None
        if n == m:
            profile_x, profile_y = np.sort(x, axis=1), np.sort(y, axis=1)
            cost = (
                (profile_x**2).sum(1)[:, None]
                + (profile_y**2).sum(1)
                - 2.0 * profile_x @ profile_y.T
            )
            start = np.zeros((n, n))
            start[linear_sum_assignment(cost)] = 1.0 / n
        plan = gromov.gromov_wasserstein(x, y, p, q, G0=start, tol_rel=1e-12, tol_abs=1e-12)
    plan = np.asarray(plan)
    # sum_ijkl (x_ik - y_jl)^2 T_ij T_kl, with the marginals that the plan really has
    rows, columns = plan.sum(1), plan.sum(0)
    cost = rows @ x**2 @ rows + columns @ y**2 @ columns - 2.0 * np.sum((x @ plan @ y) * plan)
    diagonal = float(np.trace(plan)) if n == m else float("nan")
    return Transport(float(np.sqrt(max(cost, 0.0))), plan, diagonal)


def _import_pot() -> Any:
    try:
        from ot import gromov
    except ImportError as error:
        raise ImportError(
            'Gromov-Wasserstein needs POT: pip install "neurosim[transport]"'
        ) from error
    return gromov
