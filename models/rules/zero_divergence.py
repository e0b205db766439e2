"""Zero-divergence inference learning: each layer learns when its error first arrives.

Supervised predictive coding on a clock. The level of a layer is the length of the longest path
from it to the output: the tick at which the last of the errors above has reached it.

    at tick level(l):   d_l = gamma (m_l - p_l e_l),   then layer l learns from p_l e_l,
                        and m_k += (W_l^T D_l^T or D_l^T) p_l e_l  at every k that it hears

Each node moves at its tick, and sends its error down then and no other time; what arrives at a node
by a shorter way waits there in ``m`` (in a chain nothing ever waits). What a layer hears has not
moved when it learns, so that with ``gamma = 1`` the changes are those of backpropagation; with any
other gamma they are not (Song, Lukasiewicz, Xu & Bogacz 2020, "Can the brain do backpropagation?",
NeurIPS 33; on graphs Salvatori, Song, Xu, Lukasiewicz & Bogacz 2022, "Reverse differentiation via
predictive coding", 10.1609/aaai.v36i7.20788, who delay the shorter ways by identity nodes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from neurosim.dynamics import AbstractClocked
from neurosim.models.network.graph import AT_INPUT, Network
from neurosim.models.rules.feed_forward import FeedForward
from neurosim.models.rules.predictive_coding import ClampedPoint, PredictiveCoding, carried
from neurosim.types import Drive, LocalSignal, State


@final
@dataclass(frozen=True)
class ZeroDivergence(AbstractClocked[Network, ClampedPoint]):
    """Predictive coding on a clock.

    State: ``displacement`` and ``arrived`` (``m``), one tensor a hidden layer, and the ``due``
    level.

    Args:
        relaxation: the energy that is descended.
        gamma: length of a step in units of tau; 1 is Z-IL.
        tau_ms: time constant of the value units.
    """

    relaxation: PredictiveCoding = field(default_factory=PredictiveCoding)
    gamma: float = 1.0
    tau_ms: float = 20.0

    def __post_init__(self) -> None:
        if not (self.gamma > 0 and self.tau_ms > 0):
            raise ValueError(
                f"gamma and tau_ms must be positive, got {self.gamma} and {self.tau_ms}"
            )

    @property
    def dt_ms(self) -> float:
        return self.gamma * self.tau_ms

    @property
    def offers(self) -> frozenset[str]:
        return super().offers | self.relaxation.offers

    def runs_on(self) -> type:
        return Network

    def check_network(self, net: Network) -> None:
        self.relaxation.check_network(net)

    def passive(self) -> FeedForward:
        return FeedForward()

    def n_ticks(self, point: ClampedPoint) -> int:
        return max(point.net.levels()) + 1

    def operating_point(self, net: Network, drive: Drive) -> ClampedPoint:
        return self.relaxation.operating_point(net, drive)

    def initial_state(self, point: ClampedPoint) -> State:
        at_rest = self.relaxation.initial_state(point)["displacement"]
        return {"displacement": at_rest, "arrived": at_rest, "due": ()}

    def tick(self, point: ClampedPoint, state: State, index: int) -> State:
        displacement, arrived = list(state["displacement"]), list(state["arrived"])
        if index > 0:
            # Before the first error arrives, this level has none of its own to relax.
            for node in self._at(point, index):
                displacement[node] = self.gamma * arrived[node]
        errors = self._errors(point, displacement)
        for node in self._at(point, index):
            above = point.swept[node].at_rest
            pulled = above.pull(errors[node])
            each = point.net.wiring[node]
            for below, through_synapse in (
                (each.source, True),
                *((added, False) for added in each.added),
            ):
                if below != AT_INPUT:
                    arrived[below] = arrived[below] + carried(above, pulled, through_synapse)
        return {
            "displacement": tuple(displacement),
            "arrived": tuple(arrived),
            "due": (torch.tensor(index),),
        }

    @staticmethod
    def _at(point: ClampedPoint, level: int) -> list[int]:
        return [node for node, its in enumerate(point.net.levels()) if its == level]

    def _errors(self, point: ClampedPoint, displacement: Sequence[Tensor]) -> list[Tensor]:
        """``p_l e_l`` of each layer while nothing that it hears has moved, the output's last."""
        at_rest = point.at(self.relaxation, point.start)
        precisions = self.relaxation.hidden_precisions(len(displacement))
        return [*(p * d for p, d in zip(precisions, displacement, strict=True)), at_rest.errors[-1]]

    def local_signals(self, point: ClampedPoint, state: State) -> Sequence[LocalSignal]:
        errors = self._errors(point, state["displacement"])
        unit = self.relaxation.unit(point)
        learning = self._at(point, int(state["due"][0]))
        signals = []
        for node, layer in enumerate(point.swept):
            error = errors[node] if node in learning else torch.zeros_like(layer.out)
            pulled = layer.at_rest.pull(error * unit, to_gains=True)
            offered = {"error": pulled.delta, "gains": pulled.gain, "dt": self.dt_ms}
            signals.append(LocalSignal(layer.pre, pulled.delta, offered))
        return signals

    def adapt(self, point: ClampedPoint, state: State) -> None:
        self.relaxation.adapt(point, state)

    def output(self, point: ClampedPoint, state: State) -> Tensor:
        return self.relaxation.output(point, state)
