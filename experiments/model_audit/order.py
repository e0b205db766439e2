"""Whether the images stand in the order of the brain data, judged by the pictures themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from neurosim.experiments.model_audit.inputs import Given
from neurosim.rsa import to_square

Array = NDArray[np.float64]
N_SHUFFLES = 199
_MOST_STIMULI = 100
_MOST_SHIFT = 30
#: One order must fit better than the given one by this much to be called the right one.
_BETTER = 0.05
#: Root mean square difference of pictures that are nearly one, in grey levels of 255: compression
#: and single pixels leave less, other objects on one ground ten times as much.
_NEARLY = 2.0


@dataclass(frozen=True)
class Fit:
    """How well RDMs follow others in the order given. rho: of the best pair; shuffled: the largest
    of the shuffled orders. better: another order that fits better, in words, and its rho."""

    rho: float
    shuffled: float
    better: str
    better_rho: float

    @property
    def follows(self) -> bool:
        """Whether they follow in this order, above every shuffled one."""
        return self.rho > self.shuffled


@dataclass(frozen=True)
class Order:
    """named: both sides name their stimuli. brain: how it follows the pictures and layers. copies,
    near: names of stimuli whose pictures are equal, or nearly so. rows: of features that other code
    made, how they follow the pictures; None of a model that was shown them. rows_named: these
    rows were matched by name."""

    named: bool
    brain: Fit
    copies: tuple[tuple[str, str], ...]
    near: tuple[tuple[str, str], ...]
    rows: Fit | None = None
    rows_named: bool = False


def find_order(
    given: Given,
    references: Mapping[str, Array],
    layers: Mapping[tuple[str, str], Array],
    pictures: np.ndarray,
    *,
    made_elsewhere: bool = False,
    rows_named: bool = False,
) -> Order:
    """Hold low-level references and layers against every region in many orders of the stimuli; of
    features that were made elsewhere, the references against the layers as well."""
    brain = given.brain
    regions = []
    for roi in brain.rois:
        subjects = brain.of_roi(roi)
        ranked = [_ranks(row) for row in subjects[~np.isnan(subjects).all(axis=1)]]
        regions.append(np.mean(ranked, axis=0))
    fit = fit_of([*references.values(), *layers.values()], regions)
    copies, near = _alike(pictures, brain.stimuli)
    rows = fit_of(list(references.values()), list(layers.values())) if made_elsewhere else None
    return Order(given.named, fit, copies, near, rows, rows_named)


def fit_of(rdms: Sequence[Array], others: Sequence[Array]) -> Fit:
    """How well the best of some RDMs follows the best of others, in many orders."""
    # A silent image leaves some pairs out; they count as average ones.
    known = [row for row in rdms if np.isfinite(row).mean() > 0.5]
    squares = [to_square(_ranks(row)) for row in others if np.isfinite(row).mean() > 0.5]
    if not known or not squares:
        return Fit(np.nan, np.nan, "", np.nan)
    n = len(squares[0])
    used = np.unique(np.linspace(0, n - 1, min(n, _MOST_STIMULI)).round().astype(int))
    shifts = [s for s in range(1, n) if min(s, n - s) <= _MOST_SHIFT]
    words = ["", *(f"shifted by {s if s <= n - s else s - n}" for s in shifts), "reversed"]
    moved = [used, *((used + s) % n for s in shifts), n - 1 - used]
    draws = np.random.default_rng(0)
    shuffled = [draws.permutation(n)[used] for _ in range(N_SHUFFLES)]
    first, second = np.triu_indices(len(used), 1)
    rows = np.stack([_unit(to_square(row)[used[first], used[second]]) for row in known])
    fits = np.array(
        [
            max(
                float((rows @ _unit(square[order[first], order[second]])).max())
                for square in squares
            )
            for order in [*moved, *shuffled]
        ]
    )
    best = int(fits[: len(moved)].argmax())
    most = float(fits[len(moved) :].max())
    better = fits[best] > max(most, fits[0]) + _BETTER
    return Fit(float(fits[0]), most, words[best] if better else "", float(fits[best]))


Pairs = tuple[tuple[str, str], ...]


def _alike(pictures: np.ndarray, names: Sequence[str]) -> tuple[Pairs, Pairs]:
    """Pairs of stimuli whose pictures are equal, and those that differ by a grey level or two."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    squares = np.square(flat).sum(axis=1)
    gaps = (squares[:, None] + squares - 2 * flat @ flat.T) / flat.shape[1]
    copies: list[tuple[str, str]] = []
    near: list[tuple[str, str]] = []
    for i, j in zip(*np.nonzero(np.triu(gaps < 2 * _NEARLY**2, 1)), strict=True):
        # Exactly: differences of large sums have rounding of their own.
        gap = float(np.sqrt(np.square(flat[i] - flat[j]).mean()))
        if gap <= _NEARLY:
            (near if gap else copies).append((names[i], names[j]))
    return tuple(copies), tuple(near)


def _ranks(row: NDArray[np.floating]) -> Array:
    known = np.isfinite(row)
    out = np.full(len(row), (known.sum() + 1) / 2)
    out[known] = rankdata(row[known])
    return out


def _unit(row: NDArray[np.floating]) -> Array:
    ranks = _ranks(row)
    centred = ranks - ranks.mean()
    size = np.linalg.norm(centred)
    return np.asarray(centred / size if size > 0 else centred)
