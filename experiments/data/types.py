"""What the experiments know about data: training images, and stimuli with their brain."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from neurosim.experiments.data.image_files import ImageFiles
    from neurosim.rsa import BrainRDMs


class DataError(Exception):
    """Something is wrong with a data set; the message is one sentence with the remedy."""


class MissingDataError(DataError, FileNotFoundError):
    """A data set is not where it was looked for."""


class BrokenDataError(DataError, ValueError):
    """A data file is there but does not hold what its layout promises."""


class DownloadError(DataError, OSError):
    """A file could not be fetched."""


def arrays_sha256(*arrays: np.ndarray) -> str:
    """SHA-256 over dtype, shape and bytes (C order) of each array in turn."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def as_rgb(images: np.ndarray) -> np.ndarray:
    """Images as all of this project reads them: (n, height, width, 3) uint8.

    Args:
        images: RGB (n, height, width, 3), or grey as (n, height, width) or (n, height, width, 1),
            which gets three equal channels. Whole numbers are levels from 0 to 255; floats are
            intensities from 0 to 1 and go to the nearest of the 256 levels.

    Raises:
        ValueError: of another shape, or with values outside these ranges.
    """
    images = np.asarray(images)
    grey = images.ndim == 3 and images.shape[-1] not in (3, 4)
    if grey:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(
            f"images have the shape {images.shape}: give (n, height, width, 3), or grey ones as "
            "(n, height, width); image[None] makes a set of one image, "
            "images.transpose(0, 2, 3, 1) puts channels last, images[..., :3] drops transparency"
        )
    if images.dtype != np.uint8:
        images = _levels(images)
    return np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images


def _levels(images: np.ndarray) -> np.ndarray:
    whole = np.issubdtype(images.dtype, np.integer)
    if not whole and not np.issubdtype(images.dtype, np.floating):
        raise ValueError(
            f"images are {images.dtype}: give uint8 from 0 to 255, or floats from 0 to 1"
        )
    top = 255 if whole else 1
    # Written so that NaN is refused too.
    if images.size and not (images.min() >= 0 and images.max() <= top):
        raise ValueError(
            f"images are {images.dtype} from {images.min():g} to {images.max():g}: "
            "give whole numbers from 0 to 255 (astype('uint8')), or floats from 0 to 1"
        )
    return (images if whole else np.rint(images * 255)).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """Labelled images to train on, and held-out ones to test on.

    x_train, x_test: (n, 32, 32, 3) uint8, channels last; y_train, y_test: (n,) int64.
    `sha256` is over the four arrays, so that a result names the data it came from.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]
    simulated: bool
    sha256: str

    @classmethod
    def of(
        cls,
        name: str,
        train: tuple[np.ndarray, np.ndarray],
        test: tuple[np.ndarray, np.ndarray],
        class_names: tuple[str, ...],
        *,
        simulated: bool,
    ) -> TrainingImages:
        """Build from (images, labels) pairs, images as ``as_rgb`` takes them; add the checksum."""
        (x_train, y_train), (x_test, y_test) = train, test
        x_train, x_test = as_rgb(x_train), as_rgb(x_test)
        y_train, y_test = y_train.astype(np.int64), y_test.astype(np.int64)
        sha256 = arrays_sha256(x_train, y_train, x_test, y_test)
        return cls(name, x_train, y_train, x_test, y_test, class_names, simulated, sha256)

    def subset(self, n_train: int | None, n_test: int | None, seed: int) -> TrainingImages:
        """One random subset a seed, drawn without replacement; None keeps a part whole.

        The two parts draw from generators of their own: the training images of a seed do
        not depend on how many test images are asked for.
        """
        train = _choice("training", len(self.x_train), n_train, (seed, 0))
        test = _choice("test", len(self.x_test), n_test, (seed, 1))
        x_train, y_train = self.x_train[train], self.y_train[train]
        x_test, y_test = self.x_test[test], self.y_test[test]
        sha256 = arrays_sha256(x_train, y_train, x_test, y_test)
        return replace(
            self, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test, sha256=sha256
        )


def _choice(part: str, n_there: int, n: int | None, seed: tuple[int, int]) -> np.ndarray | slice:
    if n is None:
        return slice(None)
    if not 1 <= n <= n_there:
        raise ValueError(
            f"cannot draw {n} {part} images: this set has {n_there}; "
            f"ask for 1 to {n_there}, or all (None in Python)."
        )
    return np.random.default_rng(seed).permutation(n_there)[:n]


@dataclass(frozen=True, eq=False)
class StimulusSet:
    """The images a brain was measured on, at their native size, and that brain's RDMs.

    images: (n_stimuli, height, width, 3) uint8, or files that are decoded when asked for;
    category: one label a stimulus, for plots.
    """

    name: str
    images: np.ndarray | ImageFiles
    brain: BrainRDMs
    category: tuple[str, ...]
    simulated: bool
    sha256: str

    @classmethod
    def of(
        cls,
        name: str,
        images: np.ndarray | ImageFiles,
        brain: BrainRDMs,
        category: tuple[str, ...],
    ) -> StimulusSet:
        """Build from images (as ``as_rgb`` takes them, or files) and brain, which have to agree in
        number; add the checksum."""
        if isinstance(images, np.ndarray):
            images = as_rgb(images)
        counts = {len(images), len(brain.stimuli), len(category)}
        if len(counts) > 1:
            raise ValueError(
                f"stimulus set {name!r} has {len(images)} images, {len(brain.stimuli)} stimuli "
                f"in its RDMs and {len(category)} category labels; these have to be equal."
            )
        pixels = images if isinstance(images, np.ndarray) else images.digest()
        sha256 = arrays_sha256(pixels, brain.rdms, np.array(brain.stimuli), np.array(brain.rois))
        return cls(name, images, brain, category, brain.simulated, sha256)

    def at_px(self, px: int) -> np.ndarray:
        """Stimuli as (n_stimuli, px, px, 3) float32 in [0, 1]: see `resize`."""
        if isinstance(self.images, np.ndarray):
            return resize(self.images, px)
        return np.concatenate([resize(image[None], px) for image in self.images])


def resize(images: np.ndarray, px: int) -> np.ndarray:
    """Shorter edge to px, centre crop, antialiased bilinear; a copy in [0, 1] if already px.

    images: (n, height, width, 3) uint8. Equals `torch.nn.functional.interpolate(mode="bilinear",
    antialias=True, align_corners=False)` on the images as float32 in [0, 1]. The longer edge is
    rounded down, and the crop's first row and column are rounded to the nearest even one when
    they fall on a half, as torchvision's Resize and CenterCrop do.
    """
    if px < 1:
        raise ValueError(f"px is {px}; an image size has to be at least 1 px.")
    height, width = images.shape[1:3]
    shorter = min(height, width)
    scaled = images.astype(np.float32) / np.float32(255)
    if shorter != px:
        scaled = _interpolate(scaled, (px * height // shorter, px * width // shorter))
    top = round((scaled.shape[1] - px) / 2)
    left = round((scaled.shape[2] - px) / 2)
    return np.ascontiguousarray(scaled[:, top : top + px, left : left + px])


def _interpolate(images: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    channels_first = torch.from_numpy(images).permute(0, 3, 1, 2)
    resized = torch.nn.functional.interpolate(
        channels_first, size=size_px, mode="bilinear", antialias=True, align_corners=False
    )
    # the filter's weights sum to 1 only within rounding, so white may come out as 1 + 1e-7
    return resized.clamp_(0, 1).permute(0, 2, 3, 1).numpy()
