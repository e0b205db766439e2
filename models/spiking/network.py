"""The spiking network: its layers, what it represents, and the start of its thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from neurosim.arrays.images import require_images
from neurosim.arrays.tensors import plain
from neurosim.models.network.graph import Roles
from neurosim.models.network.normalisation import Running, StatisticsOf, require_features
from neurosim.models.spiking.layer import SpikingLayer, SpikingPoint
from neurosim.models.spiking.start import calibration_gains, settle_thresholds
from neurosim.plasticity import Frozen
from neurosim.rule import LearningRule, represent
from neurosim.solvers import Ticks
from neurosim.types import Drive

if TYPE_CHECKING:
    from neurosim.models.spiking.dynamics import SpikingDynamics


class SpikingNetwork(nn.Module):
    """A chain of spiking layers and the dynamics they run under.

    Args:
        layers: from the front end upwards.
        dynamics: cells, encoder, competition.
        roles: of the network that it is the body of; None: every layer is scored, the last first.
        evaluation_seed: seed of the encoder's noise at evaluation: every image is coded with
            the same noise, so its activity is its own whatever batch it comes in.
    """

    def __init__(
        self,
        layers: Sequence[SpikingLayer],
        dynamics: SpikingDynamics,
        evaluation_seed: int = 0,
        *,
        roles: Roles | None = None,
    ) -> None:
        super().__init__()
        names = tuple(layer.name for layer in layers)
        self.roles = Roles(names, names, names[-1]) if roles is None else roles
        self._layers = nn.ModuleList(layers)
        self.dynamics, self.evaluation_seed = dynamics, evaluation_seed

    @property
    def layers(self) -> Sequence[SpikingLayer]:
        return list(self._layers)  # type: ignore[arg-type]

    def named_weights(self) -> dict[str, Tensor]:
        """Weights and thresholds by ``layer.parameter``, detached (not copied)."""
        named: dict[str, Tensor] = {}
        for layer in self.layers:
            named[f"{layer.name}.weight"] = layer.weight.detach()
            named[f"{layer.name}.threshold"] = layer.threshold
        return named

    @property
    def passive(self) -> LearningRule:
        """The passes of the network where nothing learns."""
        return LearningRule("evaluation", self.dynamics, Ticks(), Frozen())

    def represent(self, x: Tensor, statistics: StatisticsOf = Running()) -> dict[str, Tensor]:  # noqa: B008
        """Layer name -> spike counts after pooling, see ``SpikingDynamics.activity``.

        Images of any size the front end takes; no state changes. A spiking layer has no
        normalisation statistics: its thresholds do their work and are used as they stand
        under every policy.

        Raises:
            ValueError: for ``Batch`` statistics, as the other networks do.
        """
        require_features(statistics)
        return represent(self.passive, self, x)

    @torch.no_grad()
    def rates(self, x: Tensor) -> dict[str, Tensor]:
        """Layer name -> spikes a neuron and tick of each map, ``(maps,)``, over the images."""
        total = {layer.name: torch.zeros(layer.synapse.n_out) for layer in self.layers}
        for portion in self.dynamics.portions(x):
            state = Ticks().end(self.dynamics, self.evaluation_point(portion)).state
            share = len(portion) / len(x)
            for layer, rate in zip(self.layers, self.dynamics.rates(state), strict=True):
                total[layer.name] += share * rate.cpu()
        return total

    @torch.no_grad()
    def evaluation_point(self, x: Tensor) -> SpikingPoint:
        """The operating point of a presentation at evaluation, each image coded alone."""
        return self.dynamics.operating_point(self, Drive(x, learning=False))

    @torch.no_grad()
    def calibrate(self, images: Tensor, gains: Sequence[float] | None = None) -> None:
        """Start the thresholds where the rates are near their targets (``settle_thresholds``).

        A copy of the network is calibrated on the CPU in float64, where a spike that rounding
        tips over is a matter of 1e-16: the start is the same on every device. The thresholds are
        set when all has gone well.

        Args:
            gains: of homeostasis, one per round; None: ``calibration_gains``.
        """
        require_images(images, "calibration images")
        gains = calibration_gains(len(self.layers)) if gains is None else gains
        double = deepcopy(self).cpu().double()
        images = plain("images", images).cpu().double()
        spikes = double.dynamics.encode_alone(images, self.evaluation_seed)
        settle_thresholds(double.layers, self.dynamics, spikes, gains)
        for layer, calibrated in zip(self.layers, double.layers, strict=True):
            layer.threshold.copy_(calibrated.threshold)
