"""Two sides of a comparison, brought to the pairs that both have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from neurosim.rsa.compare.comparator import Array, Flags
from neurosim.rsa.rdm.rdm import RDMInput, as_pair_mask, as_rows, check_same_stimuli, stimuli_of


@final
@dataclass(frozen=True, eq=False)
class CommonPairs:
    """Attributes:
    x, y: (n, n_pairs) the rows of each side that have any pair.
    used: (n_pairs,) the pairs that all of these have and the mask allows.
    x_present, y_present: which of the rows given those are; the others are absent (a subject
        without this ROI, a row of NaN).
    """

    x: Array
    y: Array
    used: Flags
    x_present: Flags
    y_present: Flags

    def spread(self, scores: Array) -> Array:
        """(..., len(x), len(y)) scores -> those of all rows given, NaN for absent ones."""
        shape = (*scores.shape[:-2], len(self.x_present), len(self.y_present))
        everywhere = np.full(shape, np.nan)
        everywhere[..., np.logical_and.outer(self.x_present, self.y_present)] = scores.reshape(
            *scores.shape[:-2], -1
        )
        return everywhere


def common_pairs(models: RDMInput, brains: RDMInput, pair_mask: ArrayLike | None) -> CommonPairs:
    """Both sides as rows, and the pairs that every present row has and the mask allows."""
    x = np.asarray(as_rows(models, "models"), dtype=np.float64)
    y = np.asarray(as_rows(brains, "brains"), dtype=np.float64)
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"the models have {x.shape[1]} pairs, the brain RDMs {y.shape[1]}: "
            "both must be of the same stimuli in the same order"
        )
    check_same_stimuli(
        {"the brain RDMs": stimuli_of(brains, "brains"), "the models": stimuli_of(models, "models")}
    )
    missing_x, missing_y = np.isnan(x), np.isnan(y)
    has_x, has_y = (np.asarray(~side.all(axis=1)) for side in (missing_x, missing_y))
    used = np.asarray(~(missing_x[has_x].any(axis=0) | missing_y[has_y].any(axis=0)))
    mask = as_pair_mask(pair_mask, x.shape[1])
    if mask is not None:
        used &= mask
    if not has_x.any() or not has_y.any() or np.count_nonzero(used) < 2:
        raise ValueError("fewer than two pairs are present in all RDMs; leave out the empty ones")
    return CommonPairs(x[has_x], y[has_y], used, has_x, has_y)


def all_present(models: RDMInput, brains: RDMInput, pair_mask: ArrayLike | None) -> CommonPairs:
    """``common_pairs`` where a row without any pair has no meaning and is refused."""
    found = common_pairs(models, brains, pair_mask)
    for what, present in (("models", found.x_present), ("brains", found.y_present)):
        if not present.all():
            raise ValueError(
                f"{what} #{int(np.argmin(present))} has no pair at all (a row of NaN); leave it out"
            )
    return found
