"""The front end is silent where there is nothing to see, and only there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

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
    """What was not normalised as it should be is no exception."""
    assert LGN()(torch.full((1, 3, 40, 33), value, dtype=dtype)).abs().max() == 0


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
