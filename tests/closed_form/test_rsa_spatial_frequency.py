"""Blur and octave bands against closed forms."""

import numpy as np
import pytest

from neurosim.rsa import gaussian_blur, octave_bands


def images(px: int = 64) -> np.ndarray:
    return np.random.default_rng(0).random((3, px, px, 3))


def cosine(px: int, half_cycles: int) -> np.ndarray:
    """A basis function of the transform: one frequency, mean 0."""
    wave = np.cos(np.pi * half_cycles * (np.arange(px) + 0.5) / px)
    return np.broadcast_to(wave[None, None, :, None], (1, px, px, 1)).copy()


@pytest.mark.parametrize("px", [32, 60, 160])
def test_bands_sum_to_the_image_and_dc_is_its_mean(px):
    """Exact but for rounding of two transforms (1e-12 in float64)."""
    x = images(px)
    bands = octave_bands(x)
    np.testing.assert_allclose(sum(bands.values()), x, atol=1e-12)
    mean = x.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(bands["dc"], np.broadcast_to(mean, x.shape), atol=1e-12)
    for name, band in bands.items():
        if name != "dc":
            assert abs(band.mean((1, 2))).max() < 1e-12, "only dc has a mean"


def test_bands_are_named_by_their_px():
    assert list(octave_bands(images(160))) == ["dc", "80-160", "40-80", "20-40", "10-20", "0-10"]
    assert list(octave_bands(images(8))) == ["dc", "0-8"]


def test_a_frequency_lies_in_its_band_and_at_an_edge_in_two_halves():
    """Weight 1 in the middle of an octave; at an edge cos^2(pi/4) = 1/2 on either side."""
    middle = octave_bands(cosine(64, 23))  # log2(23/16) = .52 octaves above 16
    np.testing.assert_allclose(middle["16-32"], cosine(64, 23), atol=1e-12)
    edge = octave_bands(cosine(64, 16))
    for name in ("16-32", "8-16"):
        np.testing.assert_allclose(edge[name], 0.5 * cosine(64, 16), atol=1e-12)


def test_blur_halves_the_amplitude_at_its_cut_off_and_keeps_the_mean():
    np.testing.assert_allclose(gaussian_blur(cosine(64, 20), 20), cosine(64, 20) / 2, atol=1e-12)
    x = images()
    blurred = gaussian_blur(x, 8)
    np.testing.assert_allclose(blurred.mean((1, 2)), x.mean((1, 2)), atol=1e-12)
    assert blurred.var() < 0.1 * x.var()
    np.testing.assert_allclose(gaussian_blur(x, 1e6), x, atol=1e-6)


def test_precision_is_the_images_own():
    assert octave_bands(images().astype(np.float32))["dc"].dtype == np.float32


def test_bad_images_and_cut_offs_are_refused():
    with pytest.raises(ValueError, match="must be positive, got 0 px"):
        gaussian_blur(images(), 0)
    with pytest.raises(ValueError, match="square images, got 16 x 32"):
        octave_bands(np.zeros((1, 16, 32, 3)))
    with pytest.raises(ValueError, match="floats; got"):
        octave_bands(np.zeros((1, 16, 16, 3), dtype=np.uint8))
