"""Features that thingsvision and Net2Brain wrote are one table per layer, named by the images."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from neurosim.rsa import load_features
from neurosim.rsa.io.feature_names import FeatureFileError, stimulus_names

IMAGES = ("b_10.jpg", "a_2.PNG", "c_1.jpeg", "d_3.tif", "e_4.jpg", "f_5.jpg", "g_6.jpg")
NAMES = [Path(name).stem for name in IMAGES]
ROWS = np.random.default_rng(0).normal(size=(len(IMAGES), 2, 3, 3)).astype(np.float32)


def names_of(folder: Path, files: Sequence[str] = IMAGES) -> None:
    """thingsvision's data set writes the order of its images: one name per line."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "file_names.txt").write_text("".join(f"{f}\n" for f in files), encoding="utf-8")


# As ``thingsvision.utils.storing.save_features`` stores them, by ``file_format``.


def npy(folder: Path) -> None:
    np.save(folder / "features.npy", ROWS)


def hdf5(folder: Path) -> None:
    with h5py.File(folder / "features.hdf5", "w") as file:
        file.create_dataset("features", data=ROWS)


def mat(folder: Path) -> None:
    """One variable per image, since there are file names."""
    scipy.io.savemat(folder / "features.mat", dict(zip(NAMES, ROWS, strict=True)))


def txt(folder: Path) -> None:
    """Of layers without maps only."""
    np.savetxt(folder / "features.txt", ROWS.reshape(len(ROWS), -1))


def splits() -> list[np.ndarray]:
    """``split_features``: np.linspace(0, n, n_splits) are the edges."""
    edges = np.linspace(0, len(ROWS), 4, dtype=int)
    return [ROWS[a:b] for a, b in pairwise(edges)]


def npy_splits(folder: Path) -> None:
    for i, rows in enumerate(splits(), 1):
        np.save(folder / f"features_{i:02d}.npy", rows)


def txt_splits(folder: Path) -> None:
    for i, rows in enumerate(splits(), 1):
        np.savetxt(folder / f"features_{i:02d}.txt", rows.reshape(len(rows), -1))


def hdf5_splits(folder: Path) -> None:
    with h5py.File(folder / "features.hdf5", "w") as file:
        for i, rows in enumerate(splits(), 1):
            file.create_dataset(f"features_{i:02d}", data=rows)


def mat_splits(folder: Path) -> None:
    at = 0
    for i, rows in enumerate(splits(), 1):
        there = dict(zip(NAMES[at : at + len(rows)], rows, strict=True))
        scipy.io.savemat(folder / f"features_{i:02d}.mat", there)
        at += len(rows)


def steps(folder: Path) -> None:
    """``extract_features(output_dir=...)``: every step's first row and the one after its last;
    as text ``0-4`` comes after ``0-12`` does, so that the order has to be that of the numbers."""
    for first, last in ((0, 2), (2, 4), (4, 7)):
        np.save(folder / f"features_{first}-{last}.npy", ROWS[first:last])


STORED = (npy, hdf5, mat, txt, npy_splits, txt_splits, hdf5_splits, mat_splits, steps)


@pytest.mark.parametrize("store", STORED)
def test_a_layer_of_thingsvision_is_read_in_every_format(
    store: Callable[[Path], None], tmp_path: Path
) -> None:
    folder = tmp_path / "conv3"
    names_of(folder)
    store(folder)
    (name, table), *more = load_features(folder).items()
    assert (name, more) == ("conv3", [])
    assert list(table.index) == NAMES
    # Text keeps 18 digits; the others store single precision as it is.
    np.testing.assert_array_equal(table.to_numpy(np.float32), ROWS.reshape(len(ROWS), -1))


def test_ten_splits_and_more_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for i in range(12):
        np.save(tmp_path / f"features_{i + 1}.npy", np.full((1, 3), i))
    (table,) = load_features(tmp_path).values()
    assert table[0].tolist() == list(range(12))
    assert list(table.index) == list(range(12))


