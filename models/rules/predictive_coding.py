"""Predictive coding with input and label clamped.

    E = sum_l p_l/2 ||e_l||^2 + pi loss(f_L, target),      e_l = r_l - f_l(W_l r_source + z_l)
    dr_l/dt = -dE/dr_l = -p_l e_l + sum_c W_c^T D_c^T p_c e_c + sum_a D_a^T p_a e_a
    dW_l    = -dE/dW_l = D_l^T p_l e_l r_source^T

(Whittington & Bogacz 2017, doi:10.1162/NECO_a_00949.) Layers c read node l through their synapse,
layers a add it to their current (``z``): in a chain only layer l + 1 reads it. Sums run over units
and batch. Nodes are layer outputs; their state is the displacement from the feed-forward sweep,
with which the relaxation starts. Batch statistics are part of ``f_l`` while learning, the dropout
mask is the sweep's, and running statistics move once per batch, when the weights do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from neurosim.dynamics import AbstractEnergy
from neurosim.models.network.graph import AT_INPUT, Network, Wire
from neurosim.models.network.layers import Pulled
from neurosim.models.rules.displaced import DisplacedLayer, SweptLayer, sweep
from neurosim.models.rules.error_circuit import error_signal
from neurosim.models.rules.feed_forward import FeedForward
from neurosim.models.rules.losses import AbstractLoss, CrossEntropy
from neurosim.types import Drive, LocalSignal, State


class Relaxed:
    """The errors of one state, each layer linearised there once.

    Attributes:
        layers: every layer at this state.
        errors: ``p_l e_l`` of each, the last being ``-pi d loss / d output``.
        energy: ``E``.
    """

    def __init__(self, rule: PredictiveCoding, point: ClampedPoint, state: State) -> None:
        displacement = state["displacement"]
        # At the start nothing is displaced.
        start = state is point.start
        self.layers: list[DisplacedLayer] = [
            layer.at_rest if start else displaced(layer, each, displacement)
            for layer, each in zip(point.swept, point.net.wiring, strict=True)
        ]
        self._net, self._pulled = point.net, dict[int, Pulled]()
        *hidden, top = self.layers
        self.energy = top.out.new_zeros(())
        self.errors: list[Tensor] = []
        precisions = rule.hidden_precisions(len(hidden))
        for precision, moved, layer in zip(precisions, displacement, hidden, strict=True):
            error = moved - layer.change
            self.energy += 0.5 * precision * error.square().sum()
            self.errors.append(precision * error)
        if point.target is None:
            self.errors.append(torch.zeros_like(top.out))
        else:
            # The loss is a mean over the batch, the energy a sum.
            scale = rule.output_precision * len(point.target)
            self.energy += scale * rule.loss.value(top.out, point.target)
            self.errors.append(scale * rule.loss.error(top.out, point.target))

    def arriving(self, index: int) -> Tensor:
        """What node ``index`` feels of the errors of all layers that hear it."""
        total: Tensor | None = None
        for above, through_synapse in self._net.heard_by(index):
            if above not in self._pulled:
                self._pulled[above] = self.layers[above].pull(self.errors[above])
            felt = carried(self.layers[above], self._pulled[above], through_synapse)
            total = felt if total is None else total + felt
        assert total is not None, "every population but the last is heard"
        return total


def displaced(layer: SweptLayer, each: Wire, displacement: Sequence[Tensor]) -> DisplacedLayer:
    """A layer where what it hears is displaced; the input never is."""
    below = None if each.source == AT_INPUT else displacement[each.source]
    beside: Tensor | None = None
    for index in each.added:
        if index != AT_INPUT:
            beside = displacement[index] if beside is None else beside + displacement[index]
    if below is None and beside is None:
        return layer.at_rest
    return DisplacedLayer(layer, below, beside)


def carried(above: DisplacedLayer, pulled: Pulled, through_synapse: bool) -> Tensor:
    """An error on its way to a population: through ``W^T``, or as it is where it was added."""
    if through_synapse:
        return above.carry_back(pulled.delta)
    assert pulled.added is not None
    return pulled.added


class ClampedPoint:
    """The sweep and the target; remembers the errors of the last state asked for."""

    def __init__(self, net: Network, swept: tuple[SweptLayer, ...], target: Tensor | None) -> None:
        self.net, self.swept, self.target = net, swept, target
        silent = tuple(torch.zeros_like(layer.out) for layer in swept[:-1])
        self.start: State = {"displacement": silent}
        self._last: tuple[State, Relaxed] | None = None

    def at(self, rule: PredictiveCoding, state: State) -> Relaxed:
        """Energy, flow and local signals of one state share one evaluation."""
        if self._last is None or self._last[0] is not state:
            self._last = (state, Relaxed(rule, self, state))
        return self._last[1]


@final
@dataclass(frozen=True)
class PredictiveCoding(AbstractEnergy[Network, ClampedPoint]):
    """Supervised predictive coding. State: ``displacement``, one tensor a hidden layer.

    Local signals are given in units of the output precision and averaged over the batch, as
    the error of the loss is: one learning rate serves every precision, and the changes tend to
    those of backpropagation as ``output_precision`` tends to 0.

    Args:
        loss: what the output is held against.
        output_precision: ``pi``.
        precisions: ``p_l``, one a hidden layer; None: 1 each.
    """

    loss: AbstractLoss = field(default_factory=CrossEntropy)
    output_precision: float = 1.0
    precisions: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        for value in (self.output_precision, *(self.precisions or ())):
            if not value > 0:
                raise ValueError(f"precisions must be positive, got {value}")

    def hidden_precisions(self, n_hidden: int) -> tuple[float, ...]:
        """``p_l`` of each hidden layer."""
        if self.precisions is None:
            return (1.0,) * n_hidden
        if len(self.precisions) != n_hidden:
            raise ValueError(
                f"the network has {n_hidden} hidden layers but there are {len(self.precisions)} "
                "precisions: give one a hidden layer, or None for 1 each"
            )
        return self.precisions

    @property
    def offers(self) -> frozenset[str]:
        return super().offers | {"error", "gains"}

    def runs_on(self) -> type:
        return Network

    def check_network(self, net: Network) -> None:
        super().check_network(net)
        self.hidden_precisions(len(net.layers) - 1)
        self.loss.check(net.layers[-1].synapse)

    def passive(self) -> FeedForward:
        return FeedForward()

    def operating_point(self, net: Network, drive: Drive) -> ClampedPoint:
        return ClampedPoint(net, sweep(net, drive), drive.target)

    def output(self, point: ClampedPoint, state: State) -> Tensor:
        return point.swept[-1].out

    def adapt(self, point: ClampedPoint, state: State) -> None:
        for layer in point.swept:
            layer.adapt()

    def initial_state(self, point: ClampedPoint) -> State:
        return point.start

    def energy(self, point: ClampedPoint, state: State) -> Tensor:
        return point.at(self, state).energy

    def flow(self, point: ClampedPoint, state: State) -> State:
        relaxed = point.at(self, state)
        return {
            "displacement": tuple(
                relaxed.arriving(index) - error for index, error in enumerate(relaxed.errors[:-1])
            )
        }

    def unit(self, point: ClampedPoint) -> float:
        """What errors are multiplied by to be the mean over the batch, in units of ``pi``."""
        return 1 / (self.output_precision * len(point.swept[0].pre))

    def local_signals(self, point: ClampedPoint, state: State) -> Sequence[LocalSignal]:
        relaxed = point.at(self, state)
        unit = self.unit(point)
        signals = []
        for layer, error in zip(relaxed.layers, relaxed.errors, strict=True):
            pulled = layer.pull(error * unit, to_gains=True)
            signals.append(error_signal(layer.pre, pulled.delta, pulled.gain))
        return signals
