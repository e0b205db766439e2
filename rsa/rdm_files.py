"""RDMs from the files people have: numpy arrays, text tables, saved brain RDMs."""

from __future__ import annotations

import os
from itertools import zip_longest
from pathlib import Path

import numpy as np

from neurosim.rsa.brain_files import BrainFileError, load_brain
from neurosim.rsa.numpy_files import open_npz, read_npy
from neurosim.rsa.rdm import RDM, as_rows


class RDMFileError(ValueError):
    """A file holds no RDM; names the file and what was found."""


def load_rdms(path: str | os.PathLike[str]) -> dict[str, RDM]:
    """Named RDMs of one file, with stimulus names where the file has them.

    - ``.npy``: one RDM or a stack, square or condensed.
    - ``.csv``, ``.tsv``, ``.txt``: a square matrix, or one condensed RDM a line. A header line
      and a first column of names are passed over; around a square matrix they name its stimuli
      (columns in another order than the rows are put in theirs; other names are refused).
    - ``.npz``, ``.h5``, ``.hdf5``: brain RDMs as ``BrainRDMs.save`` writes them
      (``subject/ROI`` each; pairs outside their mask are NaN); any other .npz: every array.

    Raises:
        FileNotFoundError, RDMFileError.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"no file {file}")
    suffix = file.suffix.lower()
    if suffix not in _READERS:
        raise RDMFileError(f"{file.name}: unknown ending; known: {', '.join(_READERS)}")
    try:
        arrays, stimuli = _READERS[suffix](file)
        found = {}
        for name, array in arrays.items():
            rows = as_rows(array, name or "array")
            for i, row in enumerate(rows):
                label = "/".join(
                    part for part in (file.stem, name, str(i) if len(rows) > 1 else "") if part
                )
                found[label] = RDM(np.asarray(row, dtype=np.float64), stimuli)
    except (BrainFileError, RDMFileError):
        raise
    # numpy and its parsers raise many undocumented types on damaged files.
    except Exception as error:
        raise RDMFileError(f"{file.name}: holds no RDM: {error}") from error
    return found


Content = tuple[dict[str, np.ndarray], tuple[str, ...] | None]


def _read_npy(file: Path) -> Content:
    return {"": read_npy(file)}, None


def _read_npz(file: Path) -> Content:
    with open_npz(file) as arrays:
        if "format" not in arrays:
            return {name: array.read() for name, array in arrays.items()}, None
    return _read_brain(file)


def _read_brain(file: Path) -> Content:
    brain = load_brain(file)
    rdms = np.where(True if brain.pair_mask is None else brain.pair_mask, brain.rdms, np.nan)
    return {
        f"{brain.subjects[s]}/{brain.rois[r]}": rdms[s, r] for s, r in np.argwhere(brain.has_roi())
    }, brain.stimuli


def _read_text(file: Path) -> Content:
    text = file.read_text(encoding="utf-8-sig")
    first = text.splitlines()[0] if text else ""
    separator = max((",", "\t", ";", " "), key=first.count)
    lines = [
        line.split() if separator == " " else [cell.strip() for cell in line.split(separator)]
        for line in text.splitlines()
        if line.strip()
    ]
    header = None
    if len(lines) > 1 and any(cell and _number(cell) is None for cell in lines[0]):
        header, lines = lines[0], lines[1:]
    names = None
    numbered = header is None and _is_framed_by_numbers(lines)
    if numbered:
        header, lines = lines[0], lines[1:]
    if lines and (numbered or all(_number(line[0]) is None for line in lines)):
        names, lines = [line[0].strip("\"'") for line in lines], [line[1:] for line in lines]
    rows = [[_value(file, cell) for cell in line] for line in lines]
    if len({len(row) for row in rows}) > 1:
        raise RDMFileError(f"{file.name}: lines have different numbers of cells")
    array = np.array(rows, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        return {"": array}, None
    columns = None if header is None else [cell.strip("\"'") for cell in header[-len(array) :]]
    if names is None or columns is None:
        names = columns if names is None else names
    elif sorted(names) == sorted(columns):
        # One order for both; a name that stands twice is refused with the names.
        array = array[:, [columns.index(name) for name in names]]
    else:
        i = next(i for i, (a, b) in enumerate(_zipped(names, columns)) if a != b)
        row, column = _zipped(names, columns)[i]
        raise RDMFileError(
            f"{file.name}: row {i + 1} is named {row!r}, column {i + 1} {column!r}, and the names "
            "of rows and columns are not the same; name both after the stimuli, in any order, or "
            "leave one of them out"
        )
    if numbered and names == [str(i) for i in range(len(array))]:
        names = None  # a count of the rows is no name
    return {"": array}, None if names is None else tuple(names)


def _is_framed_by_numbers(lines: list[list[str]]) -> bool:
    """Whether the first row and column are numbers that label the others, as pandas writes a table
    without names: the corner is empty, and the rest of the diagonal is not."""
    if not lines or any(len(line) != len(lines) for line in lines) or lines[0][0]:
        return False
    return len(lines) > 2 and all(line[i] for i, line in enumerate(lines) if i)


def _zipped(names: list[str], columns: list[str]) -> list[tuple[str | None, str | None]]:
    return list(zip_longest(names, columns))


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _value(file: Path, cell: str) -> float:
    value = _number(cell) if cell else float("nan")
    if value is None:
        raise RDMFileError(f"{file.name}: the cell {cell[:40]!r} is not a number")
    return value


_READERS = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".h5": _read_brain,
    ".hdf5": _read_brain,
    ".csv": _read_text,
    ".tsv": _read_text,
    ".txt": _read_text,
}
