"""Whether the images stand in the order of the brain data, judged by the pictures themselves."""

from __future__ import annotations

from collections.abc import Mapping
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


@dataclass(frozen=True)
class Order:
    """named: both sides name their stimuli. rho: of the best row in the order given; shuffled: the
    largest of the shuffled orders. better: another order that fits better, in words, and its rho.
    copies: names of stimuli whose pictures are equal."""

    named: bool
    rho: float
    shuffled: float
    better: str
    better_rho: float
    copies: tuple[tuple[str, str], ...]

    @property
    def follows(self) -> bool:
        """Whether the brain follows the pictures in this order, above every shuffled one."""
        return self.rho > self.shuffled


def find_order(
    given: Given,
    references: Mapping[str, Array],
    layers: Mapping[tuple[str, str], Array],
    pictures: np.ndarray,
) -> Order:
    """Hold low-level references and layers against every region in many orders of the stimuli."""
    brain = given.brain
    n = brain.n_stimuli
    used = np.unique(np.linspace(0, n - 1, min(n, _MOST_STIMULI)).round().astype(int))
    # A silent image leaves some pairs out; they count as average ones.
    known = [row for row in (*references.values(), *layers.values())
             if np.isfinite(row).mean() > 0.5]  # fmt: skip
    shifts = [s for s in range(1, n) if min(s, n - s) <= _MOST_SHIFT]
    words = ["", *(f"shifted by {s if s <= n - s else s - n}" for s in shifts), "reversed"]
    moved = [used, *((used + s) % n for s in shifts), n - 1 - used]
    draws = np.random.default_rng(0)
    shuffled = [draws.permutation(n)[used] for _ in range(N_SHUFFLES)]
    first, second = np.triu_indices(len(used), 1)
    rows = np.stack([_unit(to_square(row)[used[first], used[second]]) for row in known])
    regions = []
    for roi in brain.rois:
        subjects = brain.of_roi(roi)
        ranked = [_ranks(row) for row in subjects[~np.isnan(subjects).all(axis=1)]]
        regions.append(to_square(np.mean(ranked, axis=0)))
    fits = np.array(
        [
            max(
                float((rows @ _unit(square[order[first], order[second]])).max())
                for square in regions
            )
            for order in [*moved, *shuffled]
        ]
    )
    best = int(fits[: len(moved)].argmax())
    most = float(fits[len(moved) :].max())
    better = fits[best] > max(most, fits[0]) + _BETTER
    names = brain.stimuli
    digests: dict[bytes, int] = {}
    copies = []
    for i, picture in enumerate(pictures):
        before = digests.setdefault(picture.tobytes(), i)
        if before != i:
            copies.append((names[before], names[i]))
    return Order(given.named, float(fits[0]), most, words[best] if better else "",
                 float(fits[best]), tuple(copies))  # fmt: skip


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
