"""Pictures and arrays in files: photographs that stay on disk, and images of a user's own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final, overload

import numpy as np
from PIL import Image

from neurosim.experiments.data.types import (
    BrokenDataError,
    MissingDataError,
    StimulusSet,
    TrainingImages,
)
from neurosim.naming import own
from neurosim.naming.choices import nearest, shown
from neurosim.naming.text import Call
from neurosim.rsa import BrainRDMs, brain_of_file
from neurosim.rsa.formats.numpy_files import open_npz, read_npy

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm")
ARRAYS = (".npy", ".npz")
#: Of own training images without a part to test on, every fifth of a class is held out.
_HELD_OUT = 5


@final
class ImageFiles(Sequence[np.ndarray]):
    """Image files as a sequence of (height, width, 3) uint8, decoded when asked for.

    They may differ in size. Grey ones get three equal channels.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> ImageFiles: ...
    def __getitem__(self, index: int | slice) -> np.ndarray | ImageFiles:
        """Raises BrokenDataError, which names the file."""
        if isinstance(index, slice):
            return ImageFiles(self.paths[index])
        path = self.paths[index]
        try:
            with Image.open(path) as image:
                return np.asarray(image.convert("RGB"))
        # Pillow raises a dozen types on damaged files, none of them documented.
        except Exception as error:
            raise BrokenDataError(
                f"{path} cannot be read as an image ({error}); unpack it anew."
            ) from error

    def digest(self) -> np.ndarray:
        """(n, 32) uint8: the SHA-256 of each file, whatever decodes it."""
        digests = [hashlib.sha256(path.read_bytes()).digest() for path in self.paths]
        return np.frombuffer(b"".join(digests), np.uint8).reshape(len(self), 32)


def own_training_images(call: Call) -> TrainingImages:
    """Training images that a text names: ``module:function``, a folder or an array file.

    - a folder with one folder of pictures per class; every fifth of a class, by name, is to test on
    - ``.npz`` with ``x_train, y_train, x_test, y_test``, or ``images, labels`` split alike

    Raises:
        DataError: no such place, or no images of one size with classes there.
        ValueError: the function returns something else.
    """
    if own.is_own(call.name):
        return _returned(call, TrainingImages)
    path = _path(call)
    try:
        if path.is_dir():
            images, labels, names = _by_class(path)
            parts = _split(images, labels)
        else:
            parts, names = _training_arrays(path)
        found = TrainingImages.of(str(path), *parts, names, simulated=False)
    except (ValueError, OSError, KeyError) as error:
        raise BrokenDataError(f"{path}: {error}") from error
    height, width = found.x_train.shape[1:3]
    if height != width:
        raise BrokenDataError(
            f"{path}: training images are {height} x {width} px: crop them to squares"
        )
    return found


def own_stimuli(call: Call, rois: Sequence[str] | None) -> StimulusSet:
    """Stimuli that a text names: ``module:function``, a folder or an array file.

    - a folder of pictures, in natural order of their names; folders inside it are categories
    - ``.npy``, or ``.npz`` with ``images`` (and ``names``, ``category``): (n, height, width) grey,
      (n, height, width, 3) RGB

    The setting ``brain`` names their RDMs or responses (``rsa.brain_of_file``).

    Raises:
        DataError: no such place, no images or no brain there.
        ValueError: the function returns something else.
    """
    settings = dict(call.settings)
    brain_file = settings.pop("brain", None)
    if own.is_own(call.name):
        found = _returned(Call(call.name, settings), StimulusSet)
        return found if brain_file is None else with_brain(found, brain_file, rois)
    path = _path(Call(call.name, settings))
    if brain_file is None:
        raise MissingDataError(
            f"{path} holds images and no brain: give its RDMs or responses too (--brain FILE)"
        )
    try:
        images, names, category = pictures_of(path) if path.is_dir() else _stimulus_array(path)
    except (ValueError, OSError, KeyError) as error:
        raise BrokenDataError(f"{path}: {error}") from error
    brain = _brain(brain_file, names, rois)
    return StimulusSet.of(str(path), images, brain, category)


def with_brain(stimuli: StimulusSet, brain: str, rois: Sequence[str] | None) -> StimulusSet:
    """The same images with a brain of one's own."""
    found = _brain(brain, stimuli.brain.stimuli, rois)
    return StimulusSet.of(stimuli.name, stimuli.images, found, stimuli.category)


def _brain(path: str, stimuli: Sequence[str], rois: Sequence[str] | None) -> BrainRDMs:
    try:
        return brain_of_file(path, stimuli, rois)
    except FileNotFoundError:
        raise MissingDataError(
            f"there is no file {path}: give the brain's RDMs or responses (--brain FILE)"
        ) from None
    except (ValueError, TypeError, OSError) as error:
        raise BrokenDataError(f"{path}: {error}") from error


