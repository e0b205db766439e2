"""A brain from any file: the same numbers whatever the format, in the order of the images."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import squareform

from neurosim.rsa import BrainRDMs, brain_of_file, compute_rdm

N = 7
NAMES = tuple(f"item {i}" for i in range(N))
RNG = np.random.default_rng(0)
#: (subject, ROI, pair)
RDMS = RNG.random((2, 2, N * (N - 1) // 2)).astype(np.float32)
SQUARES = np.stack([[squareform(rdm) for rdm in subject] for subject in RDMS])


def write(folder, ending):
    """One file; returns it, and the RDMs (subject, ROI, pair) that it holds."""
    path = folder / f"it.{ending}"
    if ending == "csv":
        np.savetxt(path, SQUARES[0, 0], delimiter=",")
        return path, RDMS[:1, :1]
    if ending == "npy":
        np.save(path, SQUARES[:, 0])
        return path, RDMS[:, :1]
    if ending == "npz":
        np.savez(path, EVC=SQUARES[:, 0], IT=SQUARES[:, 1])
        return path, RDMS
    BrainRDMs(RDMS, ("a", "b"), ("EVC", "IT"), NAMES, source="a paper").save(path)
    return path, RDMS


@pytest.mark.parametrize("ending", ["csv", "npy", "npz", "h5"])
def test_every_format_gives_the_same_rdms(tmp_path, ending):
    path, expected = write(tmp_path, ending)
    brain = brain_of_file(path, NAMES)
    np.testing.assert_allclose(brain.rdms, expected, rtol=1e-6)
    assert brain.stimuli == NAMES
    assert brain.rois == {"csv": ("it",), "npy": ("it",)}.get(ending, ("EVC", "IT"))
    assert len(brain.subjects) == len(expected)
    assert (brain.source == "a paper") == (ending == "h5")


def test_responses_become_rdms(tmp_path):
    responses = RNG.random((N, 30))
    np.save(tmp_path / "v1.npy", responses)
    brain = brain_of_file(tmp_path / "v1.npy", NAMES)
    np.testing.assert_allclose(brain.rdms[0, 0], compute_rdm(responses).dissimilarities, rtol=1e-6)
    assert brain.rois == ("v1",)


def test_stimuli_that_have_names_are_matched_by_them(tmp_path):
    """A file in another order gives the RDM of the images' order."""
    order = RNG.permutation(N)
    path = tmp_path / "b.h5"
    shuffled = np.stack([[s[np.ix_(order, order)] for s in subject] for subject in SQUARES])
    names = tuple(NAMES[i] for i in order)
    BrainRDMs(shuffled.astype(np.float32), ("a", "b"), ("EVC", "IT"), names).save(path)
    np.testing.assert_array_equal(brain_of_file(path, NAMES).rdms, RDMS)
    assert brain_of_file(path, NAMES, rois=["IT"]).rois == ("IT",)


def test_other_stimuli_are_refused(tmp_path):
    path, _ = write(tmp_path, "h5")
    with pytest.raises(ValueError, match="7 stimuli, but there are 6 images"):
        brain_of_file(path, NAMES[:6])
    with pytest.raises(ValueError, match=r"no image is called, such as 'item 0'.*are called 'x0'"):
        brain_of_file(path, [f"x{i}" for i in range(N)])
    with pytest.raises(FileNotFoundError, match="no file"):
        brain_of_file(tmp_path / "nowhere.csv", NAMES)
