"""What a comparator of RDMs is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]
Rows = NDArray[np.floating]


class Comparator(ABC):
    """Scores every row of one stack of condensed RDMs against every row of another.

    ``prepare`` does what concerns one row alone and is kept by ``PreparedRDMs``; ``score``
    does the rest. Rows come without NaN, cut to the pairs in use; ``used`` says which of all
    pairs those are (None = all), for comparators that look at whole matrices.

    Subclasses are frozen dataclasses.
    """

    name: str
    larger_is_closer: ClassVar[bool] = True

    @abstractmethod
    def prepare(self, rows: Rows, used: Flags | None = None) -> Any:
        """(n, n_used) -> whatever ``score`` reads."""

    @abstractmethod
    def score(self, a: Any, b: Any) -> Array:
        """Two prepared stacks -> (n_a, n_b)."""

    def normalise(self, rows: Rows) -> Array:
        """Rows on the footing on which they may be averaged; by default as they are."""
        return np.asarray(rows, dtype=np.float64)

    def __call__(self, a: Rows, b: Rows, used: Flags | None = None) -> Array:
        """Compare two stacks that will not be used again."""
        return self.score(self.prepare(a, used), self.prepare(b, used))

    def resample(self, models: Rows, brains: Rows, indices: Ints, used: Flags) -> Array:
        """(n_samples, n_models, n_brains) scores under resampled stimuli; rows are whole."""
        from neurosim.rsa.resampling import resample_plainly

        return resample_plainly(self, models, brains, indices, used)

    def relabel(self, models: Rows, brains: Rows, permutations: Ints, used: Flags) -> Array:
        """(n_permutations, n_models, n_brains) scores under relabelled models."""
        from neurosim.rsa.resampling import relabel_plainly

        return relabel_plainly(self, models, brains, permutations, used)


@final
@dataclass(frozen=True)
class Pairwise(Comparator):
    """A function of two condensed vectors, applied to every pair of rows."""

    name: str
    function: Callable[[Array, Array], float]

    def prepare(self, rows: Rows, used: Flags | None = None) -> Array:
        return np.asarray(rows, dtype=np.float64)

    def score(self, a: Array, b: Array) -> Array:
        return np.array([[self.function(x, y) for y in b] for x in a])
