"""What a file holds: its arrays, by name, each read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np
from numpy.typing import NDArray

from neurosim.rsa.brain.brain_files import load_brain
from neurosim.rsa.formats.hdf5_files import open_hdf5
from neurosim.rsa.formats.mat_files import read_mat
from neurosim.rsa.formats.numpy_files import open_npz, read_npy
from neurosim.rsa.io.text_tables import decode, read_table
from neurosim.rsa.rdm.names import as_text, stimulus_descriptor
from neurosim.rsa.rdm.squares import triangle_side

#: Texts that name the stimuli by what they are called; the second is Net2Brain's.
_STIMULI = ("stimuli", "stimuli_name", "stimulus_names")
_PICKLES = {
    ".pkl": "with rsatoolbox: rdms.save('file.hdf5', file_type='hdf5')",
    ".pickle": "with rsatoolbox: rdms.save('file.hdf5', file_type='hdf5')",
    ".pt": "with Net2Brain: save_format='npz'",
    ".pth": "with torch: numpy.save('file.npy', rdm.numpy())",
}


@final
@dataclass(frozen=True, eq=False)
class Content:
    """One array of a file.

    Attributes:
        name: in the file, parts of a path joined by ``/``; empty for the one array there is.
        rdm_names: of the RDMs in it, or None: they are counted.
        stimuli: names, or None.
        texts: lists of texts of the file, by name, which may be those of the stimuli.
        offered: whether it is taken without being asked for.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], NDArray[Any]] = field(repr=False)
    rdm_names: tuple[str, ...] | None = None
    stimuli: tuple[str, ...] | None = None
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    metric: str = "unknown"
    offered: bool = True

    def __str__(self) -> str:
        return f"{self.name or 'an array'} {self.shape} {self.dtype}"

    @property
    def top(self) -> str:
        return self.name.split("/")[0]

    def label(self, file: Path) -> str:
        return "/".join(part for part in (file.stem, self.name) if part)

    def names_of(self, n_stimuli: int) -> tuple[str, tuple[str, ...] | None]:
        """What names the stimuli, and the names; ("", None) where nothing does.

        A text beside the array, above it or of it is what names them if it is called so; else if
        it has a different entry for each stimulus and no other text there has, or has others.
        """
        if self.stimuli is not None:
            return "", self.stimuli
        near = {k: t for k, t in self.texts.items() if f"{self.name}/".startswith(_group_of(k))}
        called = [k for k in near if k.rpartition("/")[2] in _STIMULI]
        if called:
            return "", near[max(called, key=lambda k: len(_group_of(k)))]
        able = [k for k, t in near.items() if len(t) == len(set(t)) == n_stimuli]
        return (able[0], near[able[0]]) if len({near[k] for k in able}) == 1 else ("", None)

    def numbers(self) -> NDArray[Any]:
        if self.dtype.kind not in "fiub":
            raise ValueError(f"{self.name or 'its array'} holds {self.dtype}, not real numbers")
        return np.asarray(self.read())


def read_contents(file: Path) -> list[Content]:
    """Everything that a file holds, by its ending (``READERS``).

    Raises:
        ValueError: an unknown ending, a pickle, or damage.
    """
    suffix = file.suffix.lower()
    if suffix in _PICKLES:
        raise ValueError(
            f"it is a pickle, which can run any program when it is opened; save it otherwise, "
            f"{_PICKLES[suffix]}"
        )
    if suffix not in READERS:
        raise ValueError(f"unknown ending; known: {', '.join(READERS)}")
    return READERS[suffix](file)


def _group_of(name: str) -> str:
    """The part of a path that its siblings begin with too."""
    return name[: name.rfind("/") + 1]


def _of_array(name: str, array: NDArray[Any], **known: Any) -> Content:
    return Content(name, array.shape, array.dtype, lambda: array, **known)


def _npy(file: Path) -> list[Content]:
    return [_of_array("", read_npy(file))]


def _npz(file: Path) -> list[Content]:
    with open_npz(file) as arrays:
        if "format" in arrays:
            return _brain(file)
        texts = {
            name: _texts(a.read())
            for name, a in arrays.items()
            if a.dtype.kind in "US" and len(a.shape) == 1
        }
        return [
            Content(name, a.shape, a.dtype, partial(_one_of_npz, file, name), texts=texts)
            for name, a in arrays.items()
            if name not in texts
        ]


