"""SIMULATED data in the exact layout of the real files, made once per test process.

What these tests hold is about files (names, shapes, order, damage), which made numbers show as well
as measured ones; facts about the real numbers are tests marked with `needs.data`.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import pandas as pd
from PIL import Image
from scipy.io import savemat

from neurosim.experiments.data import brain92 as real
from neurosim.experiments.data.cifar10 import PARTS
from neurosim.experiments.data.downloads import RemoteFile
from neurosim.experiments.data.files import write_npz

_SCRATCH = TemporaryDirectory(prefix="neurosim-made-")
ROOT = Path(_SCRATCH.name)

# --- CIFAR-10 -----------------------------------------------------------------------------------

CIFAR_NAMES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
SIZES = {"cifar10-12k": (10_000, 2_000), "cifar10-mini": (1_000, 500)}


@cache
def cifar10() -> Path:
    """A folder with both parts of CIFAR-10: noise, as many images of each class."""
    rng = np.random.default_rng(0)
    for part, (n_train, n_test) in SIZES.items():
        arrays: dict[str, np.ndarray] = {"class_names": np.array(CIFAR_NAMES)}
        for name, n in (("train", n_train), ("test", n_test)):
            arrays[f"x_{name}"] = rng.integers(0, 256, (n, 32, 32, 3), np.uint8)
            arrays[f"y_{name}"] = rng.permutation(np.arange(n) % 10)
        np.savez(ROOT / PARTS[part], **arrays)  # type: ignore[arg-type]
    return ROOT


# --- brain92 ------------------------------------------------------------------------------------


def _squares(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Symmetric matrices (..., 92, 92) with a zero diagonal."""
    values = rng.uniform(0, 2, (*shape, real.N_STIMULI, real.N_STIMULI))
    upper = np.triu(values, 1)
    return upper + np.swapaxes(upper, -1, -2)


