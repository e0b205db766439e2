"""Every format that people have RDMs in: read to the bit, one array chosen, damage in one sentence.

All files are made here. The values of an RDM are binary fractions, so that text of 17 digits and
float32 hold them exactly; a reader that scales, turns round or transposes is seen.
"""

from __future__ import annotations

import csv
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from neurosim.experiments.data.brain92 import HIT_MAT, STIMULI_MAT
from neurosim.experiments.data.files import data_directory
from neurosim.rsa import BrainRDMs, compare_rdms, load_rdms, to_square
from neurosim.rsa.__main__ import compare_files, main
from neurosim.rsa.brain.brain_files import BrainFileError
from neurosim.rsa.io.rdm_files import RDMFileError

DATA = data_directory()
N = 10
RNG = np.random.default_rng(0)
STACK = RNG.integers(1, 2**20, (3, N * (N - 1) // 2)) / 2**20  # 3 RDMs
X = STACK[0]
SQUARE = to_square(X)
NAMES = ("cat, black", 'a "dog"', "héron", "x 1", "1_000", "b;c", "NAMIBIA", "é", "e'f", "z")


def write_mat_73(path: Path, variables: dict[str, Any]) -> None:
    """HDF5 behind a user block, arrays turned round, cells and struct arrays by reference."""
    with h5py.File(path, "w", userblock_size=512) as file:

        def put(group: h5py.Group, name: str, value: Any) -> None:
            if isinstance(value, dict):
                made = group.create_group(name)
                made.attrs["MATLAB_class"] = np.bytes_("struct")
                for key, entry in value.items():
                    put(made, key, entry)
                return
            if isinstance(value, list) and isinstance(value[0], dict):
                made = group.create_group(name)
                made.attrs["MATLAB_class"] = np.bytes_("struct")
                for key in value[0]:
                    made.create_dataset(key, data=references([v[key] for v in value]))
                return
            if isinstance(value, list):
                made = group.create_dataset(name, data=references(value))
                made.attrs["MATLAB_class"] = np.bytes_("cell")
                return
            text = isinstance(value, str)
            array = np.array([[ord(c) for c in value]], np.uint16) if text else np.atleast_2d(value)
            made = group.create_dataset(name, data=array.T)
            made.attrs["MATLAB_class"] = np.bytes_("char" if text else "double")

        def references(values: list[Any]) -> np.ndarray:
            hidden = file.require_group("#refs#")
            made = []
            for value in values:
                put(hidden, f"r{len(hidden)}", value)
                made.append(hidden[f"r{len(hidden) - 1}"].ref)
            return np.array([made], dtype=h5py.ref_dtype).T

        for name, value in variables.items():
            put(file, name, value)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def write_mat_5(path: Path, variables: dict[str, Any]) -> None:
    def element(value: Any) -> Any:
        if isinstance(value, list) and isinstance(value[0], dict):
            fields = [(key, object) for key in value[0]]
            return np.array([[tuple(v.values()) for v in value]], dtype=fields)
        if isinstance(value, list):
            cell = np.empty((len(value), 1), object)
            cell[:, 0] = value
            return cell
        return value

    savemat(path, {name: element(value) for name, value in variables.items()})


def write_rsatoolbox(path: Path) -> None:
    rdm = pytest.importorskip("rsatoolbox").rdm
    rdm.RDMs(
        STACK,
        dissimilarity_measure="correlation",
        rdm_descriptors={"subject": ["s1", "s2", "s3"], "roi": ["V1"] * 3},
        pattern_descriptors={"stimulus": [f"o{i}" for i in range(N)], "n": np.arange(N)},
    ).save(str(path), file_type="hdf5")


def npz(**arrays: Any) -> Callable[[Path], None]:
    return lambda path: np.savez_compressed(path, **arrays)


def h5(**arrays: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array

    return write


def text(content: str, encoding: str = "utf-8") -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content.encode(encoding))  # type: ignore[return-value]


def table(separator: str = ",", decimal: str = ".", names: bool = True, **options: Any) -> str:
    frame = pd.DataFrame(SQUARE, NAMES if names else None, NAMES if names else None)
    out = frame.to_csv(
        sep=separator, decimal=decimal, header=names, index=names, float_format="%.17g", **options
    )
    assert out is not None
    return out


def lines(separator: str, values: np.ndarray, end: str = "") -> str:
    rows = np.atleast_2d(values)
    return "".join(separator.join(f"{v:.17g}" for v in row) + end + "\n" for row in rows)


def counted(start: int) -> list[str]:
    return [str(i + start) for i in range(N)]


def made_up(letter: str) -> list[str]:
    return [f'"{letter}{number}"' for number in counted(1)]


def framed(columns: list[str] | None, start: str) -> str:
    """The square with a first column that counts its lines, and perhaps a first line of columns."""
    head = "" if columns is None else f'"",{",".join(columns)}\n'
    rows = lines(",", SQUARE).splitlines(keepends=True)
    return head + "".join(f'"{i}",{row}' for i, row in zip(counted(int(start)), rows, strict=True))


def write_attributes(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["rdm"] = SQUARE
        file["rdm"].attrs["stimuli"] = list(NAMES)
        file["rdm"].attrs["units"] = "none"


def write_string_array(path: Path) -> None:
    """As MATLAB 7.3 keeps a string array: six numbers that point elsewhere."""
    write_mat_73(path, {"D": SQUARE, "names": np.arange(6, dtype=np.uint32)})
    with h5py.File(path, "r+") as file:
        file["names"].attrs["MATLAB_class"] = np.bytes_("string")
        file["names"].attrs["MATLAB_object_decode"] = np.int32(3)


NET2BRAIN = npz(rdm=X, stimuli_name=np.array([f"img_{i}.jpg" for i in range(N)]),
                layer_name=np.array("conv1"), meta=np.array({"distance": "pearson"}))  # fmt: skip
TOOLBOX = {
    "RDMs": [{"RDM": SQUARE, "name": "V1 | a", "color": np.zeros((1, 3))},
             {"RDM": to_square(STACK[1]), "name": "V1 | b", "color": np.ones((1, 3))}],
    "categoryVectors": np.ones((N, 12)),
    "stimuli_objs": [{"human": 1.0, "image": np.ones((7, 7, 3))} for _ in range(4)],
}  # fmt: skip
SQUARES = np.stack([to_square(row) for row in STACK])
IMAGES = RNG.integers(0, 255, (N, 7, 7, 3), dtype=np.uint8)

#: name -> (ending, writer, number of RDMs, whether it names the stimuli)
FORMATS: dict[str, tuple[str, Callable[[Path], Any], int, bool]] = {
    "npy square": ("npy", lambda p: np.save(p, SQUARE), 1, False),
    "npy condensed": ("npy", lambda p: np.save(p, X), 1, False),
    "npy column": ("npy", lambda p: np.save(p, X[:, None]), 1, False),
    "npy fortran": ("npy", lambda p: np.save(p, np.asfortranarray(STACK)), 3, False),
    "npy columns": ("npy", lambda p: np.save(p, STACK[:2].T), 2, False),
    "npy big endian": ("npy", lambda p: np.save(p, SQUARE.astype(">f8")), 1, False),
    "npy squares": ("npy", lambda p: np.save(p, SQUARES), 3, False),
    "npy last axis": ("npy", lambda p: np.save(p, SQUARES.transpose(1, 2, 0)), 3, False),
    "npz beside images": ("npz", npz(EVC=STACK, IT=STACK, images=IMAGES), 6, False),
    "npz beside words": ("npz", npz(rdm=SQUARE, category=np.array(["a"] * N)), 1, False),
    # Both could be condensed RDMs of 5 stimuli; they have one entry for each of the 10 stimuli.
    "npz nested": ("npz", npz(hIT=STACK[:, None], is_face=np.ones(N, np.uint8)), 3, False),
    "npz features": ("npz", npz(rdm=SQUARE, features=np.ones((N, 9)), labels=np.arange(N)),
                     1, False),
    "npz named": ("npz", npz(rdm=SQUARE, stimuli=np.array(list(NAMES))), 1, True),
    "npz bytes": ("npz", npz(rdm=SQUARE, stimuli=np.array([n.encode() for n in NAMES])), 1, True),
    "net2brain rdm": ("npz", NET2BRAIN, 1, True),
    "net2brain brain": ("npz", npz(Net_RDM=SQUARES), 3, False),
    "h5 one dataset": ("h5", h5(rdm=SQUARE), 1, False),
    "h5 group": ("hdf5", h5(**{"sub/V1": STACK, "sub/images": IMAGES}), 3, False),
    "h5 named": ("h5", h5(rdm=SQUARE, stimuli=list(NAMES)), 1, True),
    "rsatoolbox": ("hdf5", write_rsatoolbox, 3, True),
    "brain": ("h5", lambda p: BrainRDMs(STACK[:, None].astype(np.float32), ("a", "b", "c"),
                                        ("V1",), NAMES).save(p), 3, True),
    "mat 5": ("mat", lambda p: write_mat_5(p, {"D": SQUARE}), 1, False),
    "mat 5 vector": ("mat", lambda p: write_mat_5(p, {"d": X[None]}), 1, False),
    "mat 5 stack": ("mat", lambda p: write_mat_5(p, {"D": SQUARES.transpose(1, 2, 0)}), 3, False),
    "mat 5 cell": ("mat", lambda p: write_mat_5(p, {"D": list(SQUARES)}), 3, False),
    "mat 5 toolbox": ("mat", lambda p: write_mat_5(p, TOOLBOX), 2, False),
    "mat 5 compressed": ("mat", lambda p: savemat(p, {"D": SQUARE}, do_compression=True), 1, False),
    "mat 4": ("mat", lambda p: savemat(p, {"D": SQUARE}, format="4"), 1, False),
    "mat 7.3": ("mat", lambda p: write_mat_73(p, {"D": SQUARE}), 1, False),
    "mat 7.3 vector": ("mat", lambda p: write_mat_73(p, {"d": X[None]}), 1, False),
    "mat 7.3 stack": ("mat", lambda p: write_mat_73(p, {"D": SQUARES.transpose(1, 2, 0)}),
                      3, False),
    "mat 7.3 cell": ("mat", lambda p: write_mat_73(p, {"D": list(SQUARES)}), 3, False),
    "mat 7.3 toolbox": ("mat", lambda p: write_mat_73(p, TOOLBOX), 2, False),
    "mat 7.3 struct": ("mat", lambda p: write_mat_73(p, {"s": {"RDM": SQUARE, "name": "V1"}}),
                       1, False),
    "csv quoted": ("csv", text(table()), 1, True),
    "csv all quoted": ("csv", text(table(quoting=csv.QUOTE_ALL)), 1, True),
    "csv excel de": ("csv", text(table(";", ","), "utf-8-sig"), 1, True),
    "tsv": ("tsv", text(table("\t")), 1, True),
    "tsv decimal comma": ("tsv", text(table("\t", ",")), 1, True),
    "txt unicode of excel": ("txt", text(table("\t"), "utf-16"), 1, True),
    "csv bare": ("csv", text(table(names=False)), 1, False),
    "csv trailing commas": ("csv", text(lines(",", SQUARE, ",")), 1, False),
    "csv three trailing": ("csv", text(lines(";", SQUARE, ";;;")), 1, False),
    "csv crlf": ("csv", text(table().replace("\n", "\r\n")), 1, True),
    "txt savetxt": ("txt", lambda p: np.savetxt(p, X, fmt="%.17g"), 1, False),
    "txt savetxt header": ("txt", lambda p: np.savetxt(p, SQUARE, header="my rdm"), 1, False),
    "txt savetxt stack": ("txt", lambda p: np.savetxt(p, STACK), 3, False),
    "txt column named": ("txt", text("dissimilarity\n" + lines(",", X[:, None])), 1, False),
    "txt one line": ("txt", text(lines(" ", X)), 1, False),
    "txt aligned": ("txt", text("".join("  " + "   ".join(f"{v:<24.17g}" for v in row) + "\n"
                                        for row in SQUARE)), 1, False),
    "csv names without header": ("csv", text("".join(f"o{i}," + line for i, line in enumerate(
        lines(",", SQUARE).splitlines(keepends=True)))), 1, True),
    "r write.table": ("txt", text(" ".join(f'"s {i}"' for i in range(N)) + "\n" + "".join(
        f'"s {i}" ' + line for i, line in enumerate(
            lines(" ", SQUARE).splitlines(keepends=True)))), 1, True),
    # Around a table that has no names people's programs write some; names have another key.
    "npz labels": ("npz", npz(rdm=SQUARE, labels=np.array(NAMES)), 1, True),
    "npz squares, labels": ("npz", npz(a=SQUARES, names=np.array(NAMES), roi=np.array(["V1"])),
                           3, True),
    "h5 attribute": ("h5", lambda p: write_attributes(p), 1, True),
    "h5 labels in the group": ("h5", h5(**{"a/rdm": SQUARE, "a/names": list(NAMES),
                                          "b/names": list(NAMES[::-1])}), 1, True),
    "h5 as pandas": ("h5", h5(**{"df/axis0": [n.encode() for n in NAMES],
                                 "df/axis1": [n.encode() for n in NAMES],
                                 "df/block0_values": SQUARE}), 1, True),
    "mat 5 labels": ("mat", lambda p: write_mat_5(p, {"D": SQUARE, "labels": list(NAMES)}),
                     1, True),
    "mat 7.3 labels": ("mat", lambda p: write_mat_73(p, {"D": SQUARE, "labels": list(NAMES)}),
                       1, True),
    "mat 7.3 string array": ("mat", lambda p: write_string_array(p), 1, False),
    "mat 5 triangle": ("mat", lambda p: savemat(p, {"D": np.triu(SQUARE)}), 1, False),
    "npy triangles": ("npy", lambda p: np.save(p, np.tril(SQUARES)), 3, False),
    "npy triangles, last axis": ("npy", lambda p: np.save(p, np.tril(SQUARES).transpose(1, 2, 0)),
                                 3, False),
    "csv upper triangle": ("csv", text(lines(",", np.triu(SQUARE))), 1, False),
    "csv blank lower triangle": ("csv", text(lines(",", np.where(
        np.tri(N, dtype=bool), np.nan, SQUARE)).replace("nan", "")), 1, False),
    "csv blank upper triangle": ("csv", text(lines(",", np.where(
        np.tri(N, dtype=bool).T, np.nan, SQUARE)).replace("nan", "")), 1, False),
    "csv dashes": ("csv", text(lines(",", np.where(np.eye(N), np.nan, SQUARE)).replace(
        "nan", "-")), 1, False),
    "csv points": ("csv", text(lines("\t", np.where(np.eye(N), np.nan, SQUARE)).replace(
        "nan", ".")), 1, False),
    "txt percent comments": ("txt", text("% of Octave, in words\n" + lines(" ", SQUARE)), 1, False),
    "r write.csv": ("csv", text(framed(made_up("V"), "1"), "utf-8"), 1, False),
    "r read and written": ("csv", text(framed(made_up("X"), "1"), "utf-8"), 1, False),
    "r write.table of V": ("txt", text(framed(made_up("V"), "1").replace(",", " ")[3:]), 1, False),
    "matlab writetable": ("csv", text(",".join(made_up("Var")) + "\n" + lines(",", SQUARE)),
                          1, False),
    "pandas no names": ("csv", text(framed(counted(0), "0")), 1, False),
    "pandas no index": ("csv", text(",".join(counted(0)) + "\n" + lines(",", SQUARE)), 1, False),
    "pandas no header": ("csv", text(framed(None, "0")), 1, False),
    "pandas series": ("csv", lambda p: pd.Series(X).to_csv(p), 1, False),
    "pandas series named": ("csv", lambda p: pd.Series(X, name="d").to_csv(p), 1, False),
    "pandas series no header": ("csv", lambda p: pd.Series(X).to_csv(p, header=False), 1, False),
    "pandas condensed": ("csv", lambda p: pd.DataFrame(STACK).to_csv(p), 3, False),
    "pandas condensed of two": ("csv", lambda p: pd.DataFrame(STACK[:2]).to_csv(p), 2, False),
    "pandas condensed no index": ("csv", lambda p: pd.DataFrame(STACK).to_csv(p, index=False),
                                  3, False),
    "pandas condensed named": ("csv", lambda p: pd.DataFrame(STACK, list("abc")).to_csv(p),
                               3, False),
    "pandas columns": ("csv", lambda p: pd.DataFrame(STACK[:2].T).to_csv(p), 2, False),
}  # fmt: skip


def written(tmp_path: Path, name: str) -> Path:
    ending, write, _, _ = FORMATS[name]
    path = tmp_path / f"x.{ending}"
    write(path)
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_reads_what_was_written_to_the_bit(tmp_path: Path, name: str) -> None:
    _, _, n_rdms, named = FORMATS[name]
    found = load_rdms(written(tmp_path, name))
    assert len(found) == n_rdms, list(found)
    for i, rdm in enumerate(found.values()):
        np.testing.assert_array_equal(rdm.dissimilarities, STACK[i % len(STACK)])
        assert (rdm.stimuli is not None) == named
    if named and ("quoted" in name or "labels" in name):
        assert rdm.stimuli == NAMES


@pytest.mark.parametrize("missing", ["", "NA", "n/a", "NaN", "nan", "NULL", "<NA>", "#N/A"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_missing_pairs_are_marked_as_people_mark_them(
    tmp_path: Path, missing: str, separator: str
) -> None:
    square = SQUARE.copy()
    square[0, 1] = square[1, 0] = np.nan  # in the first line: it is no header for that
    square[-1] = square[:, -1] = np.nan  # a last line and column that say nothing, but count
    rows = [separator.join(missing if np.isnan(v) else f"{v:.17g}" for v in row) for row in square]
    (tmp_path / "x.csv").write_text("\n".join(rows))
    (rdm,) = load_rdms(tmp_path / "x.csv").values()
    np.testing.assert_array_equal(
        np.isnan(rdm.dissimilarities), np.isnan(square[np.triu_indices(N, 1)])
    )


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


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".pt", ".pth"])
def test_pickles_are_never_opened(tmp_path: Path, suffix: str) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
            return (tmp_path / "ran").touch, ()

    (tmp_path / f"x{suffix}").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(RDMFileError, match=r"pickle, which can run any program.*save it otherwise"):
        load_rdms(tmp_path / f"x{suffix}")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", FORMATS)
def test_damage_is_one_sentence_that_names_the_file(tmp_path: Path, name: str, seed: int) -> None:
    """Cut, with bytes flipped, or both: it loads, or is refused as documented."""
    path, rng = written(tmp_path, name), np.random.default_rng(seed)
    content = bytearray(path.read_bytes())
    if seed % 3:
        for place in rng.integers(0, len(content), 1 + seed):
            content[place] = rng.integers(0, 256)
    if seed % 3 != 1:
        content = content[: rng.integers(0, len(content))]
    path.write_bytes(bytes(content))
    said = f"{path.name}: it loads"
    try:
        load_rdms(path)
    except (RDMFileError, BrainFileError) as error:
        said = str(error)
    assert path.name in said
    assert "\n" not in said


def test_bytes_that_are_not_utf_8_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(table().encode("latin-1"))
    with pytest.raises(RDMFileError, match=r"x\.csv: .*not UTF-8 text.*save it"):
        load_rdms(tmp_path / "x.csv")


def test_links_in_a_matlab_or_toolbox_file_are_refused(tmp_path: Path) -> None:
    for name in ("mat 7.3", "rsatoolbox", "h5 one dataset"):
        path = written(tmp_path, name)
        with h5py.File(path, "r+") as file:
            file["more"] = h5py.ExternalLink("other.h5", "/secret")
        with pytest.raises(RDMFileError, match=r"'/more' is a link to another file"):
            load_rdms(path)


@pytest.mark.skipif(not (DATA / "originals" / HIT_MAT.name).is_file(), reason="needs originals/")
def test_the_original_files_of_brain92_load() -> None:
    hit = load_rdms(DATA / "originals" / HIT_MAT.name)
    assert list(hit)[:2] == [f"92_brainRDMs/RDMs/hIT | BE | Session: {i}" for i in (1, 2)]
    figure = load_rdms(DATA / "originals" / STIMULI_MAT.name)
    assert [name.rsplit("/", 1)[1] for name in figure] == ["mIT_674neurons", "hITvisStim_316vx"]
    both = load_rdms(DATA / "brain92.npz")
    assert len(both) == 15 + 15 + 8
    evc = load_rdms(DATA / "originals" / "fmri_EVC_RDMs.npz")
    for i, rdm in enumerate(evc.values()):
        stored = both[f"brain92/EVC/{i}"].dissimilarities
        np.testing.assert_array_equal(rdm.dissimilarities.astype(np.float32), stored)
    for i, rdm in enumerate(hit.values()):
        stored = both[f"brain92/k2008_hIT/{i // 2}/{i % 2}"].dissimilarities
        np.testing.assert_array_equal(rdm.dissimilarities, stored)
