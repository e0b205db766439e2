"""Zero-divergence inference learning: each layer learns when its error first arrives.

The activity relaxes as in supervised predictive coding, one step of length gamma a tick. The
error of the output reaches layer ``L - l`` at tick l, and at that tick, and no other, this layer
learns. What is below it has not moved by then, so that with ``gamma = 1`` the changes are those
of backpropagation; with any other gamma they are not (Song, Lukasiewicz, Xu & Bogacz 2020,
"Can the brain do backpropagation?", NeurIPS 33).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from neurosim.dynamics import AbstractClocked
from neurosim.models.network.layers import Network
from neurosim.models.rules.predictive_coding import ClampedPoint, PredictiveCoding
from neurosim.types import Drive, LocalSignal, State, map_state


@final
@dataclass(frozen=True)
class ZeroDivergence(AbstractClocked):
    """Predictive coding on a clock. State: ``displacement``, and the ``due`` layer's index.

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

    def n_ticks(self, point: ClampedPoint) -> int:
        return len(point.swept)

    def operating_point(self, net: Network, drive: Drive) -> ClampedPoint:
        return self.relaxation.operating_point(net, drive)

    def initial_state(self, point: ClampedPoint) -> State:
        return {**self.relaxation.initial_state(point), "due": ()}

    def tick(self, point: ClampedPoint, state: State, index: int) -> State:
        values: State = {"displacement": state["displacement"]}
        if index == 0:
            values = self.relaxation.initial_state(point)
        else:
            flow = self.relaxation.flow(point, values)
            values = map_state(lambda d, v: d + self.gamma * v, values, flow)
        return {**values, "due": (torch.tensor(len(point.swept) - 1 - index),)}

    def local_signals(self, point: ClampedPoint, state: State) -> Sequence[LocalSignal]:
        signals = self.relaxation.local_signals(point, {"displacement": state["displacement"]})
        due = int(state["due"][0])
        return [signal if index == due else _silent(signal) for index, signal in enumerate(signals)]

    def output(self, point: ClampedPoint, state: State) -> Tensor:
        return self.relaxation.output(point, state)


def _silent(signal: LocalSignal) -> LocalSignal:
    gain = {name: torch.zeros_like(change) for name, change in signal.gain.items()}
    return LocalSignal(signal.pre, torch.zeros_like(signal.post), gain)
