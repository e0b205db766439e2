"""Gromov-Wasserstein: comparing geometries without saying which stimulus is which.

Needs POT (the extra ``transport``): pip install neurosim[transport].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from neurosim.rsa.compare.comparator import Array, Comparator, Flags, Ints, Rows
from neurosim.rsa.compare.geometry import no_resampling, refuse_partial
from neurosim.rsa.rdm.checks import check_count
from neurosim.rsa.rdm.rdm import RDMInput, as_one
from neurosim.rsa.rdm.squares import to_square


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


def gromov_wasserstein(
    a: RDMInput, b: RDMInput, epsilon: float = 0.0, *, n_starts: int = 20
) -> Transport:
    """Gromov-Wasserstein between two RDMs with uniform weights (Memoli 2011,
    doi:10.1007/s10208-011-9093-5), as in arXiv:2505.09085.

    cost = min_T sum_ijkl (A_ik - B_jl)^2 T_ij T_kl; distance = sqrt(cost), of RDMs divided by
    their root mean square.

    The problem is not convex, and no search of it is complete: the distance is that of the best
    plan found, an UPPER BOUND of the least. Conditional gradient descent starts from permutations
    that no exchange of two stimuli improves: from every stimulus in place, from the coupling of
    stimuli with the most alike sorted distances to all others, and from random ones (a fixed
    seed), and from the even plan (ours). So the distance never exceeds that of leaving every
    stimulus in place.

    Args:
        epsilon: > 0 adds entropy to the plan (smoother, faster; then distance is biased up).
        n_starts: how many permutations the search starts from, 2 or more; 92 stimuli take half a
            second with 20.
    """
    check_count("n_starts", n_starts, 2)
    x, y = as_one(a, "a"), as_one(b, "b")
    if np.isnan(x).any() or np.isnan(y).any():
        raise ValueError("an RDM holds NaN: leave the silent stimuli out first (RDM.select)")
    return _transport(_scaled(x), _scaled(y), epsilon, n_starts)


@final
@dataclass(frozen=True)
class GromovWasserstein(Comparator):
    """The distance of ``gromov_wasserstein``, smaller is closer."""

    name: str
    epsilon: float = 0.0
    n_starts: int = 20
    larger_is_closer: ClassVar[bool] = False

    def read(self, rows: Rows, used: Flags | None = None) -> list[Array]:
        _import_pot()
        refuse_partial(rows, used, self.name)
        return [_scaled(row) for row in np.asarray(rows, dtype=np.float64)]

    def measure(self, a: list[Array], b: list[Array]) -> Array:
        return np.array(
            [[_transport(x, y, self.epsilon, self.n_starts).distance for y in b] for x in a]
        )

    def resample(self, models: Rows, brains: Rows, indices: Ints, used: Flags) -> Array:
        raise no_resampling(self.name)


def _scaled(row: Rows) -> Array:
    square = to_square(row)
    size = float(np.sqrt(np.mean(square**2)))
    return square / size if size > 0 else np.full_like(square, np.nan)


def _transport(x: Array, y: Array, epsilon: float, n_starts: int) -> Transport:
    if np.isnan(x).any() or np.isnan(y).any():
        return Transport(float("nan"), np.full((len(x), len(y)), np.nan), float("nan"))
    gromov = _import_pot()
    n, m = len(x), len(y)
    p, q = np.full(n, 1.0 / n), np.full(m, 1.0 / m)
    if epsilon > 0:
        plans = [gromov.entropic_gromov_wasserstein(x, y, p, q, epsilon=epsilon)]
    else:
        starts = [np.outer(p, q)]
        if n == m:
            starts += [np.eye(n)[order] / n for order in _permutations(x, y, n_starts)]
        plans = starts[1:] + [
            gromov.gromov_wasserstein(x, y, p, q, G0=start, tol_rel=1e-12, tol_abs=1e-12)
            for start in starts
        ]
    costs = [_cost(x, y, np.asarray(plan)) for plan in plans]
    plan = np.asarray(plans[int(np.argmin(costs))])
    diagonal = float(np.trace(plan)) if n == m else float("nan")
    return Transport(float(np.sqrt(max(min(costs), 0.0))), plan, diagonal)


def _cost(x: Array, y: Array, plan: Array) -> float:
    """sum_ijkl (x_ik - y_jl)^2 T_ij T_kl, with the marginals that the plan really has."""
    rows, columns = plan.sum(1), plan.sum(0)
    cost = rows @ x**2 @ rows + columns @ y**2 @ columns - 2.0 * np.sum((x @ plan @ y) * plan)
    return float(cost)


def _permutations(x: Array, y: Array, n_starts: int) -> list[NDArray[np.intp]]:
    """Where each stimulus of x goes in y: local optima of different starts, each once."""
    from scipy.optimize import linear_sum_assignment

    n = len(x)
    profile_x, profile_y = np.sort(x, axis=1), np.sort(y, axis=1)
    cost = (profile_x**2).sum(1)[:, None] + (profile_y**2).sum(1) - 2.0 * profile_x @ profile_y.T
    alike = linear_sum_assignment(cost)[1]
    rng = np.random.default_rng(0)
    starts = [np.arange(n), alike, *(rng.permutation(n) for _ in range(n_starts - 2))]
    found = [_exchanged(x, y, start) for start in starts]
    return list({order.tobytes(): order for order in found}.values())


def _exchanged(x: Array, y: Array, order: NDArray[np.intp]) -> NDArray[np.intp]:
    """The permutation after exchanges of two stimuli, while any one lowers the cost, which for
    permutations is a constant less 2 sum_ik x_ik y_(p_i p_k)."""
    shared = float(np.sum(x * y[np.ix_(order, order)]))
    while True:
        gathered = y[np.ix_(order, order)]
        overlap = x @ gathered
        own = np.diagonal(overlap)
        gain = 2.0 * (overlap + overlap.T - own - own[:, None] + 2.0 * x * gathered)
        pairs = _disjoint(gain, 1e-12 * len(x) ** 2)
        # One at a time finds better optima; for many stimuli a few at a time, or it takes too long.
        pairs = pairs[: max(1, len(x) // 100)]
        while len(pairs):
            trial = order.copy()
            trial[pairs] = order[pairs[:, ::-1]]
            found = float(np.sum(x * y[np.ix_(trial, trial)]))
            if found > shared:
                break
            pairs = pairs[: len(pairs) // 2]
        else:
            return order
        order, shared = trial, found


def _disjoint(gain: Array, least: float) -> NDArray[np.intp]:
    """(k, 2) exchanges of the largest gains, no stimulus twice."""
    partner = np.argmax(gain, axis=1)
    free = np.ones(len(gain), dtype=bool)
    pairs = []
    for i in np.argsort(-gain[np.arange(len(gain)), partner]):
        j = partner[i]
        if gain[i, j] > least and free[i] and free[j]:
            free[i] = free[j] = False
            pairs.append((i, j))
    return np.array(pairs, dtype=np.intp).reshape(-1, 2)


def _import_pot() -> Any:
    try:
        from ot import gromov
    except ImportError as error:
        raise ImportError(
            'Gromov-Wasserstein needs POT: pip install "neurosim[transport]"'
        ) from error
    return gromov
