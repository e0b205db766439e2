"""The data sets of the experiments by name: the one door to them.

    images = load_training_images("cifar10", data_dir)
    stimuli = load_stimuli("brain92", data_dir)

Nothing is downloaded unless `download=True` is given. See docs/data.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from neurosim.experiments.data.files import Access, data_directory
from neurosim.experiments.data.types import (
    BrokenDataError,
    DataError,
    DownloadError,
    MissingDataError,
    StimulusSet,
    TrainingImages,
    UnwritableError,
)

__all__ = [
    "STIMULUS_SETS",
    "TRAINING_SETS",
    "BrokenDataError",
    "DataError",
    "DownloadError",
    "MissingDataError",
    "StimulusSet",
    "TrainingImages",
    "UnwritableError",
    "data_directory",
    "load_stimuli",
    "load_training_images",
]

TrainingLoader = Callable[[Access], TrainingImages]
StimulusLoader = Callable[[Access, Sequence[str] | None], StimulusSet]
Loader = TypeVar("Loader")


def load_training_images(
    name: str,
    data_dir: Path | str | None = None,
    *,
    progress: bool = True,
    download: bool = False,
) -> TrainingImages:
    """The training images called `name`, a key of TRAINING_SETS.

    data_dir: see `data_directory`; progress: show bars of downloads on stderr;
    download: fetch what is missing into the data directory.
    Raises ValueError (unknown name) or DataError: missing, broken, unwritable, not downloadable.
    """
    loader = _find("training images", name, TRAINING_SETS)
    return loader(Access(data_directory(data_dir), download, progress))


def load_stimuli(
    name: str,
    data_dir: Path | str | None = None,
    *,
    rois: Sequence[str] | None = None,
    progress: bool = True,
    download: bool = False,
) -> StimulusSet:
    """The stimuli and brain called `name`, a key of STIMULUS_SETS.

    rois: the ROIs wanted, in that order; None gives the set's default ones (brain92: EVC and
    IT; its third, hIT, has four subjects of its own). progress: also say on stderr that THINGS
    betas are being read. Else as `load_training_images`.
    """
    loader = _find("stimuli", name, STIMULUS_SETS)
    return loader(Access(data_directory(data_dir), download, progress), rois)


def _find(what: str, name: str, known: Mapping[str, Loader]) -> Loader:
    if name not in known:
        raise ValueError(f"unknown {what} {name!r}; known are {', '.join(known)}.")
    return known[name]


# The loaders import when called: a --help waits for none of them.


def _demo_images(access: Access) -> TrainingImages:
    from neurosim.experiments.data.demo_data import demo_training_images

    return demo_training_images()


def _cifar10(access: Access) -> TrainingImages:
    from neurosim.experiments.data.cifar10 import load_cifar10

    return load_cifar10(access)


def _cifar10_12k(access: Access) -> TrainingImages:
    from neurosim.experiments.data.cifar10 import load_cifar10_part

    return load_cifar10_part("cifar10-12k", access)


def _cifar10_mini(access: Access) -> TrainingImages:
    from neurosim.experiments.data.cifar10 import load_cifar10_part

    return load_cifar10_part("cifar10-mini", access)


def _demo_stimuli(access: Access, rois: Sequence[str] | None) -> StimulusSet:
    from neurosim.experiments.data.demo_data import demo_stimuli

    return demo_stimuli(rois)


def _brain92(access: Access, rois: Sequence[str] | None) -> StimulusSet:
    from neurosim.experiments.data.brain92 import load_brain92

    return load_brain92(access, rois)


def _things(access: Access, rois: Sequence[str] | None) -> StimulusSet:
    from neurosim.experiments.data.things import load_things

    return load_things(access, rois, name="things", choice="first-exemplar")


def _things_test(access: Access, rois: Sequence[str] | None) -> StimulusSet:
    from neurosim.experiments.data.things import load_things

    return load_things(access, rois, name="things-test", choice="test-images")


TRAINING_SETS: Mapping[str, TrainingLoader] = MappingProxyType(
    {
        "demo": _demo_images,
        "cifar10": _cifar10,
        "cifar10-12k": _cifar10_12k,
        "cifar10-mini": _cifar10_mini,
    }
)
STIMULUS_SETS: Mapping[str, StimulusLoader] = MappingProxyType(
    {"demo": _demo_stimuli, "brain92": _brain92, "things": _things, "things-test": _things_test}
)
