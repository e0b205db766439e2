"""The data sets of the experiments by name: the one door to them.

    images = load_training_images("cifar10", data_dir)
    stimuli = load_stimuli("brain92", data_dir)

Nothing is downloaded unless `download=True` is given. See docs/data.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from neurosim.experiments.data.brain92 import load_brain92
from neurosim.experiments.data.cifar10 import load_cifar10, load_cifar10_part
from neurosim.experiments.data.demo_data import demo_stimuli, demo_training_images
from neurosim.experiments.data.files import Access, data_directory
from neurosim.experiments.data.things import load_things
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


def check_names(training: str, stimuli: str) -> None:
    """Refuse (ValueError) what no data set is called, before any of them is read."""
    _find("training images", training, TRAINING_SETS)
    _find("stimuli", stimuli, STIMULUS_SETS)


def _find(what: str, name: str, known: Mapping[str, Loader]) -> Loader:
    if name not in known:
        raise ValueError(f"unknown {what} {name!r}; known are {', '.join(known)}.")
    return known[name]


TRAINING_SETS: Mapping[str, TrainingLoader] = MappingProxyType(
    {
        "demo": lambda access: demo_training_images(),
        "cifar10": load_cifar10,
        "cifar10-12k": partial(load_cifar10_part, "cifar10-12k"),
        "cifar10-mini": partial(load_cifar10_part, "cifar10-mini"),
    }
)
STIMULUS_SETS: Mapping[str, StimulusLoader] = MappingProxyType(
    {
        "demo": lambda access, rois: demo_stimuli(rois),
        "brain92": load_brain92,
        "things": partial(load_things, name="things", choice="first-exemplar"),
        "things-test": partial(load_things, name="things-test", choice="test-images"),
    }
)
