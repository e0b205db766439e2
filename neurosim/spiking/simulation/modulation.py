"""What acts on the synapses of a projection besides their spikes: reward, synaptic scaling."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from numpy.typing import ArrayLike

from neurosim.naming.settings import require_time
from neurosim.spiking.population.homeostasis import SynapticScaling, TotalInput
from neurosim.spiking.simulation.group import per_neuron
from neurosim.spiking.simulation.projection import Projection
from neurosim.spiking.simulation.sources import spike_times
from neurosim.spiking.timing.third_factor import Rewarded


@final
class Reward:
    """The third factor of a projection under ``Rewarded``.

    Args:
        projection: whose marks it turns into weight.
        times_ms: when, rounded to ticks; rewards of one tick add up.
        size: one number or one per time; negative ones punish.
    """

    def __init__(self, projection: Projection, times_ms: ArrayLike, size: ArrayLike = 1.0) -> None:
        if not isinstance(projection, Projection) or not isinstance(projection.timing, Rewarded):
            raise TypeError(
                "Reward goes to a Projection(..., timing=Rewarded(AllPairs(), ...)), got "
                f"{projection!r}"
            )
        self.projection = projection
        self.times_ms = spike_times("times_ms", times_ms)
        self.size = per_neuron("size", size, len(self.times_ms))

    def within(self, first: int, n_ticks: int, dt_ms: float) -> np.ndarray:
        """The reward of each tick from ``first`` on, ``(n_ticks,)``."""
        at = np.rint(self.times_ms / dt_ms).astype(np.int64) - first
        inside = (at >= 0) & (at < n_ticks)
        return np.bincount(at[inside], self.size[inside], n_ticks)


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
