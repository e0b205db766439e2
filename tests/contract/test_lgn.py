"""The front end is what its equations say, and silent where there is nothing to see, only there."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import correlate1d

from neurosim.experiments.job.batches import normalise
from neurosim.spiking.encoders.lgn import LGN

byte = st.integers(0, 255)
dtypes = st.sampled_from([torch.float32, torch.float64])


def picture(n: int, px: int, seed: int) -> np.ndarray:
    """Smooth colour pictures, bytes ``(n, px, px, 3)``."""
    draws = torch.randn((n, 3, px, px), generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.avg_pool2d(draws, 5, 1, 2) * 2 + draws.mean((2, 3), keepdim=True)
    return (smooth.sigmoid() * 255).round().byte().permute(0, 2, 3, 1).numpy()


def uniform(colour: tuple[int, ...], height: int, width: int) -> np.ndarray:
    return np.tile(np.array(colour, np.uint8), (1, height, width, 1))


@settings(max_examples=60, deadline=None)
@given(st.tuples(byte, byte, byte), st.integers(13, 70), st.integers(13, 70), dtypes)
def test_a_uniform_image_drives_no_channel(colour, height, width, dtype):
    """Of any colour, size and dtype: exactly 0."""
    assert LGN()(normalise(uniform(colour, height, width)).to(dtype)).abs().max() == 0


@settings(max_examples=20, deadline=None)
@given(st.tuples(byte, byte, byte), st.floats(-7.5, -6.5))
def test_what_is_uniform_to_rounding_is_uniform(colour, exponent):
    """Noise of float32's rounding on it, 3e-8 to 3e-7 of normalised images, is no contrast."""
    x = normalise(uniform(colour, 32, 32))
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    assert LGN()(x + 10**exponent * noise).abs().max() == 0


