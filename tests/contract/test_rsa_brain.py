"""BrainRDMs: validation, selection, files that appear whole or not at all."""

from __future__ import annotations

import contextlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.rsa import BrainRDMs, compute_rdm, noise_ceiling
from neurosim.rsa.brain.brain_files import BrainFileError


def brain(mask: bool = True) -> BrainRDMs:
    rng = np.random.default_rng(0)
    rdms = rng.gamma(2.0, size=(3, 2, 15)).astype(np.float32)
    rdms[1, 1] = np.nan  # subject b has no ROI IT
    pair_mask = rng.random(15) < 0.8 if mask else None
    return BrainRDMs(rdms, ("a", "b", "c"), ("V1", "IT"), tuple("pqrstu"), pair_mask, "ours", True)


def same(a: BrainRDMs, b: BrainRDMs) -> bool:
    return (
        np.array_equal(a.rdms, b.rdms, equal_nan=True)
        and (a.subjects, a.rois, a.stimuli) == (b.subjects, b.rois, b.stimuli)
        and (a.source, a.simulated) == (b.source, b.simulated)
        and np.array_equal(np.asarray(a.pair_mask), np.asarray(b.pair_mask))
    )


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
@pytest.mark.parametrize("mask", [True, False])
def test_what_is_saved_is_loaded(tmp_path: Path, suffix: str, mask: bool) -> None:
    path = brain(mask).save(tmp_path / f"brain{suffix}")
    assert same(BrainRDMs.load(path), brain(mask))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]  # nothing temporary is left


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = brain().save(tmp_path / "brain.npz")
    before = path.read_bytes()

    def fail(file: Path, **_: object) -> None:
        Path(file).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(OSError, match="disk full"):
        brain().save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["brain.npz"]


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
@settings(deadline=None, max_examples=60, derandomize=True)
@given(data=st.data())
def test_damaged_files_raise_the_documented_error_only(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    path = brain().save(folder / f"brain{suffix}")
    content = bytearray(path.read_bytes())
    keep = data.draw(st.integers(0, len(content)))
    for _ in range(data.draw(st.integers(0, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[:keep]) if data.draw(st.booleans()) else bytes(content))
    # Damage in a name or a number may load; whatever is refused, is refused as documented.
    with contextlib.suppress(BrainFileError):
        BrainRDMs.load(path)


def test_wrong_fields_are_named(tmp_path: Path) -> None:
    path = brain().save(tmp_path / "brain.h5")
    with h5py.File(path, "r+") as file:
        del file["rois"]
    with pytest.raises(BrainFileError, match="field 'rois' is missing"):
        BrainRDMs.load(path)
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(BrainFileError, match=r"other\.npz.*'format' is missing"):
        BrainRDMs.load(tmp_path / "other.npz")
    with pytest.raises(FileNotFoundError, match="absent"):
        BrainRDMs.load(tmp_path / "absent.npz")
    with pytest.raises(ValueError, match=r"\.npz"):
        brain().save(tmp_path / "brain.mat")


def test_misfits_are_refused() -> None:
    good = np.ones((2, 1, 3), dtype=np.float32)
    with pytest.raises(ValueError, match="n_subjects, n_rois, n_pairs"):
        BrainRDMs(good[0], ("a",), ("V1",), tuple("pqr"))
    with pytest.raises(ValueError, match="1 subject names for 2"):
        BrainRDMs(good, ("a",), ("V1",), tuple("pqr"))
    with pytest.raises(ValueError, match="more than once: p"):
        BrainRDMs(good, ("a", "b"), ("V1",), tuple("ppr"))
    with pytest.raises(TypeError, match="one string"):
        BrainRDMs(good, ("a", "b"), "V1", tuple("pqr"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no subject has ROI V1"):
        BrainRDMs(good * np.nan, ("a", "b"), ("V1",), tuple("pqr"))
    with pytest.raises(ValueError, match="pair mask"):
        BrainRDMs(good, ("a", "b"), ("V1",), tuple("pqr"), np.ones(4, bool))


def test_square_rdms_are_accepted() -> None:
    from neurosim.rsa import to_square

    b = brain()
    square = BrainRDMs(to_square(b.rdms), b.subjects, b.rois, b.stimuli, b.pair_mask, "ours", True)
    assert same(square, b)


def test_selecting_commutes_with_computing() -> None:
    b = brain()
    part = b.select(stimuli=["u", "q", "s"], rois=["IT"], subjects=["c", "a"])
    assert part.stimuli == ("u", "q", "s")
    from neurosim.rsa import to_square

    whole = to_square(b.rdms[2, 1])
    np.testing.assert_allclose(
        to_square(part.rdms[0, 0]), whole[np.ix_([5, 1, 3], [5, 1, 3])], rtol=1e-7
    )
    whole_mask = to_square(b.pair_mask)[np.ix_([5, 1, 3], [5, 1, 3])]
    np.testing.assert_array_equal(to_square(part.pair_mask), whole_mask)
    with pytest.raises(ValueError, match="'z'"):
        b.select(stimuli=["u", "z"])


def test_bounds_are_of_the_present_subjects_and_masked_pairs() -> None:
    b = brain()
    assert b.pair_mask is not None
    expected = noise_ceiling(b.rdms[[0, 2], 1], pair_mask=b.pair_mask)
    np.testing.assert_allclose(b.noise_bounds()[1], expected)
    np.testing.assert_allclose(b.mean_rdm("IT"), b.rdms[[0, 2], 1].mean(0), rtol=1e-6)
    np.testing.assert_allclose(
        b.noise_bounds(convention="mean_rdm")[:, 1] ** 2,
        np.maximum(b.noise_bounds(convention="mean_rdm")[:, 0], 0),
    )


def test_data_behind_kept_ranks_cannot_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="read-only"):
        brain().rdms[0, 0, 0] = 1.0


def test_scores_are_those_of_each_subject() -> None:
    from scipy.stats import spearmanr

    b = brain()
    model = compute_rdm(np.random.default_rng(1).normal(size=(6, 5)))
    scores = b.subject_scores(model)
    assert scores.shape == (1, 3, 2)
    assert np.isnan(scores[0, 1, 1])
    expected = spearmanr(model.dissimilarities[b.pair_mask], b.rdms[2, 0][b.pair_mask]).statistic
    assert scores[0, 2, 0] == pytest.approx(expected, abs=1e-12)
