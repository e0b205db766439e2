"""Cross-entropy that reaches the normalisation of layers whose weights another rule changes.

    minimise  CE(head(FC1(features)), target)  over FC1, head and every gamma, beta

(Leutenegger 2026, arXiv 2605.30556: the readout of STDP.) The errors run back through every
convolution to the first gamma; only the convolutions' weights are left to the other rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

from neurosim.dynamics import AbstractClosedForm
from neurosim.models.network.graph import Network
from neurosim.models.network.layers import Layer
from neurosim.models.published.rectified import ThroughRectifier
from neurosim.models.rules.error_circuit import ErrorCircuit, SweptPoint
from neurosim.models.rules.feed_forward import FeedForward
from neurosim.plasticity import AbstractPlasticity, Changes, ErrorTimesPre
from neurosim.synapses import AbstractSynapse, Conv2d
from neurosim.types import Drive, LayerLike, LocalSignal, State


@dataclass(frozen=True)
class GainsOnly:
    """A convolution of which gamma and beta learn, and nothing else."""

    layer: Layer

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def synapse(self) -> AbstractSynapse:
        return self.layer.synapse

    def plastic_parameters(self) -> Mapping[str, Tensor]:
        return self.layer.gain_parameters()


@final
@dataclass(frozen=True)
class GainsAndReadout(AbstractClosedForm[Network, SweptPoint]):
    """An error circuit whose convolutions offer only gamma and beta to plasticity."""

    circuit: ErrorCircuit = field(default_factory=lambda: ErrorCircuit(ThroughRectifier()))

    @property
    def offers(self) -> frozenset[str]:
        return self.circuit.offers

    def runs_on(self) -> type:
        return self.circuit.runs_on()

    def check_network(self, net: Network) -> None:
        self.circuit.check_network(net)

    def layers(self, net: Network) -> Sequence[LayerLike]:
        return [
            GainsOnly(layer) if isinstance(layer.synapse, Conv2d) else layer for layer in net.layers
        ]

    def passive(self) -> FeedForward:
        return FeedForward()

    def operating_point(self, net: Network, drive: Drive) -> SweptPoint:
        return self.circuit.operating_point(net, drive)

    def initial_state(self, point: SweptPoint) -> State:
        return self.circuit.initial_state(point)

    def flow(self, point: SweptPoint, state: State) -> State:
        return self.circuit.flow(point, state)

    def equilibrium(self, point: SweptPoint) -> State:
        return self.circuit.equilibrium(point)

    def local_signals(self, point: SweptPoint, state: State) -> Sequence[LocalSignal]:
        return self.circuit.local_signals(point, state)

    def adapt(self, point: SweptPoint, state: State) -> None:
        self.circuit.adapt(point, state)

    def output(self, point: SweptPoint, state: State) -> Tensor:
        return self.circuit.output(point, state)


@final
@dataclass(frozen=True)
class WhereWeightsLearn(AbstractPlasticity[dict[str, Tensor]]):
    """``ErrorTimesPre`` where a layer offers its weight, the gain's change alone elsewhere.

    Saves the weight correlations of the convolutions, which nobody would apply.
    """

    inner: ErrorTimesPre = field(default_factory=ErrorTimesPre)

    @property
    def needs(self) -> frozenset[str]:
        return self.inner.needs

    def begin(self, layer: LayerLike) -> dict[str, Tensor]:
        return self.inner.begin(layer)

    def observe(
        self, layer: LayerLike, memory: dict[str, Tensor], signal: LocalSignal
    ) -> dict[str, Tensor]:
        if "weight" in layer.plastic_parameters():
            return self.inner.observe(layer, memory, signal)
        return {name: memory.get(name, 0) + change for name, change in signal["gains"].items()}

    def delta(self, layer: LayerLike, memory: dict[str, Tensor]) -> Changes:
        return self.inner.delta(layer, memory)
