"""Activity without a teaching signal: what untrained and frozen layers do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from neurosim.dynamics import AbstractClosedForm
from neurosim.models.network.graph import Network
from neurosim.models.network.layers import Swept
from neurosim.types import Drive, LocalSignal, State


@final
class FeedForward(AbstractClosedForm[Network, tuple[Swept, ...]]):
    """``tau du_l/dt = -u_l + s_l`` with ``s`` the feed-forward sweep. State: ``activity``, that of
    the units themselves, before pooling and dropout.

    The local signals are pre- and postsynaptic activity, what a Hebbian rule would read: one value
    for each output of the synapse.
    """

    def runs_on(self) -> type:
        return Network

    def operating_point(self, net: Network, drive: Drive) -> tuple[Swept, ...]:
        return net.sweep(drive)

    def initial_state(self, point: tuple[Swept, ...]) -> State:
        return {"activity": tuple(torch.zeros_like(layer.units) for layer in point)}

    def flow(self, point: tuple[Swept, ...], state: State) -> State:
        pairs = zip(point, state["activity"], strict=True)
        return {"activity": tuple(layer.units - x for layer, x in pairs)}

    def equilibrium(self, point: tuple[Swept, ...]) -> State:
        return {"activity": tuple(layer.units for layer in point)}

    def activity(self, point: tuple[Swept, ...], state: State) -> dict[str, Tensor]:
        return {layer.layer.name: layer.out for layer in point}

    def local_signals(self, point: tuple[Swept, ...], state: State) -> Sequence[LocalSignal]:
        pairs = zip(point, state["activity"], strict=True)
        return [LocalSignal(layer.pre, x) for layer, x in pairs]

    def adapt(self, point: tuple[Swept, ...], state: State) -> None:
        for layer in point:
            layer.adapt()

    def output(self, point: tuple[Swept, ...], state: State) -> Tensor:
        return point[-1].out
