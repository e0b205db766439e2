"""Single-stimulus dispersion: on which stimuli do several models agree?

After the abstract of Hosseini, Cheung, Fedorenko & Williams 2026; the definitions below are
ours where the abstract is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.rsa.compare.comparator import Array, Comparator
from neurosim.rsa.compare.measure import compare_rdms
from neurosim.rsa.rdm.checks import as_numbers
from neurosim.rsa.rdm.rdm import RDMInput, as_pair_mask, as_rows, check_same_stimuli, stimuli_of
from neurosim.rsa.rdm.squares import n_stimuli_of, pair_indices


@final
@dataclass(frozen=True, eq=False)
class Consensus:
    """Attributes:
    points: (n_stimuli, d) the mean of the aligned models.
    aligned: (n_models, n_stimuli, d) centred, of unit Frobenius norm, rotated to ``points``.
    losses: sum of squared distances to the consensus after each iteration; never rises.
    converged: whether it stopped by ``tolerance`` and not by ``max_iterations``.
    """

    points: Array
    aligned: Array
    losses: tuple[float, ...]
    converged: bool

    def dispersion(self) -> Array:
        """(n_stimuli,) mean over models of the squared distance to the consensus point, as a
        multiple of its mean over stimuli (0 for all if the models agree perfectly)."""
        squares = np.sum((self.aligned - self.points) ** 2, axis=2).mean(axis=0)
        mean = squares.mean()
        # Rounding of points of size 1 / sqrt(n): nothing is dispersed.
        return squares / mean if mean > 1e-24 else np.zeros_like(squares)


def generalised_procrustes(
    representations: Sequence[ArrayLike], *, max_iterations: int = 100, tolerance: float = 1e-10
) -> Consensus:
    """Align representations of the same stimuli by rotation (Gower 1975,
    doi:10.1007/BF02291478).

    Each is centred, scaled to unit norm and padded with zeros to one dimension; then, in turn,
    each is rotated (or reflected) to the consensus and the consensus is their mean, until the
    summed squared distance falls by less than ``tolerance``.

    Args:
        representations: (n_stimuli, d_m) of each model; d_m may differ.
    """
    models = [_centred_unit(x, i) for i, x in enumerate(representations)]
    if len(models) < 2:
        raise ValueError(f"a consensus needs at least two models; got {len(models)}")
    sizes = {len(x) for x in models}
    if len(sizes) > 1:
        raise ValueError(f"models have different numbers of stimuli: {sorted(sizes)}")
    d = max(x.shape[1] for x in models)
    aligned = np.stack([np.pad(x, ((0, 0), (0, d - x.shape[1]))) for x in models])
    points = aligned[0]
    losses: list[float] = []
    converged = False
    for _ in range(max_iterations):
        aligned = np.stack([x @ _rotation(x, points) for x in aligned])
        points = aligned.mean(axis=0)
        losses.append(float(np.sum((aligned - points) ** 2)))
        if len(losses) > 1 and losses[-2] - losses[-1] <= tolerance:
            converged = True
            break
    return Consensus(points, aligned, tuple(losses), converged)


def _centred_unit(x: ArrayLike, i: int) -> Array:
    points = np.asarray(as_numbers(x), dtype=np.float64)
    if points.ndim != 2 or not np.isfinite(points).all():
        raise ValueError(f"model #{i}: (n_stimuli, d), finite; got shape {points.shape}")
    size = np.abs(points).max(initial=0.0)
    points = points - points.mean(axis=0)
    norm = np.linalg.norm(points)
    if norm <= 1e-13 * size * np.sqrt(points.size):  # what is left is rounding
        raise ValueError(f"model #{i} gives every stimulus the same representation")
    points = points / norm
    if points.shape[1] > len(points):
        # n points span at most n dimensions: a rotation into those loses nothing.
        points = points @ np.linalg.svd(points, full_matrices=False)[2].T
    return np.asarray(points)


def _rotation(x: Array, target: Array) -> Array:
    """The orthogonal R that minimises |x R - target|."""
    u, _, vt = np.linalg.svd(x.T @ target)
    return np.asarray(u @ vt)


@final
@dataclass(frozen=True, eq=False)
class DispersionHalves:
    """Scores (n_models, n_brains) on the half of stimuli on which OTHER models agree
    (``low``) and disagree (``high``)."""

    low: Array
    high: Array


def halves_by_dispersion(
    dispersion: ArrayLike,
    models: RDMInput,
    brains: RDMInput,
    method: str | Comparator = "spearman",
    *,
    pair_mask: ArrayLike | None = None,
) -> DispersionHalves:
    """Alignment with the brain for the low- and the high-dispersion half of the stimuli.

    Args:
        dispersion: (n_stimuli,) from models other than those scored here: chosen on the same
            ones, the halves would differ by selection alone.
        pair_mask: True = use the pair.
    """
    spread = np.asarray(as_numbers(dispersion), dtype=np.float64)
    x, y = as_rows(models, "models"), as_rows(brains, "brains")
    check_same_stimuli(
        {"the brain RDMs": stimuli_of(brains, "brains"), "the models": stimuli_of(models, "models")}
    )
    n = n_stimuli_of(x.shape[1])
    if spread.shape != (n,):
        raise ValueError(f"dispersion has shape {spread.shape}, the RDMs are of {n} stimuli")
    if not np.isfinite(spread).all():
        raise ValueError("dispersion holds NaN or infinity; leave those stimuli out first")
    order = np.argsort(spread, kind="stable")
    mask = as_pair_mask(pair_mask, x.shape[1])

    def score(stimuli: NDArray[np.intp]) -> Array:
        pairs = pair_indices(np.sort(stimuli), n)
        part = None if mask is None else mask[pairs]
        return compare_rdms(x[:, pairs], y[:, pairs], method, part)

    return DispersionHalves(score(order[: n // 2]), score(order[(n + 1) // 2 :]))
