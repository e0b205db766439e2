"""MATLAB files of any version as a flat list of named arrays: structs and cells are taken apart.

Versions 4 to 7 are read by scipy; 7.3 is HDF5, in which a struct is a group, a cell an array of
references, and every array is turned round.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, final

import h5py
import numpy as np
from numpy.typing import NDArray

from neurosim.rsa.formats.hdf5_files import open_hdf5
from neurosim.rsa.formats.numpy_files import refuse_size

_MAX_DEPTH = 16


@final
@dataclass(frozen=True, eq=False)
class MatVariable:
    """An array or some text of a file.

    ``name`` is the path to it: ``RDMs/hIT | BE | Session: 1`` is the ``RDM`` of the struct of
    that ``name`` in the struct array ``RDMs``. ``offered`` is False for what stands in a struct
    beside its ``RDM``, and in an array of structs that have none.
    """

    name: str
    array: NDArray[Any] | None = None
    text: tuple[str, ...] = ()
    offered: bool = True


class _Struct(NamedTuple):
    shape: tuple[int, ...]
    elements: list[dict[str, Any]]


class _Cell(NamedTuple):
    shape: tuple[int, ...]
    elements: list[Any]


def read_mat(file: Path) -> list[MatVariable]:
    """Every numeric array and text of a MATLAB file, in MATLAB's orientation.

    Raises:
        ValueError, and what scipy and h5py raise: the file is damaged, or larger than memory.
    """
    variables = _version_73(file) if h5py.is_hdf5(file) else _version_5(file)
    return [found for name, node in variables.items() for found in _taken_apart(name, node)]


def _taken_apart(name: str, node: Any, offered: bool = True) -> Iterator[MatVariable]:
    if isinstance(node, _Struct):
        yield from _of_struct(name, node, offered)
    elif isinstance(node, _Cell):
        if node.elements and all(isinstance(e, tuple) for e in node.elements):
            yield MatVariable(name, text=tuple(t for e in node.elements for t in e))
            return
        for place, element in zip(_places(node.shape), node.elements, strict=True):
            yield from _taken_apart(_joined(name, place), element, offered)
    elif isinstance(node, tuple):
        yield MatVariable(name, text=node)
    elif node is not None:
        yield MatVariable(name, node, offered=offered)


def _of_struct(name: str, struct: _Struct, offered: bool) -> Iterator[MatVariable]:
    names = [_name_of(element) for element in struct.elements]
    if len(set(names)) < len(names) or not all(names):
        names = _places(struct.shape)
    for place, element in zip(names, struct.elements, strict=True):
        rdm = next((f for f in element if f.casefold() == "rdm"), None)
        one = len(struct.elements) == 1
        for field_name, value in element.items():
            if field_name == rdm:
                yield from _taken_apart(_joined(name, place), value, offered)
            else:
                taken = offered and rdm is None and one
                yield from _taken_apart(_joined(name, place, field_name), value, taken)


def _name_of(element: dict[str, Any]) -> str:
    value = element.get("name")
    return value[0] if isinstance(value, tuple) and len(value) == 1 and value[0] else ""


def _places(shape: tuple[int, ...]) -> list[str]:
    """Counted from 0, without the axes of length one; nothing where there is one element."""
    axes = [i for i, size in enumerate(shape) if size != 1]
    return [",".join(str(index[i]) for i in axes) for index in np.ndindex(*shape)]


def _joined(*parts: str) -> str:
    return "/".join(part for part in parts if part)


def _version_5(file: Path) -> dict[str, Any]:
    from scipy.io import loadmat, whosmat

    for name, shape, _ in whosmat(file, appendmat=False):
        refuse_size(f"its variable {name!r}", shape, np.dtype(np.uint8))
    loaded = loadmat(file, appendmat=False)
    return {name: _scipy_node(value) for name, value in loaded.items() if name[:2] != "__"}


def _scipy_node(value: Any) -> Any:
    from scipy.io.matlab import MatlabFunction, MatlabOpaque

    if not isinstance(value, np.ndarray) or isinstance(value, (MatlabFunction, MatlabOpaque)):
        return None  # a sparse matrix, a function, an object (a string array is one)
    if value.dtype.names is not None:
        elements = [{f: _scipy_node(v[f]) for f in value.dtype.names} for v in value.ravel()]
        return _Struct(value.shape, elements)
    if value.dtype.hasobject:
        return _Cell(value.shape, [_scipy_node(element) for element in value.ravel()])
    if value.dtype.kind in "US":
        return tuple(str(text).rstrip() for text in value.ravel())
    return value


def _version_73(file: Path) -> dict[str, Any]:
    with open_hdf5(file) as opened:
        return {name: _hdf5_node(opened, opened[name]) for name in opened if name[0] != "#"}


def _hdf5_node(file: h5py.File, item: Any, depth: int = 0) -> Any:
    if depth > _MAX_DEPTH:
        raise ValueError(f"its cells and structs hold each other, {depth} deep")
    kind = item.attrs.get("MATLAB_class", b"")
    kind = kind.decode() if isinstance(kind, bytes) else str(kind)
    if isinstance(item, h5py.Group):
        if "MATLAB_sparse" in item.attrs or (kind and kind != "struct"):
            return None
        return _hdf5_struct(file, item, depth)
    if "MATLAB_object_decode" in item.attrs:
        return None  # an object (a string array, a table): its numbers point into #refs#
    if "MATLAB_empty" in item.attrs:
        shape = tuple(int(size) for size in np.ravel(item[()]))
        return ("",) if kind == "char" else np.empty(shape) if 0 in shape else None
    values = np.asarray(item[()]).T
    if h5py.check_ref_dtype(item.dtype) is not None:
        elements = [_hdf5_node(file, file[ref], depth + 1) for ref in values.ravel()]
        return _Cell(values.shape, elements)
    if kind == "char":
        lines = np.atleast_2d(values)
        return tuple("".join(map(chr, line)).rstrip() for line in lines)
    return values if values.dtype.kind in "fiub" else None


def _hdf5_struct(file: h5py.File, group: h5py.Group, depth: int) -> _Struct:
    """One struct; or an array of structs, whose fields are arrays of references."""
    fields = {name: _hdf5_node(file, group[name], depth + 1) for name in group}
    # A cell of a single struct says so; the references of an array of structs do not.
    columns = {
        name: value
        for name, value in fields.items()
        if isinstance(value, _Cell) and "MATLAB_class" not in group[name].attrs
    }
    if not columns or len(columns) < len(fields):
        return _Struct((1, 1), [fields])
    shapes = {column.shape for column in columns.values()}
    if len(shapes) > 1:
        raise ValueError(f"the fields of its struct {group.name!r} have different lengths")
    shape = shapes.pop()
    n = int(np.prod(shape))
    return _Struct(shape, [{f: c.elements[i] for f, c in columns.items()} for i in range(n)])
