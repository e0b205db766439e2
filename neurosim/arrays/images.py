"""What every network asks of images before anything moves."""

from __future__ import annotations

from torch import Tensor


def require_images(images: Tensor, name: str = "images") -> Tensor:
    """The images, of which there is at least one and whose values are finite.

    Raises:
        ValueError: no image, or NaN or infinity in one; a mean over either is NaN, and a threshold
            or statistic that took it up would stay so.
    """
    if not images.numel():
        raise ValueError(f"{name} of shape {tuple(images.shape)} hold no image: give at least one")
    if not bool(images.isfinite().all()):
        raise ValueError(f"{name} hold NaN or infinity: check how they were made")
    return images
