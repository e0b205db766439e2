"""Where the thresholds of the spiking network start: near their target rates, on every device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neurosim.models.spiking.layer import (
    Homeostasis,
    SpikingLayer,
    SpikingPoint,
    require_thresholds,
)
from neurosim.solvers import Ticks

if TYPE_CHECKING:
    from neurosim.models.spiking.dynamics import SpikingDynamics


def calibration_gains(n_layers: int) -> tuple[float, ...]:
    """Gains of homeostasis at the start, one per round: .5, then .1 (``settle_thresholds`` says why
    they fall). A layer settles once those below it have: one large and four small rounds each."""
    return (0.5,) * n_layers + (0.1,) * (4 * n_layers)


#: Membrane values of a map that its quantile is read from, at most.
_MAX_SAMPLES = 50_000


def settle_thresholds(
    layers: Sequence[SpikingLayer],
    dynamics: SpikingDynamics,
    spikes: Tensor,
    gains: Sequence[float],
) -> None:
    """Set the thresholds of ``layers`` where their rates under ``spikes`` are near their targets.

    From the first layer up, the threshold of a map becomes the ``1 - target_rate`` quantile of its
    free membrane over images, places and ticks; then homeostasis makes a round for each of
    ``gains`` on the same spikes, with competition.

    Under winner-take-all the elasticity of a map's rate ``r`` to its own threshold,
    ``e = d log r / d log theta``, is -4.6, -5.4 and -5.9 in Conv1 to Conv3 (measured): near the
    target a round of gain ``g`` multiplies a relative error of the rate by ``1 + e g``. It shrinks
    for ``g < 2 / |e|`` = .34 only. A gain of .5 alone multiplies it by -1.3 to -2: rates swing
    apart and rounding of the images is blown up to another network. Hence a few large gains from
    far away, then ``g`` = .1, which takes half of the error in each round.

    Args:
        spikes: of the encoder, ``(time, batch, channels, height, width)``.
    """
    _start_free(layers, dynamics, spikes)
    point = SpikingPoint(layers, spikes)
    for gain in gains:
        rates = dynamics.rates(Ticks().end(dynamics, point).state)
        for layer, rate in zip(layers, rates, strict=True):
            Homeostasis(gain).adapt(layer, rate)
    require_thresholds(layers)


def _start_free(layers: Sequence[SpikingLayer], dynamics: SpikingDynamics, spikes: Tensor) -> None:
    """Thresholds at the quantiles of the free membranes."""
    for i, layer in enumerate(layers):
        # An infinite threshold leaves the membrane free.
        layer.threshold.fill_(torch.inf)
        below = SpikingPoint(layers[: i + 1], spikes)
        free = [s.state["voltage"][i] for s in Ticks().settle(dynamics, below)]
        membranes = torch.stack([v.permute(1, 0, 2, 3).flatten(1) for v in free], 2).flatten(1)
        stride = max(1, membranes.shape[1] // _MAX_SAMPLES)
        quantile = torch.quantile(membranes[:, ::stride], 1 - layer.target_rate, dim=1)
        # A map whose membrane hardly ever rises would get a threshold it exceeds by noise.
        layer.threshold.copy_(quantile.clamp(min=float(quantile.median()) / 10))
