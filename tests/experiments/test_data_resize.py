"""Stimuli at any size: antialiased bilinear, shorter edge to px, centre crop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurosim.experiments.data.types import resize


def random_images(height: int, width: int, n: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, height, width, 3), np.uint8)


@pytest.mark.parametrize("px", [8, 32, 64, 100])
def test_it_is_torchs_antialiased_bilinear(px: int) -> None:
    images = random_images(64, 64)
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    expected = torch.nn.functional.interpolate(
        tensor, size=(px, px), mode="bilinear", antialias=True, align_corners=False
    )
    # clamped to [0, 1], which moves a value by the rounding of float32 at most
    np.testing.assert_allclose(resize(images, px), expected.permute(0, 2, 3, 1).numpy(), atol=2e-7)


def test_halving_is_the_triangle_filter_by_hand() -> None:
    """At scale 2 the antialiased bilinear weights are a triangle of half-width 2: 1 3 3 1 / 8."""
    row = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), np.uint8)
    weights = np.array([1, 3, 3, 1]) / 8
    exact = row[0].astype(float) / 255
    for axis in (0, 1):
        moved = np.moveaxis(exact, axis, 0)
        inner = [np.tensordot(weights, moved[2 * i - 1 : 2 * i + 3], 1) for i in range(1, 7)]
        exact = np.moveaxis(np.array(inner), 0, axis)
    np.testing.assert_allclose(resize(row, 8)[0, 1:7, 1:7], exact, atol=1e-6)  # float32


def test_already_that_size_is_the_identity() -> None:
    images = random_images(32, 32)
    resized = resize(images, 32)
    np.testing.assert_array_equal(resized, images.astype(np.float32) / np.float32(255))
    assert resized.dtype == np.float32


@pytest.mark.parametrize(("height", "width"), [(32, 48), (48, 32), (33, 40), (32, 35)])
def test_the_crop_is_central(height: int, width: int) -> None:
    """No resizing: the crop's centre is that of the image to half a pixel."""
    images = random_images(height, width)
    top, left = round((height - min(height, width)) / 2), round((width - min(height, width)) / 2)
    px = min(height, width)
    expected = images[:, top : top + px, left : left + px].astype(np.float32) / 255
    np.testing.assert_array_equal(resize(images, px), expected)


@pytest.mark.parametrize("px", [7, 24, 50])
def test_an_oblong_image_is_scaled_before_it_is_cropped(px: int) -> None:
    """A disc in the middle stays round and in the middle."""
    y, x = np.mgrid[:60, :90]
    disc = np.hypot(y - 29.5, x - 44.5) < 20
    images = np.repeat((disc * 255).astype(np.uint8)[None, ..., None], 3, axis=3)
    resized = resize(images, px)[0, ..., 0]
    assert resized.shape == (px, px)
    middle = (px - 1) / 2
    mass = resized / resized.sum()
    assert abs((mass.sum(axis=0) * np.arange(px)).sum() - middle) <= 0.5 + 1e-6
    assert abs((mass.sum(axis=1) * np.arange(px)).sum() - middle) <= 0.5 + 1e-6
    assert resized.mean() == pytest.approx(np.pi * 20**2 / 60**2, rel=0.05)


@pytest.mark.parametrize("px", [5, 31, 77, 160])
def test_white_stays_white_and_all_lies_in_0_to_1(px: int) -> None:
    white = np.full((1, 40, 40, 3), 255, np.uint8)
    np.testing.assert_allclose(resize(white, px), 1, atol=1e-6)
    resized = resize(random_images(40, 40), px)
    assert resized.shape == (3, px, px, 3)
    assert resized.min() >= 0
    assert resized.max() <= 1
    assert resized.flags.c_contiguous


def test_no_size_is_refused() -> None:
    with pytest.raises(ValueError, match="px is 0"):
        resize(random_images(8, 8), 0)
