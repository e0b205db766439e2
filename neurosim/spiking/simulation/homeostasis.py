"""Synaptic scaling during a run: every so often a neuron multiplies all its synapses."""

from __future__ import annotations

from typing import final

import numpy as np
import torch

from neurosim.naming.settings import require_time
from neurosim.spiking.population.homeostasis import SynapticScaling, TotalInput
from neurosim.spiking.simulation.projection import Projection


@final
class Scaling:
    """``rule`` applied to the synapses of each postsynaptic neuron of a projection.

    Args:
        projection: whose weights.
        rule: ``SynapticScaling`` towards a rate, measured since it was last applied, or
            ``TotalInput`` towards a sum of weights.
        every_ms: how often, whole ticks.
    """

    def __init__(
        self, projection: Projection, rule: SynapticScaling | TotalInput, *, every_ms: float
    ) -> None:
        if not isinstance(projection, Projection):
            raise TypeError(f"Scaling acts on a Projection(...), got {projection!r}")
        if not isinstance(rule, SynapticScaling | TotalInput):
            raise TypeError(f"rule must be SynapticScaling(...) or TotalInput(...), got {rule!r}")
        require_time("every_ms", every_ms)
        self.projection, self.rule, self.every_ms = projection, rule, every_ms

    def factors(self, post: np.ndarray, weight: np.ndarray, rate_hz: np.ndarray) -> np.ndarray:
        """What each neuron multiplies its synapses by, ``(n_post,)``.

        post: neuron of each synapse; rate_hz: of each neuron.
        """
        n = self.projection.post.n
        if isinstance(self.rule, SynapticScaling):
            ones = torch.ones(n, 1, dtype=torch.float64)
            return self.rule.scaled(ones, torch.from_numpy(rate_hz))[:, 0].numpy()
        sums = np.bincount(post, np.abs(weight), n)
        after = self.rule.scaled(torch.from_numpy(sums)[:, None])[:, 0].numpy()
        return np.divide(after, sums, out=np.ones(n), where=sums > 0)

    def apply(self, post: np.ndarray, weight: np.ndarray, rate_hz: np.ndarray) -> np.ndarray:
        """The weights after it, inside the bounds of the timing's dependence."""
        after = weight * self.factors(post, weight, rate_hz)[post]
        timing = self.projection.timing
        if timing is None:
            return after
        return np.clip(after, timing.dependence.w_min, timing.dependence.w_max)