@cache
def brain92() -> Path:
    """A folder with the four original files in originals/, and brain92.npz made from them."""
    rng = np.random.default_rng(1)
    folder = ROOT / real.ORIGINALS
    folder.mkdir()
    flags = [(flag, "O") for flag in real.FLAGS]
    objects = np.empty((1, real.N_STIMULI), dtype=[("category", "O"), *flags, ("image", "O")])
    for i in range(real.N_STIMULI):
        bits = {flag: np.uint8(i >> b & 1) for b, flag in enumerate(real.FLAGS)}
        image = rng.integers(0, 256, (real.PX, real.PX, 3), np.uint8)
        objects[0, i] = (f"category {i % 6}", *bits.values(), image)
    savemat(folder / real.STIMULI_MAT.name, {"stimuli_92objs": objects})
    sessions = np.empty((1, 4, 2), dtype=[("RDM", "O"), ("name", "O")])
    for i, square in enumerate(_squares(rng, 8)):
        sessions[0, i // 2, i % 2] = (square, f"subject {i // 2}, session {i % 2}")
    savemat(folder / real.HIT_MAT.name, {"RDMs": sessions})
    for remote in (real.EVC_NPZ, real.IT_NPZ):
        np.savez(folder / remote.name, Net_RDM=_squares(rng, 15))
    write_npz(ROOT / real.FILE, real.convert(folder))
    return ROOT


def brain92_sources() -> tuple[RemoteFile, ...]:
    """SOURCES of the made originals: the same names, their own checksums."""
    folder = brain92() / real.ORIGINALS
    return tuple(
        RemoteFile(r.base_url, r.name, "sha256", hashlib.sha256(body).hexdigest())
        for r in real.SOURCES
        for body in [(folder / r.name).read_bytes()]
    )


# --- THINGS-fMRI --------------------------------------------------------------------------------

CONCEPTS = (
    "alligator", "ant", "bat1", "bed", "bike", "boat", "candelabra", "couch", "dog", "drum",
    "guitar", "ice_cream", "jar", "key", "mango", "panda", "pepper1", "spatula", "train",
    "washing_machine",
)  # fmt: skip
_TESTED = (1, 6, 9, 14, 18)
_ROIS = (
    "V1", "V2", "V3", "hV4", "VO1", "VO2", "LO1 (prf)", "LO2 (prf)", "TO1", "TO2", "V3b", "V3a",
    "lEBA", "rEBA", "lFFA", "rFFA", "lOFA", "rOFA", "lSTS", "rSTS", "lPPA", "rPPA", "lRSC", "rRSC",
    "lTOS", "rTOS", "lLOC", "rLOC", "IT", "glasser-V1", "glasser-FFC", "glasser-TE2p",
)  # fmt: skip
# ROI: voxels, and how much of their response is low level; "" is a voxel of no ROI.
_VOXELS = {
    "V1": (40, 1.0), "V2": (30, 0.8), "V3": (20, 0.7), "hV4": (20, 0.5), "lLOC": (30, 0.25),
    "rLOC": (30, 0.25), "IT": (60, 0.1), "": (70, None),
}  # fmt: skip


@cache
def things() -> Path:
    """A folder like THINGS-fMRI's: betas_csv/ of 3 subjects (12 sessions), object_images/."""
    rng = np.random.default_rng(0)
    folder = ROOT / "things_fixture"
    (folder / "betas_csv").mkdir(parents=True)
    trials, low = _trials(rng, folder / "object_images")
    meaning = rng.standard_normal((len(CONCEPTS), 8))
    semantic = np.array([meaning[CONCEPTS.index(concept)] for *_, concept in trials])
    for subject in (1, 2, 3):
        _subject(folder / "betas_csv", subject, trials, low, semantic)
    return folder


def _trials(rng: np.random.Generator, images: Path) -> tuple[list[tuple], np.ndarray]:
    """(trial_type, session, run, stimulus, concept) in order, and what is low level in each."""
    trials: list[tuple] = []
    seen: dict[str, list[float]] = {}
    for session in range(1, 13):
        shown = [("train", c, session) for c in range(len(CONCEPTS))]
        shown += [("test", c, 14) for c in _TESTED]
        for place, k in enumerate(rng.permutation(len(shown))):
            kind, concept, exemplar = shown[k]
            name = f"{CONCEPTS[concept]}_{exemplar:02d}s.jpg"
            run = 1 + (place >= len(shown) // 2)
            trials.append((kind, session, run, name, CONCEPTS[concept]))
            if name not in seen:
                path = images / CONCEPTS[concept] / name
                path.parent.mkdir(parents=True, exist_ok=True)
                seen[name] = _photograph(path, concept, exemplar)
    return trials, np.array([seen[name] for *_, name, _ in trials])


def _photograph(path: Path, concept: int, exemplar: int) -> list[float]:
    """Writes a shape on a grating; returns the grating's orientation and frequency, as features."""
    rng = np.random.default_rng(1000 * concept + exemplar)
    y, x = np.mgrid[:64, :64] / 64.0
    angle, frequency = rng.uniform(0, np.pi), rng.uniform(3, 10)
    grating = 0.5 + 0.3 * np.cos(2 * np.pi * frequency * (x * np.cos(angle) + y * np.sin(angle)))
    across, down = 0.5 + 0.2 * rng.standard_normal(2)
    size, power = 0.12 + 0.01 * concept, 1 + concept % 4
    shape = np.abs(x - across) ** power + np.abs(y - down) ** power < size**power
    colour = np.random.default_rng(concept).uniform(0, 1, 3)
    pixels = np.where(shape[..., None], colour, grating[..., None]).clip(0, 1) * 255
    Image.fromarray(pixels.astype(np.uint8)).save(path, quality=92)
    f = (frequency - 6.5) / 2
    return [np.cos(2 * angle), np.sin(2 * angle), f, frequency * np.cos(angle) / 6.5]


def _subject(
    folder: Path, subject: int, trials: list[tuple], low: np.ndarray, semantic: np.ndarray
) -> None:
    rng = np.random.default_rng(subject)
    labels = [roi for roi, (n, _) in _VOXELS.items() for _ in range(n + subject)]
    n = len(labels)
    betas = np.empty((n, len(trials)))
    for voxel, roi in enumerate(labels):
        betas[voxel] = 0.1 * rng.standard_normal(len(trials))
        share = _VOXELS[roi][1]
        if share is not None:
            betas[voxel] += 0.05 * share * (low @ rng.standard_normal(4))
            betas[voxel] += 0.05 * (1 - share) * (semantic @ rng.standard_normal(8))
    stem = folder / f"sub-{subject:02d}"
    with h5py.File(f"{stem}_ResponseData.h5", "w") as file:
        group = file.create_group("ResponseData")  # a fixed-format frame, as pandas writes it
        group["block0_values"], group["block1_values"] = betas, np.arange(n)[:, None]
        group["axis0"] = np.frombuffer(b"stands for a pickle, which nobody may read", np.uint8)
    rows = [
        (kind, session, run, subject, i, name, concept)
        for i, (kind, session, run, name, concept) in enumerate(trials)
    ]
    columns = ["trial_type", "session", "run", "subject_id", "trial_id", "stimulus", "concept"]
    pd.DataFrame(rows, columns=columns).to_csv(f"{stem}_StimulusMetadata.csv", index=False)
    voxels = {"voxel_id": np.arange(n), "subject_id": subject, "nc_testset": rng.uniform(0, 50, n)}
    voxels |= {roi: [int(label == roi) for label in labels] for roi in _ROIS}
    pd.DataFrame(voxels).to_csv(f"{stem}_VoxelMetadata.csv", index=False)
