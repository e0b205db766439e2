"""What a comparator of RDMs is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from neurosim.rsa.rdm.ranks import Ranks
from neurosim.rsa.rdm.resampling import relabel_plainly, resample_plainly

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]
Rows = NDArray[np.floating]


class Prepared(NamedTuple):
    """What a comparator keeps of a stack of rows.

    ``constant``: (n,) the rows whose values differ by rounding alone, which have no structure
    to compare.
    """

    kept: Any
    constant: Flags


class Comparator(ABC):
    """Scores every row of one stack of condensed RDMs against every row of another.

    ``prepare`` does what concerns one row alone and is kept by ``PreparedRDMs``; ``score``
    does the rest. Rows come without NaN, cut to the pairs in use; ``used`` says which of all
    pairs those are (None = all), for comparators that look at whole matrices.

    One policy for all: the score of a constant row with anything is NaN. A subclass is a frozen
    dataclass that writes ``read`` and ``measure`` and never sees to that.

    Attributes:
        larger_is_closer: False for distances.
        is_correlation: scores lie in [-1, 1]; what rounding adds is cut off.
        adds_up: the score is an inner product of rows at unit length, so that independent noise
            in each of n rows lowers the score of their mean by the Spearman-Brown formula.
    """

    name: str
    larger_is_closer: ClassVar[bool] = True
    is_correlation: bool = False
    adds_up: ClassVar[bool] = False

    @abstractmethod
    def read(self, rows: Rows, used: Flags | None = None) -> Any:
        """(n, n_used) -> whatever ``measure`` reads."""

    @abstractmethod
    def measure(self, a: Any, b: Any) -> Array:
        """What was read of two stacks -> (n_a, n_b)."""

    @final
    def prepare(self, rows: Rows, used: Flags | None = None) -> Prepared:
        """(n, n_used) -> what ``score`` reads."""
        return Prepared(self.read(rows, used), constant_rows(rows))

    @final
    def score(self, a: Prepared, b: Prepared) -> Array:
        """Two prepared stacks -> (n_a, n_b)."""
        return self.defined(self.measure(a.kept, b.kept), a.constant, b.constant)

    @final
    def defined(self, scores: Array, constant_a: Flags, constant_b: Flags) -> Array:
        """(..., n_a, n_b) scores, in range, and NaN where a side is constant."""
        if self.is_correlation:
            np.clip(scores, -1.0, 1.0, out=scores)
        scores[..., constant_a, :] = np.nan
        scores[..., constant_b] = np.nan
        return scores

    def normalise(self, rows: Rows) -> Array:
        """Rows on the footing on which they may be averaged, which has no unit; by default their
        root mean square is 1."""
        values = np.asarray(rows, dtype=np.float64)
        size = root_mean_squares(values)[:, None]
        return np.divide(values, size, out=np.zeros_like(values), where=size > 0)

    def spread(self, rows: Rows) -> Array:
        """(n,) by how much each row weighs in a plain average."""
        return np.asarray(np.std(rows, axis=1, dtype=np.float64))

    def __call__(self, a: Rows, b: Rows, used: Flags | None = None) -> Array:
        """Compare two stacks that will not be used again."""
        return self.score(self.prepare(a, used), self.prepare(b, used))

    def resample(self, models: Rows, brains: Rows, indices: Ints, used: Flags) -> Array:
        """(n_samples, n_models, n_brains) scores under resampled stimuli; rows are whole."""
        return resample_plainly(self, models, brains, indices, used)

    def relabel(self, models: Rows, brains: Rows, permutations: Ints, used: Flags) -> Array:
        """(n_permutations, n_models, n_brains) scores under relabelled models."""
        return relabel_plainly(self, models, brains, permutations, used)


def root_mean_squares(rows: Rows) -> Array:
    """(n,) root mean square of each row."""
    return np.asarray(np.sqrt(np.mean(np.square(rows, dtype=np.float64), axis=1)))


def constant_rows(rows: Rows) -> Flags:
    """(n,) the rows whose values differ by rounding alone."""
    rounding = 1e-13 if rows.dtype == np.float64 else 1e-6
    low, high = rows.min(axis=1), rows.max(axis=1)
    return np.asarray(high - low <= rounding * np.maximum(np.abs(low), np.abs(high)))


@final
@dataclass(frozen=True)
class Pairwise(Comparator):
    """A function of two condensed vectors, applied to every pair of rows.

    Attributes:
        of_ranks: it sees nothing but order; rows are then averaged as ranks.
    """

    name: str
    function: Callable[[Array, Array], float]
    is_correlation: bool = False
    of_ranks: bool = False

    def read(self, rows: Rows, used: Flags | None = None) -> Array:
        return np.asarray(rows, dtype=np.float64)

    def measure(self, a: Array, b: Array) -> Array:
        return np.array([[self.function(x, y) for y in b] for x in a], dtype=np.float64)

    def normalise(self, rows: Rows) -> Array:
        return Ranks.of(rows).doubled / 2.0 if self.of_ranks else super().normalise(rows)