@pytest.mark.parametrize("value", [-1e6, 0.0, 1e4, 1e8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_uniform_images_on_any_scale_are_silent(value, dtype):
    """What was not normalised as it should be is no exception; nor is its rounding, half an eps."""
    flat = torch.full((1, 3, 40, 33), value, dtype=dtype)
    assert LGN()(flat).abs().max() == 0
    draws = torch.rand(flat.shape, generator=torch.Generator().manual_seed(1))
    rounded = flat * (1 + torch.finfo(dtype).eps * draws.round().to(dtype))
    assert bool((rounded != flat).any()) == (value != 0)
    assert LGN()(rounded).abs().max() == 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(13, 64), dtypes)
def test_a_grey_photograph_drives_no_colour_channel(seed, px, dtype):
    """R = G = B in the picture, though not after each channel is normalised."""
    grey = np.repeat(picture(2, px, seed)[..., :1], 3, axis=3)
    found = LGN()(normalise(grey).to(dtype))
    assert found[:, [1, 2, 4, 5]].abs().max() == 0
    assert found[:, 0].mean() > 0.05
    assert found[:, 3].mean() > 0.05


@settings(max_examples=30, deadline=None)
@given(st.tuples(byte, byte, byte), st.integers(0, 2), st.sampled_from([32, 96, 224]))
def test_one_grey_level_in_one_pixel_is_seen(colour, channel, px):
    """The faintest contrast a picture of bytes can hold, at every size in use; in a channel of
    colour as in luminance."""
    faint = uniform(colour, px, px)
    level = int(faint[0, px // 2, px // 2, channel])
    faint[0, px // 2, px // 2, channel] = level + (1 if level < 255 else -1)
    found = LGN()(normalise(faint)).amax((0, 2, 3))
    assert found[0] + found[3] > 0.5
    assert found[2] + found[5] > 0.5
    grey = uniform(colour, px, px)
    grey[0, px // 2, px // 2] ^= 1
    assert LGN()(normalise(grey))[:, [0, 3]].amax() > 0.5


def test_a_change_of_light_or_colour_over_all_the_image_changes_nothing():
    """Each plane is taken relative to its mean: what is everywhere alike is not answered.

    1e-4: float32, of channels scaled to standard deviation 1.
    """
    x = normalise(picture(4, 32, 3))
    tint = torch.tensor([0.3, -0.2, 0.5]).view(1, 3, 1, 1)
    torch.testing.assert_close(LGN()(x + tint), LGN()(x), rtol=0, atol=1e-4)


def test_each_image_is_answered_alone():
    """A uniform image beside photographs stays silent and leaves them as they are."""
    photos = normalise(picture(3, 32, 5))
    x = torch.cat([photos, normalise(uniform((90, 10, 200), 32, 32))])
    together = LGN()(x)
    assert together[3].abs().max() == 0
    assert torch.equal(together[:3], LGN()(photos))


@pytest.mark.parametrize(
    ("images", "error", "told"),
    [
        (torch.zeros(2, 3, 32, 32, dtype=torch.uint8), TypeError, "uint8: divide bytes by 255"),
        (torch.zeros(2, 1, 32, 32), ValueError, "repeat a grey plane three times"),
        (torch.zeros(3, 32, 32), ValueError, r"must be \(batch, 3, height, width\)"),
        (torch.zeros(2, 3, 12, 40), ValueError, "needs larger images"),
        (torch.full((2, 3, 32, 32), float("nan")), ValueError, "must be finite, got NaN"),
        (torch.full((2, 3, 32, 32), float("inf")), ValueError, "must be finite, got NaN or inf"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_remedy(images, error, told):
    with pytest.raises(error, match=told):
        LGN()(images)


def gaussian(planes: np.ndarray, sigma: float) -> np.ndarray:
    """Over the last two axes, to 3 sigma, mirrored about the border pixels."""
    offsets = np.arange(-math.ceil(3 * sigma), math.ceil(3 * sigma) + 1)
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    for axis in (-1, -2):
        planes = correlate1d(planes, weights / weights.sum(), axis, mode="mirror")
    return planes


@pytest.mark.parametrize("sizes", [(), (0.8, 2.1, 3.0, 0.4, 2.0)])
def test_channels_are_those_of_the_definition(sizes):
    """In numpy and scipy, from the pictures' bytes and the equations of the docstring.

    1e-9: sums of float64 in another order, of values of 1.
    """
    centre_px, surround_px, colour_px, share, saturation_sd = sizes or (
        0.6,
        1.6,
        4,
        0.7,
        0.8 / 0.21,
    )
    bytes_ = picture(3, 41, 11)[:, :29]
    rgb = np.moveaxis(bytes_.astype(np.float64) / 255, -1, 1)
    r, g, b = rgb[:, 0], rgb[:, 1], rgb[:, 2]
    signals = []
    for plane, around_px, gain in (
        ((r + g + b) / 3, surround_px, 1.0),
        (r - g, colour_px, share),
        (b - (r + g) / 2, colour_px, share),
    ):
        adapted = plane - plane.mean((1, 2), keepdims=True)
        signal = gaussian(adapted, centre_px) - gain * gaussian(adapted, around_px)
        signals.append(signal / signal.std((1, 2), keepdims=True))
    on = np.stack(signals, 1)
    expected = np.clip(np.concatenate([on, -on], 1) / saturation_sd, 0, 1)
    assert (expected == 1).any()
    assert ((expected > 0) & (expected < 1)).mean() > 0.4
    sd = np.array([0.247, 0.243, 0.261])[:, None, None]
    found = LGN(*sizes)(torch.from_numpy((rgb - 0.5) / sd))  # the mean taken off means nothing
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert found.shape == (3, LGN().n_channels, 29, 41)


@pytest.mark.parametrize("px", [13, 14])
def test_the_smallest_image_is_one_more_than_the_widest_gaussian_reaches(px):
    """4 px reach 12: an image mirrored at its border needs 13."""
    assert LGN()(normalise(picture(1, px, 4))).isfinite().all()
    with pytest.raises(ValueError, match="reaches 12 px"):
        LGN()(torch.zeros(1, 3, px, 12))


@pytest.mark.parametrize("name", ["centre_px", "surround_px", "colour_sigma_px", "saturation_sd"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_sizes_that_are_none_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"{name} must be finite and positive, got {value}"):
        LGN(**{name: value})
