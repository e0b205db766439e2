"""Predictive coding between channel means, on a network that is read out relaxed.

Activity starts at the feed-forward sweep ``r_l`` and relaxes for ten steps of .02:

    e_1 = r_1 - tanh(up(P_2 r_2)),      e_2 = r_2 - tanh(up(P_3 r_3))
    r_1 <- relu(r_1 - dt e_1)
    r_2 <- relu(r_2 + dt (-e_2 + pool(W_2 e_1)))
    r_3 <- relu(r_3 + dt pool(W_3 e_2))

    d_l = clamp(r_l - r_ff,l, +-.5)
    dW_l[o, i, :, :] = clamp(mean(d_l)[o] mean(r_(l-1))[i], +-.01),   l = 1, 2,   r_0 the image

(Leutenegger 2026, arXiv 2605.30556.) ``up`` repeats pixels by 2, ``pool`` averages 2 x 2, the
means run over images and space. W_3, P_2 and P_3 never change; the error at r_l is not carried
back through its prediction. The relaxed activity is what the readout and the evaluation see.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neurosim.dynamics import AbstractDynamics, AbstractFlow
from neurosim.models.network.graph import Network, Roles
from neurosim.models.network.layers import Layer
from neurosim.models.network.normalisation import (
    Statistics,
    StatisticsOf,
    statistics_for,
)
from neurosim.models.rules.pc_hybrid import RecognitionSynapse
from neurosim.naming.settings import require_count
from neurosim.plasticity import AbstractPlasticity, Changes
from neurosim.solvers import AbstractSolver, require_finite
from neurosim.synapses import Conv2d
from neurosim.types import Drive, LayerLike, LocalSignal, Settled, State, map_state


class RelaxingNetwork(nn.Module):
    """Three convolutions and two fixed predictions.

    Args:
        net: Conv1 .. Conv3.
        generator: source of P_2 and P_3, drawn as torch draws a transposed convolution of 3 x 3
            taps: ``U(-1/sqrt(9 n), 1/sqrt(9 n))`` with n the channels it predicts.
    """

    prediction_2: Tensor
    prediction_3: Tensor

    def __init__(self, net: Network, generator: torch.Generator) -> None:
        super().__init__()
        if len(net.layers) != 3 or not all(isinstance(la.synapse, Conv2d) for la in net.layers):
            raise ValueError(
                "channel-mean predictive coding has three convolutions, got "
                f"{[layer.name for layer in net.layers]}: give the body of conv3, net.body()"
            )
        self.sweeping = net
        for index in (2, 3):
            weight = net.layers[index - 1].weight
            n_above, n_below = weight.shape[:2]
            bound = 1 / math.sqrt(9 * n_below)
            draw = torch.empty(
                (n_above, n_below, 3, 3), dtype=weight.dtype, device=generator.device
            ).uniform_(-bound, bound, generator=generator)
            self.register_buffer(f"prediction_{index}", draw.to(weight.device))

    @property
    def layers(self) -> Sequence[Layer]:
        return self.sweeping.layers

    @property
    def roles(self) -> Roles:
        """Those of the whole network that the convolutions are of."""
        return self.sweeping.roles

    def named_weights(self) -> dict[str, Tensor]:
        """Those of the convolutions, and the predictions."""
        predictions = {"prediction.2": self.prediction_2, "prediction.3": self.prediction_3}
        return {**self.sweeping.named_weights(), **predictions}

    def errors(self, values: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """``(e_1, e_2)`` of the activity ``(r_1, r_2, r_3)``."""
        return (
            values[0] - self._predict(self.prediction_2, values[1], values[0]),
            values[1] - self._predict(self.prediction_3, values[2], values[1]),
        )

    def velocity(self, values: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """What the rectified steps move along."""
        _, second, third = self.layers
        e1, e2 = self.errors(values)
        return -e1, self._upward(second, e1) - e2, self._upward(third, e2)

    def sweep(self, x: Tensor, statistics: StatisticsOf) -> tuple[Tensor, ...]:
        """The feed-forward activity ``(r_1, r_2, r_3)``."""
        values = []
        for layer in self.layers:
            x = layer.respond(layer.current(x), statistics_for(layer.name, statistics))
            values.append(x)
        return tuple(values)

    def _predict(self, prediction: Tensor, above: Tensor, below: Tensor) -> Tensor:
        predicted = torch.tanh(F.conv_transpose2d(above, prediction, padding=1))
        return F.interpolate(predicted, size=below.shape[-2:], mode="nearest")

    @staticmethod
    def _upward(layer: Layer, error: Tensor) -> Tensor:
        """``pool(W error)`` as one convolution of stride 2, at a fifth of the time."""
        weight = F.pad(layer.weight, (0, 1, 0, 1))
        averaged = weight + weight.roll(1, 2)
        averaged = 0.25 * (averaged + averaged.roll(1, 3))
        return F.conv2d(error, averaged, stride=2, padding=1)


@dataclass(frozen=True)
class RelaxationPoint:
    """The network, the image, the feed-forward activity under it and each layer's statistics."""

    net: RelaxingNetwork
    image: Tensor
    swept: tuple[Tensor, ...]
    statistics: Mapping[str, Statistics]


