"""Images without content: what a network that has seen no data is calibrated on."""

from __future__ import annotations

import torch
from torch import Tensor


def pink_noise(
    n_images: int, px: int, generator: torch.Generator, like: Tensor | None = None
) -> Tensor:
    """Images with the 1/f amplitude spectrum of natural scenes (Field 1987,
    10.1364/JOSAA.4.002379), standardised: ``(n_images, 3, px, px)``.

    Colour planes share most of their variance, as those of photographs do. The transform runs on
    the CPU in float64: the same images on every device, up to one rounding.
    """
    white = torch.randn((n_images, 4, px, px), generator=generator, device=generator.device)
    frequency = torch.fft.fftfreq(px, dtype=torch.float64).square()
    radius = (frequency[:, None] + frequency[None, :]).sqrt().clamp(min=1 / px)
    planes = torch.fft.ifft2(torch.fft.fft2(white.cpu().double()) / radius).real
    images = planes[:, :1] + 0.3 * planes[:, 1:]
    images = (images - images.mean()) / images.std()
    return images.float() if like is None else images.to(like)
