"""Comparators that are inner products of rows: rank and plain correlations, the cosine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from neurosim.rsa.compare.comparator import (
    Array,
    Comparator,
    Flags,
    Ints,
    Rows,
    constant_rows,
    root_mean_squares,
)
from neurosim.rsa.rdm import resampling
from neurosim.rsa.rdm.ranks import Ranks


@final
@dataclass(frozen=True)
class RankCorrelation(Comparator):
    """Spearman's rho, or rho-a.

    rho = Pearson correlation of midranks. rho-a = 12 sum (r_x - m)(r_y - m) / (n^3 - n): the
    expected rho over random tie breaking, which does not favour models that predict ties
    (Schuett et al. 2023, doi:10.7554/eLife.82566).
    """

    name: str
    tie_corrected: bool = True
    is_correlation: ClassVar[bool] = True  # type: ignore[misc]
    adds_up: ClassVar[bool] = True

    def read(self, rows: Rows, used: Flags | None = None) -> Ranks:
        return Ranks.of(rows)

    def measure(self, a: Ranks, b: Ranks) -> Array:
        return self._scaled(a.products(b), a, b)

    def _scaled(self, products: Array, a: Ranks, b: Ranks) -> Array:
        """Sums of products (..., n_a, n_b) of centred midranks -> scores."""
        if not self.tie_corrected:
            n = float(a.doubled.shape[1])
            return products * 12.0 / (n**3 - n)
        scale = np.sqrt(a.squares[:, None] / 4.0 * (b.squares / 4.0))
        # NaN where a row is constant: it has no order to compare.
        return np.divide(products, scale, out=np.full_like(products, np.nan), where=scale > 0)

    def normalise(self, rows: Rows) -> Array:
        return Ranks.of(rows).doubled / 2.0

    def resample(self, models: Rows, brains: Rows, indices: Ints, used: Flags) -> Array:
        scores = resampling.resample_ranks(models, brains, indices, used, self.tie_corrected)
        return self.defined(scores, constant_rows(models[:, used]), constant_rows(brains[:, used]))

    def relabel(self, models: Rows, brains: Rows, permutations: Ints, used: Flags) -> Array:
        if used.all():
            x, y = Ranks.of(models), Ranks.of(brains)
            n = models.shape[1]
            products = resampling.relabel_products(
                x.doubled - np.int32(n + 1), y.doubled - np.int32(n + 1), permutations
            )
            scores = self._scaled(products / 4.0, x, y)
        else:
            scores = resampling.relabel_masked_ranks(
                models, brains, permutations, used, self.tie_corrected
            )
        return self.defined(scores, constant_rows(models), constant_rows(brains[:, used]))


@final
@dataclass(frozen=True)
class InnerProduct(Comparator):
    """Inner product of rows at unit length: Pearson's r (centred first) or the cosine."""

    name: str
    centred: bool
    is_correlation: ClassVar[bool] = True  # type: ignore[misc]
    adds_up: ClassVar[bool] = True

    def read(self, rows: Rows, used: Flags | None = None) -> Array:
        unit = np.array(rows, dtype=np.float64)
        length = np.sqrt(np.einsum("ij,ij->i", unit, unit))
        if self.centred:
            unit -= unit.mean(axis=1, keepdims=True)
        norms = np.sqrt(np.einsum("ij,ij->i", unit, unit))
        # What is left of a constant row after centring is rounding, not a direction.
        norms[norms <= 1e-13 * length] = np.nan
        unit /= norms[:, None]
        return unit

    def measure(self, a: Array, b: Array) -> Array:
        return a @ b.T

    def normalise(self, rows: Rows) -> Array:
        return self.read(rows)

    def spread(self, rows: Rows) -> Array:
        return super().spread(rows) if self.centred else root_mean_squares(rows)

    def resample(self, models: Rows, brains: Rows, indices: Ints, used: Flags) -> Array:
        scores = resampling.resample_products(models, brains, indices, used, self.centred)
        return self.defined(scores, constant_rows(models[:, used]), constant_rows(brains[:, used]))

    def relabel(self, models: Rows, brains: Rows, permutations: Ints, used: Flags) -> Array:
        if not used.all():
            return super().relabel(models, brains, permutations, used)
        x, y = self.prepare(models), self.prepare(brains)
        scores = resampling.relabel_products(x.kept, y.kept, permutations)
        return self.defined(scores, x.constant, y.constant)
