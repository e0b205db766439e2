"""Many model RDMs against many brain RDMs, with the brain's side kept."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.rsa.compare.comparator import Array, Comparator, Rows
from neurosim.rsa.compare.comparators import find_comparator
from neurosim.rsa.rdm.checks import check_count
from neurosim.rsa.rdm.distances import Dissimilarity
from neurosim.rsa.rdm.rdm import (
    RDMInput,
    as_pair_mask,
    as_rows,
    check_same_stimuli,
    compute_quietly,
    stimuli_of,
)
from neurosim.rsa.rdm.threads import default_threads

Flags = NDArray[np.bool_]
Places = NDArray[np.intp]


def compare_rdms(
    models: RDMInput,
    brains: RDMInput | PreparedRDMs,
    method: str | Comparator = "spearman",
    pair_mask: ArrayLike | None = None,
) -> Array:
    """Score every model RDM against every brain RDM -> (n_models, n_brains).

    Args:
        models, brains: RDMs in any form (``as_rows``). ``brains`` may be a ``PreparedRDMs``
            whose ranks serve many calls; method and mask are then its own.
        method: a name in ``COMPARATORS`` or a ``Comparator``.
        pair_mask: (n_pairs,) or (n, n) bool, True = use the pair.

    A pair that is NaN on either side is left out on both sides of that comparison, and what
    is left is ranked anew. The score is NaN where fewer than two pairs are left or a side is
    constant.

    Raises:
        ValueError: another number of pairs; ``RDM`` objects that name their stimuli otherwise or
            in another order (arrays carry no names and are taken to be in order).
    """
    return _prepared_for(brains, method, pair_mask).compare(models)


def _prepared_for(
    brains: RDMInput | PreparedRDMs, method: str | Comparator, pair_mask: ArrayLike | None
) -> PreparedRDMs:
    if not isinstance(brains, PreparedRDMs):
        return prepare_rdms(brains, method, pair_mask)
    if pair_mask is not None:
        raise ValueError("the prepared RDMs hold their own pair mask; give it to prepare_rdms")
    if find_comparator(method) != brains.method and method != "spearman":
        raise ValueError(
            f"the RDMs were prepared for {brains.method.name!r}, not {method!r}; "
            "prepare them for the method asked for"
        )
    return brains


def compare_patterns(
    patterns: Iterable[ArrayLike],
    brains: RDMInput | PreparedRDMs,
    method: str | Comparator = "spearman",
    pair_mask: ArrayLike | None = None,
    *,
    metric: str | Dissimilarity = "correlation",
    n_threads: int | None = None,
) -> Array:
    """Score the RDM of every model's patterns against every brain RDM -> (n_models, n_brains).

    For many models (layers, checkpoints, seeds): each one's RDM is computed, compared and let
    go, so memory does not grow with their number. Silent patterns are left out without a
    warning (``compute_rdm`` names them).

    Args:
        patterns: (n_stimuli, n_features) of each model; an iterator is read as it goes.
        brains, method, pair_mask: as for ``compare_rdms``.
        n_threads: models at a time, by default NUMBA_NUM_THREADS (all cores); the scores are
            the same to the bit whatever their number.
    """
    kept = _prepared_for(brains, method, pair_mask)
    if n_threads is None:
        n_threads = default_threads()
    check_count("n_threads", n_threads)
    at_once = iter(patterns)

    def score(x: ArrayLike) -> Array:
        return compare_rdms(compute_quietly(x, metric), kept, kept.method)

    # The first alone: it ranks the brains, which the others then share.
    scores = [score(x) for x in islice(at_once, 1)]
    with ThreadPoolExecutor(n_threads) as pool:
        while batch := list(islice(at_once, 4 * n_threads)):
            scores += pool.map(score, batch)
    return np.concatenate(scores) if scores else np.empty((0, len(kept.rows)))


def prepare_rdms(
    rdms: RDMInput, method: str | Comparator = "spearman", pair_mask: ArrayLike | None = None
) -> PreparedRDMs:
    """Rank (or centre) these RDMs once, to be compared with many others."""
    rows = as_rows(rdms)
    mask = as_pair_mask(pair_mask, rows.shape[1])
    return PreparedRDMs(rows, find_comparator(method), mask, stimuli_of(rdms))


@final
@dataclass(frozen=True, eq=False)
class PreparedRDMs:
    """RDMs whose share of the work is done once, the first time it is needed.

    What is kept is for complete models; one with silent patterns has these rows prepared anew
    for the pairs it has (those differ from checkpoint to checkpoint, and memory would fill).
    """

    rows: Rows
    method: Comparator
    pair_mask: Flags | None = None
    stimuli: tuple[str, ...] | None = None
    _groups: list[tuple[Places, Flags | None]] = field(init=False, repr=False)
    _kept: dict[int, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_groups", _by_missing(self.rows))

    def compare(self, models: RDMInput) -> Array:
        """(n_models, n_rows) scores of other RDMs against these."""
        other = as_rows(models, "models")
        n_pairs = self.rows.shape[1]
        if other.shape[1] != n_pairs:
            raise ValueError(
                f"the models have {other.shape[1]} pairs, the brain RDMs {n_pairs}: "
                "both must be of the same stimuli in the same order"
            )
        check_same_stimuli(
            {"the brain RDMs": self.stimuli, "the models": stimuli_of(models, "models")}
        )
        scores = np.full((len(other), len(self.rows)), np.nan)
        for models_at, model_pairs in _by_missing(other):
            for group, (rows_at, row_pairs) in enumerate(self._groups):
                pairs = _joint(model_pairs, row_pairs, self.pair_mask)
                if (n_pairs if pairs is None else np.count_nonzero(pairs)) < 2:
                    continue
                if model_pairs is None:
                    if group not in self._kept:
                        self._kept[group] = self._prepared(self.rows, rows_at, pairs)
                    ours = self._kept[group]
                else:
                    ours = self._prepared(self.rows, rows_at, pairs)
                theirs = self._prepared(other, models_at, pairs)
                scores[np.ix_(models_at, rows_at)] = self.method.score(theirs, ours)
        return scores

    def _prepared(self, rows: Rows, at: Places, pairs: Flags | None) -> Any:
        part = rows if len(at) == len(rows) else rows[at]
        return self.method.prepare(part if pairs is None else part[:, pairs], pairs)


def _by_missing(rows: Rows) -> list[tuple[Places, Flags | None]]:
    """Groups of rows that have the same pairs: (row indices, pairs present or None for all)."""
    groups: dict[bytes, tuple[list[int], Flags | None]] = {}
    for i, row in enumerate(rows):
        # A sum is NaN if any entry is: one quick pass for the usual, complete row.
        present = None if np.isfinite(row.sum()) else ~np.isnan(row)
        key = b"" if present is None else np.packbits(present).tobytes()
        groups.setdefault(key, ([], present))[0].append(i)
    return [(np.array(index), present) for index, present in groups.values()]


def _joint(*flags: Flags | None) -> Flags | None:
    given = [f for f in flags if f is not None]
    return np.logical_and.reduce(given) if given else None
