"""Comparators of RDMs, by registry.

A comparator scores every row of one stack of condensed RDMs against every row of another.
What it does to a row alone (ranking, centring) happens in ``prepare`` and is kept by
``PreparedRDMs``. To add one that is a function of two vectors, write the function and one
line in ``COMPARATORS``; the law tests then cover it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from neurosim.rsa.ranks import Ranks

Array = NDArray[np.float64]
Rows = NDArray[np.floating]


class Comparator(ABC):
    """Scores two stacks of condensed RDMs; subclasses are frozen dataclasses.

    ``prepare`` does what concerns one row alone, ``score`` the rest, ``normalise`` puts rows
    on the common footing on which they may be averaged (noise ceilings, group RDMs).
    """

    name: str

    @abstractmethod
    def prepare(self, rows: Rows) -> Any:
        """(n, n_pairs) without NaN -> whatever ``score`` reads."""

    @abstractmethod
    def score(self, a: Any, b: Any) -> Array:
        """Two prepared stacks -> (n_a, n_b)."""

    def normalise(self, rows: Rows) -> Array:
        """Rows on a common footing before averaging; by default as they are."""
        return np.asarray(rows, dtype=np.float64)

    def __call__(self, a: Rows, b: Rows) -> Array:
        """Compare two stacks that will not be used again."""
        return self.score(self.prepare(a), self.prepare(b))


@final
@dataclass(frozen=True)
class RankCorrelation(Comparator):
    """Spearman's rho, or rho-a.

    rho = Pearson correlation of midranks. rho-a = 12 sum (r_x - m)(r_y - m) / (n^3 - n): the
    expected rho over random tie breaking (Schuett et al. 2023, eLife 12:e82566), which does
    not favour models that predict ties.
    """

    name: str
    tie_corrected: bool = True

    def prepare(self, rows: Rows) -> Ranks:
        return Ranks.of(rows)

    def score(self, a: Ranks, b: Ranks) -> Array:
        products = a.products(b)
        if not self.tie_corrected:
            n = float(a.doubled.shape[1])
            return products * 12.0 / (n**3 - n)
        scale = np.sqrt(a.squares[:, None] / 4.0 * (b.squares / 4.0))
        return _ratio(products, scale)

    def normalise(self, rows: Rows) -> Array:
        return Ranks.of(rows).doubled / 2.0


@final
@dataclass(frozen=True)
class InnerProduct(Comparator):
    """Inner product of rows mapped to unit length: Pearson (centred) and cosine."""

    name: str
    centred: bool

    def prepare(self, rows: Rows) -> Array:
        unit = np.array(rows, dtype=np.float64)
        if self.centred:
            unit -= unit.mean(axis=1, keepdims=True)
        norms = np.sqrt(np.einsum("ij,ij->i", unit, unit))
        # Rounding left over from centring a constant row is not a direction.
        floor = 1e-13 * np.sqrt(np.einsum("ij,ij->i", rows, rows)) if self.centred else 0.0
        norms[norms <= floor] = np.nan
        unit /= norms[:, None]
        return unit

    def score(self, a: Array, b: Array) -> Array:
        return a @ b.T

    def normalise(self, rows: Rows) -> Array:
        return self.prepare(rows)


@final
@dataclass(frozen=True)
class Pairwise(Comparator):
    """A function of two condensed vectors, applied to every pair of rows."""

    name: str
    function: Callable[[Array, Array], float]

    def prepare(self, rows: Rows) -> Array:
        return np.asarray(rows, dtype=np.float64)

    def score(self, a: Array, b: Array) -> Array:
        return np.array([[self.function(x, y) for y in b] for x in a])


def _ratio(products: Array, scale: Array) -> Array:
    """products / scale, NaN where a row is constant: it has no order to compare."""
    return np.divide(products, scale, out=np.full_like(products, np.nan), where=scale > 0)


COMPARATORS: dict[str, Comparator] = {
    c.name: c
    for c in (
        RankCorrelation("spearman"),
        RankCorrelation("rho-a", tie_corrected=False),
        InnerProduct("pearson", centred=True),
        InnerProduct("cosine", centred=False),
    )
}


def find_comparator(method: str | Comparator) -> Comparator:
    """The registered comparator of this name, or the object itself."""
    if isinstance(method, Comparator):
        return method
    if method not in COMPARATORS:
        raise ValueError(
            f"unknown comparison method {method!r}; known: {', '.join(sorted(COMPARATORS))} "
            "(or give a Comparator object)"
        )
    return COMPARATORS[method]
