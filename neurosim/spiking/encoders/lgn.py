"""The front end of the eye: images to on- and off-centre intensities.

Retinal ganglion and LGN cells answer to local differences, in luminance and in colour
(Rodieck 1965, 10.1016/0042-6989(65)90033-7; Derrington, Krauskopf & Lennie 1984,
10.1113/jphysiol.1984.sp015499). One cell of a pair tells of increments, the other of decrements.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from neurosim.arrays.tensors import plain
from neurosim.naming.settings import KnownSettings

#: Standard deviation of CIFAR-10's training images, R, G, B in [0, 1]: images are divided by it.
CIFAR_SD = (0.247, 0.243, 0.261)
#: Rows: luminance, red against green, blue against yellow, in intensities from 0 to 1; columns:
#: R, G, B as images hold them, divided by ``CIFAR_SD``. What is grey in the picture (R = G = B) is
#: then constant in both colour planes.
OPPONENT = tuple(
    tuple(weight * sd for weight, sd in zip(row, CIFAR_SD, strict=True))
    for row in ((1 / 3, 1 / 3, 1 / 3), (1.0, -1.0, 0.0), (-0.5, -0.5, 1.0))
)
#: Contrast (standard deviation, the picture from 0 to 1) up to which a plane counts as uniform.
#: Ten times above what rounding in float32 leaves of a grey photograph in the colour planes, below
#: what one grey level of 255 in a single pixel gives in an image of 224 px.
UNIFORM = 1e-6


class AbstractFrontEnd(KnownSettings, ABC):
    """From images to intensities in [0, 1] for an encoder."""

    @property
    @abstractmethod
    def n_channels(self) -> int:
        """Number of intensity channels."""

    @abstractmethod
    def __call__(self, images: Tensor) -> Tensor:
        """``(batch, 3, height, width)`` to ``(batch, n_channels, height, width)`` in [0, 1]."""


@final
@dataclass(frozen=True)
class LGN(AbstractFrontEnd):
    """Difference of Gaussians, on and off, in luminance and two colour axes: six channels.

        luminance:  G(centre) * L - G(surround) * L
        colour:     G(centre) * C - colour_surround G(colour_sigma) * C

    ``L`` and ``C`` are taken relative to their mean over the image (the eye adapts to the light
    there is), so that ``colour_surround`` below 1 passes slow changes of colour and no colour that
    is everywhere the same. Each of the three is divided by its standard deviation over the image
    (contrast gain control), rectified into on and off, and ``saturation_sd`` standard deviations
    become intensity 1. Where there is no contrast to divide by (``UNIFORM``) a channel is silent:
    a uniform image in all, a grey one in the colour channels.
    Channels: lum+, rg+, by+, lum-, rg-, by-.

    Sigmas are in pixels of the image given. Images are CIFAR-normalised RGB; any size above
    ``3 * max(sigma)`` px.

    Raises:
        TypeError: images that ``neurosim.arrays.tensors`` refuses.
        ValueError: images of another shape, too small, or with NaN or infinity.
    """

    centre_px: float = 0.6
    surround_px: float = 1.6
    colour_sigma_px: float = 4.0
    colour_surround: float = 0.7
    saturation_sd: float = 0.8 / 0.21

    def __post_init__(self) -> None:
        for name in ("centre_px", "surround_px", "colour_sigma_px", "saturation_sd"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be finite and positive, got {value}")

    @property
    def n_channels(self) -> int:
        return 6

    def __call__(self, images: Tensor) -> Tensor:
        if isinstance(images, Tensor) and not images.dtype.is_floating_point:
            raise TypeError(
                f"images must be CIFAR-normalised RGB in floating point, got {images.dtype}: "
                "divide bytes by 255, subtract the mean and divide by the standard deviation first"
            )
        images = plain("images", images)
        if images.dim() != 4 or images.shape[1] != 3:
            raise ValueError(
                f"images must be (batch, 3, height, width), got {tuple(images.shape)}: repeat a "
                "grey plane three times before it is normalised"
            )
        reach = max(_radius(s) for s in (self.centre_px, self.surround_px, self.colour_sigma_px))
        if min(images.shape[2:]) <= reach:
            raise ValueError(
                f"the LGN's widest Gaussian reaches {reach} px and needs larger images, got "
                f"{tuple(images.shape[2:])}: use smaller sigmas"
            )
        opponent = images.new_tensor(OPPONENT)
        planes = torch.einsum("ij,bjhw->bihw", opponent, images)
        planes = planes - planes.mean((2, 3), keepdim=True)
        centre = blur(planes, self.centre_px)
        around = torch.cat(
            [
                blur(planes[:, :1], self.surround_px),
                self.colour_surround * blur(planes[:, 1:], self.colour_sigma_px),
            ],
            1,
        )
        signal = centre - around
        spread = signal.std((2, 3), keepdim=True, correction=0)
        if not bool(spread.isfinite().all()):
            raise ValueError("images must be finite, got NaN or infinity: check how they were made")
        # Relative to the largest value where that is far from what normalised images hold.
        rounding = torch.finfo(images.dtype).eps * images.abs().amax((1, 2, 3)).view(-1, 1, 1, 1)
        signal = torch.where(spread > rounding.clamp(min=UNIFORM), signal / spread, 0.0)
        intensity = torch.cat([signal, -signal], 1).div_(self.saturation_sd).clamp_(0, 1)
        return intensity.contiguous(memory_format=torch.channels_last)


def _radius(sigma_px: float) -> int:
    return math.ceil(3 * sigma_px)


def blur(images: Tensor, sigma_px: float) -> Tensor:
    """Gaussian blur, truncated at 3 sigma, the image mirrored at its border."""
    radius = _radius(sigma_px)
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-offsets.square() / (2 * sigma_px**2))
    kernel = kernel / kernel.sum()
    n_channels = images.shape[1]
    x = F.pad(images, (radius,) * 4, mode="reflect")
    x = F.conv2d(x, kernel.view(1, 1, 1, -1).expand(n_channels, 1, 1, -1), groups=n_channels)
    return F.conv2d(x, kernel.view(1, 1, -1, 1).expand(n_channels, 1, -1, 1), groups=n_channels)
