"""Files that appear whole or not at all: nested mappings of arrays in plain HDF5, and text.

No pickle: a tree holds numpy arrays, numbers, text and further trees, and reads back the same.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Tree = Mapping[str, Any]


class DamagedFileError(ValueError):
    """A stored file that cannot be read back whole."""


@contextmanager
def whole_or_nothing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends without error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        # mkstemp makes files private; a result is as readable as any new file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with whole_or_nothing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_tree(path: Path, tree: Tree) -> None:
    """Write a nested mapping to HDF5, whole or not at all.

    Raises:
        TypeError: for a value that is no array, number, text, sequence of text, or mapping.
    """
    with whole_or_nothing(path) as temporary, h5py.File(temporary, "w") as file:
        _write(file, tree)


def read_tree(path: Path, only: Sequence[str] | None = None) -> dict[str, Any]:
    """Read what ``write_tree`` wrote.

    Args:
        only: the entries of the first level to read; None for all. Absent ones are left out.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedFileError: the file is truncated or no HDF5 file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        with h5py.File(path, "r") as file:
            return _read(file, only)
    except (OSError, KeyError, RuntimeError, UnicodeDecodeError) as error:
        raise DamagedFileError(
            f"{path} cannot be read as HDF5 ({error}): it is damaged or truncated; "
            "move it away and run again to compute it anew"
        ) from error


def _write(group: h5py.Group, tree: Tree) -> None:
    for key, value in tree.items():
        if "/" in key or not key:
            raise TypeError(f"a key may neither be empty nor hold a slash, got {key!r}")
        if isinstance(value, Mapping):
            _write(group.create_group(key), value)
            continue
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        array = np.asarray(value)
        if array.dtype.kind in "UT" or (array.dtype.kind == "O" and _all_text(array)):
            group.create_dataset(key, data=array.astype(object), dtype=h5py.string_dtype())
        elif array.dtype.kind in "biuf":
            group.create_dataset(key, data=array)
        else:
            raise TypeError(
                f"{key!r} holds {type(value).__name__}: only arrays, numbers, text and mappings "
                "of these can be stored"
            )


def _all_text(array: np.ndarray) -> bool:
    return all(isinstance(item, str) for item in array.flat)


def _read(group: h5py.Group, only: Sequence[str] | None = None) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key in group if only is None else [key for key in only if key in group]:
        item = group[key]
        if isinstance(item, h5py.Group):
            tree[key] = _read(item)
        elif h5py.check_string_dtype(item.dtype):
            text = item.asstr()[()]
            tree[key] = text if isinstance(text, str) else list(text)
        else:
            value = item[()]
            tree[key] = value.item() if np.ndim(value) == 0 else value
    return tree
