"""THINGS-fMRI files: read exactly, in both distributions, or refused with file and field."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import needs
import numpy as np
import pandas as pd
import pytest
from made_data import things

from neurosim.rsa.brain.things import (
    THINGS_ROIS,
    image_paths,
    load_npy_rdms,
    load_things_fmri,
    stimulus_names,
)
from neurosim.rsa.brain.things_files import ThingsFileError


@pytest.fixture
def betas(tmp_path: Path) -> Path:
    """A writable copy of subject 1 and 2, as figshare names them."""
    folder = tmp_path / "betas_csv"
    folder.mkdir()
    for path in sorted((things() / "betas_csv").glob("sub-0[12]*")):
        shutil.copyfile(path, folder / path.name)
    return folder


def as_openneuro(source: Path, target: Path, separator: str) -> Path:
    """The OpenNeuro layout of the same numbers."""
    for responses in sorted(source.glob("sub-*_ResponseData.h5")):
        subject = responses.name.split("_")[0]
        folder = target / "ds004192/derivatives/ICA-betas" / subject / "voxel-metadata"
        folder.mkdir(parents=True)
        shutil.copyfile(responses, folder / f"{subject}_task-things_voxel-wise-responses.h5")
        for ours, theirs in (
            ("StimulusMetadata", "stimulus-metadata"),
            ("VoxelMetadata", "voxel-metadata"),
        ):
            table = pd.read_csv(source / f"{subject}_{ours}.csv")
            table.to_csv(folder / f"{subject}_task-things_{theirs}.tsv", sep=separator, index=False)
    return target


def by_hand(
    subject: int, roi: str, stimuli: str, zscore: str, root: Path | None = None
) -> np.ndarray:
    """The RDM straight from the definition, through pandas and numpy only."""
    folder = (root or things()) / "betas_csv"
    with h5py.File(folder / f"sub-0{subject}_ResponseData.h5") as file:
        x = file["ResponseData/block0_values"][...]
    trials = pd.read_csv(folder / f"sub-0{subject}_StimulusMetadata.csv")
    voxels = pd.read_csv(folder / f"sub-0{subject}_VoxelMetadata.csv")
    x = x[(voxels[list(THINGS_ROIS[roi])] > 0).any(axis=1)]
    if zscore == "all-trials":
        x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    elif zscore == "within-run":
        for _, rows in trials.groupby(["session", "run"]).groups.items():
            part = x[:, rows]
            x[:, rows] = (part - part.mean(1, keepdims=True)) / part.std(1, keepdims=True)
    if stimuli == "concept-mean":
        trials = trials[trials.trial_type == "train"]
        groups = [trials.index[trials.concept == c] for c in sorted(trials.concept.unique())]
    elif stimuli == "test-images":
        trials = trials[trials.trial_type == "test"]
        groups = [trials.index[trials.stimulus == s] for s in sorted(trials.stimulus.unique())]
    else:
        firsts = [
            sorted(trials.stimulus[trials.concept == c])[0] for c in sorted(set(trials.concept))
        ]
        groups = [trials.index[trials.stimulus == s] for s in firsts]
    patterns = np.stack([x[:, g].mean(1) for g in groups])
    return (1 - np.corrcoef(patterns))[np.triu_indices(len(patterns), 1)]


@pytest.mark.parametrize("zscore", ["all-trials", "within-run", "none"])
@pytest.mark.parametrize("stimuli", ["first-exemplar", "concept-mean", "test-images"])
def test_rdms_are_those_of_the_definition(stimuli: str, zscore: str) -> None:
    brain = load_things_fmri(things(), stimuli=stimuli, zscore=zscore)
    assert brain.subjects == ("sub-01", "sub-02", "sub-03")
    assert brain.rois == ("V1", "V2", "V3", "V4", "LOC", "IT")
    for s, roi in [(0, "V1"), (1, "LOC"), (2, "IT")]:
        expected = by_hand(s + 1, roi, stimuli, zscore)
        # stored as float32
        np.testing.assert_allclose(brain.of_roi(roi)[s], expected, rtol=2e-7, atol=2e-7)
    assert len(brain.stimuli) == {"test-images": 5}.get(stimuli, 20)


@needs.data("things_fixture")
def test_a_file_that_pandas_wrote_is_read() -> None:
    """The files above are written with h5py; the published ones with DataFrame.to_hdf."""
    path = needs.DATA / "things_fixture"
    for stimuli in ("first-exemplar", "test-images"):
        brain = load_things_fmri(path, stimuli=stimuli)
        expected = by_hand(2, "LOC", stimuli, "all-trials", path)
        np.testing.assert_allclose(brain.of_roi("LOC")[1], expected, rtol=2e-7, atol=2e-7)


def test_stimuli_are_named_exactly_and_alphabetical_by_concept() -> None:
    first = load_things_fmri(things(), subjects=["sub-02"])
    assert first.stimuli[11] == "ice_cream_01s.jpg"
    assert list(first.stimuli) == sorted(first.stimuli)
    assert "washing_machine" in load_things_fmri(things(), stimuli="concept-mean").stimuli
    assert load_things_fmri(things(), stimuli="test-images").stimuli[0] == "ant_14s.jpg"
    paths = image_paths(things() / "object_images", first.stimuli)
    assert paths[11].parent.name == "ice_cream"
    with pytest.raises(FileNotFoundError, match="dog_99s"):
        image_paths(things() / "object_images", ["dog_01s.jpg", "dog_99s.jpg"])


@pytest.mark.parametrize("separator", [",", "\t"])
def test_openneuro_is_the_same_numbers(betas: Path, tmp_path: Path, separator: str) -> None:
    other = load_things_fmri(as_openneuro(betas, tmp_path / "on", separator))
    ours = load_things_fmri(betas)
    np.testing.assert_array_equal(other.rdms, ours.rdms)
    assert other.stimuli == ours.stimuli


def test_the_transpose_is_the_same_numbers(betas: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load_things_fmri(betas).rdms
    for path in betas.glob("*.h5"):
        with h5py.File(path, "r+") as file:
            values = file["ResponseData/block0_values"][...]
            del file["ResponseData/block0_values"]
            file["ResponseData/block0_values"] = values.T
    # The transpose is gathered in float32, as all users of these files do.
    np.testing.assert_allclose(load_things_fmri(betas).rdms, expected, atol=1e-5)


def test_blocks_of_voxels_join(betas: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load_things_fmri(betas).rdms
    monkeypatch.setattr("neurosim.rsa.brain.things_files._BLOCK_BYTES", 8 * 300 * 7)
    np.testing.assert_array_equal(load_things_fmri(betas).rdms, expected)


def test_responses_may_be_larger_than_memory(betas: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read in blocks of voxels."""
    expected = load_things_fmri(betas).rdms
    monkeypatch.setattr("neurosim.rsa.formats.numpy_files._memory_bytes", lambda: 100)
    np.testing.assert_array_equal(load_things_fmri(betas).rdms, expected)


