"""Synapses from one population or source to a population: weights, delays, plasticity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.typing import ArrayLike

from neurosim.naming.made import made
from neurosim.naming.settings import KnownSettings
from neurosim.spiking.simulation.conductance import ConductanceLIF
from neurosim.spiking.simulation.connect import AbstractConnector, AllToAll
from neurosim.spiking.simulation.group import NeuronGroup, per_neuron
from neurosim.spiking.simulation.lowered_rule import lowered_rule
from neurosim.spiking.simulation.sources import AbstractSource
from neurosim.spiking.timing.abstract_timing import AbstractTiming
from neurosim.spiking.timing.rules import TIMINGS

__all__ = ["Projection", "Uniform"]


@final
@dataclass(frozen=True)
class Uniform(KnownSettings):
    """A number per synapse, drawn between ``low`` and ``high``."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite([self.low, self.high]).all() and self.low <= self.high):
            raise ValueError(f"low and high must be finite and in this order, got {self!r}")

    def draw(self, n: int, generator: torch.Generator) -> np.ndarray:
        """``(n,)``."""
        u = torch.rand(n, generator=generator, dtype=torch.float64).numpy()
        return self.low + (self.high - self.low) * u


@final
class Projection:
    """Synapses from ``pre`` to ``post``.

    A spike of tick t acts on the postsynaptic cell at ``t + delay``, by the weight of that tick;
    plasticity sees it then too, so that the lag of STDP is ``t_post - t_pre - delay``.

    Args:
        pre: a ``NeuronGroup`` or a source such as ``PoissonInput``.
        post: a ``NeuronGroup``; the same as pre for recurrent synapses.
        weight: one number, one per synapse in the order of the connector's pairs, a dense matrix
            ``(n_post, n_pre)`` under ``AllToAll()``, or ``Uniform(low, high)``. In units of the
            postsynaptic voltage (``ConductanceLIF``: of its leak conductance).
        connect: which neurons are joined.
        delay_ms: one number, one per synapse, whole ticks; or ``Uniform``, rounded to ticks.
        timing: STDP, as an object, by name or text; None for weights that stay.
        inhibitory: whether the weight is taken off the current (``ConductanceLIF``: opens the
            inhibitory conductance). The weight itself, which STDP changes, is a size.
        name: what messages, random streams and files call it.
    """

    def __init__(
        self,
        pre: NeuronGroup | AbstractSource,
        post: NeuronGroup,
        weight: ArrayLike | Uniform,
        *,
        connect: AbstractConnector | None = None,
        delay_ms: ArrayLike | Uniform = 0.0,
        timing: AbstractTiming | str | None = None,
        inhibitory: bool = False,
        name: str = "",
    ) -> None:
        for side, given, kinds, example in (
            ("pre", pre, (NeuronGroup, AbstractSource), "NeuronGroup(...) or PoissonInput(...)"),
            ("post", post, (NeuronGroup,), "NeuronGroup(...)"),
            ("connect", connect, (AbstractConnector, type(None)), "FixedProbability(0.1)"),
        ):
            if not isinstance(given, kinds):
                raise TypeError(f"{side} must be a {example}, got {given!r}")
        self.pre, self.post, self.name = pre, post, name
        self.connect = AllToAll() if connect is None else connect
        self.weight, self.delay_ms, self.inhibitory = weight, delay_ms, bool(inhibitory)
        self.timing = None if timing is None else made(TIMINGS, timing)
        if self.timing is not None:
            lowered_rule(self.timing, post.cell.dt_ms)
        self._require_positive_conductance()

    def __repr__(self) -> str:
        return f"Projection({self.pre!r} -> {self.post!r})"

    def _require_positive_conductance(self) -> None:
        if not isinstance(self.post.cell, ConductanceLIF) or self.timing is None:
            return
        if self.timing.dependence.w_min < 0:
            raise ValueError(
                f"a conductance is not negative, but under {self.timing.dependence!r} a weight may "
                "become so: give the timing bounds, dependence=HardBounds(0.0, w_max)"
            )

    def pairs(self, generator: torch.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Presynaptic and postsynaptic neuron of each synapse."""
        return self.connect.pairs(self.pre.n, self.post.n, generator)

    def weights(self, n: int, generator: torch.Generator) -> np.ndarray:
        """The weight of each of ``n`` synapses at the start.

        Raises:
            ValueError: another number of weights, weights that are not finite or outside the
                bounds of the dependence, a negative conductance.
        """
        given = self.weight
        if isinstance(given, Uniform):
            w = given.draw(n, generator)
        elif isinstance(self.connect, AllToAll) and np.ndim(given) == 2:
            w = self._of_matrix(np.asarray(given))
        else:
            w = per_neuron(f"weight of {self!r}", given, n)
        if self.timing is not None:
            self.timing.dependence.check(w)
        if isinstance(self.post.cell, ConductanceLIF) and n and w.min() < 0:
            raise ValueError(
                f"the weight of {self!r} is a conductance and not negative, got {w.min():g}: use "
                "inhibitory=True for inhibition"
            )
        return w

    def _of_matrix(self, matrix: np.ndarray) -> np.ndarray:
        if matrix.shape != (self.post.n, self.pre.n):
            raise ValueError(
                f"the weight of {self!r} must be (n_post, n_pre) = {self.post.n, self.pre.n}, got "
                f"{matrix.shape}"
            )
        pre, post = self.pairs(torch.Generator())
        return per_neuron("weight", matrix[post, pre], len(pre))

    def delays(self, n: int, dt_ms: float, generator: torch.Generator) -> np.ndarray:
        """The delay of each synapse in ticks, int64.

        Raises:
            ValueError: a negative delay, or one that is not whole ticks.
        """
        drawn = isinstance(self.delay_ms, Uniform)
        given = self.delay_ms
        ms = given.draw(n, generator) if isinstance(given, Uniform) else per_neuron(
            f"delay_ms of {self!r}", given, n
        )  # fmt: skip
        ticks = np.rint(ms / dt_ms)
        if n and (ms < 0).any():
            raise ValueError(f"delay_ms of {self!r} must not be negative, got {ms.min():g}")
        odd = np.abs(ms / dt_ms - ticks) > 1e-6 * np.maximum(ticks, 1)
        if not drawn and odd.any():
            raise ValueError(
                f"delay_ms of {self!r} must be whole ticks of {dt_ms} ms, got {ms[odd][0]:g}: "
                "round it, or use a shorter tick"
            )
        return ticks.astype(np.int64)
