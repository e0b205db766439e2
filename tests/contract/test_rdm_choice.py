"""Which array of a file is taken, and which text names its stimuli."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rdm_format_files import (
    IMAGES,
    NAMES,
    SQUARE,
    STACK,
    X,
    written,
)

from neurosim.rsa import load_rdms
from neurosim.rsa.__main__ import compare_files, main
from neurosim.rsa.io.rdm_files import RDMFileError


def test_texts_that_could_name_the_stimuli_otherwise_name_none(tmp_path: Path) -> None:
    for other, named in ((NAMES[::-1], False), (NAMES, True), (NAMES[:3], True)):
        np.savez(tmp_path / "x.npz", rdm=SQUARE, a=np.array(NAMES), b=np.array(other))
        assert (load_rdms(tmp_path / "x.npz")["x/rdm"].stimuli is not None) == named
    np.savez(tmp_path / "x.npz", rdm=SQUARE, a=np.array(NAMES), stimuli=np.array(NAMES[::-1]))
    assert load_rdms(tmp_path / "x.npz")["x/rdm"].stimuli == NAMES[::-1]


def test_names_in_a_pickle_are_said_to_be_lost(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", rdm=SQUARE, stimuli=np.array(NAMES, dtype=object))
    (note,) = load_rdms(tmp_path / "x.npz").notes
    assert note.startswith("x.npz: stimuli not read, since it is a pickle; save names as text")


def test_one_array_of_a_file_is_chosen_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, EVC=STACK, small=STACK[0, :15], images=IMAGES)
    with pytest.raises(RDMFileError) as refused:
        load_rdms(path)
    for part in ("6 and 10 stimuli", "EVC (3, 45) float64", "small (15,) float64", "x.npz::EVC",
                 "key='EVC'"):  # fmt: skip
        assert part in str(refused.value)
    assert list(load_rdms(path, key="small")) == list(load_rdms(f"{path}::small")) == ["x/small"]
    assert list(load_rdms(f"{path}::EVC")) == ["x/EVC/0", "x/EVC/1", "x/EVC/2"]
    with pytest.raises(RDMFileError, match=r"x\.npz has no 'nope'; it holds EVC \(3, 45\) float64"):
        load_rdms(path, key="nope")
    with pytest.raises(RDMFileError, match=r"images.*more than the 3 pairs"):
        load_rdms(path, key="images")
    with pytest.raises(ValueError, match="give one of them"):
        load_rdms(f"{path}::EVC", key="EVC")
    np.save(tmp_path / "y.npy", X)
    assert compare_files([f"{path}::EVC/0", str(tmp_path / "y.npy")]).score[0] == 1.0
    assert main(["compare", str(path), str(tmp_path / "y.npy")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "key", "expected"),
    [
        ("brain", "b/V1", 1), ("brain", "b", 1), ("rsatoolbox", "V1/s2", 1),
        ("mat 5 toolbox", "RDMs/V1 | b", 1), ("mat 7.3 toolbox", "RDMs/V1 | b", 1),
        ("mat 7.3 toolbox", "RDMs", 0), ("h5 group", "sub/V1/1", 1), ("h5 group", "sub/V1", 0),
        ("npz nested", "hIT/1/0", 1), ("npz nested", "hIT/1", 1),
    ],
)  # fmt: skip
def test_a_name_is_of_an_array_of_a_group_or_of_one_rdm(
    tmp_path: Path, name: str, key: str, expected: int
) -> None:
    first = next(iter(load_rdms(written(tmp_path, name), key=key).values()))
    np.testing.assert_array_equal(first.dissimilarities, STACK[expected])
