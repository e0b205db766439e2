"""What holds for every data set that has a name."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import made_data
import needs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.experiments.data.registry import (
    STIMULUS_SETS,
    TRAINING_SETS,
    MissingDataError,
    StimulusSet,
    TrainingImages,
    load_stimuli,
    load_training_images,
)

NEEDS_NOTHING = {"demo"}


@cache
def training(name: str) -> TrainingImages:
    return load_training_images(name, folder_of(name), progress=False)


SCRATCH = TemporaryDirectory()
FILES = {"brain92": "brain92.npz", "cifar10": "cifar10_12k.npz",
         "cifar10-12k": "cifar10_12k.npz", "cifar10-mini": "cifar10_mini.npz"}  # fmt: skip


@cache
def folder_of(name: str) -> Path | None:
    """Where the data lie: NEUROSIM_DATA where it has them, else made in the same layout."""
    if name in NEEDS_NOTHING:
        return None
    if name in FILES and (needs.DATA / FILES[name]).exists():
        return needs.DATA
    if not name.startswith("things"):
        return made_data.brain92() if name == "brain92" else made_data.cifar10()
    folder = Path(SCRATCH.name)
    if not (folder / "things").exists():
        (folder / "things").symlink_to(made_data.things())
    return folder


@cache
def stimuli(name: str) -> StimulusSet:
    return load_stimuli(name, folder_of(name), progress=False)


@pytest.mark.parametrize("name", TRAINING_SETS)
def test_training_images_are_of_the_promised_form(name: str) -> None:
    images = training(name)
    assert images.name == name
    n_classes = len(images.class_names)
    for x, y in ((images.x_train, images.y_train), (images.x_test, images.y_test)):
        assert x.shape == (len(y), 32, 32, 3)
        assert x.dtype == np.uint8
        assert y.dtype == np.int64
        assert set(np.unique(y)) == set(range(n_classes))
        # neither black nor flat: a set read with a wrong stride or offset would still pass above
        assert 60 < x.mean() < 200
        assert x.std() > 20


@pytest.mark.parametrize("name", TRAINING_SETS)
def test_no_test_image_is_a_training_image(name: str) -> None:
    images = training(name)
    seen = {image.tobytes() for image in images.x_train}
    assert not any(image.tobytes() in seen for image in images.x_test)


@pytest.mark.parametrize("name", TRAINING_SETS)
def test_loading_again_gives_the_same_bytes(name: str) -> None:
    first = training(name)
    assert load_training_images(name, folder_of(name), progress=False).sha256 == first.sha256


@cache
def label_of_image(name: str) -> dict[bytes, int]:
    images = training(name)
    return {x.tobytes(): int(y) for x, y in zip(images.x_train, images.y_train, strict=True)}


@pytest.mark.parametrize("name", TRAINING_SETS)
@settings(deadline=None, max_examples=10)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_a_subset_is_drawn_without_replacement_by_its_seed(
    name: str, data: st.DataObject, seed: int
) -> None:
    images = training(name)
    n_train = data.draw(st.integers(1, min(300, len(images.x_train))))
    n_test = data.draw(st.integers(1, min(100, len(images.x_test))))
    one, two = images.subset(n_train, n_test, seed), images.subset(n_train, n_test, seed)
    assert one.sha256 == two.sha256
    assert (len(one.x_train), len(one.x_test)) == (n_train, n_test)
    labels: dict[bytes, set[int]] = {image.tobytes(): set() for image in one.x_train}
    for image, label in zip(one.x_train, one.y_train, strict=True):
        labels[image.tobytes()].add(int(label))
    assert len(labels) == n_train, "an image came twice"
    where = label_of_image(name)
    assert all(found == {where[image]} for image, found in labels.items()), "labels moved"
    # the training part does not depend on the size of the test part
    whole = images.subset(n_train, None, seed)
    np.testing.assert_array_equal(whole.x_train, one.x_train)
    assert len(whole.x_test) == len(images.x_test)


@pytest.mark.parametrize("name", TRAINING_SETS)
def test_seeds_differ_and_too_many_is_refused(name: str) -> None:
    images = training(name)
    n_train, n_test = len(images.x_train), len(images.x_test)
    assert images.subset(50, 50, 0).sha256 != images.subset(50, 50, 1).sha256
    assert images.subset(n_train, n_test, 0).sha256 != images.sha256, "an order, drawn as well"
    for wrong, said in (((n_train + 1, 1), "training"), ((1, n_test + 1), "test"), ((0, 1), "0")):
        with pytest.raises(ValueError, match=f"cannot draw .*{said}.*; ask for 1 to"):
            images.subset(*wrong, seed=0)


@pytest.mark.parametrize("name", STIMULUS_SETS)
def test_stimuli_are_of_the_promised_form(name: str) -> None:
    found = stimuli(name)
    n = len(found.images)
    assert found.name == name
    for image in found.images:
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[-1] == 3
    assert found.brain.n_stimuli == n == len(found.category) == len(set(found.brain.stimuli))
    assert found.brain.source
    assert len({image.tobytes() for image in found.images}) == n


@pytest.mark.parametrize("name", STIMULUS_SETS)
def test_what_is_simulated_says_so_everywhere(name: str) -> None:
    found = stimuli(name)
    assert found.simulated == found.brain.simulated == (name == "demo")
    assert found.simulated == found.brain.source.startswith("SIMULATED")
    assert found.simulated == all(roi.startswith("sim") for roi in found.brain.rois)


@pytest.mark.parametrize("name", STIMULUS_SETS)
def test_loading_stimuli_again_gives_the_same_bytes(name: str) -> None:
    first = stimuli(name)
    assert load_stimuli(name, folder_of(name), progress=False).sha256 == first.sha256


@pytest.mark.parametrize("name", STIMULUS_SETS)
@pytest.mark.parametrize("px", [32, 160])
def test_stimuli_come_at_any_size(name: str, px: int) -> None:
    found = stimuli(name)
    images = found.at_px(px)
    assert images.shape == (len(found.images), px, px, 3)
    assert images.dtype == np.float32
    assert images.min() >= 0
    assert images.max() <= 1
    # a filter whose weights sum to 1 keeps the mean, up to the images' borders
    np.testing.assert_allclose(
        images.mean(axis=(1, 2)), native(found).mean(axis=(1, 2)) / 255, atol=0.02
    )


def native(found: StimulusSet) -> np.ndarray:
    """All images at their native size, which is one in the sets tested here."""
    return np.stack(list(found.images))


@pytest.mark.parametrize("name", STIMULUS_SETS)
def test_stimuli_at_their_native_size_are_the_pixels_themselves(name: str) -> None:
    found = stimuli(name)
    images = native(found)
    np.testing.assert_array_equal(
        found.at_px(images.shape[1]), images.astype(np.float32) / np.float32(255)
    )


@pytest.mark.parametrize("name", STIMULUS_SETS)
def test_rois_come_in_the_order_asked_for_and_unknown_ones_are_refused(name: str) -> None:
    brain = stimuli(name).brain
    backwards = brain.rois[::-1]
    turned = load_stimuli(name, folder_of(name), rois=backwards, progress=False).brain
    assert turned.rois == backwards
    np.testing.assert_array_equal(turned.rdms, brain.rdms[:, ::-1])
    with pytest.raises(ValueError, match=brain.rois[0]):
        load_stimuli(name, folder_of(name), rois=["nowhere"], progress=False)


@pytest.mark.parametrize("name", sorted({*TRAINING_SETS, *STIMULUS_SETS} - NEEDS_NOTHING))
def test_a_missing_set_is_one_sentence_with_the_way_out(name: str, tmp_path: Path) -> None:
    load = load_training_images if name in TRAINING_SETS else load_stimuli
    with pytest.raises(MissingDataError) as caught:
        load(name, tmp_path)
    message = str(caught.value)
    assert str(tmp_path) in message
    assert repr(name) in message
    assert "\n" not in message
    assert re.search(r"\. [A-Z]", message) is None, "more than one sentence"
    assert message.endswith(".")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("load", "known"), [(load_training_images, TRAINING_SETS), (load_stimuli, STIMULUS_SETS)]
)
def test_an_unknown_name_lists_the_known_ones(load: object, known: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"'cifar11'.*; known are {', '.join(known)}"):
        load("cifar11")  # type: ignore[operator]


def test_the_command_says_quickly_what_it_does() -> None:
    """A --help waits for no loader: what takes long is imported when a set is asked for."""
    slow = ("torch", "scipy", "matplotlib", "pandas", "h5py", "numba", "tqdm", "urllib.request")
    code = f"""
import sys
from neurosim.experiments.data_sets import parser
parser().format_help()
print(*[name for name in {slow} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []
