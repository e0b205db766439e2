"""What an audit is given: images as pixels and as the model reads them, the brain in one form."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurosim.experiments.data.image_files import ImageFiles, pictures_of
from neurosim.experiments.data.registry import STIMULUS_SETS, load_stimuli
from neurosim.experiments.data.types import StimulusSet, as_rgb, resize
from neurosim.models.network import policies
from neurosim.rsa import BrainRDMs, compute_rdm
from neurosim.rsa.io.brain_of_file import are_numbered, brain_of_file
from neurosim.rsa.io.feature_names import stimulus_names
from neurosim.rsa.rdm.squares import n_stimuli_of, triangle_side

Images = Sequence[np.ndarray] | np.ndarray
#: Preprocessed images are kept up to this size, and made again where they are larger.
_KEPT_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Preprocessing:
    """Pixels to what a model reads.

    mean, sd: per channel or one for all, of intensities from 0 to 1: (x - mean) / sd.
    size: px; shorter edge, antialiased bilinear, centre crop. None: as the images are.
    transform: in place of all three, a function of one PIL image (those of torchvision and timm).
    """

    mean: Any = 0.0
    sd: Any = 1.0
    size: int | None = None
    transform: Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        for name in ("mean", "sd"):
            value = np.asarray(getattr(self, name), dtype=float)
            if value.shape not in ((), (1,), (3,)) or not np.isfinite(value).all():
                raise ValueError(f"{name} is a number or three, one per channel; got {value}")
            if name == "mean" and (np.abs(value) > 2).any():
                raise ValueError(
                    f"mean is {value}, of intensities from 0 to 1; divide by 255 those of 0 to 255"
                )
        if not (np.asarray(self.sd, dtype=float) > 0).all():
            raise ValueError(f"sd has to be above 0; got {self.sd}")

    def __call__(self, image: np.ndarray) -> Tensor:
        """(channels, height, width) of one (height, width, 3) uint8 image."""
        if self.transform is not None:
            return self._transformed(image)
        shown = resize(image[None], self.size or min(image.shape[:2]))[0]
        flat = torch.from_numpy(shown).permute(2, 0, 1)
        mean, sd = (torch.tensor(v, dtype=torch.float32).reshape(-1, 1, 1)
                    for v in (self.mean, self.sd))  # fmt: skip
        return (flat - mean) / sd

    def _transformed(self, image: np.ndarray) -> Tensor:
        from PIL import Image

        assert self.transform is not None
        made = self.transform(Image.fromarray(image))
        tensor = torch.as_tensor(made)
        if tensor.dim() == 4 and len(tensor) == 1:
            tensor = tensor[0]
        if tensor.dim() != 3 or not tensor.is_floating_point():
            raise ValueError(
                "the preprocessing has to make (channels, height, width) floats of one PIL image; "
                f"it made {tuple(tensor.shape)} {tensor.dtype}"
            )
        return tensor

    def in_words(self) -> str:
        if self.transform is not None:
            name = getattr(self.transform, "__name__", type(self.transform).__name__)
            return f"the preprocessing given ({name})"
        px = "their own size" if self.size is None else f"{self.size} px (antialiased bilinear)"
        return f"{px}, (x - {self.mean}) / {self.sd} of intensities from 0 to 1"


@dataclass(frozen=True, eq=False)
class Shown:
    """Images as a model is shown them.

    px: another size than the given one; content: fewer pixels that they go through on the way
        (down and up again), so that size and content are told apart.
    """

    images: Images
    preprocess: Preprocessing
    px: int | None = None
    content: int | None = None
    _kept: list[Tensor] = field(default_factory=list, repr=False)

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, first: int, last: int) -> Tensor:
        """(n, channels, height, width) of the images from first to before last."""
        if not self._kept:
            one = self._made(0, 1)
            if one.numel() * 4 * len(self) > _KEPT_BYTES:
                return self._made(first, last)
            self._kept.append(self._made(0, len(self)))
        return self._kept[0][first:last]

    def _made(self, first: int, last: int) -> Tensor:
        each = [self.preprocess(np.asarray(self.images[i])) for i in range(first, last)]
        if len({tuple(x.shape) for x in each}) > 1:
            raise ValueError(
                "the images differ in size after preprocessing: give a size, or a transform that "
                "crops"
            )
        x = torch.stack(each)
        for px in (self.content, self.px if self.px else self.content and x.shape[-1]):
            x = policies.resize(x, px) if px else x
        return x

    def size(self) -> int:
        """The smaller edge that the model reads."""
        return int(min(self.rows(0, 1).shape[-2:]))

    def resized(self, px: int | None = None, content: int | None = None) -> Shown:
        return Shown(self.images, self.preprocess, px, content)

    def pixels(self) -> np.ndarray:
        """(n, px, px, 3) uint8 at the size shown: for low-level references and copies."""
        px = self.px or self.size()
        return np.concatenate(
            [np.rint(resize(np.asarray(i)[None], px) * 255).astype(np.uint8) for i in self.images]
        )


@dataclass(frozen=True, eq=False)
class Given:
    """Images and brain, in one order.

    named: both sides name their stimuli, and the images were put in the brain's order.
    source: where the images are from. stimuli: their names, in this order, where anything names
        them.
    """

    images: Images
    brain: BrainRDMs
    named: bool
    source: str = ""
    stimuli: tuple[str, ...] | None = None


def gather(
    images: Any, brain: Any = None, *, stimuli: Sequence[str] | None = None, data_dir: Any = None
) -> Given:
    """Images and brain in whatever form they come.

    Args:
        images: (n, height, width, 3) array, a folder of image files, a mapping of names to arrays,
            a ``StimulusSet`` or the name of one.
        brain: ``BrainRDMs``; a file that rsa reads; RDMs (subjects, n_pairs) or (subjects, n, n);
            a mapping from regions to RDMs or to responses, one (n, voxels) array per subject. None:
            that of the stimulus set.
        stimuli: names of the images, in their order.

    Raises:
        ValueError: what does not fit, by name.
    """
    names: tuple[str, ...] | None = None if stimuli is None else tuple(map(str, stimuli))
    source = ""
    if isinstance(images, str) and images in STIMULUS_SETS:
        images = load_stimuli(images, data_dir, progress=False)
    if isinstance(images, StimulusSet):
        brain = images.brain if brain is None else brain
        names = names or images.brain.stimuli
        source, images = images.name, images.images
    elif isinstance(images, str | os.PathLike):
        source = Path(images).name
    images, own = images_of(images)
    names = names or own
    if names is not None and len(names) != len(images):
        raise ValueError(f"{len(names)} names were given for {len(images)} images")
    if brain is None:
        raise ValueError("no brain was given: RDMs, responses, or a file of RDMs (docs/audit.md)")
    rdms, told = as_brain(brain, len(images))
    if rdms.n_stimuli != len(images):
        raise ValueError(
            f"there are {len(images)} images and {rdms.n_stimuli} stimuli in the brain data: give "
            "one image per stimulus"
        )
    order = order_of(names, rdms.stimuli) if told and names is not None else None
    if order is not None:
        images = (
            images[order]
            if isinstance(images, np.ndarray)
            else ImageFiles([images.paths[i] for i in order])
            if isinstance(images, ImageFiles)
            else [images[i] for i in order]
        )
    return Given(images, rdms, order is not None, source, rdms.stimuli if told else names)


def images_of(images: Any) -> tuple[Images, tuple[str, ...] | None]:
    """Images as pixels, and their names where they have any."""
    if isinstance(images, str | os.PathLike):
        folder = Path(images)
        if not folder.is_dir():
            raise ValueError(
                f"{folder} is no folder of images, nor a stimulus set ({', '.join(STIMULUS_SETS)})"
            )
        try:
            return pictures_of(folder)[:2]
        except ValueError as error:
            raise ValueError(f"{folder}: {error}") from None
    if isinstance(images, Mapping):
        pixels = [as_rgb(np.asarray(image)[None])[0] for image in images.values()]
        return pixels, tuple(map(str, images))
    return images if isinstance(images, ImageFiles) else as_rgb(np.asarray(images)), None


def order_of(names: Sequence[str], wanted: Sequence[str], what: str = "images") -> list[int] | None:
    """Where the wanted stimuli stand among some names; None where no name is shared.

    Names that are no more than file names of images fit without folder and ending too.

    Raises:
        ValueError: a name stands twice, or some of the wanted ones are missing.
    """
    if len(set(names)) < len(names):
        raise ValueError(f"two {what} have one name")
    if not set(names) & set(wanted):
        names, wanted = (stimulus_names(each, what) for each in (names, wanted))
    places = {name: i for i, name in enumerate(names)}
    shared = [name for name in wanted if name in places]
    if not shared:
        return None
    if len(shared) < len(wanted):
        missing = [name for name in wanted if name not in places]
        raise ValueError(
            f"{len(missing)} stimuli of the brain data are not among the {what}, the first "
            f"{missing[0]!r}; names have to be the same on both sides"
        )
    return [places[name] for name in wanted]


def as_brain(brain: Any, n_images: int) -> tuple[BrainRDMs, bool]:
    """Brain data in one form, and whether it names its stimuli."""
    if isinstance(brain, BrainRDMs):
        return brain, True
    if isinstance(brain, str | os.PathLike):
        found = brain_of_file(Path(brain), n_images)
        return found, not are_numbered(found.stimuli)
    parts = brain if isinstance(brain, Mapping) else {"brain": brain}
    if not parts:
        raise ValueError("the brain has no region: give RDMs or responses of one or more")
    rdms = {str(roi): _of_roi(given, n_images, str(roi)) for roi, given in parts.items()}
    counts = {len(rows) for rows in rdms.values()}
    if len(counts) > 1:
        told = ", ".join(f"{roi} {len(rows)}" for roi, rows in rdms.items())
        raise ValueError(f"the regions have different numbers of subjects ({told}): give BrainRDMs")
    stacked = np.stack(list(rdms.values()), axis=1).astype(np.float32)
    n = n_stimuli_of(stacked.shape[2])
    width = len(str(n))
    return BrainRDMs(
        stacked,
        tuple(f"subject {i + 1}" for i in range(len(stacked))),
        tuple(rdms),
        tuple(f"stimulus {i + 1:0{width}}" for i in range(n)),
    ), False


def _of_roi(given: Any, n: int, roi: str) -> np.ndarray:
    """(n_subjects, n_pairs) of RDMs, or of responses, one array per subject."""
    upper = np.triu_indices(n, 1)
    subjects = []
    as_array = None if isinstance(given, list | tuple) else np.asarray(given, dtype=float)
    if as_array is not None and as_array.ndim <= 2 and as_array.shape[-1] == len(upper[0]):
        return np.atleast_2d(as_array)
    if as_array is not None and as_array.ndim == 2:
        if len(as_array) != n and (side := triangle_side(as_array.shape[1])):
            raise ValueError(
                f"there are {n} images and {side} stimuli in the RDMs of {roi}: give one image per "
                "stimulus"
            )
        as_array = as_array[None]
    for each in given if as_array is None else as_array:
        array = np.asarray(each, dtype=float)
        square = array.shape == (n, n) and np.allclose(np.diag(array), 0, atol=1e-6)
        if square and np.allclose(array, array.T, equal_nan=True):
            subjects.append(array[upper])
        elif array.shape == (len(upper[0]),):
            subjects.append(array)
        elif array.ndim == 2 and len(array) == n:
            subjects.append(compute_rdm(array, "correlation").dissimilarities)
        else:
            raise ValueError(
                f"{roi}: {array.shape} is neither an RDM of {n} stimuli nor their responses "
                f"({n}, voxels)"
            )
    return np.stack(subjects)
