"""``python -m neurosim.rsa compare``: files of every kind, one table, errors in one line."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurosim.rsa import BrainRDMs, compare_rdms, compute_rdm, to_square
from neurosim.rsa.__main__ import compare_files, main
from neurosim.rsa.brain.brain_files import BrainFileError
from neurosim.rsa.io.rdm_files import RDMFileError, load_rdms

RNG = np.random.default_rng(0)
X = compute_rdm(RNG.normal(size=(9, 5))).dissimilarities
Y = compute_rdm(RNG.normal(size=(9, 5))).dissimilarities


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    paths = {name: tmp_path / name for name in ("x.npy", "y.csv", "named.tsv", "many.npz", "b.h5")}
    np.save(paths["x.npy"], to_square(X))
    np.savetxt(paths["y.csv"], to_square(Y), delimiter=",")
    names = [f"s{i}" for i in range(9)]
    pd.DataFrame(to_square(Y), names, names).to_csv(paths["named.tsv"], sep="\t")
    np.savez(paths["many.npz"], first=X, second=np.stack([X, Y]))
    rdms = np.stack([X, Y]).reshape(1, 2, -1).astype(np.float32)
    BrainRDMs(rdms, ("a",), ("V1", "IT"), tuple(names)).save(paths["b.h5"])
    return paths


def test_every_kind_of_file_is_read(files: dict[str, Path]) -> None:
    for name in ("y.csv", "named.tsv"):
        (rdm,) = load_rdms(files[name]).values()
        np.testing.assert_allclose(rdm.dissimilarities, Y, atol=1e-12)
        assert rdm.stimuli == (tuple(f"s{i}" for i in range(9)) if "named" in name else None)
    assert list(load_rdms(files["many.npz"])) == ["many/first", "many/second/0", "many/second/1"]
    assert list(load_rdms(files["b.h5"])) == ["b/a/V1", "b/a/IT"]


def test_the_table_says_what_the_functions_say(files: dict[str, Path]) -> None:
    table = compare_files(
        [str(files["x.npy"]), str(files["y.csv"]), str(files["b.h5"])],
        n_permutations=99,
        n_bootstrap=50,
    )
    assert list(table.b) == ["y", "b/a/V1", "b/a/IT"]
    assert table.score[0] == pytest.approx(compare_rdms(X, Y)[0, 0], abs=1e-12)
    assert table.score[1] == pytest.approx(1.0)
    assert table.p[1] == 0.01
    assert (table.lower <= table.score).all()
    assert (table.n_pairs == 36).all()


def test_stimuli_that_both_files_name_are_matched_by_name(
    files: dict[str, Path], tmp_path: Path
) -> None:
    order = np.random.default_rng(1).permutation(9)
    names = [f"s{i}" for i in order]
    turned = tmp_path / "turned.csv"
    pd.DataFrame(to_square(Y)[np.ix_(order, order)], names, names).to_csv(turned)
    table = compare_files([str(files["b.h5"]), str(turned), str(files["named.tsv"])])
    np.testing.assert_allclose(table.score[0::2], table.score[1::2], atol=1e-12)
    assert table.score[2] == pytest.approx(1.0)  # b.h5 holds Y as float32
    pd.DataFrame(to_square(Y), [*names[:-1], "z"], [*names[:-1], "z"]).to_csv(turned)
    with pytest.raises(ValueError, match="not of the same stimuli: 2 names are in one only"):
        compare_files([str(files["b.h5"]), str(turned)])


def test_the_mask_of_a_brain_file_and_empty_cells_are_missing_pairs(tmp_path: Path) -> None:
    names = tuple(f"s{i}" for i in range(9))
    mask = np.arange(36) >= 5
    brain = BrainRDMs(Y[None, None].astype(np.float32), ("a",), ("V1",), names, mask)
    square = pd.DataFrame(to_square(X), names, names)
    square.iloc[7, 8] = square.iloc[8, 7] = np.nan
    square.to_csv(tmp_path / "x.csv")
    table = compare_files([str(tmp_path / "x.csv"), str(brain.save(tmp_path / "b.npz"))])
    assert table.n_pairs[0] == 36 - 5 - 1
    kept = mask & (np.arange(36) < 35)
    expected = compare_rdms(X, Y, pair_mask=kept)
    assert table.score[0] == pytest.approx(expected[0, 0], abs=1e-6)


@pytest.mark.parametrize("separator", [",", ";", "\t", " ", "   "])
def test_text_of_any_separator(tmp_path: Path, separator: str) -> None:
    lines = [separator.join(f"{v:.17g}" for v in row) for row in to_square(X)]
    (tmp_path / "x.txt").write_text("\ufeff" + "\n".join(lines) + "\n\n")
    (rdm,) = load_rdms(tmp_path / "x.txt").values()
    np.testing.assert_array_equal(rdm.dissimilarities, X)
    (tmp_path / "x.txt").write_text("\n".join([*lines[:-1], lines[-1][:-30]]))
    with pytest.raises(RDMFileError, match=r"x\.txt: "):
        load_rdms(tmp_path / "x.txt")


def test_as_a_command(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    command = [sys.executable, "-m", "neurosim.rsa", "compare", str(files["x.npy"])]
    done = subprocess.run(
        [*command, str(files["y.csv"]), "--csv", str(out)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert f"{compare_rdms(X, Y)[0, 0]:.4f}" in done.stdout
    assert pd.read_csv(out).score[0] == pytest.approx(compare_rdms(X, Y)[0, 0])


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\x93NUMPY\x01", "x.npy: holds no RDM"), (None, "no file"), (b"", "x.npy: holds no RDM")],
)
def test_errors_are_one_line(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str], content: bytes | None, message: str
) -> None:
    files["x.npy"].unlink()
    if content is not None:
        files["x.npy"].write_bytes(content)
    assert main(["compare", str(files["x.npy"]), str(files["y.csv"])]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def test_bad_options_are_named_before_the_work(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["compare", str(files["x.npy"]), str(files["y.csv"])]
    for options, message in (
        (["--bootstrap", "-3"], "--bootstrap is at least 0; got -3"),
        (["--permutations", "-1"], "--permutations is at least 0; got -1"),
        (["--csv", str(tmp_path)], "is a folder; give a file in it"),
        (["--csv", str(tmp_path / "new" / "a.csv")], "there is no folder"),
    ):
        assert main([*command, *options]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_constant_rdm_is_said_to_be_one(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "flat.npy", np.ones(36))
    command = ["compare", str(tmp_path / "flat.npy"), str(files["y.csv"]), "--bootstrap", "5"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main([*command, "--permutations", "5"]) == 0
    shown = capsys.readouterr()
    assert shown.err == "note: flat is constant over all pairs: no correlation with it\n"
    assert "NaN" in shown.out


def test_a_missing_pair_is_named_and_the_remedy_works(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    square = to_square(X)
    square[2, 5] = np.nan
    holed = tmp_path / "holed.npy"
    command = ["compare", str(holed), str(files["y.csv"]), "--permutations", "9"]
    np.save(holed, square)
    assert main(command) == 2
    assert "entry (2, 5) is NaN and (5, 2) is not" in capsys.readouterr().err
    square[5, 2] = np.nan
    np.save(holed, square)
    assert main(command) == 2
    assert "1 single pairs, the first of them of stimuli #2 and #5" in capsys.readouterr().err
    square[5] = square[:, 5] = np.nan
    np.save(holed, square)
    assert main(command) == 0


def test_what_is_no_rdm_is_refused(tmp_path: Path, files: dict[str, Path]) -> None:
    (tmp_path / "text.csv").write_text("a,b\n1,x\n")
    with pytest.raises(RDMFileError, match=r"text\.csv: .*not a number"):
        load_rdms(tmp_path / "text.csv")
    (tmp_path / "a.xlsx").write_bytes(b"x")
    with pytest.raises(RDMFileError, match="unknown ending"):
        load_rdms(tmp_path / "a.xlsx")
    np.save(tmp_path / "small.npy", X[:28])
    with pytest.raises(ValueError, match="same stimuli"):
        compare_files([str(files["x.npy"]), str(tmp_path / "small.npy")])


@pytest.mark.parametrize("name", ["x.npy", "y.csv", "many.npz"])
@pytest.mark.parametrize("seed", range(15))
def test_damaged_files_raise_the_documented_errors_only(
    files: dict[str, Path], name: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    content = bytearray(files[name].read_bytes())
    for place in rng.integers(0, len(content), 6):
        content[place] = rng.integers(0, 256)
    files[name].write_bytes(bytes(content[: rng.integers(1, len(content))]))
    with contextlib.suppress(RDMFileError, BrainFileError):
        load_rdms(files[name])
