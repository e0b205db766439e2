"""THINGS object photographs, and the fMRI of three subjects who saw them.

Betas (CC0) and photographs: Hebart et al. 2019, PLoS ONE 14:e0223792,
doi:10.1371/journal.pone.0223792; Hebart et al. 2023, eLife 12:e82580,
doi:10.7554/eLife.82580. Below the data directory, in a folder ``things`` (links will do):

    object_images/dog/dog_12s.jpg ...                     the photographs
    betas_csv/sub-01_ResponseData.h5 ...                  the betas, in either distribution
    things-first-exemplar.h5, things-test-images.h5       RDMs, made from the betas once

A photograph is taken by its exact name, never another of the same concept.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from neurosim.experiments.data.files import ENVIRONMENT, Access
from neurosim.experiments.data.image_files import ImageFiles
from neurosim.experiments.data.types import BrokenDataError, MissingDataError, StimulusSet
from neurosim.rsa import BrainRDMs
from neurosim.rsa.brain.brain_files import BrainFileError
from neurosim.rsa.brain.things import image_paths, load_things_fmri
from neurosim.rsa.brain.things_files import (
    ThingsFileError,
    check_no_subject_lacks_responses,
    files_below,
    find_subjects,
)

FOLDER, IMAGES = "things", "object_images"
_GET_BETAS = (
    "the single-trial betas (3 x 16 GB, free): betas_csv of "
    "doi:10.25452/figshare.plus.20492835, or s3://openneuro.org/ds004192/derivatives/ICA-betas, "
    "three files a subject"
)
_GET_IMAGES = (
    f"the photographs (5 GB; registration at osf.io/jum2f): images_THINGS.zip, as "
    f"{IMAGES}/<concept>/<stimulus>"
)


def load_things(
    access: Access, rois: Sequence[str] | None = None, *, name: str, choice: str
) -> StimulusSet:
    """The stimuli of one ``STIMULUS_CHOICES`` of ``neurosim.rsa.brain.things`` with one image each.

    The RDMs are computed from the betas at the first call and kept beside them.
    """
    folder = access.folder / FOLDER
    kept = folder / f"things-{choice}.h5"
    if not kept.is_file():
        _build(kept, folder, choice, name, access.progress)
    brain = _read(kept)
    if rois is not None:
        brain = brain.select(rois=rois)
    return StimulusSet.of(
        name,
        ImageFiles(_images(folder, brain.stimuli, name)),
        brain,
        tuple(stimulus.rsplit("_", 1)[0] for stimulus in brain.stimuli),
    )


def _build(kept: Path, folder: Path, choice: str, name: str, progress: bool) -> None:
    lacking = [] if (folder / IMAGES).is_dir() else [_GET_IMAGES]
    try:
        find_subjects(folder)
        check_no_subject_lacks_responses(folder)
    except FileNotFoundError as error:
        # With some files there, the sentence that says which of them is absent helps most.
        some = folder.is_dir() and any(p.name.startswith("sub-") for p in files_below(folder))
        lacking.insert(0, f"{error}; get {_GET_BETAS}" if some else _GET_BETAS)
    except ValueError as error:
        raise BrokenDataError(str(error)) from error
    if lacking:
        raise _missing(name, folder, lacking)
    if progress:
        print(f"reading THINGS-fMRI betas below {folder}, once: {kept.name}", file=sys.stderr)
    try:
        brain = load_things_fmri(folder, stimuli=choice)
    except ThingsFileError as error:
        raise BrokenDataError(f"{folder}: {error}; download that file anew.") from error
    _images(folder, brain.stimuli, name)
    brain.save(kept)


def _read(kept: Path) -> BrainRDMs:
    try:
        return BrainRDMs.load(kept)
    except BrainFileError as error:
        raise BrokenDataError(f"{error}; delete it, and it is made anew from the betas.") from error


def _images(folder: Path, stimuli: Sequence[str], name: str) -> list[Path]:
    if not (folder / IMAGES).is_dir():
        raise _missing(name, folder, [_GET_IMAGES])
    try:
        return image_paths(folder / IMAGES, stimuli)
    except FileNotFoundError as error:
        raise MissingDataError(f"data set {name!r}: {error}.") from error


def _missing(name: str, folder: Path, lacking: Sequence[str]) -> MissingDataError:
    return MissingDataError(
        f"data set {name!r} (THINGS) is not whole in {folder}: it lacks "
        f"{'; and '.join(lacking)}; put that there, or name the folder that holds {FOLDER}/ with "
        f"--data-dir or {ENVIRONMENT} (docs/data.md), or take the stimuli 'brain92' (real, 6 MB) "
        "or 'demo' (simulated)."
    )
