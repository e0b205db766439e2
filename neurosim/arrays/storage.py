"""Files that appear whole or not at all: nested mappings of arrays in plain HDF5, and text.

No pickle: a tree holds numpy arrays, numbers, text and further trees, and reads back the same. Its
file names the SHA-256 of each entry, so that a flipped bit is damage and no number.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from neurosim.naming.settings import unmasked

Tree = Mapping[str, Any]

#: Root attribute: entry of the first level -> SHA-256, as JSON.
_DIGESTS = "sha256"


class DamagedFileError(ValueError):
    """A stored file that cannot be read back whole."""


@contextmanager
def whole_or_nothing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends without error.

    Raises:
        OSError: the system refuses (no space, no permission); its ``filename`` is ``path``.
    """
    path = Path(path)
    try:
        with _replacing(path) as temporary:
            yield temporary
    except OSError as error:
        # A full disk names no file, and a temporary name means nothing to a reader.
        if error.errno is None or not str(error.filename or ".part").endswith(".part"):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
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
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a new name outlast a power cut; not every system can open a folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of writers that were killed; none may be writing there now."""
    for left in Path(folder).glob(".*.part"):
        left.unlink(missing_ok=True)


def set_aside(path: Path) -> Path:
    """Rename a damaged file to ``NAME.damaged``, with a number where that is taken."""
    path = Path(path)
    names = [path.with_name(f"{path.name}.damaged")]
    while names[-1].exists():
        names.append(path.with_name(f"{path.name}.damaged-{len(names) + 1}"))
    os.replace(path, names[-1])
    return names[-1]


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Under a locale without its letters Python holds the bytes of a file's name as surrogates, which
    are text again here.
    """
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    with whole_or_nothing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_tree(path: Path, tree: Tree) -> None:
    """Write a nested mapping to HDF5, whole or not at all.

    Raises:
        TypeError: for a value that is no array, number, text, sequence of text, or mapping.
    """
    # In memory first: HDF5 answers a full disk late and in many ways, a plain write in one.
    name = f"{path}-{secrets.token_hex(8)}"
    with h5py.File(name, "w", driver="core", backing_store=False, block_size=1 << 20) as file:
        _write(file, tree)
        file.attrs[_DIGESTS] = json.dumps({key: _sha256(file[key]) for key in file})
        file.flush()
        image = file.id.get_file_image()
    with whole_or_nothing(path) as temporary:
        temporary.write_bytes(image)


def read_tree(path: Path, only: Sequence[str] | None = None) -> dict[str, Any]:
    """Read what ``write_tree`` wrote.

    Args:
        only: the entries of the first level to read; None for all. Absent ones are left out.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedFileError: the file is truncated, no HDF5 file, or not what was written.
        OSError: the system refuses (no permission, too many open files): no damage.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        with _open(path) as file:
            _check_digests(file, only)
            return _read(file, only)
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EIO):
            raise
        raise DamagedFileError(
            f"{path} cannot be read ({' '.join(str(error).split())}): it is damaged or truncated; "
            "move it away and run again to compute it anew"
        ) from error


@contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    """The one door to HDF5 files here: no entry shows what lies elsewhere or has no end.

    ``write_tree`` makes neither links, virtual datasets nor external storage, which show the
    content of another place as if it were this file's; a file that has them is not one of ours.
    """
    with h5py.File(path, "r") as file:
        _refuse_foreign(file, ())
        yield file


def _refuse_foreign(group: h5py.Group, above: tuple[int, ...]) -> None:
    address = h5py.h5o.get_info(group.id).addr
    if address in above:
        raise ValueError(f"its group {group.name!r} holds itself")
    for key in group:
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise ValueError(f"its entry {key!r} is a link to another place")
        item = group[key]
        if isinstance(item, h5py.Group):
            _refuse_foreign(item, (*above, address))
        elif isinstance(item, h5py.Dataset) and (item.is_virtual or item.external):
            raise ValueError(f"its entry {key!r} keeps its data in another file")


def _check_digests(file: h5py.File, only: Sequence[str] | None) -> None:
    # Files of before there were digests have none.
    digests = json.loads(file.attrs.get(_DIGESTS, "{}"))
    for key in digests if only is None else [key for key in only if key in digests]:
        if key not in file or _sha256(file[key]) != digests[key]:
            raise ValueError(f"its entry {key!r} is not what was written")


def _sha256(item: h5py.Group | h5py.Dataset) -> str:
    digest = hashlib.sha256()
    _update(digest, item)
    return digest.hexdigest()


def _update(digest: Any, item: h5py.Group | h5py.Dataset) -> None:
    if isinstance(item, h5py.Group):
        for key in item:
            digest.update(f"{key}/".encode())
            _update(digest, item[key])
        return
    digest.update(f"{item.dtype.str}{item.shape}".encode())
    value = item[()]
    if h5py.check_string_dtype(item.dtype):
        texts = [value] if isinstance(value, bytes) else value.flat
        for text in texts:
            digest.update(str(len(text)).encode() + b":" + text)
    else:
        digest.update(np.ascontiguousarray(value).data)


def _write(group: h5py.Group, tree: Tree) -> None:
    # Sorted, as it reads back: what was written, read and written again is the same bytes.
    for key, value in sorted(tree.items()):
        if "/" in key or not key:
            raise TypeError(f"a key may neither be empty nor hold a slash, got {key!r}")
        if isinstance(value, Mapping):
            _write(group.create_group(key), value)
            continue
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        array = unmasked(repr(key), value)
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
