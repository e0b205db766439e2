"""Low-level reference models: what any image statistic alone explains.

A reference is a feature of images and the dissimilarity to compare it by. To add one, write
the feature function and one line in ``REFERENCES``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.rsa.controls.gabor import gabor_maps
from neurosim.rsa.rdm.checks import check_count
from neurosim.rsa.rdm.rdm import RDM, compute_rdm

Array = NDArray[np.float64]
Images = NDArray[np.uint8]

# Rec. 709 primaries, the ones sRGB is defined with (IEC 61966-2-1).
_LUMINANCE_WEIGHTS = np.array([0.2126, 0.7152, 0.0722])


@final
@dataclass(frozen=True)
class Reference:
    """Images (n, height, width, 3) uint8 -> RDM of ``feature`` (n, n_features) by ``metric``."""

    name: str
    feature: Callable[[Images], Array]
    metric: str

    def rdm(self, images: ArrayLike, stimuli: Sequence[str] | None = None) -> RDM:
        return compute_rdm(self.feature(as_images(images)), self.metric, stimuli=stimuli)


def reference_rdms(
    images: ArrayLike,
    names: Sequence[str] | None = None,
    *,
    stimuli: Sequence[str] | None = None,
) -> dict[str, RDM]:
    """The RDMs of the named references (default: all), at the size the images have.

    Args:
        images: (n, height, width, 3) uint8, already resized to the px at hand.
        names: names in ``REFERENCES``.
    """
    checked = as_images(images)
    wanted = tuple(REFERENCES) if names is None else tuple(names)
    unknown = [name for name in wanted if name not in REFERENCES]
    if unknown:
        raise ValueError(f"unknown references {unknown}; known: {', '.join(REFERENCES)}")
    return {name: REFERENCES[name].rdm(checked, stimuli) for name in wanted}


def as_images(images: ArrayLike) -> Images:
    """Validate a stack of colour images."""
    stack = np.asarray(images)
    if stack.ndim != 4 or stack.shape[-1] != 3 or stack.dtype != np.uint8:
        raise ValueError(f"images are (n, height, width, 3) uint8; got {stack.shape} {stack.dtype}")
    return stack


def linear_luminance(images: Images) -> Array:
    """(n, height, width) relative luminance Y of sRGB images, 0 ... 1 (IEC 61966-2-1)."""
    code = np.arange(256) / 255.0
    linear = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    return linear[images] @ _LUMINANCE_WEIGHTS


def mean_luminance(images: Images) -> Array:
    """(n, 1) mean relative luminance."""
    return linear_luminance(images).mean(axis=(1, 2))[:, None]


def mean_rgb(images: Images) -> Array:
    """(n, 3) mean of each channel as coded."""
    return images.mean(axis=(1, 2), dtype=np.float64)


def colour_histogram(images: Images, n_bins: int = 8) -> Array:
    """(n, n_bins^3) share of the pixels in each cell of the RGB cube."""
    check_count("n_bins", n_bins)
    cell = (images.astype(np.int64) * n_bins) >> 8
    codes = ((cell[..., 0] * n_bins + cell[..., 1]) * n_bins + cell[..., 2]).reshape(
        len(images), -1
    )
    counts = [np.bincount(row, minlength=n_bins**3) for row in codes]
    return np.stack(counts) / codes.shape[1]


def pixels(images: Images) -> Array:
    """(n, height * width * 3) the pixel values as they are coded."""
    return images.reshape(len(images), -1).astype(np.float64)


def silhouette(images: Images, tolerance: int = 12) -> Array:
    """(n, height * width) 1 where a pixel differs from the background by more than
    ``tolerance`` in any channel; the background is the median colour of the border (ours).

    For objects cut out on a plain ground; on photographs it is a coarse figure map.
    """
    border = np.concatenate(
        [images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]], axis=1
    )
    ground = np.median(border, axis=1)[:, None, None, :]
    figure = (np.abs(images - ground) > tolerance).any(axis=-1)
    return figure.reshape(len(images), -1).astype(np.float64)


def gabor_energy(images: Images) -> Array:
    """(n, n_filters * grid^2) energy of the luminance through the default Gabor bank."""
    return gabor_maps(linear_luminance(images) ** (1 / 2.2)).reshape(len(images), -1)


REFERENCES: dict[str, Reference] = {
    r.name: r
    for r in (
        Reference("luminance", mean_luminance, "euclidean"),
        # Grey images have no correlation over three equal channels.
        Reference("mean-rgb", mean_rgb, "euclidean"),
        Reference("colour-histogram", colour_histogram, "correlation"),
        Reference("pixels", pixels, "correlation"),
        Reference("silhouette", silhouette, "correlation"),
        Reference("gabor", gabor_energy, "correlation"),
    )
}