def _one_of_npz(file: Path, name: str) -> NDArray[Any]:
    with open_npz(file) as arrays:
        return arrays[name].read()


def _texts(array: Any) -> tuple[str, ...]:
    return tuple(as_text(entry) for entry in np.ravel(array))


def _brain(file: Path) -> list[Content]:
    brain = load_brain(file)
    rdms = np.where(True if brain.pair_mask is None else brain.pair_mask, brain.rdms, np.nan)
    return [
        _of_array(f"{brain.subjects[s]}/{brain.rois[r]}", rdms[s, r], stimuli=brain.stimuli)
        for s, r in np.argwhere(brain.has_roi())
    ]


def _hdf5(file: Path) -> list[Content]:
    with open_hdf5(file) as opened:
        if "format" in opened.attrs or {"rdms", "subjects", "rois", "stimuli"} <= set(opened):
            return _brain(file)
        if "MATLAB_class" in {key for item in opened.values() for key in item.attrs}:
            return _mat(file)
        if "dissimilarities" in opened and "pattern_descriptors" in opened:
            return [_rsatoolbox(opened)]
        found: list[h5py.Dataset] = []
        texts = _texts_of_attributes(opened)

        def visit(name: str, item: Any) -> None:
            texts.update(_texts_of_attributes(item, f"{name}/"))
            if not isinstance(item, h5py.Dataset) or item.shape is None:
                return
            if not _is_text(item.dtype):
                found.append(item)
            elif len(item.shape) == 1:
                texts[name] = _texts(item[...])

        opened.visititems(visit)
        return [
            Content(
                item.name.strip("/"),
                item.shape,
                item.dtype,
                partial(_one_of_hdf5, file, item.name),
                texts=texts,
            )
            for item in found
        ]


def _texts_of_attributes(item: Any, group: str = "") -> dict[str, tuple[str, ...]]:
    """The attributes of an HDF5 object that are lists of texts."""
    kept = {name: item.attrs.get_id(name) for name in item.attrs}
    return {
        group + name: _texts(item.attrs[name])
        for name, value in kept.items()
        if value.shape is not None and len(value.shape) == 1 and _is_text(value.dtype)
    }


def _is_text(dtype: np.dtype[Any]) -> bool:
    return h5py.check_string_dtype(dtype) is not None


def _one_of_hdf5(file: Path, name: str) -> NDArray[Any]:
    with open_hdf5(file) as opened:
        return np.asarray(opened[name][...])


def _rsatoolbox(opened: h5py.File) -> Content:
    """What rsatoolbox's ``RDMs.save`` writes: descriptors as datasets, some as attributes."""

    def descriptors(kind: str, n: int) -> dict[str, list[Any]]:
        group = opened.get(kind, {})
        lists = {name: np.ravel(data[()]).tolist() for name, data in group.items()}
        lists |= {
            name: np.ravel(value).tolist() for name, value in getattr(group, "attrs", {}).items()
        }
        return {name: values for name, values in lists.items() if len(values) == n}

    rows = np.atleast_2d(opened["dissimilarities"][()])
    n_stimuli = triangle_side(rows.shape[-1])
    of_rdms = descriptors("rdm_descriptors", len(rows))
    of_rdms.pop("index", None)
    labels = [
        "/".join(as_text(value) for value in entry) for entry in zip(*of_rdms.values(), strict=True)
    ]
    _, stimuli = stimulus_descriptor(descriptors("pattern_descriptors", n_stimuli))
    return _of_array(
        "",
        rows,
        rdm_names=tuple(labels) if len(set(labels)) == len(rows) else None,
        stimuli=stimuli,
        metric=as_text(opened.attrs.get("dissimilarity_measure", "unknown")),
    )


def _mat(file: Path) -> list[Content]:
    variables = read_mat(file)
    texts = {v.name: v.text for v in variables if v.text}
    return [
        _of_array(v.name, v.array, texts=texts, offered=v.offered)
        for v in variables
        if v.array is not None
    ]


def _text(file: Path) -> list[Content]:
    table = read_table(decode(file.read_bytes()))
    return [_of_array("", table.values, stimuli=table.stimuli, rdm_names=table.lines)]


READERS: Mapping[str, Callable[[Path], list[Content]]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".mat": _mat,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".csv": _text,
    ".tsv": _text,
    ".txt": _text,
}
