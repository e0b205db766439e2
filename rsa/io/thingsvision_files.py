"""Features of a network as thingsvision stores them: ``features.*`` of one layer per folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurosim.rsa.formats.hdf5_files import open_hdf5
from neurosim.rsa.formats.mat_files import read_mat
from neurosim.rsa.formats.numpy_files import read_npy
from neurosim.rsa.io.feature_names import FeatureFileError, stimulus_names

if TYPE_CHECKING:
    import pandas as pd

NAMES = "file_names.txt"
#: ``features``; ``features_01`` (splits); ``features_0-96``, ``features_train_0-96`` (steps).
_STEM = re.compile(r"features(_.*)?")
_PART = re.compile(r"(\d+)(?:-(\d+))?$")
_ENDINGS = (".npy", ".hdf5", ".mat", ".txt")
_PICKLED = ".pt"


def holds_thingsvision(folder: Path) -> bool:
    """Whether a folder holds ``features.*`` of a layer."""
    return bool(_files(folder))


def read_layer(folder: Path) -> pd.DataFrame:
    """(n_stimuli, n_features) of one folder; the index names the stimuli where ``file_names.txt``
    does, there or one folder up, and numbers them where it does not.

    Raises:
        FeatureFileError: several formats, steps that leave rows out, names that do not fit, damage.
    """
    import pandas as pd

    files = _files(folder)
    endings = {file.suffix for file in files}
    if endings == {_PICKLED}:
        raise FeatureFileError(
            f"{folder.name}: {files[0].name} is a pickle of torch, which is not opened: save the "
            "features as npy or hdf5 (output_type='ndarray')"
        )
    if len(endings) > 1 or len({_is_part(file) for file in files}) > 1:
        told = ", ".join(file.name for file in files[:4])
        raise FeatureFileError(
            f"{folder.name} holds the features of its layer more than once ({told}): keep one"
        )
    try:
        arrays, of_file = _read(files)
    except (ValueError, OSError) as error:
        raise FeatureFileError(f"{folder.name}: {error}") from error
    widths = {array.shape[1] for array in arrays}
    if len(widths) > 1:
        raise FeatureFileError(
            f"{folder.name}: rows have different numbers of features ({_listed(widths)}): extract "
            "them again, or pool what varies in length"
        )
    rows = np.concatenate(arrays)
    index = _index(folder, len(rows), of_file)
    table = pd.DataFrame(rows, index=index)
    # A .mat file of one variable per image keeps them in its own order.
    return table if of_file is None or index is None else table.loc[index]


def _files(folder: Path) -> list[Path]:
    found = [
        file
        for file in folder.glob("features*")
        if file.suffix in (*_ENDINGS, _PICKLED) and _STEM.fullmatch(file.stem)
    ]
    return sorted(found, key=lambda file: (_numbers(file.stem), file.name))


def _is_part(file: Path) -> bool:
    return _PART.search(file.stem) is not None


def _numbers(stem: str) -> tuple[int, int]:
    part = _PART.search(stem)
    return (-1, -1) if part is None else (int(part[1]), int(part[2] or -1))


def _read(files: Sequence[Path]) -> tuple[list[NDArray[Any]], list[str] | None]:
    """The rows of every part, and the names that a .mat file gives them."""
    _refuse_gaps(files)
    if files[0].suffix == ".mat":
        return _of_mat(files)
    arrays = []
    for file in files:
        if file.suffix == ".npy":
            arrays.append(_rows(read_npy(file)))
        elif file.suffix == ".txt":
            arrays.append(np.loadtxt(file, ndmin=2))
        else:
            with open_hdf5(file) as stored:
                for name in sorted(stored, key=_numbers):
                    arrays.append(_rows(stored[name][()]))
    return arrays, None


def _refuse_gaps(files: Sequence[Path]) -> None:
    """Steps say which rows they hold: from where the last one ended."""
    steps = [(_numbers(file.stem), file.name) for file in files]
    at = 0
    for (first, last), name in steps:
        if last < 0:
            return
        if first != at:
            raise FeatureFileError(f"{name} begins at row {first}, and the one before ends at {at}")
        at = last


def _of_mat(files: Sequence[Path]) -> tuple[list[NDArray[Any]], list[str] | None]:
    found = [(v.name, v.array) for file in files for v in read_mat(file) if v.array is not None]
    if {name for name, _ in found} == {"features"}:
        return [_rows(array) for _, array in found], None
    return [array.reshape(1, -1) for _, array in found], [name for name, _ in found]


def _rows(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind not in "fiub":
        raise FeatureFileError(f"features are {array.dtype}, not numbers")
    if array.ndim < 2:
        raise FeatureFileError(f"features have the shape {array.shape}, not one row per stimulus")
    return array.reshape(len(array), -1)


def _index(folder: Path, n: int, of_file: Sequence[str] | None) -> list[str] | None:
    place = next((p / NAMES for p in (folder, folder.parent) if (p / NAMES).is_file()), None)
    if place is None:
        return None if of_file is None else list(of_file)
    lines = [line.strip() for line in place.read_text(encoding="utf-8").splitlines()]
    names = stimulus_names([line for line in lines if line], place.name)
    if len(names) != n:
        raise FeatureFileError(
            f"{folder.name}: {n} rows of features, and {len(names)} names in {place.name}"
        )
    if of_file is not None and set(of_file) != set(names):
        odd = sorted(set(of_file) ^ set(names))[0]
        raise FeatureFileError(
            f"{folder.name}: {odd!r} is not both in {place.name} and in the .mat file: extract "
            "the features again"
        )
    return names


def _listed(widths: set[int]) -> str:
    return ", ".join(map(str, sorted(widths)[:4]))
