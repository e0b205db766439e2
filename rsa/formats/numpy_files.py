"""The one door to numpy's files: nothing is unpickled, and sizes are checked before reading."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, final

import numpy as np
from numpy.typing import NDArray


class NumpyFileError(ValueError):
    """A .npy or .npz file that is damaged, pickled or too large; ``array``: which of its arrays."""

    def __init__(self, message: str, array: str | None = None) -> None:
        super().__init__(message)
        self.array = array


@final
@dataclass(frozen=True, eq=False)
class StoredArray:
    """An array of a file: what its header declares, and ``read`` for its values.

    ``pickled``: it holds Python objects, which are never read, since opening them runs code.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], NDArray[Any]]

    @property
    def pickled(self) -> bool:
        return self.dtype.hasobject


def read_npy(path: str | os.PathLike[str]) -> NDArray[Any]:
    """The one array of a .npy file.

    Raises:
        NumpyFileError: damaged, pickled, or larger than memory.
    """
    with _naming(path), open(path, "rb") as stream:
        return _read(stream, os.fstat(stream.fileno()).st_size)


@contextmanager
def open_npz(path: str | os.PathLike[str]) -> Iterator[dict[str, StoredArray]]:
    """The arrays of an .npz file by name; each is read, and unpacked, when asked for.

    Raises:
        NumpyFileError: no archive of arrays, or a damaged one; and when an array is read.
    """
    with _naming(path):
        with open(path, "rb") as stream:
            if stream.read(6) == np.lib.format.MAGIC_PREFIX:
                raise ValueError("it is not an .npz file but a single array; name it .npy")
        archive = zipfile.ZipFile(path)
    with archive:
        with _naming(path):
            arrays = {
                info.filename.removesuffix(".npy"): _stored(archive, info, path)
                for info in archive.infolist()
                if info.filename.endswith(".npy")
            }
            if not arrays:
                raise ValueError("it is a zip archive without arrays")
        yield arrays


def refuse_size(what: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse an array that this machine cannot hold, before it tries to."""
    if any(size < 0 for size in shape):
        raise ValueError(f"{what} declares the impossible shape {shape}; the file is damaged")
    n_bytes, memory = math.prod(shape) * dtype.itemsize, _memory_bytes()
    if n_bytes > memory:
        raise ValueError(
            f"{what} declares shape {shape} of {dtype}, {n_bytes / 2**30:.3g} GiB, and this "
            f"machine has {memory / 2**30:.3g} GiB of memory: the file is damaged, or needs a "
            "larger machine"
        )


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # a system that does not tell
        return 2**63


@contextmanager
def _naming(path: str | os.PathLike[str], name: str | None = None) -> Iterator[None]:
    """Every error of damaged bytes as the one that names the file."""
    try:
        yield
    except (FileNotFoundError, PermissionError, IsADirectoryError, NumpyFileError):
        raise
    # zipfile, zlib, lzma, struct, ast and numpy raise a dozen types, few of them documented.
    except Exception as error:
        where = Path(path).name if name is None else f"{Path(path).name}: array {name!r}"
        why = " ".join(str(error).split()) or type(error).__name__
        raise NumpyFileError(f"{where} cannot be read: {why}", name) from error


def _stored(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str | os.PathLike[str]
) -> StoredArray:
    name = info.filename.removesuffix(".npy")

    def read() -> NDArray[Any]:
        with _naming(path, name), archive.open(info) as stream:
            return _read(stream, info.file_size)

    with _naming(path, name), archive.open(info) as stream:
        shape, dtype = _header(stream)
    return StoredArray(shape, dtype, read)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    else:
        raise ValueError(f"it is of version {version} of numpy's format; known: 1.0, 2.0")
    return shape, dtype


def _read(stream: IO[bytes], n_bytes_there: int) -> NDArray[Any]:
    """The array that starts here, after its header was held against what is there."""
    shape, dtype = _header(stream)
    if dtype.hasobject:
        raise ValueError(
            "it holds Python objects (a pickle), which run code when they are opened, so that "
            "allow_pickle is never set here; save it as numbers or text (names: np.array(names, "
            "dtype=str))"
        )
    refuse_size("it", shape, dtype)
    n_bytes, n_left = math.prod(shape) * dtype.itemsize, n_bytes_there - stream.tell()
    if n_bytes > n_left:
        raise ValueError(f"it declares {n_bytes} bytes and holds {n_left}: it is cut off")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)
