"""Backpropagation and feedback alignment: one circuit of error units, settled at once.

    tau de_l/dt = -e_l + F_(l+1)(D_(l+1)^T e_(l+1)),     e_L clamped to -d loss / d output

``e_l`` is the error at the output of layer l, ``D`` the Jacobian of a layer's response and
``F`` its feedback (``W^T`` for backpropagation). The fixed point is one backward sweep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

from neurosim.dynamics import AbstractClosedForm
from neurosim.models.network.layers import Linearised, Network
from neurosim.models.rules.feedback import AbstractFeedback, Transpose, alignment_angle
from neurosim.models.rules.losses import AbstractLoss, CrossEntropy
from neurosim.types import Drive, LayerLike, LocalSignal, State


@dataclass(frozen=True)
class SweptPoint:
    """The feed-forward sweep, linearised, and the error clamped at its end."""

    net: Network
    swept: tuple[Linearised, ...]
    output_error: Tensor


@final
@dataclass(frozen=True)
class ErrorCircuit(AbstractClosedForm):
    """Error units under a clamped output error. State: ``errors``, one tensor a layer."""

    feedback: AbstractFeedback
    loss: AbstractLoss = field(default_factory=CrossEntropy)

    @property
    def offers(self) -> frozenset[str]:
        return super().offers | {"error"}

    def runs_on(self) -> type:
        return Network

    def check_network(self, net: Network) -> None:
        super().check_network(net)
        self.feedback.check(net)
        self.loss.check(net.layers[-1].synapse)

    def layers(self, net: Network) -> Sequence[LayerLike]:
        return [*net.layers, *self.feedback.plastic_layers(net)]

    def operating_point(self, net: Network, drive: Drive) -> SweptPoint:
        if drive.target is None:
            raise ValueError(
                "the error circuit needs a target to be clamped at the output: "
                "give Drive(x, target)"
            )
        swept = net.linearise(drive)
        return SweptPoint(net, swept, self.loss.error(swept[-1].out, drive.target))

    def output(self, point: SweptPoint, state: State) -> Tensor:
        return point.swept[-1].out

    def initial_state(self, point: SweptPoint) -> State:
        silent = (layer.out.new_zeros(layer.out.shape) for layer in point.swept[:-1])
        return {"errors": (*silent, point.output_error)}

    def flow(self, point: SweptPoint, state: State) -> State:
        errors = state["errors"]
        carried = [self._carry(point, index, errors[index]) for index in range(1, len(errors))]
        return {
            "errors": tuple(
                target - error
                for target, error in zip((*carried, point.output_error), errors, strict=True)
            )
        }

    def equilibrium(self, point: SweptPoint) -> State:
        errors = [point.output_error]
        for index in range(len(point.swept) - 1, 0, -1):
            errors.append(self._carry(point, index, errors[-1]))
        return {"errors": tuple(reversed(errors))}

    def local_signals(self, point: SweptPoint, state: State) -> Sequence[LocalSignal]:
        signals = []
        for layer, error in zip(point.swept, state["errors"], strict=True):
            delta, gain = layer.pull(error)
            signals.append(LocalSignal(layer.pre, delta, gain))
        if self.feedback.plastic_layers(point.net):
            signals += [LocalSignal(s.pre, s.post) for s in signals[1:]]
        return signals

    def measurements(self, point: SweptPoint, state: State) -> dict[str, dict[str, float]]:
        """``alignment_angle_deg``: none for backpropagation, where it is 0 by definition."""
        if isinstance(self.feedback, Transpose):
            return {}
        return {"alignment_angle_deg": self.alignment_angles(point, state)}

    def alignment_angles(self, point: SweptPoint, state: State) -> dict[str, float]:
        """Layer name -> angle in degrees between its error and the one W^T would carry."""
        errors = state["errors"]
        return {
            point.swept[index - 1].layer.name: alignment_angle(
                self.feedback,
                point.swept[index],
                point.swept[index].pull(errors[index])[0],
                point.output_error,
            )
            for index in range(1, len(errors))
        }

    def _carry(self, point: SweptPoint, index: int, error: Tensor) -> Tensor:
        above = point.swept[index]
        return self.feedback.carry(above, above.pull(error)[0], point.output_error)
