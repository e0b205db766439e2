"""Where data files lie, and .npz files that are checked when read and whole when written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from neurosim.arrays.storage import whole_or_nothing
from neurosim.experiments.data.types import BrokenDataError, MissingDataError
from neurosim.rsa.formats.numpy_files import NumpyFileError, StoredArray, open_npz

ENVIRONMENT = "NEUROSIM_DATA"


def data_directory(data_dir: Path | str | None = None) -> Path:
    """`data_dir` (--data-dir) if given, else $NEUROSIM_DATA, else the user's cache folder."""
    chosen = data_dir or os.environ.get(ENVIRONMENT)
    if chosen:
        return Path(chosen).expanduser()
    return user_cache_path("neurosim", appauthor=False)


@dataclass(frozen=True)
class Access:
    """How a loader may reach its files: where they lie, and whether it may fetch them."""

    folder: Path
    download: bool = False
    progress: bool = False


def missing(name: str, looked_for: str, folder: Path, remedy: str) -> MissingDataError:
    """The one sentence a person reads when a data set is not there."""
    return MissingDataError(
        f"data set {name!r}: no {looked_for} in {folder}; name the folder that holds it "
        f"with --data-dir or {ENVIRONMENT}, or {remedy}."
    )


@dataclass(frozen=True)
class Field:
    """What an array of an .npz file has to be: dtype kind ("u1", "i", "f4", "U") and shape.

    None in the shape is any length; a str is a length that has to be the same wherever the
    file uses it.
    """

    dtype: str
    shape: tuple[int | str | None, ...]

    def __str__(self) -> str:
        sizes = ", ".join("any" if size is None else str(size) for size in self.shape)
        comma = "," if len(self.shape) == 1 else ""
        return f"dtype {_DTYPES[self.dtype]} and shape ({sizes}{comma})"

    def fits_dtype(self, dtype: np.dtype) -> bool:
        if self.dtype == "i":
            return dtype.kind in "iu"
        if self.dtype == "U":
            return dtype.kind == "U"
        return dtype == np.dtype(self.dtype)


_DTYPES = {"u1": "uint8", "f4": "float32", "i": "any integer", "U": "text"}
Layout = Mapping[str, Field]


def read_npz(path: Path, layout: Layout, remedy: str) -> dict[str, np.ndarray]:
    """The arrays of `layout` from an .npz file, each checked; nothing is ever unpickled.

    Raises BrokenDataError, which names the file, the field, what is allowed and `remedy`.
    """
    lengths: dict[str, int] = {}
    try:
        with open_npz(path) as stored:
            absent = [key for key in layout if key not in stored]
            if absent:
                raise BrokenDataError(
                    f"{path} has no field {absent[0]!r} (it has "
                    f"{', '.join(map(repr, stored))}); {remedy}."
                )
            for key, field in layout.items():
                if not stored[key].pickled:  # those say it themselves
                    _check(path, key, field, stored[key], lengths, remedy)
            arrays = {key: stored[key].read() for key in layout}
    except NumpyFileError as error:
        what = "is not a whole .npz file"
        if error.array is not None:
            what = f"field {error.array!r} cannot be read"
        raise BrokenDataError(f"{path}: {what} ({error}); {remedy}.") from error
    for key, array in arrays.items():
        n_bad = int((~np.isfinite(array)).sum()) if array.dtype.kind == "f" else 0
        if n_bad:
            raise BrokenDataError(
                f"{path}: field {key!r} has {n_bad} of {array.size} values that are not finite; "
                f"{remedy}."
            )
    return arrays


def _check(
    path: Path, key: str, field: Field, array: StoredArray, lengths: dict[str, int], remedy: str
) -> None:
    """What the header declares, before anything of the array is unpacked."""
    fits = field.fits_dtype(array.dtype) and len(array.shape) == len(field.shape)
    for wanted, size in zip(field.shape, array.shape, strict=False):
        if isinstance(wanted, str):
            wanted = lengths.setdefault(wanted, size)
        fits = fits and wanted in (None, size)
    if not fits:
        known = ", ".join(f"{name} = {size}" for name, size in lengths.items())
        raise BrokenDataError(
            f"{path}: field {key!r} has dtype {array.dtype} and shape {array.shape}; it has to "
            f"have {field}{f' with {known}' if known else ''}; {remedy}."
        )


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an .npz that appears whole or not at all.

    Uncompressed: photographs hardly shrink, and every process of a run reads the file.
    """
    with whole_or_nothing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stub
