"""``BrainRDMs`` to and from HDF5 and npz: the same fields in both, no pickle."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from neurosim.rsa.brain.brain import BrainRDMs
from neurosim.rsa.formats.hdf5_files import open_hdf5
from neurosim.rsa.formats.numpy_files import open_npz
from neurosim.rsa.formats.writing import write_whole

FORMAT = "neurosim.rsa.BrainRDMs/1"
_HDF5 = (".h5", ".hdf5")
_NAMES = ("subjects", "rois", "stimuli")


class BrainFileError(ValueError):
    """A file is not one of brain RDMs, or is damaged."""


def save_brain(brain: BrainRDMs, path: str | os.PathLike[str]) -> Path:
    """Write one file, chosen by its ending: .h5, .hdf5 or .npz."""
    fields: dict[str, Any] = {
        "format": FORMAT,
        "rdms": brain.rdms,
        "source": brain.source,
        "simulated": brain.simulated,
        **{name: list(getattr(brain, name)) for name in _NAMES},
    }
    if brain.pair_mask is not None:
        fields["pair_mask"] = brain.pair_mask
    if _is_hdf5(path):
        return write_whole(path, lambda temporary: _write_hdf5(temporary, fields))
    return write_whole(path, lambda temporary: np.savez_compressed(temporary, **fields))


def load_brain(path: str | os.PathLike[str]) -> BrainRDMs:
    """Read a file that ``save_brain`` wrote.

    Raises:
        FileNotFoundError: no such file.
        BrainFileError: not such a file; names the file and the field at fault.
    """
    hdf5 = _is_hdf5(path)
    if not Path(path).is_file():
        raise FileNotFoundError(f"no brain RDM file {os.fspath(path)}")
    try:
        fields = _read_hdf5(path) if hdf5 else _read_npz(path)
    # zipfile, zlib, numpy and h5py raise a dozen types on damaged bytes, none of them documented.
    except Exception as error:
        raise BrainFileError(f"{os.fspath(path)}: cannot be read: {error}") from error
    return _checked(fields, path)


def _is_hdf5(path: str | os.PathLike[str]) -> bool:
    suffix = Path(path).suffix.lower()
    if suffix in _HDF5:
        return True
    if suffix == ".npz":
        return False
    raise ValueError(f"brain RDM files end in .h5, .hdf5 or .npz; got {os.fspath(path)}")


def _write_hdf5(path: Path, fields: dict[str, Any]) -> None:
    # The newest file layout carries checksums in its metadata, and names of fixed length need
    # no heap: damage is found, where the old layout can send the HDF5 library in circles.
    with h5py.File(path, "w", libver="latest") as file:
        for name, value in fields.items():
            if isinstance(value, (str, bool)):
                file.attrs[name] = value
            elif isinstance(value, list):
                names = [entry.encode() for entry in value]
                dtype = h5py.string_dtype(length=max(1, *map(len, names)))
                file.create_dataset(name, data=np.array(names, dtype=dtype))
            else:
                file.create_dataset(name, data=value)


def _read_hdf5(path: str | os.PathLike[str]) -> dict[str, Any]:
    with open_hdf5(path) as file:
        fields = dict(file.attrs)
        for name, data in file.items():
            if not isinstance(data, h5py.Dataset):
                continue
            fields[name] = data.asstr()[...] if h5py.check_string_dtype(data.dtype) else data[...]
    return fields


def _read_npz(path: str | os.PathLike[str]) -> dict[str, Any]:
    with open_npz(path) as arrays:
        return {name: array.read() for name, array in arrays.items()}


def _checked(fields: dict[str, Any], path: str | os.PathLike[str]) -> BrainRDMs:
    where = os.fspath(path)

    def refuse(name: str, why: str) -> BrainFileError:
        return BrainFileError(f"{where}: field {name!r} {why}")

    for name in ("format", "rdms", "source", "simulated", *_NAMES):
        if name not in fields:
            raise refuse(name, "is missing; this is not a file of brain RDMs")
    if str(fields["format"]) != FORMAT:
        raise refuse("format", f"is {str(fields['format'])!r}, expected {FORMAT!r}")
    names = {}
    for name in _NAMES:
        array = np.asarray(fields[name])
        if array.ndim != 1 or array.dtype.kind not in "UOT":
            raise refuse(name, f"must be a list of names; got {array.dtype} {array.shape}")
        names[name] = tuple(str(entry) for entry in array)
    mask = fields.get("pair_mask")
    try:
        return BrainRDMs(
            np.asarray(fields["rdms"]),
            pair_mask=mask,
            source=str(fields["source"]),
            simulated=bool(fields["simulated"]),
            **names,
        )
    except (TypeError, ValueError) as error:
        raise BrainFileError(f"{where}: {error}") from error
