"""A distance for firing rates with Poisson noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from neurosim.rsa.rdm.distances import (
    Array,
    Dissimilarity,
    Flags,
    as_patterns,
    blank,
    on_relative_grid,
)


@final
@dataclass(frozen=True)
class PoissonKL(Dissimilarity):
    """Symmetrised Kullback-Leibler divergence of Poisson rates, in nats:
    sum_k (a_k - b_k) (log a_k - log b_k) (not divided by n_features).

    Rates are first drawn towards a prior, (x + prior_rate prior_weight) / (1 + prior_weight),
    so that a silent neuron is not infinitely far (Schuett et al. 2023,
    doi:10.7554/eLife.82566).
    """

    prior_rate: float = 1.0
    prior_weight: float = 0.1
    name = "poisson-kl"

    def condensed(self, patterns: ArrayLike | Any) -> tuple[Array, Flags]:
        from neurosim.rsa.kernels.distance import mend_poisson_kl

        rates, missing = as_patterns(patterns)
        if (rates < 0).any():
            raise ValueError("poisson-kl needs rates or counts, which are not negative")
        rates = (rates + self.prior_rate * self.prior_weight) / (1.0 + self.prior_weight)
        if (rates <= 0).any():
            raise ValueError("a rate of zero has no logarithm; give a positive prior")
        logs = np.log(rates)
        divergence, sizes = (
            _of_all_with_all(rates, logs, -1.0),
            _of_all_with_all(rates, abs(logs), 1.0),
        )
        mend_poisson_kl(rates, logs, sizes, divergence)
        values = divergence[np.triu_indices(len(rates), 1)]
        return blank(on_relative_grid(values), missing), missing


def _of_all_with_all(rates: Array, logs: Array, sign: float) -> Array:
    """(n, n) sum_k a_k log a_k + b_k log b_k + sign (a_k log b_k + b_k log a_k)."""
    products = rates @ logs.T
    own = np.diagonal(products)
    return np.asarray(own + own[:, None] + sign * (products + products.T))
