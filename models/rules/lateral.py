"""Lateral inhibition between the channels of a map."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from neurosim.types import varies


class LateralInhibition:
    """Channels at one place inhibit each other as strongly as they are correlated.

        E_lat = 1/2 sum_places c^T C c,      c = r - <r_ff>

    ``C`` is the correlation matrix of the channels over batch and space in the feed-forward
    sweep: the fixed point of anti-Hebbian lateral learning (Foldiak 1990,
    doi:10.1007/BF02331346). It is positive semidefinite, so that the energy has a minimum.

    Attributes:
        mean: of each channel, ``(1, channels, 1, 1)``.
        weight: ``C``, ``(channels, channels)``; 0 for a channel that does not vary.
    """

    def __init__(self, activity: Tensor) -> None:
        self.mean = activity.mean((0, 2, 3), keepdim=True)
        centred = (activity - self.mean).transpose(0, 1).flatten(1)
        covariance = centred @ centred.t()
        scale = covariance.diagonal().clamp(min=1e-12).rsqrt()
        scale = scale * varies(activity.transpose(0, 1).flatten(1).t())
        self.weight = covariance * scale * scale.unsqueeze(1)

    def __call__(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """``(C c, E_lat)`` at the activity ``value``."""
        centred = value - self.mean
        inhibition = F.conv2d(centred, self.weight[:, :, None, None])
        return inhibition, 0.5 * (centred * inhibition).sum()