def test_pairs_of_one_run_are_masked() -> None:
    brain = load_things_fmri(things(), exclude_same_run=True)
    trials = pd.read_csv(things() / "betas_csv/sub-01_StimulusMetadata.csv").set_index("stimulus")
    k = 0
    assert brain.pair_mask is not None
    for i, a in enumerate(brain.stimuli):
        for b in brain.stimuli[i + 1 :]:
            # the fixture shows all subjects the same order
            same = tuple(trials.loc[a, ["session", "run"]]) == tuple(
                trials.loc[b, ["session", "run"]]
            )
            assert brain.pair_mask[k] == (not same)
            k += 1
    assert 0 < brain.pair_mask.sum() < brain.n_pairs


def test_a_roi_that_a_subject_lacks_is_absent(betas: Path) -> None:
    path = betas / "sub-02_VoxelMetadata.csv"
    voxels = pd.read_csv(path)
    voxels["hV4"] = np.nan
    voxels.to_csv(path, index=False)
    brain = load_things_fmri(betas)
    np.testing.assert_array_equal(brain.has_roi()[:, 3], [True, False])
    assert brain.has_roi()[:, [0, 1, 2, 4, 5]].all()


def table(name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / f"sub-01_{name}.csv"
        change(pd.read_csv(path)).to_csv(path, index=False)

    return apply


def truncate(folder: Path) -> None:
    path = folder / "sub-01_ResponseData.h5"
    path.write_bytes(path.read_bytes()[:200_000])


def swap_subjects(folder: Path) -> None:
    shutil.copyfile(folder / "sub-02_StimulusMetadata.csv", folder / "sub-01_StimulusMetadata.csv")


def put_nan(folder: Path) -> None:
    with h5py.File(folder / "sub-01_ResponseData.h5", "r+") as file:
        file["ResponseData/block0_values"][3, 5] = np.nan


def shift_voxels(folder: Path) -> None:
    with h5py.File(folder / "sub-01_ResponseData.h5", "r+") as file:
        file["ResponseData/block1_values"][0] = 7


def rename_group(folder: Path) -> None:
    with h5py.File(folder / "sub-01_ResponseData.h5", "r+") as file:
        file.move("ResponseData/block0_values", "ResponseData/other")


STIMULI, VOXELS, BETAS = "sub-01_StimulusMetadata", "sub-01_VoxelMetadata", "sub-01_ResponseData"
DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "truncated betas": (truncate, rf"{BETAS}\.h5: file: "),
    "another subject's table": (swap_subjects, rf"{STIMULI}\.csv: subject_id: "),
    "lost trial": (
        table("StimulusMetadata", lambda t: t.iloc[:-1]),
        rf"{BETAS}\.h5: block0_values",
    ),
    "trials out of order": (
        table("StimulusMetadata", lambda t: t.sort_values("stimulus")),
        rf"{STIMULI}\.csv: trial_id",
    ),
    "wrong concept": (
        table("StimulusMetadata", lambda t: t.replace({"concept": {"dog": "cat"}})),
        rf"{STIMULI}\.csv: concept: .*'dog_\d\ds\.jpg' a 'cat'",
    ),
    "catch trials": (
        table("StimulusMetadata", lambda t: t.replace({"trial_type": {"test": "catch"}})),
        rf"{STIMULI}\.csv: trial_type: .*catch",
    ),
    "no run column": (
        table("StimulusMetadata", lambda t: t.drop(columns="run")),
        rf"{STIMULI}\.csv: columns: .*run",
    ),
    "no IT column": (
        table("VoxelMetadata", lambda t: t.drop(columns="IT")),
        rf"{VOXELS}\.csv: columns: .*IT",
    ),
    "lost voxel": (table("VoxelMetadata", lambda t: t.iloc[1:]), rf"{BETAS}\.h5: block0_values"),
    "ROI not 0 or 1": (
        table("VoxelMetadata", lambda t: t.assign(V1=t.V1 * 3)),
        rf"{VOXELS}\.csv: V1: ",
    ),
    "shuffled voxels": (shift_voxels, rf"{BETAS}\.h5: block1_values \(voxel_id\)"),
    "NaN": (put_nan, rf"{BETAS}\.h5: block0_values: voxel row 3"),
    "no betas": (rename_group, rf"{BETAS}\.h5: ResponseData"),
    "other stimuli": (
        table(
            "StimulusMetadata",
            lambda t: t.assign(stimulus=t.stimulus.str.replace("dog_01s", "dog_00s")),
        ),
        r"sub-02_StimulusMetadata\.csv: stimulus: .*dog_0",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_refused_with_file_and_field(betas: Path, damage: str) -> None:
    spoil, message = DAMAGE[damage]
    spoil(betas)
    with pytest.raises(ThingsFileError, match=message):
        load_things_fmri(betas)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", ["StimulusMetadata.csv", "VoxelMetadata.csv", "ResponseData.h5"])
def test_random_damage_raises_the_documented_error_only(betas: Path, name: str, seed: int) -> None:
    """Cut anywhere; tables also with random bytes."""
    rng = np.random.default_rng(seed)
    path = betas / f"sub-01_{name}"
    content = bytearray(path.read_bytes())
    if seed % 2 and not name.endswith("h5"):
        for place in rng.integers(0, len(content), 5):
            content[place] = rng.integers(0, 256)
    else:
        content = content[: rng.integers(0, len(content))]
    path.write_bytes(bytes(content))
    try:
        load_things_fmri(betas)
    except ThingsFileError as error:
        assert "sub-0" in str(error)  # noqa: PT017  # it may also load: a digit became another


@pytest.mark.parametrize("seed", range(40))
def test_damaged_metadata_of_the_responses_raises_the_documented_error_only(
    betas: Path, seed: int
) -> None:
    """Random bytes in the first 4 KiB, where HDF5 keeps names, types and places."""
    rng = np.random.default_rng(seed)
    path = betas / "sub-01_ResponseData.h5"
    content = bytearray(path.read_bytes())
    for place in rng.integers(0, 4096, rng.choice([1, 8, 64])):
        content[place] = rng.integers(0, 256)
    path.write_bytes(bytes(content))
    try:
        load_things_fmri(betas)
    except ThingsFileError as error:
        assert "sub-01_ResponseData.h5" in str(error)  # noqa: PT017  # unread bytes do no harm


def test_archives_and_missing_files_say_what_to_do(betas: Path, tmp_path: Path) -> None:
    archive = tmp_path / "betas_csv.zip"
    archive.write_bytes(b"\x1f\x8b\x08rest")
    with pytest.raises(ValueError, match="tar xzf"):
        load_things_fmri(archive)
    with pytest.raises(FileNotFoundError, match="20492835"):
        load_things_fmri(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"sub-01_ResponseData\.h5"):
        load_things_fmri(tmp_path / "empty")
    (betas / "sub-01_VoxelMetadata.csv").unlink()
    with pytest.raises(FileNotFoundError, match="sub-01_VoxelMetadata"):
        load_things_fmri(betas)
    with pytest.raises(ValueError, match="known: first-exemplar"):
        load_things_fmri(betas, stimuli="first")


def test_a_subject_whose_responses_are_missing_is_not_dropped(betas: Path) -> None:
    (betas / "sub-02_ResponseData.h5").unlink()
    with pytest.raises(FileNotFoundError, match=r"no sub-02_ResponseData\.h5.*subjects="):
        load_things_fmri(betas)
    assert load_things_fmri(betas, subjects=["sub-01"]).subjects == ("sub-01",)
    (betas / "sub-02_StimulusMetadata.csv").unlink()
    (betas / "sub-02_VoxelMetadata.csv").unlink()
    assert load_things_fmri(betas).subjects == ("sub-01",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subjects": "sub-01"}, r"give \('sub-01',\)"),
        ({"subjects": ()}, "no subjects given"),
        ({"rois": {"V1": "V1"}}, "ROI 'V1' is a sequence of columns"),
        ({"rois": {"V1": ()}}, "ROI 'V1' is a sequence of columns"),
        ({"rois": {}}, "rois maps names to columns"),
    ],
)
def test_names_of_subjects_and_rois_are_sequences(options: dict[str, object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        load_things_fmri(things(), **options)  # type: ignore[arg-type]


def test_the_square_rdms_of_the_published_comparison(tmp_path: Path) -> None:
    brain = load_things_fmri(things())
    from neurosim.rsa import to_square

    for s, subject in enumerate(brain.subjects):
        for r, roi in enumerate(brain.rois):
            np.save(tmp_path / f"fmri_rdm_{roi}_{subject}.npy", to_square(brain.rdms[s, r]))
    names = stimulus_names(things() / "betas_csv/sub-02_StimulusMetadata.csv")
    read = load_npy_rdms(tmp_path, names)
    assert read.stimuli == brain.stimuli
    order = [read.rois.index(roi) for roi in brain.rois]
    np.testing.assert_array_equal(read.rdms[:, order], brain.rdms)
    np.save(tmp_path / "fmri_rdm_V1_sub-01.npy", np.zeros((3, 3)))
    with pytest.raises(ThingsFileError, match=r"fmri_rdm_V1_sub-01\.npy: array"):
        load_npy_rdms(tmp_path, brain.stimuli)
    (tmp_path / "fmri_rdm_V1_sub-01.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(ThingsFileError, match=r"fmri_rdm_V1_sub-01\.npy: file"):
        load_npy_rdms(tmp_path, brain.stimuli)
