"""The spiking network: its layers, what it represents, and the start of its thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from neurosim.arrays.images import require_images
from neurosim.arrays.tensors import plain
from neurosim.models.network.graph import Roles
from neurosim.models.network.normalisation import (
    Running,
    StatisticsOf,
    of_the_batch,
    statistics_for,
)
from neurosim.models.spiking.layer import SpikingLayer, SpikingPoint, require_thresholds
from neurosim.models.spiking.start import calibration_gains, settle_thresholds
from neurosim.solvers import Ticks
from neurosim.types import Settled

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

    #: Pixels of one evaluation chunk: bounds memory at any image size.
    _PIXELS = 1 << 17

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

    def represent(self, x: Tensor, statistics: StatisticsOf = Running()) -> dict[str, Tensor]:  # noqa: B008
        """Layer name -> spike counts after pooling, ``(batch, maps, height, width)``, of a dense
        layer ``(batch, units)``.

        Images of any size the front end takes; no state changes. A spiking layer has no
        normalisation statistics: its thresholds do their work and are used as they stand
        under every policy.

        Raises:
            ValueError: for ``Batch`` statistics, as the other networks do.
        """
        for layer in self.layers:
            if of_the_batch(statistics_for(layer.name, statistics)):
                raise ValueError(
                    "represent() refuses Batch statistics: thresholds adapt only in learning "
                    "passes; use Running()"
                )
        chunks = [settled.state["counts"] for settled in self._settle(x)]
        return {
            layer.name: torch.cat([chunk[i] for chunk in chunks])
            for i, layer in enumerate(self.layers)
        }

    def rates(self, x: Tensor) -> dict[str, Tensor]:
        """Layer name -> spikes a neuron and tick of each map, ``(maps,)``, over the images."""
        total = {layer.name: torch.zeros(layer.synapse.n_out) for layer in self.layers}
        for settled in self._settle(x):
            share = len(settled.state["post"][0]) / len(x)
            for layer, rate in zip(self.layers, self.dynamics.rates(settled.state), strict=True):
                total[layer.name] += share * rate.cpu()
        return total

    @torch.no_grad()
    def _settle(self, x: Tensor) -> Iterator[Settled]:
        """The end of a presentation at evaluation, chunk by chunk."""
        for chunk in self.chunks(x):
            yield Ticks().end(self.dynamics, self.evaluation_point(chunk))

    def chunks(self, x: Tensor) -> Sequence[Tensor]:
        """The images in pieces of bounded size.

        Raises:
            ValueError: no image, or values that are not finite.
            TypeError: images of another dtype or device than the weights.
        """
        require_images(x)
        x = plain("images", x, self.layers[0].weight)
        return x.split(max(1, self._PIXELS // (x.shape[-1] * x.shape[-2])))

    @torch.no_grad()
    def evaluation_point(self, x: Tensor) -> SpikingPoint:
        """The operating point of a presentation at evaluation, each image coded alone."""
        require_thresholds(self.layers)
        return SpikingPoint(self.layers, self._encode_alone(x))

    def _encode_alone(self, x: Tensor) -> Tensor:
        """Spikes of each image under the same evaluation noise."""
        plain("images", x, self.layers[0].weight)
        if not self.dynamics.encoder.stochastic:
            return self.dynamics.encode(x, None)
        images = []
        for image in x.split(1):
            # On the CPU: the same noise on every device.
            noise = torch.Generator().manual_seed(self.evaluation_seed)
            images.append(self.dynamics.encode(image, noise))
        return torch.cat(images, 1)

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
        spikes = double._encode_alone(plain("images", images).cpu().double())
        settle_thresholds(double.layers, self.dynamics, spikes, gains)
        for layer, calibrated in zip(self.layers, double.layers, strict=True):
            layer.threshold.copy_(calibrated.threshold)
