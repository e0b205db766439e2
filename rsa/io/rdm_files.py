"""RDMs from the files people have: numpy, text, MATLAB, HDF5, rsatoolbox, Net2Brain."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from neurosim.rsa.io.file_contents import Content, read_contents
from neurosim.rsa.io.rdm_layout import Arranged, LayoutError, arrange, n_stimuli_by_shape
from neurosim.rsa.rdm.rdm import RDM
from neurosim.rsa.rdm.squares import n_stimuli_of


class RDMFileError(ValueError):
    """A file holds no RDM, or several that do not go together; says what it holds."""


class FileRDMs(dict[str, RDM]):
    """Named RDMs of one file. ``notes``: sentences about what was left out, and about how an
    array was read where its shape left a choice."""

    def __init__(self, rdms: dict[str, RDM], notes: Sequence[str] = ()) -> None:
        super().__init__(rdms)
        self.notes = tuple(notes)


def load_rdms(path: str | os.PathLike[str], key: str | None = None) -> FileRDMs:
    """Named RDMs of one file, with stimulus names where the file has them.

    - ``.npy``: one RDM or a stack, square or condensed.
    - ``.npz``: every array that holds RDMs by shape and values.
    - ``.csv``, ``.tsv``, ``.txt``: a square matrix, or condensed RDMs, one per line, or one with
      one value per line; the lines of one triangle; lines ``name, name, value``. Cells are
      separated by commas, semicolons, tabs or spaces, with decimal points or commas. A header line
      and a first column of names are recognised; around a square matrix they name its stimuli
      (columns in another order than the rows are put in theirs; other names are refused).
    - ``.mat``, of any version, with cells and structs (the MATLAB RSA toolbox: ``RDM``, ``name``).
    - ``.h5``, ``.hdf5``: what ``BrainRDMs.save`` (and ``.npz``) or rsatoolbox's ``RDMs.save`` wrote
      (``subject/ROI`` each; pairs outside a mask are NaN); else every dataset.

    Which arrays hold RDMs, and along which axis, is decided by shape and values
    (``rdm_layout.arrange``); what remains ambiguous is refused.

    Args:
        key: the array, the group of arrays or the RDM to take, by its name in the file; also as
            part of the path: ``"file.mat::name"``. Needed where a file holds RDMs of different
            numbers of stimuli.

    Raises:
        FileNotFoundError: no such file.
        RDMFileError: one sentence that names the file, and lists what it holds.
    """
    file, key = _split(path, key)
    if not file.is_file():
        raise FileNotFoundError(f"no file {file}")
    try:
        contents = read_contents(file)
        called = [] if key is None else _called(key, contents)
        taken, notes = _holding_rdms(called or contents, file, asked=bool(called))
        if key is None or called:
            taken = _of_one_size(taken, file)
        rdms = dict(_named(taken, file))
        notes += _named_by(taken, file)
        if key is not None and not called:  # it may be the name of an RDM in one of the arrays
            rdms = {n: r for n, r in rdms.items() if _is_at(n.removeprefix(f"{file.stem}/"), key)}
            notes = []
        elif key is None:
            notes += _left_out(taken, contents, file)
    except (RDMFileError, FileNotFoundError):
        raise
    # numpy, scipy, h5py and their parsers raise many undocumented types on damaged files.
    except Exception as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise RDMFileError(f"{file.name}: holds no RDM: {why}") from error
    if not rdms:
        raise RDMFileError(f"{file.name} has no {key!r}; {_listing(contents)}")
    return FileRDMs(rdms, notes)


def _split(path: str | os.PathLike[str], key: str | None) -> tuple[Path, str | None]:
    """``file::key`` in two, where no file is called so."""
    text = os.fspath(path)
    if "::" not in text or Path(text).exists():
        return Path(text), key
    file, _, inside = text.partition("::")
    if key is not None:
        raise ValueError(f"{text} names an array and key={key!r} another; give one of them")
    if not inside:
        raise ValueError(f"{text} ends in '::'; the name of an array follows it")
    return Path(file), inside


def _called(key: str, contents: list[Content]) -> list[Content]:
    """The array of that name, or those of the group of that name that are offered."""
    exactly = [content for content in contents if content.name == key]
    return exactly or [c for c in contents if c.offered and _is_at(c.name, key)]


def _holding_rdms(
    contents: list[Content], file: Path, *, asked: bool
) -> tuple[list[tuple[Content, Arranged]], list[str]]:
    """The contents that hold RDMs of one number of stimuli, and notes on the others."""
    taken: list[tuple[Content, Arranged]] = []
    refused: list[tuple[Content, str]] = []
    for content in contents:
        if not (asked or _is_offered(content, alone=len(contents) == 1)):
            continue
        try:
            taken.append((content, arrange(content.numbers())))
        except LayoutError as error:
            refused.append((content, str(error)))
    sizes = {_n_stimuli(arranged) for _, arranged in taken}
    for content, why in refused:
        # One of the size of the others is meant as an RDM: it is not passed over.
        if asked or len(contents) == 1 or n_stimuli_by_shape(content.shape) in sizes:
            name = f"{content.name}: " if content.name else ""
            raise RDMFileError(f"{file.name}: {name}{why}")
    if not taken:
        reason = f" ({refused[0][0].name}: {refused[0][1]})" if refused else ""
        raise RDMFileError(f"{file.name} holds no array of RDMs{reason}; {_listing(contents)}")
    notes = [f"{content.label(file)}: read {how}" for content, (_, _, how) in taken if how]
    return taken, notes


def _n_stimuli(arranged: Arranged) -> int:
    return n_stimuli_of(arranged.rows.shape[1])


def _is_offered(content: Content, *, alone: bool) -> bool:
    """Whether an array is tried without being asked for. Beside other arrays one with more rows
    than pairs is not (colours, 92 images x 3, are no 92 RDMs of three stimuli), nor are columns."""
    if alone:
        return True
    shape, n = content.shape, n_stimuli_by_shape(content.shape)
    if not content.offered or content.dtype.kind not in "fiu" or not n:
        return False
    if _is_square(shape):
        return True
    n_pairs = n * (n - 1) // 2
    return math.prod(shape) == n_pairs or math.prod(shape[:-1]) <= shape[-1] == n_pairs


def _is_square(shape: tuple[int, ...]) -> bool:
    return len(shape) > 1 and (shape[-1] == shape[-2] or shape[0] == shape[1])


def _of_one_size(
    taken: list[tuple[Content, Arranged]], file: Path
) -> list[tuple[Content, Arranged]]:
    """Those of one number of stimuli. Another array with one row per stimulus of these describes
    the stimuli (labels, features), whatever else its shape can be."""
    sizes = {_n_stimuli(arranged) for _, arranged in taken}
    if len(sizes) > 1:
        taken = [
            (content, arranged)
            for content, arranged in taken
            if _is_square(content.shape) or content.shape[0] not in sizes - {_n_stimuli(arranged)}
        ]
        sizes = {_n_stimuli(arranged) for _, arranged in taken}
    if len(sizes) > 1:
        offered = [content for content, _ in taken]
        raise RDMFileError(
            f"{file.name} holds RDMs of {' and '.join(map(str, sorted(sizes)))} stimuli; "
            f"{_listing(offered)}; choose one: load_rdms({file.name!r}, key={offered[0].name!r}), "
            f"or {file.name}::{offered[0].name} on the command line"
        )
    either = [content for content, arranged in taken if _may_describe(content, arranged)]
    if either and len(either) < len(taken):
        found = next(content for content, _ in taken if content not in either)
        (n,), name = sizes, either[0].name
        raise RDMFileError(
            f"{file.name}: {either[0]} can be condensed RDMs of {n} stimuli, or features of the "
            f"{n} stimuli of {found}; choose one: load_rdms({file.name!r}, key={found.name!r}) or "
            f"key={name!r}, {file.name}::{found.name} on the command line; or store the RDMs of "
            f"{name} as squares"
        )
    return taken


def _may_describe(content: Content, arranged: Arranged) -> bool:
    """Whether an array has one row per stimulus of the condensed RDMs that it can hold: 7 x 21."""
    rows = len(content.shape) > 1 and content.shape[0] == _n_stimuli(arranged)
    return rows and not _is_square(content.shape)


def _left_out(
    taken: list[tuple[Content, Arranged]], contents: list[Content], file: Path
) -> list[str]:
    kept = dict.fromkeys(content.top for content, _ in taken)
    left = dict.fromkeys(c.top for c in contents if c.dtype.kind in "fiub" and c.top not in kept)
    pickled = [c.name for c in contents if c.dtype.kind == "O" and len(c.shape) == 1]
    notes = []
    if left:
        took = f"{file.name}: took {_shorten(kept)}; left out {_shorten(left)}"
        notes.append(f"{took}, which hold no RDMs")
    if pickled:
        notes.append(
            f"{file.name}: {_shorten(pickled)} not read, since it is a pickle; save names as text, "
            "np.array(names, dtype=str)"
        )
    return notes


def _named_by(taken: list[tuple[Content, Arranged]], file: Path) -> list[str]:
    """What was taken for the names of the stimuli without being called so."""
    by = dict.fromkeys(content.names_of(_n_stimuli(found))[0] for content, found in taken)
    return [f"{file.name}: the stimuli are named by {name}" for name in by if name]


def _named(taken: list[tuple[Content, Arranged]], file: Path) -> Iterator[tuple[str, RDM]]:
    for content, found in taken:
        rows, grid, _ = found
        _, stimuli = content.names_of(_n_stimuli(found))
        for i, row in enumerate(rows):
            place = "/".join(map(str, np.unravel_index(i, grid))) if len(rows) > 1 else ""
            if content.rdm_names is not None and len(content.rdm_names) == len(rows):
                place = content.rdm_names[i]
            label = "/".join(part for part in (content.label(file), place) if part)
            values = np.asarray(row, dtype=np.float64)
            yield label, RDM(values, stimuli, content.metric)


def _is_at(name: str, key: str) -> bool:
    return name == key or name.startswith(f"{key}/")


def _listing(contents: Sequence[Content], n_shown: int = 12) -> str:
    listed = [str(content) for content in contents[:n_shown]]
    more = f", ... ({len(contents)} in all)" if len(contents) > n_shown else ""
    return f"it holds {', '.join(listed) or 'no array'}{more}"


def _shorten(names: Iterable[str], n_shown: int = 8) -> str:
    listed = [name or "its array" for name in names]
    more = f", ... ({len(listed)} in all)" if len(listed) > n_shown else ""
    return ", ".join(listed[:n_shown]) + more
