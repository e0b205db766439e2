"""Backpropagation and feedback alignment: one circuit of error units, settled at once.

    tau de_l/dt = -e_l + sum_c F_c(D_c^T e_c),     e_L clamped to -d loss / d output

``e_l`` is the error at the output of layer l, the sum runs over the layers c that hear it, ``D``
is the Jacobian of a layer's response and ``F`` its feedback (``W^T`` for backpropagation; the
identity where c adds what it hears). The fixed point is one backward sweep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

from neurosim.dynamics import AbstractClosedForm
from neurosim.models.network.graph import Network
from neurosim.models.network.layers import Linearised
from neurosim.models.rules.feed_forward import FeedForward
from neurosim.models.rules.feedback import AbstractFeedback, Message, Transpose, alignment_angle
from neurosim.models.rules.losses import AbstractLoss, CrossEntropy
from neurosim.types import Drive, LayerLike, LocalSignal, State


@dataclass(frozen=True)
class SweptPoint:
    """The feed-forward sweep, linearised, and the error clamped at its end."""

    net: Network
    swept: tuple[Linearised, ...]
    output_error: Tensor


def error_signal(
    pre: Tensor, error: Tensor, gains: Mapping[str, Tensor] | None = None
) -> LocalSignal:
    """What a synapse sees whose postsynaptic side is an error."""
    return LocalSignal(pre, error, {"error": error, "gains": gains or {}})


@final
@dataclass(frozen=True)
class ErrorCircuit(AbstractClosedForm[Network, SweptPoint]):
    """Error units under a clamped output error. State: ``errors``, one tensor a layer."""

    feedback: AbstractFeedback
    loss: AbstractLoss = field(default_factory=CrossEntropy)

    @property
    def offers(self) -> frozenset[str]:
        return super().offers | {"error", "gains"}

    def runs_on(self) -> type:
        return Network

    def check_network(self, net: Network) -> None:
        super().check_network(net)
        self.feedback.check(net)
        self.loss.check(net.layers[-1].synapse)

    def layers(self, net: Network) -> Sequence[LayerLike]:
        return [*net.layers, *self.feedback.plastic_layers(net)]

    def passive(self) -> FeedForward:
        return FeedForward()

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
        carried = [
            self._arriving(self.feedback, point, index, errors) for index in range(len(errors) - 1)
        ]
        return {
            "errors": tuple(
                target - error
                for target, error in zip((*carried, point.output_error), errors, strict=True)
            )
        }

    def equilibrium(self, point: SweptPoint) -> State:
        errors = [point.output_error] * len(point.swept)
        for index in reversed(range(len(errors) - 1)):
            errors[index] = self._arriving(self.feedback, point, index, errors)
        return {"errors": tuple(errors)}

    def local_signals(self, point: SweptPoint, state: State) -> Sequence[LocalSignal]:
        signals = []
        for layer, error in zip(point.swept, state["errors"], strict=True):
            pulled = layer.pull(error)
            signals.append(error_signal(layer.pre, pulled.delta, pulled.gain))
        if self.feedback.plastic_layers(point.net):
            mirrored = [signals[index] for index in point.net.above_input]
            signals += [error_signal(s.pre, s.post) for s in mirrored]
        return signals

    def adapt(self, point: SweptPoint, state: State) -> None:
        for layer in point.swept:
            layer.adapt()

    def measurements(self, point: SweptPoint, state: State) -> dict[str, dict[str, float]]:
        """``alignment_angle_deg``: none for backpropagation, where it is 0 by definition."""
        if isinstance(self.feedback, Transpose):
            return {}
        return {"alignment_angle_deg": self.alignment_angles(point, state)}

    def alignment_angles(self, point: SweptPoint, state: State) -> dict[str, float]:
        """Layer name -> angle in degrees between the error at its output and the one that W^T
        would carry there from the same errors above."""
        errors = state["errors"]
        return {
            layer.layer.name: alignment_angle(
                self._arriving(self.feedback, point, index, errors),
                self._arriving(Transpose(), point, index, errors),
            )
            for index, layer in enumerate(point.swept[:-1])
        }

    @staticmethod
    def _arriving(
        feedback: AbstractFeedback, point: SweptPoint, index: int, errors: Sequence[Tensor]
    ) -> Tensor:
        """The error at the output of a population that is not the last."""
        messages = [
            Message(point.swept[above], point.swept[above].pull(errors[above]), through_synapse)
            for above, through_synapse in point.net.heard_by(index)
        ]
        return feedback.arriving(point.swept[index], messages, point.output_error)
