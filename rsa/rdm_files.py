"""RDMs from the files people have: numpy arrays, text tables, saved brain RDMs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from neurosim.rsa.brain_files import BrainFileError, load_brain
from neurosim.rsa.rdm import as_rows


class RDMFileError(ValueError):
    """A file holds no RDM; names the file and what was found."""


def load_rdms(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Named condensed RDMs of one file.

    - ``.npy``: one RDM or a stack, square or condensed.
    - ``.csv``, ``.tsv``, ``.txt``: a square matrix, or one condensed RDM a line; a header line
      and a column of names are passed over.
    - ``.npz``, ``.h5``, ``.hdf5``: brain RDMs as ``BrainRDMs.save`` writes them
      (``subject/ROI`` each); any other .npz: every array in it.

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
        arrays = _READERS[suffix](file)
        found = {}
        for name, array in arrays.items():
            rows = as_rows(array, name or "array")
            for i, row in enumerate(rows):
                label = "/".join(
                    part for part in (file.stem, name, str(i) if len(rows) > 1 else "") if part
                )
                found[label] = np.asarray(row, dtype=np.float64)
    except (BrainFileError, RDMFileError):
        raise
    # numpy and its parsers raise many undocumented types on damaged files.
    except Exception as error:
        raise RDMFileError(f"{file.name}: holds no RDM: {error}") from error
    return found


def _read_npy(file: Path) -> dict[str, np.ndarray]:
    return {"": np.load(file, allow_pickle=False)}


def _read_npz(file: Path) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as arrays:
        if "format" not in arrays.files:
            return {name: arrays[name] for name in arrays.files}
    return _read_brain(file)


def _read_brain(file: Path) -> dict[str, np.ndarray]:
    brain = load_brain(file)
    return {
        f"{brain.subjects[s]}/{brain.rois[r]}": brain.rdms[s, r]
        for s, r in np.argwhere(brain.has_roi())
    }


def _read_text(file: Path) -> dict[str, np.ndarray]:
    text = file.read_text(encoding="utf-8")
    first = text.splitlines()[0] if text else ""
    separator = max((",", "\t", ";", " "), key=first.count)
    lines = [[c for c in line.split(separator) if c != ""] for line in text.splitlines()]
    rows = [[_number(cell) for cell in line] for line in lines if line]
    if rows and any(value is None for value in rows[0]) and len(rows) > 1:
        rows = rows[1:]  # a header
    if rows and all(row[0] is None for row in rows):
        rows = [row[1:] for row in rows]  # a column of names
    if any(value is None for row in rows for value in row):
        raise RDMFileError(f"{file.name}: a cell is not a number")
    return {"": np.array(rows, dtype=np.float64)}


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


_READERS = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".h5": _read_brain,
    ".hdf5": _read_brain,
    ".csv": _read_text,
    ".tsv": _read_text,
    ".txt": _read_text,
}
