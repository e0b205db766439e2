"""92 object photographs, and human EVC and IT while they were seen.

Photographs, categories and hIT (4 subjects, 2 sessions): Kriegeskorte et al. 2008, Neuron
60:1126, doi:10.1016/j.neuron.2008.10.043. EVC and IT of 15 subjects (fMRI, 1 - Pearson):
Cichy, Pantazis & Oliva 2014, Nat Neurosci 17:455, doi:10.1038/nn.3635. Both have the images
in the same order.

The rights in the photographs are unclear: they are not part of this repository, but come
from the data directory or, converted once, from the four original files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from scipy.io import loadmat

from neurosim.experiments.data.downloads import RemoteFile, fetch, present
from neurosim.experiments.data.files import (
    Access,
    Field,
    missing,
    read_npz,
    write_npz,
)
from neurosim.experiments.data.types import StimulusSet
from neurosim.rsa import BrainRDMs
from neurosim.rsa.formats.numpy_files import open_npz

FILE = "brain92.npz"
REBUILD = "delete it and run again with --download, which builds it anew from its sources"
ORIGINALS = "originals"  # folder of the downloaded files, below the data directory
N_STIMULI, PX = 92, 175
N_PAIRS = N_STIMULI * (N_STIMULI - 1) // 2
DEFAULT_ROIS = ("EVC", "IT")
FLAGS = ("human", "face", "animal", "natural")
LAYOUT: Mapping[str, Field] = MappingProxyType(
    {
        "images": Field("u1", (N_STIMULI, PX, PX, 3)),
        "category": Field("U", (N_STIMULI,)),
        **{f"is_{flag}": Field("u1", (N_STIMULI,)) for flag in FLAGS},
        "EVC": Field("f4", (15, N_PAIRS)),
        "IT": Field("f4", (15, N_PAIRS)),
        "k2008_hIT": Field("f4", (4, 2, N_PAIRS)),
    }
)

_RSATOOLBOX = (
    "https://raw.githubusercontent.com/rsagroup/rsatoolbox/"
    "f1f83cadb7243492a1aae7460466e0f0140b20ac/demos/92imageData"
)
_NET2BRAIN = (
    "https://raw.githubusercontent.com/cvai-roig-lab/Net2Brain/"
    "05ac462951ef792ff2ba70c4b97d5409a8e44289/input_data/brain_data/92images"
)
STIMULI_MAT = RemoteFile(
    _RSATOOLBOX,
    "Kriegeskorte_Neuron2008_supplementalData.mat",
    "sha256",
    "06f21214399a5d43dc264eed19a7f4b8daf11c8622a59eec3e106064ce5e3504",
)
HIT_MAT = RemoteFile(
    _RSATOOLBOX,
    "92_brainRDMs.mat",
    "sha256",
    "1743f90a15e895798a94318649e80e1123a7e5943a1703fa1dd7c31ea5780b7c",
)
EVC_NPZ = RemoteFile(
    _NET2BRAIN,
    "fmri_EVC_RDMs.npz",
    "sha256",
    "c73de20f9cb2229f1796085e79c153f63a4287b8bf7faaf7531571b1898d3f8b",
)
IT_NPZ = RemoteFile(
    _NET2BRAIN,
    "fmri_IT_RDMs.npz",
    "sha256",
    "ecf104457ae841d2a2bf503fb0dc16c6387e32d0cd74fb5217ca4ef859a805dd",
)
SOURCES = (STIMULI_MAT, HIT_MAT, EVC_NPZ, IT_NPZ)


def load_brain92(access: Access, rois: Sequence[str] | None = None) -> StimulusSet:
    """The set with the given ROIs of ROIS (None: EVC and IT), converted first if need be."""
    rois = DEFAULT_ROIS if rois is None else tuple(rois)
    unknown = [roi for roi in rois if roi not in ROIS]
    if unknown or not rois:
        raise ValueError(f"brain92 has no ROI {', '.join(unknown)!r}; it has {', '.join(ROIS)}.")
    path = access.folder / FILE
    if not path.exists():
        _build(path, access)
    arrays = read_npz(path, LAYOUT, REBUILD)
    category = tuple(str(label) for label in arrays["category"])
    return StimulusSet.of("brain92", arrays["images"], _brain(arrays, category, rois), category)


def _build(path: Path, access: Access) -> None:
    folder = access.folder / ORIGINALS
    if access.download:
        for remote in SOURCES:
            fetch(remote, folder, progress=access.progress)
    elif not all(present(remote, folder) for remote in SOURCES):
        raise missing(
            "brain92",
            f"{FILE} (nor {ORIGINALS}/ with all of its four source files)",
            access.folder,
            "let it be downloaded (6 MB) with --download",
        )
    write_npz(path, convert(folder))


def convert(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of LAYOUT from the four original files in `folder`.

    Nothing is scaled or reordered: RDMs lose their lower triangle and become float32.
    """
    objects = loadmat(folder / STIMULI_MAT.name)["stimuli_92objs"][0]
    sessions = loadmat(folder / HIT_MAT.name)["RDMs"][0]["RDM"]  # (4 subjects, 2 sessions)
    arrays = {
        "images": np.stack(list(objects["image"])),
        "category": np.array([label.item() for label in objects["category"]]),
        **{f"is_{flag}": np.array([f.item() for f in objects[flag]], np.uint8) for flag in FLAGS},
        "EVC": _net2brain(folder / EVC_NPZ.name),
        "IT": _net2brain(folder / IT_NPZ.name),
        "k2008_hIT": np.stack([_condensed(np.stack(list(subject))) for subject in sessions]),
    }
    return {key: arrays[key] for key in LAYOUT}


