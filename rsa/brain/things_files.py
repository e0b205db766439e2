"""The raw files of THINGS-fMRI (Hebart et al. 2023, doi:10.7554/eLife.82580), read with care.

Two distributions hold the same numbers under different names:

    figshare+   sub-01_ResponseData.h5, sub-01_StimulusMetadata.csv, sub-01_VoxelMetadata.csv
    OpenNeuro   sub-01_task-things_voxel-wise-responses.h5, ..._stimulus-metadata.tsv,
                ..._voxel-metadata.tsv (comma separated in spite of their name)

Every misfit is a ``ThingsFileError`` that names the file and the field.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import h5py
import numpy as np
from numpy.typing import NDArray

from neurosim.rsa.formats.hdf5_files import ForeignDataError, open_hdf5

if TYPE_CHECKING:
    import pandas as pd

_BLOCK_BYTES = 64 * 2**20  # betas in memory at a time

_TRIAL_COLUMNS = (
    "trial_type",
    "session",
    "run",
    "subject_id",
    "trial_id",
    "stimulus",
    "concept",
)


class ThingsFileError(ValueError):
    """A file is not what THINGS-fMRI publishes; names the file and the field."""

    def __init__(self, path: Path, field: str, problem: str) -> None:
        super().__init__(f"{path.name}: {field}: {problem}")


@final
@dataclass(frozen=True)
class Distribution:
    """How one distribution names its files, without the ending of the tables."""

    name: str
    responses: str
    stimuli: str
    voxels: str


DISTRIBUTIONS = (
    Distribution("figshare", "_ResponseData.h5", "_StimulusMetadata", "_VoxelMetadata"),
    Distribution(
        "openneuro",
        "_task-things_voxel-wise-responses.h5",
        "_task-things_stimulus-metadata",
        "_task-things_voxel-metadata",
    ),
)


@final
@dataclass(frozen=True)
class SubjectFiles:
    """The three files of one subject, e.g. ``sub-01``."""

    subject: str
    responses: Path
    stimuli: Path
    voxels: Path

    @property
    def number(self) -> int:
        return int(self.subject.removeprefix("sub-"))


def find_subjects(root: str | os.PathLike[str]) -> tuple[SubjectFiles, ...]:
    """The subjects below a folder, in either distribution, ordered by name."""
    folder = Path(root)
    if folder.is_file():
        raise ValueError(f"{folder} is {_kind_of_file(folder)}; give the folder it unpacks to")
    if not folder.is_dir():
        raise FileNotFoundError(
            f"no folder {folder}; download the THINGS-fMRI betas in table format "
            "(doi:10.25452/figshare.plus.20492835) or OpenNeuro ds004192, derivatives/ICA-betas"
        )
    files = files_below(folder)
    found: dict[str, SubjectFiles] = {}
    for distribution in DISTRIBUTIONS:
        for responses in files:
            if not re.fullmatch(f"sub-.*{re.escape(distribution.responses)}", responses.name):
                continue
            subject = responses.name.removesuffix(distribution.responses)
            if not subject.removeprefix("sub-").isdigit():
                raise ThingsFileError(responses, "file name", f"{subject!r} is not sub-<number>")
            if subject in found:
                raise ValueError(
                    f"two response files of {subject}: {found[subject].responses} and "
                    f"{responses}; give the folder of one distribution"
                )
            found[subject] = SubjectFiles(
                subject,
                responses,
                _table(responses.with_name(subject + distribution.stimuli)),
                _table(responses.with_name(subject + distribution.voxels)),
            )
    if not found:
        names = " or ".join(f"sub-01{d.responses}" for d in DISTRIBUTIONS)
        raise FileNotFoundError(f"no THINGS-fMRI responses below {folder}: expected {names}")
    return tuple(found[subject] for subject in sorted(found))


def check_no_subject_lacks_responses(root: str | os.PathLike[str]) -> None:
    """Refuse a folder that has the tables of a subject and not the responses, who would else be
    left out without a word."""
    names = [path.name for path in files_below(Path(root))]
    for distribution in DISTRIBUTIONS:
        for kind in (distribution.stimuli, distribution.voxels):
            for name in names:
                match = re.fullmatch(rf"(sub-\d+){re.escape(kind)}\.(csv|tsv)", name)
                if match and not any(match[1] + d.responses in names for d in DISTRIBUTIONS):
                    raise FileNotFoundError(
                        f"{name} is there, but no {match[1]}{distribution.responses}; download "
                        "it too, or name the subjects to load (subjects=)"
                    )


def files_below(folder: Path) -> list[Path]:
    """All files below a folder, ordered; linked folders too (large data often lie elsewhere)."""
    found, seen = [], set()
    for here, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        found += [Path(here, name) for name in names]
    return sorted(found)


def _kind_of_file(path: Path) -> str:
    # One distribution calls its archive .zip and packs it with tar: look at the first bytes.
    with open(path, "rb") as stream:
        magic = stream.read(2)
    if magic == b"PK":
        return "a zip archive (unpack it with unzip)"
    if magic == b"\x1f\x8b":
        return "a gzipped tar archive, whatever its name (unpack it with tar xzf)"
    return "a file"


def _table(stem: Path) -> Path:
    for suffix in (".csv", ".tsv"):
        path = stem.with_name(stem.name + suffix)
        if path.is_file():
            return path
    raise FileNotFoundError(f"no table {stem.name}.csv or .tsv in {stem.parent}")


def read_trials(files: SubjectFiles) -> pd.DataFrame:
    """The stimulus metadata, one row a trial in the order of the response columns."""
    path = files.stimuli
    trials = _read_table(path, _TRIAL_COLUMNS)
    _check_subject(path, trials, files)
    for column in ("session", "run", "trial_id"):
        _check_integers(path, trials, column)
    for column in ("trial_type", "stimulus", "concept"):
        if trials[column].isna().any() or not all(isinstance(v, str) for v in trials[column]):
            raise ThingsFileError(path, column, "must be text in every row")
    if not np.array_equal(trials["trial_id"], np.arange(len(trials))):
        raise ThingsFileError(path, "trial_id", "is not 0, 1, 2, ... in order")
    kinds = set(trials["trial_type"]) - {"train", "test"}
    if kinds:
        raise ThingsFileError(path, "trial_type", f"is train or test; found {sorted(kinds)}")
    # Concepts hold underscores (ice_cream_01s.jpg): only the last one ends the concept.
    named = trials["stimulus"].str.rsplit("_", n=1).str[0]
    wrong = np.flatnonzero(named != trials["concept"])
    if len(wrong):
        first = trials.iloc[wrong[0]]
        raise ThingsFileError(
            path,
            "concept",
            f"row {wrong[0]} calls {first['stimulus']!r} a {first['concept']!r}",
        )
    return trials


def read_voxels(files: SubjectFiles, columns: Sequence[str]) -> pd.DataFrame:
    """voxel_id and these ROI columns as booleans, one row a voxel in the order of the
    response rows. A missing value means that the voxel is not in the ROI."""
    path = files.voxels
    voxels = _read_table(path, ("voxel_id", "subject_id", *columns))
    _check_subject(path, voxels, files)
    _check_integers(path, voxels, "voxel_id")
    for column in columns:
        values = voxels[column].fillna(0)
        if values.dtype.kind not in "iufb" or not values.isin([0, 1]).all():
            raise ThingsFileError(path, column, "must hold 0, 1 or nothing")
        voxels[column] = values > 0
    return voxels


def _read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    try:
        with open(path, encoding="utf-8", newline="") as stream:
            header = stream.readline()
        separator = max(",\t", key=header.count)
        # Two Glasser areas hold a newline in their quoted name; only exact names are taken.
        return pd.read_csv(
            path, sep=separator, usecols=list(columns), encoding="utf-8", low_memory=False
        )[list(columns)]
    except UnicodeDecodeError as error:
        raise ThingsFileError(path, "encoding", "is not UTF-8 text") from error
    except ValueError as error:
        # pandas names the missing columns: "Usecols do not match columns, ... ['IT']"
        raise ThingsFileError(path, "columns", f"{error}") from error


def _check_subject(path: Path, table: pd.DataFrame, files: SubjectFiles) -> None:
    numbers = table["subject_id"].unique().tolist()
    if numbers != [files.number]:
        raise ThingsFileError(
            path, "subject_id", f"holds {numbers[:5]}, the file name says {files.subject}"
        )


def _check_integers(path: Path, table: pd.DataFrame, column: str) -> None:
    if table[column].dtype.kind not in "iu":
        raise ThingsFileError(path, column, f"must be whole numbers; read {table[column].dtype}")


@final
@dataclass(frozen=True, eq=False)
class Responses:
    """The open response matrix of one subject, read in blocks of voxels."""

    path: Path
    values: h5py.Dataset
    n_voxels: int
    n_trials: int

    @property
    def transposed(self) -> bool:
        return self.values.shape != (self.n_voxels, self.n_trials)

    def blocks(self, voxels: NDArray[np.intp]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """(places in ``voxels``, (n, n_trials) betas), only of these voxels (ascending)."""
        if self.transposed:
            yield from self._blocks_of_trials(voxels)
            return
        n_at_once = max(1, _BLOCK_BYTES // (8 * self.n_trials))
        for start in range(0, len(voxels), n_at_once):
            part = voxels[start : start + n_at_once]
            block = np.empty((len(part), self.n_trials))
            # One read for each run of neighbouring rows: the file is contiguous.
            ends = np.flatnonzero(np.diff(part) != 1) + 1
            for run in np.split(np.arange(len(part)), ends):
                rows = slice(part[run[0]], part[run[-1]] + 1)
                block[run[0] : run[-1] + 1] = self._read(rows)
            yield slice(start, start + len(part)), self._finite(block, part)

    def _blocks_of_trials(
        self, voxels: NDArray[np.intp]
    ) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        kept = np.empty((len(voxels), self.n_trials), dtype=np.float32)
        n_at_once = max(1, _BLOCK_BYTES // (8 * self.n_voxels))
        for start in range(0, self.n_trials, n_at_once):
            rows = slice(start, min(start + n_at_once, self.n_trials))
            kept[:, rows] = self._read(rows)[:, voxels].T
        n_at_once = max(1, _BLOCK_BYTES // (8 * self.n_trials))
        for start in range(0, len(voxels), n_at_once):
            part = slice(start, min(start + n_at_once, len(voxels)))
            yield part, self._finite(kept[part].astype(np.float64), voxels[part])

    def _read(self, rows: slice) -> NDArray[np.float64]:
        with _reading(self.path, "block0_values"):
            return np.asarray(self.values[rows], dtype=np.float64)

    def _finite(self, block: NDArray[np.float64], voxels: NDArray[np.intp]) -> NDArray[np.float64]:
        bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
        if len(bad):
            raise ThingsFileError(
                self.path, "block0_values", f"voxel row {voxels[bad[0]]} holds NaN or infinity"
            )
        return block


@contextmanager
def open_responses(
    files: SubjectFiles, n_trials: int, voxel_ids: NDArray[np.integer]
) -> Iterator[Responses]:
    """Open the response matrix and check its shape and voxel order against the tables.

    pandas wrote it as a fixed-format frame; its column labels are a pickle, which is not read.
    """
    path = files.responses
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open_hdf5(path, in_blocks=True))
        except ForeignDataError as error:
            raise ThingsFileError(path, "file", str(error)) from error
        except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
            raise ThingsFileError(path, "file", f"is not a whole HDF5 file: {error}") from error
        group = _group(path, file)
        n_voxels = len(voxel_ids)
        with _reading(path, "block0_values"):
            values = group["block0_values"]
            is_matrix = isinstance(values, h5py.Dataset) and values.ndim == 2
            is_floats = is_matrix and values.dtype.kind == "f"
        if not is_floats:
            raise ThingsFileError(path, "block0_values", "is not a matrix of floats")
        if values.shape not in ((n_voxels, n_trials), (n_trials, n_voxels)):
            raise ThingsFileError(
                path,
                "block0_values",
                f"has shape {values.shape}; the tables list {n_voxels} voxels "
                f"({files.voxels.name}) and {n_trials} trials ({files.stimuli.name})",
            )
        _check_voxel_ids(path, group, voxel_ids, files)
        yield Responses(path, values, n_voxels, n_trials)


@contextmanager
def _reading(path: Path, field: str) -> Iterator[None]:
    """Every error h5py has for damaged metadata, as the one that names file and field."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ThingsFileError(path, field, f"cannot be read: {error}") from error


def _group(path: Path, file: h5py.File) -> h5py.Group:
    with _reading(path, "groups"):
        groups = [
            item
            for item in file.values()
            if isinstance(item, h5py.Group) and "block0_values" in item
        ]
    if len(groups) != 1:
        raise ThingsFileError(
            path, "ResponseData", f"needs one group with block0_values; found {len(groups)}"
        )
    return groups[0]


def _check_voxel_ids(
    path: Path, group: h5py.Group, voxel_ids: NDArray[np.integer], files: SubjectFiles
) -> None:
    with _reading(path, "block1_values"):
        if "block1_values" not in group:
            return
        ids = np.asarray(group["block1_values"][...]).ravel()
    if ids.dtype.kind not in "iu" or not np.array_equal(ids, voxel_ids):
        raise ThingsFileError(
            path, "block1_values (voxel_id)", f"differs from voxel_id in {files.voxels.name}"
        )
