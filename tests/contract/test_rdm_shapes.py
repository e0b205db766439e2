"""What the shape of an array says it is: told where that is open, refused where it is two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rdm_format_files import (
    RNG,
    SQUARE,
    STACK,
    N,
    X,
    lines,
    written,
)

from neurosim.rsa import compare_rdms, load_rdms, to_square
from neurosim.rsa.__main__ import main
from neurosim.rsa.io.rdm_files import RDMFileError


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("npy column", "x: read 45 x 1 as one RDM of 10 stimuli, one value per line"),
        ("txt savetxt", "x: read 45 x 1 as one RDM of 10 stimuli, one value per line"),
        ("npy columns", "x: read 45 x 2 as 2 RDMs of 10 stimuli, one RDM per column"),
        ("npy last axis", "stacked along the last axis"),
        ("npz beside images", "x.npz: took EVC, IT; left out images"),
        ("npz labels", "x.npz: the stimuli are named by labels"),
        ("npy triangles", "read 3 x 10 x 10 with values on one side of the diagonal, which stand"),
        ("npy square", None),
        ("net2brain rdm", None),
    ],
)
def test_what_the_shape_left_open_is_said(
    tmp_path: Path, name: str, note: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, name)
    notes = load_rdms(path).notes
    assert notes == () if note is None else note in notes[0]
    np.save(tmp_path / "y.npy", STACK[1])
    assert main(["compare", str(path), str(tmp_path / "y.npy")]) == 0
    assert capsys.readouterr().err == "".join(f"note: {n}\n" for n in notes)


def test_more_lines_than_pairs_are_said_to_be_rdms(tmp_path: Path) -> None:
    """A table of 92 stimuli by 45 features can be 92 RDMs of 10 stimuli: it is read, and said."""
    np.save(tmp_path / "x.npy", 1 + RNG.random((92, 45)))
    assert load_rdms(tmp_path / "x.npy").notes == (
        "x: read 92 x 45 as 92 RDMs of 10 stimuli, one per line",
    )


def test_a_model_of_places_on_a_line_is_no_count(tmp_path: Path) -> None:
    """|i - j| begins with a line and a column that count: a square is read whole."""
    model = np.abs(np.subtract.outer(np.arange(7), np.arange(7)))
    np.savetxt(tmp_path / "x.csv", model, fmt="%d", delimiter=",")
    (rdm,) = load_rdms(tmp_path / "x.csv").values()
    np.testing.assert_array_equal(rdm.square(), model)


def test_one_triangle_is_no_whole_array(tmp_path: Path) -> None:
    """In a file it is read and said; of an array the caller is asked which both sides are."""
    for triangle in (np.triu(SQUARE), np.where(np.tri(N, dtype=bool), np.nan, SQUARE)):
        with pytest.raises(ValueError, match=r"one side of its diagonal only; .* D \+ D\.T"):
            compare_rdms(triangle, X)


def test_a_first_line_of_other_length_is_a_comment_without_its_mark(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("#comment\n" + lines(",", SQUARE))
    with pytest.raises(RDMFileError, match="first line has 1 cells, which do not name its 10"):
        load_rdms(tmp_path / "x.csv")


AMBIGUOUS = {
    (45, 10): r"45 condensed RDMs of 5 stimuli, one per row, or 10 of 10.*stack of squares",
    (6, 3): "one per row, or",
    (10, 10): "not symmetric.*10 condensed RDMs of 5 stimuli",
    (44, 1): "none of RDMs",
    (7, 7): "not symmetric",
    (5, 8, 8, 3): "more than the 3 pairs",
    (1,): "three or more stimuli",
    (2, 2): "three or more stimuli",
}


@pytest.mark.parametrize("shape", AMBIGUOUS)
def test_shapes_of_two_meanings_are_refused_with_the_remedy(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    np.save(tmp_path / "x.npy", 1 + RNG.random(shape))
    with pytest.raises(RDMFileError, match=rf"^x\.npy: .*{AMBIGUOUS[shape]}"):
        load_rdms(tmp_path / "x.npy")


def test_decimal_commas_that_could_be_separators_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("".join(f"0,{i}\n" for i in range(45)))
    with pytest.raises(RDMFileError, match="one number per line or 2, separated by commas: wr"):
        load_rdms(tmp_path / "x.txt")
    (tmp_path / "x.txt").write_text("0;0.5;1,25\n0.5;0;1\n1,25;1;0\n")
    with pytest.raises(RDMFileError, match="'1,25' is not a number"):
        load_rdms(tmp_path / "x.txt")


@pytest.mark.parametrize("shape", [(7, 21), (7, 1, 21), (7, 3, 21)])
def test_features_of_as_many_values_as_pairs_are_not_taken_for_rdms(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    """One row per stimulus of the RDM beside: features, or RDMs of as many subjects."""
    square = to_square(RNG.random(21))
    np.savez(tmp_path / "x.npz", rdm=square, features=RNG.random(shape))
    with pytest.raises(RDMFileError, match=r"features .*can be condensed RDMs of 7 stimuli, or f"):
        load_rdms(tmp_path / "x.npz")
    np.testing.assert_array_equal(load_rdms(tmp_path / "x.npz::rdm")["x/rdm"].square(), square)
    assert len(load_rdms(tmp_path / "x.npz", key="features")) == np.prod(shape[:-1])


def test_rdms_of_as_many_subjects_as_stimuli_are_read_and_said(tmp_path: Path) -> None:
    """Arrays of one layout are RDMs of regions; squares mean nothing else."""
    rows = RNG.random((7, 21))
    np.savez(tmp_path / "x.npz", EVC=rows, IT=rows)
    found = load_rdms(tmp_path / "x.npz")
    assert (len(found), found.notes[0]) == (
        14, "x/EVC: read 7 x 21 as 7 RDMs of 7 stimuli, one per line"
    )  # fmt: skip
    np.savez(tmp_path / "x.npz", EVC=to_square(rows), mean=rows[0])
    assert len(load_rdms(tmp_path / "x.npz")) == 8