def _net2brain(path: Path) -> np.ndarray:
    with open_npz(path) as arrays:
        return _condensed(arrays["Net_RDM"].read())


def _condensed(squares: np.ndarray) -> np.ndarray:
    """Upper triangles (..., n_pairs), row major, float32 of square RDMs (..., n, n)."""
    row, column = np.triu_indices(squares.shape[-1], 1)
    return squares[..., row, column].astype(np.float32)


@dataclass(frozen=True)
class MeasuredROI:
    """A ROI of the file: its field, its subjects in the field's order, who measured it."""

    field: str
    subjects: tuple[str, ...]
    citation: str

    def rdms(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The condensed RDM (n_pairs,) of each subject, the mean of his sessions."""
        by_session = arrays[self.field].reshape(len(self.subjects), -1, N_PAIRS)
        return dict(zip(self.subjects, by_session.mean(axis=1), strict=True))


_CICHY = "Cichy, Pantazis & Oliva 2014, doi:10.1038/nn.3635"
_KRIEGESKORTE = "Kriegeskorte et al. 2008, doi:10.1016/j.neuron.2008.10.043"
_CICHY_SUBJECTS = tuple(f"cichy-{i:02d}" for i in range(1, 16))
ROIS: Mapping[str, MeasuredROI] = MappingProxyType(
    {
        "EVC": MeasuredROI("EVC", _CICHY_SUBJECTS, _CICHY),
        "IT": MeasuredROI("IT", _CICHY_SUBJECTS, _CICHY),
        "hIT": MeasuredROI(
            "k2008_hIT",
            tuple(f"kriegeskorte-{who}" for who in ("BE", "KO", "SN", "TI")),
            _KRIEGESKORTE,
        ),
    }
)


def _brain(
    arrays: Mapping[str, np.ndarray], category: Sequence[str], rois: Sequence[str]
) -> BrainRDMs:
    """The subjects who have at least one of the ROIs; a row of NaN where one lacks a ROI."""
    parts = {roi: ROIS[roi].rdms(arrays) for roi in rois}
    subjects = list(dict.fromkeys(name for part in parts.values() for name in part))
    rdms = np.full((len(subjects), len(rois), N_PAIRS), np.nan, np.float32)
    for j, part in enumerate(parts.values()):
        for name, rdm in part.items():
            rdms[subjects.index(name), j] = rdm
    return BrainRDMs(
        rdms=rdms,
        subjects=tuple(subjects),
        rois=tuple(rois),
        stimuli=tuple(f"{i + 1:02d} {label}" for i, label in enumerate(category)),
        source="; ".join(dict.fromkeys(ROIS[roi].citation for roi in rois)),
        simulated=False,
    )
