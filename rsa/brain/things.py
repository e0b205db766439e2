"""THINGS-fMRI (Hebart et al. 2023, doi:10.7554/eLife.82580): raw betas -> BrainRDMs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.rsa.brain.brain import BrainRDMs
from neurosim.rsa.brain.things_files import (
    SubjectFiles,
    ThingsFileError,
    check_no_subject_lacks_responses,
    find_subjects,
    open_responses,
    read_trials,
    read_voxels,
)
from neurosim.rsa.compare.comparator import constant_rows
from neurosim.rsa.formats.numpy_files import NumpyFileError, read_npy
from neurosim.rsa.rdm.rdm import compute_quietly
from neurosim.rsa.rdm.squares import to_condensed

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

SOURCE = "Hebart et al. 2023, eLife 12:e82580, doi:10.7554/eLife.82580 (THINGS-fMRI)"

THINGS_ROIS: Mapping[str, tuple[str, ...]] = {
    "V1": ("V1",),
    "V2": ("V2",),
    "V3": ("V3",),
    "V4": ("hV4",),
    "LOC": ("lLOC", "rLOC"),
    "IT": ("IT",),
}
"""ROI -> the columns of the voxel table whose union it is."""


class Stimuli(NamedTuple):
    """The stimuli of an RDM, and which trials each is the mean of."""

    names: tuple[str, ...]
    trials: tuple[NDArray[np.intp], ...]


def first_exemplars(trials: pd.DataFrame) -> Stimuli:
    """For each concept, alphabetically, its first image in sort order; the mean over the trials
    of that image (one, unless it is a test image)."""
    firsts = trials.groupby("concept", sort=True)["stimulus"].min()
    return _means_of("stimulus", trials, firsts.tolist())


def concept_means(trials: pd.DataFrame) -> Stimuli:
    """Each concept, alphabetically; the mean over its training images."""
    train = trials[trials["trial_type"] == "train"]
    return _means_of("concept", train, sorted(train["concept"].unique()))


def test_images(trials: pd.DataFrame) -> Stimuli:
    """Each test image, alphabetically; the mean over its repetitions."""
    test = trials[trials["trial_type"] == "test"]
    return _means_of("stimulus", test, sorted(test["stimulus"].unique()))


test_images.__test__ = False  # type: ignore[attr-defined]  # a name that pytest would collect

STIMULUS_CHOICES: Mapping[str, Callable[[pd.DataFrame], Stimuli]] = {
    "first-exemplar": first_exemplars,
    "concept-mean": concept_means,
    "test-images": test_images,
}


def _means_of(column: str, trials: pd.DataFrame, names: Sequence[str]) -> Stimuli:
    places = trials.groupby(column)["trial_id"]
    return Stimuli(tuple(names), tuple(places.get_group(n).to_numpy(np.intp) for n in names))


def _over_all_trials(betas: Array, runs: NDArray[np.intp]) -> Array:
    return _standardised(betas)


def _within_runs(betas: Array, runs: NDArray[np.intp]) -> Array:
    z = np.empty_like(betas)
    for run in np.unique(runs):
        z[:, runs == run] = _standardised(betas[:, runs == run])
    return z


def _not_at_all(betas: Array, runs: NDArray[np.intp]) -> Array:
    return betas


def _standardised(betas: Array) -> Array:
    # A voxel that never varies becomes NaN and is left out of its ROIs.
    spread = np.where(constant_rows(betas), np.nan, betas.std(axis=1))[:, None]
    return np.asarray((betas - betas.mean(axis=1, keepdims=True)) / spread)


ZSCORES: Mapping[str, Callable[[Array, NDArray[np.intp]], Array]] = {
    "all-trials": _over_all_trials,
    "within-run": _within_runs,
    "none": _not_at_all,
}


def load_things_fmri(
    root: str | os.PathLike[str],
    *,
    stimuli: str = "first-exemplar",
    zscore: str = "all-trials",
    rois: Mapping[str, Sequence[str]] = THINGS_ROIS,
    subjects: Sequence[str] | None = None,
    exclude_same_run: bool = False,
    metric: str = "correlation",
) -> BrainRDMs:
    """RDMs of THINGS-fMRI from its raw single-trial betas, in either distribution.

    Only the voxels of the ROIs are read, 64 MB at a time, so the 16 GB files need little memory.

    Args:
        root: a folder with the files of all subjects below it.
        stimuli: ``first-exemplar`` (720 images, mostly one trial each: the published choice),
            ``concept-mean`` (720 concepts, 12 images each) or ``test-images`` (100 images, 12
            repetitions each: the highest signal-to-noise).
        zscore: each voxel over ``all-trials`` (published), ``within-run`` or ``none``.
        rois: name -> columns of the voxel table (their union).
        subjects: e.g. ("sub-01",); all found by default.
        exclude_same_run: mask the pairs of stimuli that share a run in any subject: noise is
            correlated within a run. Made for single trials; of the test images two thirds of
            the pairs share some run.

    Raises:
        FileNotFoundError: files are missing (says which and where to get them).
        ThingsFileError: a file does not fit; names it and the field.
    """
    choose = _choice(STIMULUS_CHOICES, stimuli, "stimuli")
    standardise = _choice(ZSCORES, zscore, "zscore")
    _check_names_of_parts(rois, subjects)
    files = _selected(find_subjects(root), subjects)
    if subjects is None:
        check_no_subject_lacks_responses(root)
    tables = [read_trials(f) for f in files]
    chosen = [choose(table) for table in tables]
    _check_same_stimuli(files, chosen)
    names = chosen[0].names
    if len(names) < 2:
        raise ThingsFileError(files[0].stimuli, "stimulus", f"has no two stimuli of {stimuli!r}")
    rdms = np.stack(
        [
            _subject_rdms(f, table, picked, rois, standardise, metric)
            for f, table, picked in zip(files, tables, chosen, strict=True)
        ]
    )
    mask = None
    if exclude_same_run:
        shared = [_share_run(t, c) for t, c in zip(tables, chosen, strict=True)]
        mask = ~np.logical_or.reduce(shared)
    return BrainRDMs(
        rdms.astype(np.float32),
        tuple(f.subject for f in files),
        tuple(rois),
        names,
        mask,
        SOURCE,
    )


def stimulus_names(
    table: str | os.PathLike[str], stimuli: str = "first-exemplar"
) -> tuple[str, ...]:
    """The names of one choice of stimuli, in the order of the RDMs, from one subject's table
    (``sub-01_StimulusMetadata.csv``)."""
    choose = _choice(STIMULUS_CHOICES, stimuli, "stimuli")
    path = Path(table)
    subject = path.name.partition("_")[0]
    if not path.is_file():
        raise FileNotFoundError(f"no table {path}")
    if not re.fullmatch(r"sub-\d+", subject):
        raise ThingsFileError(path, "file name", "does not start with sub-<number>_")
    return choose(read_trials(SubjectFiles(subject, path, path, path))).names


def _choice(known: Mapping[str, Callable], name: str, what: str) -> Callable:
    if name not in known:
        raise ValueError(f"unknown {what} {name!r}; known: {', '.join(known)}")
    return known[name]


def _check_names_of_parts(
    rois: Mapping[str, Sequence[str]], subjects: Sequence[str] | None
) -> None:
    if isinstance(subjects, str):
        raise TypeError(f"subjects is a sequence of names: give ({subjects!r},)")
    if subjects is not None and not len(subjects):
        raise ValueError("no subjects given; leave subjects out for all that are found")
    if not isinstance(rois, Mapping) or not rois:
        raise ValueError(f"rois maps names to columns of the voxel table, one or more; got {rois}")
    for name, columns in rois.items():
        if isinstance(columns, str) or not columns:
            raise TypeError(
                f"ROI {name!r} is a sequence of columns of the voxel table, e.g. ('V1',); "
                f"got {columns!r}"
            )


def _selected(
    files: tuple[SubjectFiles, ...], subjects: Sequence[str] | None
) -> tuple[SubjectFiles, ...]:
    if subjects is None:
        return files
    by_name = {f.subject: f for f in files}
    missing = [s for s in subjects if s not in by_name]
    if missing:
        raise ValueError(f"no files of {', '.join(missing)}; found {', '.join(by_name)}")
    return tuple(by_name[s] for s in subjects)


def _check_same_stimuli(files: Sequence[SubjectFiles], chosen: Sequence[Stimuli]) -> None:
    for f, other in zip(files, chosen, strict=True):
        if other.names != chosen[0].names:
            odd = sorted(set(other.names) ^ set(chosen[0].names))
            raise ThingsFileError(
                f.stimuli,
                "stimulus",
                f"{len(odd)} stimuli differ from {files[0].stimuli.name}, e.g. {odd[:3]}",
            )


def _subject_rdms(
    files: SubjectFiles,
    trials: pd.DataFrame,
    stimuli: Stimuli,
    rois: Mapping[str, Sequence[str]],
    standardise: Callable[[Array, NDArray[np.intp]], Array],
    metric: str,
) -> Array:
    """(n_rois, n_pairs) of one subject; NaN for a ROI the subject does not have."""
    columns = tuple(dict.fromkeys(column for parts in rois.values() for column in parts))
    table = read_voxels(files, columns)
    members = np.stack([table[list(parts)].any(axis=1) for parts in rois.values()])
    voxels = np.flatnonzero(members.any(axis=0))
    runs = _run_numbers(trials)
    patterns = np.empty((len(stimuli.names), len(voxels)))
    with open_responses(files, len(trials), table["voxel_id"].to_numpy()) as responses:
        for part, betas in responses.blocks(voxels):
            z = standardise(betas, runs)
            for i, places in enumerate(stimuli.trials):
                patterns[i, part] = z[:, places].mean(axis=1)
    n = len(stimuli.names)
    rdms = np.full((len(rois), n * (n - 1) // 2), np.nan)
    varies = ~np.isnan(patterns).any(axis=0)
    for r, member in enumerate(members):
        kept = member[voxels] & varies
        if kept.any():
            rdms[r] = compute_quietly(patterns[:, kept], metric).dissimilarities
    return rdms


def _run_numbers(trials: pd.DataFrame) -> NDArray[np.intp]:
    """A number for each run: runs are counted anew in every session."""
    return np.asarray(trials.groupby(["session", "run"]).ngroup().to_numpy(np.intp))


def _share_run(trials: pd.DataFrame, stimuli: Stimuli) -> NDArray[np.bool_]:
    runs = _run_numbers(trials)
    shown = np.zeros((len(stimuli.names), runs.max() + 1), dtype=np.float32)
    for i, places in enumerate(stimuli.trials):
        shown[i, runs[places]] = 1.0
    return to_condensed(shown @ shown.T) > 0


def load_npy_rdms(
    folder: str | os.PathLike[str], stimuli: Sequence[str], *, source: str = SOURCE
) -> BrainRDMs:
    """The square RDMs ``fmri_rdm_{ROI}_{subject}.npy`` that the published comparison stored.

    Args:
        stimuli: their names in the order of the rows (there: concepts in alphabetical order);
            the files do not say.
    """
    pattern = re.compile(r"fmri_rdm_(?P<roi>.+)_(?P<subject>[^_]+)\.npy")
    found = {}
    for path in sorted(Path(folder).glob("fmri_rdm_*.npy")):
        match = pattern.fullmatch(path.name)
        if match:
            found[match["subject"], match["roi"]] = path
    if not found:
        raise FileNotFoundError(f"no fmri_rdm_<ROI>_<subject>.npy in {os.fspath(folder)}")
    subjects = sorted({subject for subject, _ in found})
    rois = sorted({roi for _, roi in found})
    n = len(stimuli)
    rdms = np.full((len(subjects), len(rois), n * (n - 1) // 2), np.nan, dtype=np.float32)
    for (subject, roi), path in found.items():
        rdms[subjects.index(subject), rois.index(roi)] = _read_square(path, n)
    return BrainRDMs(rdms, tuple(subjects), tuple(rois), tuple(stimuli), source=source)


def _read_square(path: Path, n: int) -> Array:
    try:
        square = read_npy(path)
    except NumpyFileError as error:
        raise ThingsFileError(path, "file", f"is not a whole .npy file: {error}") from error
    if square.shape != (n, n) or square.dtype.kind != "f":
        raise ThingsFileError(
            path, "array", f"is {square.dtype} {square.shape}, expected floats ({n}, {n})"
        )
    if not np.isfinite(square).all():
        raise ThingsFileError(path, "array", "holds NaN or infinity")
    try:
        return to_condensed(square)
    except ValueError as error:
        raise ThingsFileError(path, "array", str(error)) from error


def image_paths(folder: str | os.PathLike[str], stimuli: Sequence[str]) -> list[Path]:
    """The image files of stimuli (``dog_12s.jpg`` -> ``<folder>/dog/dog_12s.jpg``), found by
    exact name: an image next to a missing one is another image."""
    paths = [Path(folder) / name.rsplit("_", 1)[0] / name for name in stimuli]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(paths)} stimulus images are missing, e.g. {missing[0]}; the "
            "THINGS images (osf.io/jum2f) unpack to object_images/<concept>/<stimulus>"
        )
    return paths
