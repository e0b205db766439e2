"""Own images, grey or in colour, whole or float, come through one door."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.experiments.data.registry import load_stimuli
from neurosim.experiments.data.types import StimulusSet, TrainingImages, as_rgb

LEVELS = np.random.default_rng(0).integers(0, 256, (6, 12, 10), dtype=np.uint8)
GREY = {"(n, h, w)": LEVELS, "(n, h, w, 1)": LEVELS[..., None]}
SAME = {
    "uint8": lambda x: x,
    "int64": lambda x: x.astype(np.int64),
    "float32": lambda x: x.astype(np.float32) / 255,
    "float64": lambda x: x / 255,
}


@pytest.mark.parametrize("dtype", SAME)
@pytest.mark.parametrize("shape", GREY)
def test_a_grey_set_scores_as_its_three_equal_channels(shape: str, dtype: str) -> None:
    """One picture, one checksum and the same pixels at every size, however it is given."""
    demo = load_stimuli("demo", None, progress=False)
    grey = np.resize(GREY[shape], (len(demo.images), *GREY[shape].shape[1:]))
    rgb = np.repeat(grey.reshape(*grey.shape[:3], 1), 3, axis=-1)
    sets = [
        StimulusSet.of("own", images, demo.brain, demo.category)
        for images in (rgb, SAME[dtype](grey))
    ]
    assert sets[0].sha256 == sets[1].sha256
    for px in (8, 10, 16):
        np.testing.assert_array_equal(sets[0].at_px(px), sets[1].at_px(px))
        assert sets[1].at_px(px).shape == (len(grey), px, px, 3)


def test_training_images_come_through_the_same_door() -> None:
    labels = np.arange(6)
    own = TrainingImages.of(
        "own", (LEVELS, labels), (LEVELS / 255, labels), tuple("abcdef"), simulated=True
    )
    np.testing.assert_array_equal(own.x_train, own.x_test)
    assert own.x_train.shape == (6, 12, 10, 3)
    assert own.x_train.dtype == np.uint8


@settings(deadline=None)
@given(st.lists(st.integers(0, 255), min_size=1), st.sampled_from([np.float32, np.float64]))
def test_no_level_is_lost_through_floats(levels: list[int], dtype: type) -> None:
    """x / 255 is within half a step of x, so rounding returns it exactly: truncation would not."""
    images = np.array(levels, np.uint8).reshape(-1, 1, 1, 1)
    np.testing.assert_array_equal(as_rgb(images.astype(dtype) / dtype(255)), as_rgb(images))


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (np.zeros((9, 9), np.uint8), r"shape \(9, 9\).*image\[None\]"),
        (np.zeros((9, 9, 3), np.uint8), r"shape \(9, 9, 3\).*image\[None\]"),
        (np.zeros((4, 3, 9, 9), np.uint8), r"transpose\(0, 2, 3, 1\)"),
        (np.zeros((4, 9, 9, 4), np.uint8), r"drops transparency"),
        (np.full((4, 9, 9), 200.0), r"float64 from 200 to 200.*floats from 0 to 1"),
        (np.full((4, 9, 9), -0.1), r"from -0\.1"),
        (np.full((4, 9, 9), np.nan), r"from nan to nan"),
        (np.full((4, 9, 9), 256), r"int64 from 256"),
        (np.zeros((4, 9, 9), bool), r"images are bool"),
    ],
)
def test_what_is_no_image_set_is_refused_with_the_remedy(images: np.ndarray, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        as_rgb(images)
