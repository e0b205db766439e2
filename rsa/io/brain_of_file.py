"""A brain from any file of RDMs or responses: what ``BrainRDMs.save`` wrote, and all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from neurosim.rsa.brain.brain import BrainRDMs
from neurosim.rsa.formats.numpy_files import read_npy
from neurosim.rsa.io.feature_files import load_features
from neurosim.rsa.io.rdm_files import load_rdms
from neurosim.rsa.rdm.rdm import RDM, compute_rdm


def brain_of_file(
    path: Path | str, stimuli: Sequence[str] | int, rois: Sequence[str] | None = None
) -> BrainRDMs:
    """The brain in a file, its stimuli in the order given.

    What ``BrainRDMs.save`` wrote is taken as it is. Of other files several RDMs under one name are
    the subjects of one ROI, RDMs under several names its ROIs, ``subject/ROI`` both. Responses are
    an array ``(n_stimuli, n_channels)`` of one ROI, or what ``load_features`` reads, an ROI per
    layer; their RDMs are 1 - Pearson correlation.

    Args:
        path: ``.npy``, ``.npz``, ``.csv``, ``.tsv``, ``.txt``, ``.mat``, ``.h5``; a folder of
            responses; ``file.mat::name`` for one entry.
        stimuli: names of the images. Those that the file names are matched with them; where it
            names none, they have to stand in this order. Or how many images there are: names and
            order are then the file's (``"0"``, ``"1"``, ... where it has none).
        rois: those wanted, in that order; None: all.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it holds neither RDMs nor responses, or those of other stimuli.
    """
    path = Path(path)
    if not Path(str(path).partition("::")[0]).exists():
        raise FileNotFoundError(f"no file {path}")
    n_stimuli = stimuli if isinstance(stimuli, int) else len(stimuli)
    brain = _saved(path) or _brain(path, n_stimuli)
    if isinstance(stimuli, int):
        return brain if rois is None else brain.select(rois=rois)
    if set(brain.stimuli) == set(stimuli):
        brain = brain.select(stimuli=stimuli)
    elif brain.n_stimuli == len(stimuli) and are_numbered(brain.stimuli):
        brain = replace(brain, stimuli=tuple(stimuli))
    else:
        raise ValueError(_other_stimuli(brain, stimuli))
    return brain if rois is None else brain.select(rois=rois)


def _saved(path: Path) -> BrainRDMs | None:
    if path.suffix not in (".h5", ".hdf5", ".npz"):
        return None
    try:
        return BrainRDMs.load(path)
    except (ValueError, OSError, KeyError):
        return None


def _brain(path: Path, n_stimuli: int) -> BrainRDMs:
    """Subjects and ROIs from the names of RDMs in a file."""
    rdms = _rdms(path, n_stimuli)
    places = {_place(name.removeprefix(f"{path.stem}/"), path.stem): r for name, r in rdms.items()}
    subjects = tuple(dict.fromkeys(subject for subject, _ in places))
    rois = tuple(dict.fromkeys(roi for _, roi in places))
    first = next(iter(rdms.values()))
    stack = np.full(
        (len(subjects), len(rois), len(first.dissimilarities)), np.nan, dtype=np.float32
    )
    for (subject, roi), rdm in places.items():
        stack[subjects.index(subject), rois.index(roi)] = rdm.dissimilarities
    n = first.n_stimuli
    names = first.stimuli or tuple(str(i) for i in range(n))
    return BrainRDMs(stack, subjects, rois, tuple(names), source=path.name)


def _place(name: str, stem: str) -> tuple[str, str]:
    """(subject, ROI) of an RDM by its name in the file."""
    parts = name.split("/")
    if name == stem:
        return "1", stem
    if parts[-1].isdecimal():
        return parts[-1], "/".join(parts[:-1]) or stem
    return ("1", name) if len(parts) == 1 else ("/".join(parts[:-1]), parts[-1])


def _rdms(path: Path, n_stimuli: int) -> dict[str, RDM]:
    if path.suffix == ".npy":
        array = read_npy(path)
        n_pairs = n_stimuli * (n_stimuli - 1) // 2
        if array.ndim == 2 and len(array) == n_stimuli and array.shape[1] not in (
            n_stimuli, n_pairs,
        ):  # fmt: skip
            return {path.stem: compute_rdm(array)}
    try:
        return dict(load_rdms(path))
    except (ValueError, OSError):
        if path.is_dir() or path.suffix == ".npz":
            tables = load_features(path)
            return {f"{path.stem}/{layer}": compute_rdm(table) for layer, table in tables.items()}
        raise


def are_numbered(names: Sequence[str]) -> bool:
    """Whether these are no names of stimuli, but numbers in place of them."""
    return list(names) == [str(i) for i in range(len(names))]


def _other_stimuli(brain: BrainRDMs, stimuli: Sequence[str]) -> str:
    if brain.n_stimuli != len(stimuli):
        return (
            f"{brain.n_stimuli} stimuli, but there are {len(stimuli)} images: give one image each"
        )
    odd = ", ".join(map(repr, sorted(set(brain.stimuli) - set(stimuli))[:4]))
    called = ", ".join(map(repr, sorted(stimuli)[:4]))
    return (
        f"stimuli that no image is called, such as {odd}, where images are called {called}: give "
        "both the same names, or the RDMs none"
    )
