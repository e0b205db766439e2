"""Low-level references: what they must and must not see."""

from __future__ import annotations

import numpy as np
import pytest

from neurosim.rsa import REFERENCES, reference_rdms
from neurosim.rsa.controls.gabor import gabor_maps
from neurosim.rsa.controls.lowlevel import colour_histogram, mean_luminance, silhouette

RNG = np.random.default_rng(0)
IMAGES = np.full((7, 24, 24, 3), 128, dtype=np.uint8)  # a textured object on grey
for k in range(7):
    IMAGES[k, 3 + k : 14 + k, 4:17] = RNG.integers(0, 256, size=(11, 13, 3))


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_every_reference_gives_an_rdm_of_the_images(name: str) -> None:
    rdm = reference_rdms(IMAGES, [name], stimuli=list("abcdefg"))[name]
    assert rdm.n_stimuli == 7
    assert rdm.undefined == ()
    order = np.array([3, 1, 0])
    part = reference_rdms(IMAGES[order], [name])[name].square()
    np.testing.assert_allclose(part, rdm.square()[np.ix_(order, order)], rtol=1e-9, atol=1e-11)


def test_luminance_is_linear_light_weighted_by_rec709() -> None:
    flat = np.zeros((4, 2, 2, 3), dtype=np.uint8)
    flat[0] = 255
    flat[1, ..., 1] = 255
    flat[2] = 188  # half the light of white, not 188 / 255 of it
    np.testing.assert_allclose(mean_luminance(flat)[:, 0], [1.0, 0.7152, 0.5029, 0.0], atol=1e-4)


def test_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        reference_rdms(IMAGES / 255.0)
    with pytest.raises(ValueError, match="known: luminance"):
        reference_rdms(IMAGES, ["luminence"])


@pytest.mark.parametrize("px", [32, 64, 175])
def test_gabor_energy_is_of_the_scene_not_of_the_pixel_count(px: int) -> None:
    """A grating of 4 cycles per image drives the 4-cycle filter of its orientation most, at
    any px; and moving it by a quarter cycle changes the energy little (quadrature)."""
    x = (np.arange(px) + 0.5) / px
    wave = 2 * np.pi * 4 * x
    gratings = np.stack([np.tile(np.cos(wave + p), (px, 1)) for p in (0.0, np.pi / 2)])
    maps = gabor_maps(np.concatenate([gratings, gratings.transpose(0, 2, 1)]))
    energy = maps[:, :, :, 2:6, 2:6].mean(axis=(3, 4))  # mirroring bends a sine at the edge
    assert np.unravel_index(energy[0].argmax(), energy[0].shape) == (1, 0)
    assert np.unravel_index(energy[2].argmax(), energy[2].shape) == (1, 4)
    np.testing.assert_allclose(energy[0, 1, 0], energy[1, 1, 0], rtol=0.05)
    # Amplitude 1 gives modulus 1/2 of the one-sided output.
    assert energy[0, 1, 0] == pytest.approx(0.5, rel=0.01)


def test_gabor_energy_keeps_place() -> None:
    image = np.zeros((1, 64, 64))
    image[0, :32, 32:] = np.cos(2 * np.pi * 8 * np.arange(32) / 64)
    cells = gabor_maps(image)[0, 2, 0]
    assert np.unravel_index(cells.argmax(), cells.shape)[0] < 4
    assert np.unravel_index(cells.argmax(), cells.shape)[1] >= 4
    assert cells[:4, 4:].mean() > 10 * cells[4:, :4].mean()


def test_gabor_refuses_what_the_pixels_cannot_show() -> None:
    with pytest.raises(ValueError, match="at least 22 px"):
        gabor_maps(np.zeros((1, 16, 16)))


def test_colour_histogram_counts_cells() -> None:
    images = np.zeros((2, 2, 2, 3), dtype=np.uint8)
    images[0, 0] = [255, 0, 31]
    shares = colour_histogram(images)
    assert shares[0, 7 * 64] == 0.5
    assert shares[:, 0].tolist() == [0.5, 1.0]


def test_silhouette_is_what_differs_from_the_border() -> None:
    images = np.full((1, 10, 10, 3), 128, dtype=np.uint8)
    images[0, 3:6, 4:8, 1] = 200
    assert silhouette(images).sum() == 12


def test_gabor_energies_do_not_depend_on_the_pieces_they_are_computed_in(monkeypatch):
    """Bit for bit: every image is filtered by itself."""
    images = RNG.random((5, 40, 40))
    whole = gabor_maps(images)
    monkeypatch.setattr("neurosim.rsa.controls.gabor._PIXELS_AT_ONCE", 2 * 40 * 40)
    np.testing.assert_array_equal(gabor_maps(images), whole)
