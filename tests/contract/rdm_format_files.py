"""The files that people have RDMs in, written here for the tests of what reads them.

The values of an RDM are binary fractions, so that text of 17 digits and float32 hold them exactly;
a reader that scales, turns round or transposes is seen.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from neurosim.experiments.data.files import data_directory
from neurosim.rsa import BrainRDMs, to_square

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


def triangle(separator: str, *, lower: bool, diagonal: bool, names: tuple[str, ...] = ()) -> str:
    """The lines of one triangle, without the empty cells of the other; a line that would be empty
    is left out."""
    made = []
    for i, row in enumerate(SQUARE):
        cells = row[: i + diagonal] if lower else row[i + (not diagonal) :]
        cells = [*names[i : i + 1], *(f"{v:.17g}" for v in cells)]
        made.append(separator.join(cells) + "\n" * bool(cells))
    return "".join(made)


def pairs(
    separator: str,
    names: Sequence[Any],
    *,
    order: Iterable[tuple[int, int]] = tuple(combinations(range(N), 2)),
    decimal: str = ".",
) -> str:
    """Lines ``name, name, value``."""
    return "".join(
        separator.join((str(names[i]), str(names[j]), f"{SQUARE[i, j]:.17g}".replace(".", decimal)))
        + "\n"
        for i, j in order
    )


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
    "csv lines of a triangle": ("csv", text(triangle(",", lower=True, diagonal=False)), 1, False),
    "txt lines of a triangle": ("txt", text(triangle(" ", lower=False, diagonal=True)), 1, False),
    "tsv named lines of a triangle": ("tsv", text(triangle(
        "\t", lower=True, diagonal=False, names=tuple("ABCDEFGHIJ"))), 1, True),
    "csv pairs": ("csv", text("a,b,dissimilarity\n" + pairs(",", "ABCDEFGHIJ")), 1, True),
    "csv pairs of excel de": ("csv", text(pairs(";", "ABCDEFGHIJ", decimal=",")), 1, True),
    "txt pairs by number": ("txt", text(pairs(" ", range(N))), 1, False),
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
