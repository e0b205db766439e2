"""Low-level references: what they must and must not see."""

from __future__ import annotations

import numpy as np
import pytest

from neurosim.rsa import REFERENCES, reference_rdms
from neurosim.rsa.lowlevel import mean_luminance

IMAGES = np.random.default_rng(0).integers(0, 256, size=(7, 24, 24, 3), dtype=np.uint8)


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