def _returned(call: Call, kind: type) -> Any:
    function = own.located(call.name)
    found = function(**call.settings) if callable(function) else function
    if not isinstance(found, kind):
        raise ValueError(
            f"{call.name} gave {shown(found)}: it has to return {kind.__name__}, made with "
            f"{kind.__name__}.of(...)"
        )
    return found


def _path(call: Call) -> Path:
    if call.settings:
        raise ValueError(f"{call.name} takes no settings, got {', '.join(call.settings)}")
    path = Path(call.name)
    if not path.exists():
        raise MissingDataError(
            f"there is no {path}: give a folder of pictures, a .npy or .npz file, or "
            "module:function"
        )
    return path


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.as_posix())
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


def _files(folder: Path) -> list[Path]:
    found = [p for p in folder.rglob("*") if p.suffix.lower() in PICTURES and p.is_file()]
    if not found:
        raise ValueError(f"there are no pictures in it ({', '.join(PICTURES)})")
    return sorted(found, key=_natural)


def pictures_of(folder: Path) -> tuple[ImageFiles, tuple[str, ...], tuple[str, ...]]:
    """The pictures of a folder in natural order of their names, these names, and categories.

    Raises:
        ValueError: there are none.
    """
    files = _files(folder)
    inside = [file.relative_to(folder) for file in files]
    names = tuple(file.stem for file in inside)
    if len(set(names)) != len(names):
        names = tuple(file.with_suffix("").as_posix() for file in inside)
    return ImageFiles(files), names, tuple(f.parent.as_posix().strip(".") for f in inside)


def _by_class(folder: Path) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    files = _files(folder)
    classes = [file.relative_to(folder).parts[0] for file in files]
    names = tuple(dict.fromkeys(classes))
    if any(file.parent == folder for file in files) or len(names) < 2:
        raise ValueError("pictures to train on stand in one folder per class, at least two")
    images = list(ImageFiles(files))
    sizes = {image.shape[:2] for image in images}
    if len(sizes) > 1:
        raise ValueError(
            f"pictures to train on have several sizes ({_sizes(sizes)}): scale them to one"
        )
    return np.stack(images), np.array([names.index(name) for name in classes]), names


def _sizes(sizes: set[tuple[int, ...]]) -> str:
    shown_sizes = sorted(sizes)[:3]
    return ", ".join(f"{h} x {w}" for h, w in shown_sizes) + ", ..." * (len(sizes) > 3)


Labelled = tuple[np.ndarray, np.ndarray]


def _split(images: np.ndarray, labels: np.ndarray) -> tuple[Labelled, Labelled]:
    rank = np.empty(len(labels), dtype=int)
    for label in np.unique(labels):
        mine = labels == label
        rank[mine] = np.arange(mine.sum())
    test = rank % _HELD_OUT == _HELD_OUT - 1
    if not test.any():
        raise ValueError(f"no class has the {_HELD_OUT} images that leave one to test on")
    return (images[~test], labels[~test]), (images[test], labels[test])


def _arrays(path: Path) -> Mapping[str, np.ndarray]:
    if path.suffix == ".npy":
        return {"images": read_npy(path)}
    if path.suffix != ".npz":
        raise ValueError(f"it is neither a folder nor {' or '.join(ARRAYS)}")
    with open_npz(path) as arrays:
        return {name: stored.read() for name, stored in arrays.items()}


def _training_arrays(path: Path) -> tuple[tuple[Labelled, Labelled], tuple[str, ...]]:
    arrays = _arrays(path)
    if "x_train" in arrays:
        parts = tuple((arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in ("train", "test"))
    elif "labels" in arrays:
        parts = _split(arrays["images"], arrays["labels"])
    else:
        raise ValueError(
            f"it holds {', '.join(arrays)}: training needs x_train, y_train, x_test, y_test, or "
            "images and labels"
        )
    for images, labels in parts:
        if labels.ndim != 1 or len(labels) != len(images):
            raise ValueError(f"{len(images)} images, but labels of shape {labels.shape}")
    known = np.unique(np.concatenate([labels for _, labels in parts]))
    train, test = ((images, np.searchsorted(known, labels)) for images, labels in parts)
    return (train, test), tuple(str(label) for label in known)


def _stimulus_array(path: Path) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...]]:
    arrays = _arrays(path)
    if "images" not in arrays:
        near = nearest("images", arrays)
        raise ValueError(f"it has no array called images{f', only {near!r}' if near else ''}")
    images = arrays["images"]
    names = tuple(map(str, arrays.get("names", np.arange(len(images)))))
    category = tuple(map(str, arrays.get("category", [""] * len(images))))
    return images, names, category
