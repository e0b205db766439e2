"""Images by spatial frequency: blur, and octave bands that sum to the image.

Filters act on the cosine transform (DCT-II) of each channel, which continues an image by its
mirror image: no edge appears where it ends. Coefficient (i, j) makes ``r = hypot(i, j)`` half
cycles across the image, so ``r`` is also the number of pixels an image needs to hold it; bands
and cut-offs are given in these px.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.floating]

#: The lowest band reaches down to the mean; its upper edge lies at this many px or just above.
LOWEST_BAND_PX = 8
#: Share of an octave over which one band fades into the next.
_TRANSITION = 0.5


def gaussian_blur(images: ArrayLike, cutoff_px: float) -> Array:
    """Images (n, height, width, channels) through a Gaussian of ``exp(-ln 2 (r / cutoff)^2)``.

    Half of the amplitude is left at ``cutoff_px``, the finest detail that an image of that size
    holds. The mean is kept.
    """
    if not cutoff_px > 0:
        raise ValueError(f"the cut-off of a blur must be positive, got {cutoff_px} px")
    x = _stack(images)
    return _filtered(x, np.exp2(-((_radius(x) / cutoff_px) ** 2)))


def band_edges(px: int) -> list[float]:
    """Upper edges of the octave bands of images of ``px``, finest first: px, px / 2, ..."""
    edges = [float(px)]
    while edges[-1] / 2 >= LOWEST_BAND_PX:
        edges.append(edges[-1] / 2)
    return edges


def octave_bands(images: ArrayLike) -> dict[str, Array]:
    """``dc`` (each channel's mean) and octave bands, finest first, that sum to the images.

    A band's weight rises and falls as a squared cosine of log2 r, over half an octave around
    each edge; the finest takes all above its lower edge, the coarsest all below but the mean.
    Names are ``80-160``, ``40-80``, ..., ``0-10`` for images of 160 px.

    Args:
        images: (n, height, width, channels), square.
    """
    x = _stack(images)
    if x.shape[1] != x.shape[2]:
        raise ValueError(f"octave bands are of square images, got {x.shape[1]} x {x.shape[2]} px")
    edges = band_edges(x.shape[1])
    radius = _radius(x)
    passed = [np.ones_like(radius), *(_low_pass(radius, edge) for edge in edges[1:])]
    zero = (radius == 0).astype(radius.dtype)
    bands = {"dc": _filtered(x, zero)}
    for i, edge in enumerate(edges):
        last = i + 1 == len(edges)
        below = zero if last else passed[i + 1]
        name = f"{0 if last else edges[i + 1]:g}-{edge:g}"
        bands[name] = _filtered(x, passed[i] - below)
    return bands


def _low_pass(radius: Array, edge: float) -> Array:
    octaves = np.log2(np.maximum(radius, 1e-9) / edge) / _TRANSITION + 0.5
    return np.cos(np.pi / 2 * np.clip(octaves, 0, 1)) ** 2


def _stack(images: ArrayLike) -> Array:
    x = np.asarray(images)
    if x.ndim != 4 or x.dtype.kind != "f":
        raise ValueError(f"images are (n, height, width, channels) floats; got {x.shape} {x.dtype}")
    return x


def _radius(x: Array) -> NDArray[np.float64]:
    """``hypot`` of the half cycles across each axis, in units of the shorter axis' px."""
    height, width = x.shape[1:3]
    shorter = min(height, width)
    rows, columns = np.arange(height) * shorter / height, np.arange(width) * shorter / width
    return np.hypot(rows[:, None], columns[None, :])


def _filtered(x: Array, gain: NDArray[np.float64]) -> Array:
    from scipy.fft import dctn, idctn

    spectrum = dctn(x, axes=(1, 2), norm="ortho") * gain[None, :, :, None].astype(x.dtype)
    return np.asarray(idctn(spectrum, axes=(1, 2), norm="ortho"))
