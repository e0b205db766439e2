"""The data sets of the experiments by name: the one door to them.

    images = load_training_images("cifar10", data_dir)
    stimuli = load_stimuli("brain92", data_dir)

Nothing is downloaded unless `download=True` is given. See docs/data.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from neurosim.experiments.data.brain92 import load_brain92
from neurosim.experiments.data.cifar10 import load_cifar10, load_cifar10_part
from neurosim.experiments.data.demo_data import demo_stimuli, demo_training_images
from neurosim.experiments.data.files import Access, data_directory
from neurosim.experiments.data.image_files import (
    ARRAYS,
    own_stimuli,
    own_training_images,
    with_brain,
)
from neurosim.experiments.data.things import load_things
from neurosim.experiments.data.types import (
    BrokenDataError,
    DataError,
    DownloadError,
    MissingDataError,
    StimulusSet,
    TrainingImages,
)
from neurosim.naming import own
from neurosim.naming.choices import nearest, unknown_setting
from neurosim.naming.text import Call, parse

__all__ = [
    "STIMULUS_SETS",
    "TRAINING_SETS",
    "BrokenDataError",
    "DataError",
    "DownloadError",
    "MissingDataError",
    "StimulusSet",
    "TrainingImages",
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
    """The training images called `name`, a key of TRAINING_SETS, or a user's own
    (`own_training_images`).

    data_dir: see `data_directory`; progress: show bars of downloads on stderr;
    download: fetch what is missing into the data directory.
    Raises ValueError (unknown name), DataError (missing, broken, not downloadable) or OSError (the
    data directory cannot be written to).
    """
    call = parse(name)
    if _is_place(call.name):
        return own_training_images(call)
    loader = _find("training images", call, TRAINING_SETS)
    return loader(Access(data_directory(data_dir), download, progress))


def load_stimuli(
    name: str,
    data_dir: Path | str | None = None,
    *,
    rois: Sequence[str] | None = None,
    progress: bool = True,
    download: bool = False,
) -> StimulusSet:
    """The stimuli and brain called `name`, a key of STIMULUS_SETS, or a user's own (`own_stimuli`);
    `name(brain=FILE)`: with a brain of a user's own.

    rois: the ROIs wanted, in that order; None gives the set's default ones (brain92: EVC and
    IT; its third, hIT, has four subjects of its own). progress: also say on stderr that THINGS
    betas are being read. Else as `load_training_images`.
    """
    call = parse(name)
    if _is_place(call.name):
        return own_stimuli(call, rois)
    brain = call.settings.get("brain")
    loader = _find("stimuli", call, STIMULUS_SETS, "brain")
    access = Access(data_directory(data_dir), download, progress)
    return loader(access, rois) if brain is None else with_brain(loader(access, None), brain, rois)


def check_names(training: str, stimuli: str) -> None:
    """Refuse (ValueError) what no data set is called, before any of them is read."""
    for what, text, known, settings in (
        ("training images", training, TRAINING_SETS, ()),
        ("stimuli", stimuli, STIMULUS_SETS, ("brain",)),
    ):
        call = parse(text)
        if not _is_place(call.name):
            _find(what, call, known, *settings)


def _is_place(name: str) -> bool:
    """Whether a name says where something of a user's own stands."""
    return own.is_own(name) or bool(set(name) & {"/", os.sep}) or name.endswith(ARRAYS)


def _find(what: str, call: Call, known: Mapping[str, Loader], *settings: str) -> Loader:
    if call.name not in known:
        near = nearest(call.name, known)
        hint = f" (did you mean {near!r}?)" if near else ""
        raise ValueError(
            f"unknown {what} {call.name!r}{hint}; known are {', '.join(known)}; of your own: "
            "a folder (./pictures), a .npy or .npz file, or module:function."
        )
    for name in call.settings:
        if name not in settings:
            raise ValueError(unknown_setting(call.name, name, list(settings)))
    return known[call.name]


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
