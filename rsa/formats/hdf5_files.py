"""The one door to HDF5 files: what such a file shows lies in it, and fits into memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import h5py

from neurosim.rsa.formats.numpy_files import refuse_size


class ForeignDataError(ValueError):
    """An HDF5 file shows data of another place, under another name or of an absurd size."""


@contextmanager
def open_hdf5(path: str | os.PathLike[str], *, in_blocks: bool = False) -> Iterator[h5py.File]:
    """Open for reading.

    HDF5 can show the content of other files as its own: by external links, virtual datasets and
    external storage. A soft link shows one dataset under two names, and a group that holds itself
    has no end. All of them are refused before anything is read, as is a dataset that declares more
    bytes than this machine has memory, unless the caller reads it ``in_blocks``.

    Raises:
        OSError: no HDF5 file.
        ForeignDataError: as above; names the entry and the remedy.
    """
    with h5py.File(path, "r") as file:
        for where, dataset in _own_datasets(file, ()):
            if not in_blocks and dataset.shape is not None:
                refuse_size(f"its entry {where!r}", dataset.shape, dataset.dtype)
        yield file


def _own_datasets(group: h5py.Group, above: tuple[int, ...]) -> Iterator[tuple[str, h5py.Dataset]]:
    """Every dataset below a group; the first entry that shows another place is refused."""
    address = h5py.h5o.get_info(group.id).addr
    if address in above:
        raise ForeignDataError(f"its group {group.name!r} holds itself; write the file without it")
    for name in group:
        link = group.get(name, getlink=True)
        where = f"{group.name.rstrip('/')}/{name}"
        if isinstance(link, h5py.ExternalLink):
            raise _foreign(where, f"is a link to another file, {link.filename!r}")
        if isinstance(link, h5py.SoftLink):
            raise _foreign(where, f"is a link to {link.path!r}")
        item = group[name]
        if isinstance(item, h5py.Group):
            yield from _own_datasets(item, (*above, address))
        elif isinstance(item, h5py.Dataset):
            if item.is_virtual:
                raise _foreign(where, "is a virtual dataset, put together from other files")
            if item.external:
                raise _foreign(where, f"keeps its data in another file, {item.external[0][0]!r}")
            yield where, item


def _foreign(where: str, what: str) -> ForeignDataError:
    return ForeignDataError(
        f"its entry {where!r} {what}; links are not followed: copy the data itself into the file "
        "(h5repack, or f.copy(..., expand_external=True, expand_soft=True) in h5py)"
    )
