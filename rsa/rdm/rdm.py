"""The representational dissimilarity matrix (RDM) and how it is made from patterns.

Everywhere in this package an RDM is its condensed vector: the upper triangle, row major,
``n_pairs = n_stimuli (n_stimuli - 1) / 2``, float64 for statistics. NaN marks a pair that
has no dissimilarity (a silent or missing pattern); comparisons leave it out on both sides.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.rsa.rdm.checks import as_numbers
from neurosim.rsa.rdm.dissimilarities import find_dissimilarity
from neurosim.rsa.rdm.distances import LEAST, MOST, Dissimilarity
from neurosim.rsa.rdm.names import as_text, names_of_square, names_of_table
from neurosim.rsa.rdm.squares import (
    condensed_rdms,
    is_one_square,
    n_stimuli_of,
    pair_indices,
    to_square,
)


class UndefinedPatternWarning(UserWarning):
    """Some patterns have no dissimilarity to any other (constant or missing)."""


@dataclass(frozen=True, eq=False)
class RDM:
    """One RDM: condensed dissimilarities, and what they are dissimilarities of.

    Attributes:
        dissimilarities: (n_pairs,) float64, upper triangle, row major; NaN = no such pair.
        stimuli: the names of the stimuli in order, or None.
        metric: the name of the dissimilarity, as in ``DISSIMILARITIES``.
        undefined: names (``#index`` where there are none) of the patterns left out.
        descriptors: what else is known of the RDM (subject, session, ...).
        stimulus_descriptors: what else is known of the stimuli: name -> one value for each.
    """

    dissimilarities: NDArray[np.float64]
    stimuli: tuple[str, ...] | None = None
    metric: str = "unknown"
    undefined: tuple[str, ...] = ()
    descriptors: Mapping[str, Any] = field(default_factory=dict)
    stimulus_descriptors: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = np.ascontiguousarray(as_numbers(self.dissimilarities), dtype=np.float64)
        if values.ndim != 1:
            raise ValueError(
                f"an RDM holds one condensed vector; got shape {values.shape} "
                "(use to_condensed for a square matrix)"
            )
        n = n_stimuli_of(len(values))
        object.__setattr__(self, "dissimilarities", values)
        if self.stimuli is not None:
            names = check_names(self.stimuli, n)
            object.__setattr__(self, "stimuli", names)
        for name, each in self.stimulus_descriptors.items():
            if len(each) != n:
                raise ValueError(f"{len(each)} values of {name!r} for {n} stimuli")

    @property
    def n_stimuli(self) -> int:
        return n_stimuli_of(len(self.dissimilarities))

    @property
    def n_pairs(self) -> int:
        return len(self.dissimilarities)

    def square(self) -> NDArray[np.float64]:
        """(n_stimuli, n_stimuli), zero diagonal."""
        return to_square(self.dissimilarities)

    def select(self, stimuli: Sequence[str]) -> RDM:
        """The same RDM for these stimuli in this order, found by exact name.

        (``BrainRDMs.select`` has other axes too and takes ``stimuli=`` by keyword.)"""
        if self.stimuli is None:
            raise ValueError("this RDM has no stimulus names to select by; build it with stimuli=")
        index = {name: i for i, name in enumerate(self.stimuli)}
        missing = [name for name in stimuli if name not in index]
        if missing:
            raise ValueError(f"{len(missing)} stimuli are not in this RDM: {_shorten(missing)}")
        kept = {name: index[name] for name in stimuli}
        return RDM(
            self.dissimilarities[pair_indices(list(kept.values()), self.n_stimuli)],
            tuple(stimuli),
            self.metric,
            tuple(name for name in self.undefined if name in kept),
            self.descriptors,
            {
                name: tuple(values[i] for i in kept.values())
                for name, values in self.stimulus_descriptors.items()
            },
        )


def compute_rdm(
    patterns: ArrayLike | Any,
    metric: str | Dissimilarity = "correlation",
    *,
    stimuli: Sequence[str] | None = None,
    **options: Any,
) -> RDM:
    """The RDM of ``patterns``, one row a stimulus.

    Args:
        patterns: (n_stimuli, n_features), float32 or float64 (or what the metric names,
            e.g. spike trains). Arithmetic is float64. A row of NaN is a missing condition.
        metric: a name in ``DISSIMILARITIES`` or a ``Dissimilarity`` object.
        stimuli: names, one per row; by default the index of a pandas table or the first
            coordinate of an xarray, where it is text or numbers that are not a plain count.
        options: of the named metric, e.g. ``compute_rdm(x, "mahalanobis", precision=p)``.

    Rounding: each pair is computed to its own accuracy, whatever the others are, and lies on a
    grid of 2^-40 (9e-13) of the unit (for bounded metrics; below 2^-14 of 30 bits of its own
    value, and below 2^-52 it is 0) or of its own value rounded up to a power of two (for the
    others; crossnobis: of the sum of the squares it is the difference of). That is far above the
    error of the float64 sums and far below any effect, so that patterns that are equally far
    apart are tied whatever the order of summation was.

    A pattern without a dissimilarity (constant under correlation, zero under cosine, a
    missing condition) gets NaN in all its pairs, is listed in ``RDM.undefined`` and named in
    an ``UndefinedPatternWarning``.

    Raises:
        ValueError: fewer than two stimuli, partly missing rows, wrong number of names.
    """
    result = compute_quietly(patterns, metric, stimuli, **options)
    if result.undefined:
        warnings.warn(
            f"{len(result.undefined)} of {result.n_stimuli} patterns have no "
            f"{result.metric} dissimilarity (constant or missing) and are left out: "
            f"{_shorten(result.undefined)}",
            UndefinedPatternWarning,
            stacklevel=2,
        )
    return result


def compute_quietly(
    patterns: ArrayLike | Any,
    metric: str | Dissimilarity = "correlation",
    stimuli: Sequence[str] | None = None,
    **options: Any,
) -> RDM:
    """``compute_rdm`` for callers that report ``RDM.undefined`` themselves."""
    if stimuli is None:
        stimuli = names_of_table(patterns)
    dissimilarity = find_dissimilarity(metric, **options)
    condensed, undefined = dissimilarity.condensed(patterns)
    names = None if stimuli is None else check_names(stimuli, len(undefined))
    left_out = tuple(f"#{i}" if names is None else names[i] for i in np.flatnonzero(undefined))
    return RDM(condensed, names, dissimilarity.name, left_out)


def check_names(names: Sequence[str], n_expected: int, what: str = "stimulus") -> tuple[str, ...]:
    """The names as plain str, unique and as many as expected."""
    if isinstance(names, str):
        raise TypeError(f"{what} names are a sequence of str, not the one string {names!r}")
    checked = tuple(as_text(name, f"{what} name") for name in names)
    if len(checked) != n_expected:
        raise ValueError(f"{len(checked)} {what} names for {n_expected} entries")
    if len(set(checked)) != len(checked):
        seen: set[str] = set()
        twice = [name for name in checked if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
        raise ValueError(f"{what} names must be unique; more than once: {_shorten(twice)}")
    return checked


def _shorten(names: Sequence[str], n_shown: int = 8) -> str:
    shown = ", ".join(names[:n_shown])
    return shown if len(names) <= n_shown else f"{shown}, ... ({len(names)} in all)"


RDMInput = RDM | ArrayLike | Sequence[RDM]


def as_rows(rdms: RDMInput, what: str = "rdms") -> NDArray[np.floating]:
    """One or many RDMs in any accepted form -> (n_rdms, n_pairs), float32 or float64.

    Accepted: an ``RDM``; a condensed vector; a square matrix; a stack of either; a list of single
    RDMs, each in any of these forms. Masked entries are missing (NaN). Square ones are symmetric
    with a zero (or NaN) diagonal, both within rounding of their own scale: ``1 - np.corrcoef(x)``
    and float32 distances pass, similarities do not. A square table names its stimuli.

    Raises:
        ValueError: similarities, asymmetry, infinite values and sizes whose squares float64 cannot
            hold, a column (n_pairs, 1).
    """
    if isinstance(rdms, RDM):
        _refuse_sizes(rdms.dissimilarities[None], what)
        return rdms.dissimilarities[None]
    if isinstance(rdms, (list, tuple)) and _are_apart(rdms):
        each = [
            r.dissimilarities if isinstance(r, RDM) else as_one(r, f"{what}[{i}]")
            for i, r in enumerate(rdms)
        ]
        lengths = {len(row) for row in each}
        if len(lengths) > 1:
            raise ValueError(f"{what} have different numbers of pairs: {sorted(lengths)}")
        stimuli_of(rdms, what)
        stacked = np.stack(each)
        _refuse_sizes(stacked, what)
        return stacked
    stimuli_of(rdms, what)
    array = as_numbers(rdms)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what} must be numbers or RDM objects; got dtype {array.dtype}")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    if array.ndim == 3 or (array.ndim == 2 and is_one_square(array)):
        array = np.atleast_2d(condensed_rdms(array, what))
    elif array.ndim == 1:
        array = array[None]
    elif array.ndim == 2 and array.shape[1] == 1 < len(array):
        raise ValueError(
            f"{what}: a column {array.shape} could be one RDM with one value per line, or "
            f"{len(array)} RDMs of two stimuli, which have no order to compare; give x.ravel() for "
            "the one RDM"
        )
    if array.ndim != 2 or array.shape[0] == 0:
        raise ValueError(
            f"{what} must be a condensed vector, a square matrix, a stack of either or RDM "
            f"objects; got shape {array.shape}"
        )
    n_stimuli_of(array.shape[1])
    _refuse_sizes(array, what)
    return array


def _are_apart(rdms: Sequence[Any]) -> bool:
    """Whether these are RDMs to be read one by one: ``RDM`` objects, or arrays of other shapes."""
    return any(isinstance(r, RDM) for r in rdms) or len({as_numbers(r).shape for r in rdms}) > 1


def _refuse_sizes(rows: NDArray[np.floating], what: str) -> None:
    """Refuse infinite values, and sizes whose squares float64 cannot hold.

    The sum of a row (of its squares where they can overflow) says in one quick pass whether to
    look closer."""
    with np.errstate(over="ignore", invalid="ignore"):
        if rows.dtype == np.float64:
            sums = np.einsum("ij,ij->i", rows, rows)
            suspect = np.flatnonzero(~((sums > LEAST**2) & (sums < MOST**2)))
        else:
            suspect = np.flatnonzero(~np.isfinite(rows.sum(axis=1)))
    for i in suspect:
        size = float(np.abs(rows[i]).max(initial=0.0, where=~np.isnan(rows[i])))
        if np.isinf(size):
            raise ValueError(
                f"{what} #{i} holds infinite dissimilarities; NaN marks a missing pair"
            )
        if size and not LEAST < size < MOST:
            raise ValueError(
                f"{what} #{i} holds dissimilarities of size {size:.2g}, whose squares float64 "
                "cannot hold; divide all RDMs by one number of that size"
            )


def stimuli_of(rdms: Any, what: str = "rdms") -> tuple[str, ...] | None:
    """The stimulus names that the ``RDM`` objects and square tables among these carry, or None;
    two that name them differently are refused."""
    given = rdms if isinstance(rdms, (list, tuple)) else [rdms]
    each = [r.stimuli if isinstance(r, RDM) else names_of_square(r) for r in given]
    named = [names for names in each if names is not None]
    for i, names in enumerate(named[1:], 1):
        check_same_stimuli({f"{what} #0": named[0], f"{what} #{i}": names})
    return named[0] if named else None


def check_same_stimuli(sides: Mapping[str, tuple[str, ...] | None]) -> None:
    """Refuse sides that name their stimuli differently; a side without names (None) is taken
    to be in the same order, as arrays are."""
    named = [(what, names) for what, names in sides.items() if names is not None]
    for what, names in named[1:]:
        first, expected = named[0]
        if names is expected or names == expected:
            continue
        if len(names) != len(expected):
            how = f"{len(names)} and {len(expected)} names"
        else:
            i = next(i for i, (a, b) in enumerate(zip(names, expected, strict=True)) if a != b)
            how = f"at place {i} {names[i]!r} and {expected[i]!r}"
        raise ValueError(
            f"{what} name their stimuli otherwise or in another order than {first} ({how}); "
            "bring them in order with rdm.select(names)"
        )


def as_one(rdm: RDMInput, what: str) -> NDArray[np.floating]:
    """(n_pairs,) of the one RDM that this is."""
    rows = as_rows(rdm, what)
    if len(rows) != 1:
        raise ValueError(f"{what} is one RDM; got {len(rows)}")
    return rows[0]


def as_pair_mask(mask: ArrayLike | None, n_pairs: int) -> NDArray[np.bool_] | None:
    """A mask of the pairs to use, condensed or square, as (n_pairs,) bool; None = all."""
    if mask is None:
        return None
    array = np.asarray(mask)
    if array.dtype != np.bool_:
        raise TypeError(f"a pair mask is boolean (True = use the pair); got dtype {array.dtype}")
    if array.ndim == 2:
        if array.shape[0] != array.shape[1] or not np.array_equal(array, array.T):
            raise ValueError(f"a square pair mask is symmetric (n, n); got shape {array.shape}")
        array = array[np.triu_indices(len(array), 1)]
    if array.shape != (n_pairs,):
        raise ValueError(f"the pair mask has shape {array.shape}, the RDMs have {n_pairs} pairs")
    if not array.any():
        raise ValueError("the pair mask leaves no pair")
    return array
