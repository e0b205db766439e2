"""THINGS as a stimulus set, through the SYNTHETIC fixture in the layout of the real files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from made_data import things
from PIL import Image

from neurosim.experiments.data.registry import BrokenDataError, MissingDataError, load_stimuli
from neurosim.rsa import load_things_fmri


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory whose folder things links to the betas and holds its own images."""
    folder = tmp_path / "things"
    folder.mkdir()
    (folder / "betas_csv").symlink_to(things() / "betas_csv")
    shutil.copytree(things() / "object_images", folder / "object_images")
    return tmp_path


def test_images_and_rdms_are_of_the_same_stimuli_in_the_same_order(data: Path) -> None:
    found = load_stimuli("things", data, progress=False)
    expected = load_things_fmri(things())
    assert found.brain.stimuli == expected.stimuli
    np.testing.assert_array_equal(found.brain.rdms, expected.rdms)
    assert found.category[11] == "ice_cream"
    for name, image in zip(found.brain.stimuli, found.images, strict=True):
        path = things() / "object_images" / name.rsplit("_", 1)[0] / name
        np.testing.assert_array_equal(image, np.asarray(Image.open(path)))
    test = load_stimuli("things-test", data, progress=False)
    assert test.brain.stimuli == load_things_fmri(things(), stimuli="test-images").stimuli


def test_rdms_are_made_once_and_then_serve_without_the_betas(data: Path) -> None:
    first = load_stimuli("things", data, progress=False)
    (data / "things/betas_csv").unlink()
    again = load_stimuli("things", data, progress=False)
    assert again.sha256 == first.sha256
    (data / "things/things-first-exemplar.h5").write_bytes(b"no HDF5")
    with pytest.raises(BrokenDataError, match=r"things-first-exemplar\.h5.*delete it"):
        load_stimuli("things", data, progress=False)


def test_images_of_any_size_and_grey_ones_come_at_one_size(data: Path) -> None:
    folder = data / "things/object_images"
    ramp = np.tile(np.arange(90, dtype=np.uint8), (40, 1))
    Image.fromarray(ramp).save(folder / "ant/ant_01s.jpg", quality=100)
    images = load_stimuli("things", data, progress=False).at_px(24)
    assert images.shape == (20, 24, 24, 3)
    # the centre crop of the ramp: columns 25 ... 65 of 90
    grey = images[1] * 255
    np.testing.assert_allclose(grey, grey[..., :1].repeat(3, axis=-1))
    np.testing.assert_allclose(grey[12, [0, -1], 0], [25 + 0.33, 65 - 1.33], atol=1.0)


def test_other_pixels_are_another_set(data: Path) -> None:
    before = load_stimuli("things", data, progress=False).sha256
    shutil.copyfile(things() / "object_images/dog/dog_02s.jpg",
                    data / "things/object_images/dog/dog_01s.jpg")  # fmt: skip
    assert load_stimuli("things", data, progress=False).sha256 != before


def test_what_is_missing_is_named_with_where_to_get_it(data: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "empty"
    nowhere.mkdir()
    with pytest.raises(MissingDataError, match=r"20492835.*and the photographs.*osf\.io/jum2f"):
        load_stimuli("things", nowhere, progress=False)
    (data / "things/object_images/dog/dog_01s.jpg").unlink()
    with pytest.raises(MissingDataError, match=r"1 of 20 stimulus images are missing.*dog_01s"):
        load_stimuli("things", data, progress=False)
    assert not list((data / "things").glob("*.h5"))
    shutil.rmtree(data / "things/object_images")
    with pytest.raises(MissingDataError, match="lacks the photographs"):
        load_stimuli("things", data, progress=False)
    (data / "things/betas_csv").unlink()
    (data / "things/betas_csv").mkdir()
    shutil.copy(things() / "betas_csv/sub-01_ResponseData.h5", data / "things/betas_csv")
    with pytest.raises(MissingDataError, match="no table sub-01_StimulusMetadata"):
        load_stimuli("things", data, progress=False)


def test_damage_is_told_before_work_starts(data: Path) -> None:
    (data / "things/object_images/key/key_01s.jpg").write_bytes(b"\xff\xd8\xff no image")
    with pytest.raises(BrokenDataError, match=r"key_01s\.jpg cannot be read as an image"):
        load_stimuli("things", data, progress=False).at_px(32)
    (data / "things/betas_csv").unlink()
    shutil.copytree(things() / "betas_csv", data / "things/betas_csv")
    (data / "things/things-first-exemplar.h5").unlink()
    table = data / "things/betas_csv/sub-02_StimulusMetadata.csv"
    table.write_text(table.read_text().replace("train", "catch"))
    with pytest.raises(BrokenDataError, match=r"sub-02_StimulusMetadata\.csv: .*download"):
        load_stimuli("things", data, progress=False)