def test_folders_of_layers_share_the_names_above_them(tmp_path: Path) -> None:
    """``extract_features(module_names=..., output_dir=...)``: one folder per module."""
    names_of(tmp_path, [f"/data/cats/{f}" for f in IMAGES])
    for layer in ("features.10", "features.2"):
        (tmp_path / layer).mkdir()
        steps(tmp_path / layer)
    found = load_features(tmp_path)
    assert list(found) == ["features.2", "features.10"]
    for table in found.values():
        assert list(table.index) == NAMES


@pytest.mark.parametrize("layout", ["stimulus", "layer", "consolidated"])
def test_net2brain_names_files_after_images_with_their_ending(tmp_path: Path, layout: str) -> None:
    """``IMAGE.jpg.npz`` with a key per layer, ``LAYER.npz`` and ``NET_consolidated_LAYER.npz`` with
    a key per image, each of a batch of one."""
    images, layers = ["img_10.jpg", "img_2.jpg", "img_1.jpg"], ("layer1", "layer2")
    rows = {la: ROWS[i : i + 3] for i, la in enumerate(layers)}
    if layout == "stimulus":
        for i, image in enumerate(images):
            np.savez_compressed(
                tmp_path / f"{image}.npz", **{n: x[i : i + 1] for n, x in rows.items()}
            )
    else:
        before = "ResNet50_consolidated_" * (layout == "consolidated")
        for name, x in rows.items():
            there = {image: x[i : i + 1] for i, image in enumerate(images)}
            np.savez_compressed(tmp_path / f"{before}{name}.npz", **there)
    found = load_features(tmp_path)
    assert sorted(found) == list(layers)
    for name, table in found.items():
        assert list(table.index) == ["img_1", "img_2", "img_10"]
        np.testing.assert_array_equal(table.to_numpy(), rows[name].reshape(3, -1)[::-1])


def test_names_keep_the_folder_where_two_images_are_called_alike() -> None:
    assert stimulus_names(["a/1.jpg", "b/1.jpg"], "x") == ["a/1", "b/1"]
    assert stimulus_names(["/data/a/1.jpg", "/data/a/2.b.png"], "x") == ["1", "2.b"]
    with pytest.raises(FeatureFileError, match="x names 'a/1' twice"):
        stimulus_names(["a/1.jpg", "a/1.jpg"], "x")


def _twice(folder: Path) -> None:
    npy(folder)
    txt(folder)


def _gap(folder: Path) -> None:
    steps(folder)
    (folder / "features_2-4.npy").unlink()


def _pickle(folder: Path) -> None:
    (folder / "features.pt").write_bytes(b"PK\x03\x04")


def _fewer(folder: Path) -> None:
    np.save(folder / "features.npy", ROWS[1:])


def _cut(folder: Path) -> None:
    npy(folder)
    whole = (folder / "features.npy").read_bytes()
    (folder / "features.npy").write_bytes(whole[:-5])


def _other_names(folder: Path) -> None:
    there = dict(zip([*NAMES[1:], "x_9"], ROWS, strict=True))
    scipy.io.savemat(folder / "features.mat", there)


def _flat(folder: Path) -> None:
    np.save(folder / "features.npy", ROWS.reshape(-1))


@pytest.mark.parametrize(
    ("store", "message"),
    [
        (_twice, "holds the features of its layer more than once (features.npy, features.txt)"),
        (_gap, "features_4-7.npy begins at row 4, and the one before ends at 2"),
        (_pickle, "features.pt is a pickle of torch, which is not opened: save the features as"),
        (_fewer, "6 rows of features, and 7 names in file_names.txt"),
        (_cut, "features.npy cannot be read: it declares"),
        (_other_names, "'b_10' is not both in file_names.txt and in the .mat file"),
        (_flat, "features have the shape (126,), not one row per stimulus"),
    ],
)
def test_features_that_do_not_fit_are_told_in_a_sentence(
    store: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    names_of(tmp_path)
    store(tmp_path)
    with pytest.raises(FeatureFileError, match=re.escape(message)):
        load_features(tmp_path)


def test_layers_of_other_stimuli_are_not_one_network(tmp_path: Path) -> None:
    for layer, files in (("a", IMAGES), ("b", IMAGES[::-1])):
        names_of(tmp_path / layer, files)
        npy(tmp_path / layer)
    with pytest.raises(FeatureFileError, match="layers 'a' and 'b' are of other stimuli"):
        load_features(tmp_path)