@final
@dataclass(frozen=True)
class ChannelMeanPredictiveCoding(AbstractFlow[RelaxingNetwork, RelaxationPoint]):
    """The relaxation as a flow. State: ``values``, one tensor a layer.

    The two signals of a layer are its image-and-space means: what its channels see of each other.

    limit: bound of ``r - r_ff`` before its mean is taken.
    """

    limit: float = 0.5
    remedy: ClassVar[str] = "use RectifiedEuler()"

    @property
    def offers(self) -> frozenset[str]:
        # The displacement is of what is handed on: pooled, not at the synapse.
        return frozenset({"pre", "displacement"})

    def runs_on(self) -> type:
        return RelaxingNetwork

    def layers(self, net: RelaxingNetwork) -> Sequence[LayerLike]:
        return [RecognitionSynapse(layer) for layer in net.layers[:2]]

    def operating_point(self, net: RelaxingNetwork, drive: Drive) -> RelaxationPoint:
        statistics = {layer.name: layer.statistics_in(drive) for layer in net.layers}
        return RelaxationPoint(net, drive.x, net.sweep(drive.x, statistics), statistics)

    def adapt(self, point: RelaxationPoint, state: State) -> None:
        layers = point.net.layers
        for layer in layers:
            layer.adapt(point.statistics[layer.name])
        # The update sweeps Conv1 and Conv2 once more, and moves their running statistics again.
        for layer, below in zip(layers[:2], (point.image, point.swept[0]), strict=True):
            if layer.norm is not None:
                layer.norm.accumulate(layer.current(below))

    def initial_state(self, point: RelaxationPoint) -> State:
        return {"values": point.swept}

    def flow(self, point: RelaxationPoint, state: State) -> State:
        return {"values": point.net.velocity(state["values"])}

    def local_signals(self, point: RelaxationPoint, state: State) -> Sequence[LocalSignal]:
        r1, r2, _ = state["values"]
        pairs = ((point.image, r1, point.swept[0]), (r1, r2, point.swept[1]))
        moved = [(pre, (r - rest).clamp(-self.limit, self.limit)) for pre, r, rest in pairs]
        return [LocalSignal(pre, post, {"displacement": post}) for pre, post in moved]

    def activity(self, point: RelaxationPoint, state: State) -> dict[str, Tensor]:
        pairs = zip(point.net.layers, state["values"], strict=True)
        return {layer.name: r for layer, r in pairs}

    def output(self, point: RelaxationPoint, state: State) -> Tensor:
        return state["values"][-1]


@final
@dataclass(frozen=True)
class RectifiedEuler(AbstractSolver[AbstractFlow[Any, Any]]):
    """``s <- relu(s + dt flow(s))``, a fixed number of steps."""

    needs: ClassVar[type[AbstractDynamics]] = AbstractFlow

    dt: float = 0.02
    n_steps: int = 10

    def __post_init__(self) -> None:
        require_count("n_steps", self.n_steps)

    def settle(self, dynamics: AbstractFlow, point: object) -> Iterator[Settled]:
        state = dynamics.initial_state(point)
        for _ in range(self.n_steps):
            state = map_state(
                lambda s, v: torch.relu(s + self.dt * v), state, dynamics.flow(point, state)
            )
        require_finite(state, self.n_steps)
        yield Settled(state, self.n_steps, f"horizon: {self.n_steps} steps")


@final
@dataclass(frozen=True)
class MeanTimesMean(AbstractPlasticity[Tensor | None]):
    """``clamp(mean(post)[o] mean(pre)[i], +-limit)`` on every kernel tap of a channel pair."""

    limit: float = 0.01

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"pre", "displacement"})

    def begin(self, layer: LayerLike) -> None:
        return None

    def observe(self, layer: LayerLike, memory: Tensor | None, signal: LocalSignal) -> Tensor:
        pre, post = (side.mean((0, 2, 3)) for side in (signal.pre, signal.post))
        change = torch.outer(post, pre).clamp(-self.limit, self.limit)
        return change if memory is None else memory + change

    def delta(self, layer: LayerLike, memory: Tensor | None) -> Changes:
        if memory is None:
            return {}
        taps = layer.plastic_parameters()["weight"].shape
        return {"weight": memory[..., None, None].expand(taps)}
