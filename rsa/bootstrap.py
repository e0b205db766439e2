"""Bootstrap over stimuli, and over the axes of a table of scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.rsa._checks import check_count, check_rng
from neurosim.rsa.comparator import Array, Comparator
from neurosim.rsa.comparators import find_comparator
from neurosim.rsa.compare import compare_rdms
from neurosim.rsa.rdm import RDMInput, as_pair_mask, as_rows, check_same_stimuli, stimuli_of
from neurosim.rsa.squares import n_stimuli_of

Ints = NDArray[np.int64]


@final
@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Scores of the data as they are and of every resample.

    Attributes:
        observed: (...) the score of the data.
        samples: (n_samples, ...) the scores of the resamples; all models share the resamples,
            so differences between models are paired.
    """

    observed: Array
    samples: Array

    def interval(self, level: float = 0.95) -> Array:
        """(2, ...) percentile interval."""
        if not 0 < level < 1:
            raise ValueError(f"the level of an interval lies between 0 and 1; got {level}")
        tail = 50 * (1 - level)
        return np.nanpercentile(self.samples, [tail, 100 - tail], axis=0)

    def standard_error(self) -> Array:
        """(...) standard deviation over the resamples (n - 1)."""
        return np.asarray(np.nanstd(self.samples, axis=0, ddof=1))

    def difference(self, a: int, b: int) -> Bootstrap:
        """Model ``a`` less model ``b`` (first axis), resample by resample."""
        return Bootstrap(
            self.observed[a] - self.observed[b], self.samples[:, a] - self.samples[:, b]
        )

    def p_value(self) -> Array:
        """(...) two-sided: how often the resamples lie on the other side of zero,
        p = 2 (1 + min(count <= 0, count >= 0)) / (1 + n_samples), at most 1."""
        other_side = np.minimum((self.samples <= 0).sum(axis=0), (self.samples >= 0).sum(axis=0))
        return np.minimum(1.0, 2.0 * (1 + other_side) / (1 + len(self.samples)))


def bootstrap_stimuli(
    models: RDMInput,
    brains: RDMInput,
    method: str | Comparator = "spearman",
    *,
    n_samples: int = 1000,
    rng: np.random.Generator | None = None,
    indices: ArrayLike | None = None,
    pair_mask: ArrayLike | None = None,
) -> Bootstrap:
    """Resample stimuli with replacement -> ``Bootstrap`` of (n_models, n_brains) scores.

    A stimulus drawn twice forms no pair with itself (its dissimilarity is zero by
    construction and would pull every score up); its pairs with the others count twice.

    Args:
        rng: draws the resamples; or
        indices: (n_samples, n_drawn) the resamples themselves.
        pair_mask: True = use the pair. A pair that is NaN anywhere is left out for all.

    Raises:
        ValueError: neither or both of rng and indices; indices out of range.
    """
    comparator = find_comparator(method)
    x, y, used = common_pairs(models, brains, pair_mask)
    n_stimuli = n_stimuli_of(x.shape[1])
    draws = _draws(n_stimuli, n_samples, rng, indices)
    observed = compare_rdms(x, y, comparator, pair_mask=used)
    return Bootstrap(observed, comparator.resample(x, y, draws, used))


def bootstrap_means(
    scores: ArrayLike,
    axes: Sequence[int],
    *,
    n_samples: int = 1000,
    rng: np.random.Generator,
) -> Bootstrap:
    """Resample some axes of a table of scores (seeds, subjects) and average over them.

    Args:
        scores: any shape, no NaN; e.g. (n_seeds, n_subjects).
        axes: the axes that are resampled, each by its own draw, and averaged over.
    """
    check_rng(rng)
    check_count("n_samples", n_samples)
    table = np.asarray(scores, dtype=np.float64)
    if not np.isfinite(table).all():
        raise ValueError("scores hold NaN or infinity: resample the subjects that have a score")
    known = range(-table.ndim, table.ndim)
    if not len(axes) or any(axis not in known for axis in axes):
        raise ValueError(f"axes are of scores of shape {table.shape}, one or more; got {axes}")
    given, axes = axes, tuple(axis % table.ndim for axis in axes)
    if len(set(axes)) < len(axes):
        raise ValueError(f"axes are resampled once each; got {given}")
    samples = [_resampled_mean(table, axes, rng) for _ in range(n_samples)]
    return Bootstrap(np.asarray(table.mean(axis=axes)), np.stack(samples))


def _resampled_mean(
    table: Array,
    axes: tuple[int, ...],
    rng: np.random.Generator,
) -> Array:
    for axis in axes:
        n = table.shape[axis]
        table = np.take(table, rng.integers(0, n, n), axis=axis)
    return np.asarray(table.mean(axis=axes))


def common_pairs(
    models: RDMInput, brains: RDMInput, pair_mask: ArrayLike | None
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Both sides as rows, and the pairs that every one of them has and the mask allows."""
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
    mask = as_pair_mask(pair_mask, x.shape[1])
    used = np.asarray(~(np.isnan(x).any(axis=0) | np.isnan(y).any(axis=0)))
    if mask is not None:
        used &= mask
    if np.count_nonzero(used) < 2:
        raise ValueError("fewer than two pairs are present in all RDMs; leave out the empty ones")
    return x, y, used


def _draws(
    n_stimuli: int, n_samples: int, rng: np.random.Generator | None, indices: ArrayLike | None
) -> Ints:
    if (rng is None) == (indices is None):
        raise ValueError("give either rng (to draw resamples) or indices (the resamples)")
    if rng is not None:
        check_rng(rng)
        check_count("n_samples", n_samples)
        return rng.integers(0, n_stimuli, size=(n_samples, n_stimuli))
    draws = np.asarray(indices)
    if draws.ndim != 2 or not draws.size or draws.dtype.kind not in "iu":
        raise ValueError(f"indices are (n_samples, n_drawn) integers; got shape {draws.shape}")
    if draws.min() < 0 or draws.max() >= n_stimuli:
        raise ValueError(f"indices must lie in 0 ... {n_stimuli - 1}")
    return draws.astype(np.int64)
