"""Gabor energy: the classical model of complex cells, at any image size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neurosim.rsa.rdm.checks import check_count

Array = NDArray[np.float64]

FREQUENCIES = (2.0, 4.0, 8.0)
"""Cycles per image: the same filters of the scene at every px."""

_PIXELS_AT_ONCE = 1 << 19
"""Images are filtered in pieces of about this many pixels: a mirrored spectrum is 64 bytes each."""


def gabor_maps(
    luminance: Array,
    *,
    frequencies: Sequence[float] = FREQUENCIES,
    n_orientations: int = 8,
    bandwidth_octaves: float = 1.0,
    grid: int = 8,
) -> Array:
    """Energy maps (n, n_frequencies, n_orientations, grid, grid) of images (n, height, width).

    A Gabor filter of frequency f (cycles per image) and direction u is, in the Fourier plane, a
    Gaussian about f u, round, with the half-amplitude bandwidth given:
    sigma_f = f (2^b - 1) / ((2^b + 1) sqrt(2 ln 2)). Being one-sided, its output is the
    quadrature pair, and the energy is its squared modulus (Adelson & Bergen 1985,
    doi:10.1364/JOSAA.2.000284). Root energies are averaged over a ``grid`` x ``grid`` map, so
    that place is kept. The mean of each image is removed and its border mirrored.

    Raises:
        ValueError: the image is too small for the highest frequency or for the grid.
    """
    check_count("n_orientations", n_orientations)
    check_count("grid", grid)
    images = np.asarray(luminance, dtype=np.float64)
    n, height, width = images.shape
    ratio = 2.0**bandwidth_octaves
    highest = max(frequencies) * 2 * ratio / (1 + ratio)  # upper half-amplitude frequency
    if min(height, width) < 2 * highest or min(height, width) < grid:
        raise ValueError(
            f"images of {height} x {width} px do not show {max(frequencies)} cycles per image "
            f"with {bandwidth_octaves} octave(s) on a {grid} x {grid} map: at least "
            f"{int(np.ceil(max(2 * highest, grid)))} px are needed, or lower frequencies"
        )
    maps = np.empty((n, len(frequencies), n_orientations, grid, grid))
    at_once = max(1, _PIXELS_AT_ONCE // (height * width))
    for start in range(0, n, at_once):
        some = slice(start, start + at_once)
        spectrum = _mirrored_spectrum(images[some])
        for i, frequency in enumerate(frequencies):
            sigma = frequency * (ratio - 1) / ((ratio + 1) * np.sqrt(2 * np.log(2)))
            for k in range(n_orientations):
                angle = np.pi * k / n_orientations
                centre = frequency * np.sin(angle), frequency * np.cos(angle)
                maps[some, i, k] = _energy_map(spectrum, centre, sigma, grid)
    return maps


def _mirrored_spectrum(images: Array) -> NDArray[np.complex128]:
    """Fourier transform of images (n, height, width), mean removed and continued by their mirror.

    Periodic filtering would join opposite edges; the mirrored image has no such seam. Its
    period is twice the image: frequency bin k is k / 2 cycles per image.
    """
    images = images - images.mean(axis=(1, 2), keepdims=True)
    mirrored = np.concatenate([images, images[:, ::-1]], axis=1)
    return np.fft.fft2(np.concatenate([mirrored, mirrored[:, :, ::-1]], axis=2))


def _energy_map(
    spectrum: NDArray[np.complex128], centre: tuple[float, float], sigma: float, grid: int
) -> Array:
    """(n, grid, grid) mean modulus of one filter's output on the unmirrored quarter.

    Moving a filter's band to zero frequency does not change the modulus, so the output is
    sampled as densely as the band asks for, not at every pixel.
    """
    reach = int(np.ceil(4 * 2 * sigma))  # bins of half a cycle, to four sigma
    middle = [round(2 * c) for c in centre]
    around = np.arange(-reach, reach + 1)
    rows, columns = middle[0] + around, middle[1] + around
    weight = np.exp(
        -((rows[:, None] / 2 - centre[0]) ** 2 + (columns / 2 - centre[1]) ** 2) / (2 * sigma**2)
    )
    height, width = spectrum.shape[1:]
    weight[np.abs(rows) >= height // 2] = 0.0
    weight[:, np.abs(columns) >= width // 2] = 0.0
    per_bin = -(-(4 * reach) // (2 * grid))  # samples a map cell: the modulus doubles the band
    size = 2 * grid * max(per_bin, 2)
    band = np.zeros((len(spectrum), size, size), dtype=np.complex128)
    part = spectrum[:, rows[:, None] % height, columns % width] * weight
    band[:, around[:, None] % size, around % size] = part
    modulus = np.abs(np.fft.ifft2(band)) * (size**2 / (height * width))
    half = size // 2
    cells = modulus[:, :half, :half].reshape(len(spectrum), grid, half // grid, grid, half // grid)
    return np.asarray(cells.mean(axis=(2, 4)))
