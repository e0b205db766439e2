"""CIFAR-10 (Krizhevsky 2009, "Learning multiple layers of features from tiny images").

From a converted file in the data directory, or from the official binary archive: records of
one label byte and 3,072 image bytes (red, green, blue plane, row major), so that nothing has
to be unpickled, and read as a stream, so that nothing is unpacked into the file system.
"""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from neurosim.experiments.data.downloads import RemoteFile, fetch, present
from neurosim.experiments.data.files import Access, Field, missing, read_npz, write_npz
from neurosim.experiments.data.types import BrokenDataError, TrainingImages

ORIGINALS = "originals"
FULL = "cifar10.npz"
REFETCH = "delete it and run again with --download"
PX = 32
N_CLASSES = 10
RECORD_BYTES = 1 + 3 * PX * PX
MAX_NAMES_BYTES = 1 << 16  # of the list of class names
LAYOUT: Mapping[str, Field] = MappingProxyType(
    {
        "x_train": Field("u1", ("n_train", PX, PX, 3)),
        "y_train": Field("i", ("n_train",)),
        "x_test": Field("u1", ("n_test", PX, PX, 3)),
        "y_test": Field("i", ("n_test",)),
        "class_names": Field("U", (N_CLASSES,)),
    }
)
# parts of CIFAR-10 in the same layout, by the name of the set
PARTS: Mapping[str, str] = MappingProxyType(
    {"cifar10-12k": "cifar10_12k.npz", "cifar10-mini": "cifar10_mini.npz"}
)


@dataclass(frozen=True)
class BinaryArchive:
    """The official archive: its members, and the checksums of the arrays decoded from it."""

    remote: RemoteFile
    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    names: str
    n_records: int  # of each member
    sha256: Mapping[str, str]  # of x (n, 32, 32, 3) uint8 and y, by field

    def decode(self, path: Path) -> dict[str, np.ndarray]:
        """The arrays of LAYOUT, checked, from the archive at `path`."""
        members = self._members(path)
        arrays: dict[str, np.ndarray] = {}
        for part, names in (("train", self.train), ("test", self.test)):
            records = np.concatenate([self._records(members[name]) for name in names])
            planes = records[:, 1:].reshape(-1, 3, PX, PX)
            arrays[f"x_{part}"] = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
            arrays[f"y_{part}"] = records[:, 0].copy()
        arrays["class_names"] = np.array(members[self.names].decode("ascii").split())
        check_known(path, arrays, self.sha256)
        return arrays

    def _records(self, member: bytes) -> np.ndarray:
        return np.frombuffer(member, np.uint8).reshape(self.n_records, RECORD_BYTES)

    def _members(self, path: Path) -> dict[str, bytes]:
        n_bytes = self.n_records * RECORD_BYTES
        wanted = {f"{self.folder}/{n}": n for n in (*self.train, *self.test, self.names)}
        found: dict[str, bytes] = {}
        try:
            with tarfile.open(path, "r:gz") as archive:
                for member in archive:
                    name = wanted.get(member.name)
                    if name is None or not member.isfile():
                        continue
                    is_names = name == self.names
                    if member.size > MAX_NAMES_BYTES if is_names else member.size != n_bytes:
                        expected = f"at most {MAX_NAMES_BYTES}" if is_names else n_bytes
                        raise BrokenDataError(
                            f"{path}: member {name!r} has {member.size} bytes instead of "
                            f"{expected}; {REFETCH}."
                        )
                    file = archive.extractfile(member)
                    assert file is not None  # it is a regular file
                    found[name] = file.read()
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            raise BrokenDataError(f"{path} is not a whole .tar.gz ({error}); {REFETCH}.") from error
        absent = [name for name in wanted.values() if name not in found]
        if absent:
            raise BrokenDataError(f"{path} has no member {absent[0]!r}; {REFETCH}.")
        return found


OFFICIAL = BinaryArchive(
    remote=RemoteFile(
        "https://www.cs.toronto.edu/~kriz",
        "cifar-10-binary.tar.gz",
        "md5",
        "c32a1d4ab5d03f1284b67883e8d87530",
    ),
    folder="cifar-10-batches-bin",
    train=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
    test=("test_batch.bin",),
    names="batches.meta.txt",
    n_records=10_000,
    sha256=MappingProxyType(
        {
            "x_train": "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a",
            "y_train": "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
            "x_test": "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
            "y_test": "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
        }
    ),
)


def check_known(path: Path, arrays: Mapping[str, np.ndarray], sha256: Mapping[str, str]) -> None:
    """Refuse arrays that are not the ones with these checksums."""
    for key, digest in sha256.items():
        array = np.ascontiguousarray(arrays[key])
        # the list of checksums does not say in which integer type the labels were taken
        forms = [array] if array.ndim > 1 else [array.astype(t) for t in ("u1", "<i4", "<i8")]
        found = [hashlib.sha256(form.data).hexdigest() for form in forms]
        if digest not in found:
            raise BrokenDataError(
                f"{path}: {key!r} is not CIFAR-10's (sha256 {found[0]} instead of {digest}); "
                f"{REFETCH}."
            )


def load_cifar10(access: Access, archive: BinaryArchive = OFFICIAL) -> TrainingImages:
    """All of CIFAR-10 if it is there or may be downloaded, else its 12,000 image part.

    The checksum of the result tells which of the two it was.
    """
    full, part = access.folder / FULL, access.folder / PARTS["cifar10-12k"]
    tar = access.folder / ORIGINALS / archive.remote.name
    if not full.exists():
        if part.exists():
            return _read("cifar10", part)
        if access.download:
            fetch(archive.remote, tar.parent, progress=access.progress)
        elif not present(archive.remote, tar.parent):
            raise missing(
                "cifar10",
                f"{FULL}, {part.name} or {ORIGINALS}/{tar.name}",
                access.folder,
                "let it be downloaded (170 MB) with --download",
            )
        write_npz(full, archive.decode(tar))
    return _read("cifar10", full, archive.sha256)


def load_cifar10_part(name: str, access: Access) -> TrainingImages:
    """A part of CIFAR-10 in a file of its own: a key of PARTS."""
    path = access.folder / PARTS[name]
    if not path.exists():
        raise missing(name, path.name, access.folder, "use 'cifar10', which can be downloaded")
    return _read(name, path)


def _read(name: str, path: Path, sha256: Mapping[str, str] | None = None) -> TrainingImages:
    remedy = f"{REFETCH}, or put a good copy there"
    arrays = read_npz(path, LAYOUT, remedy)
    for key in ("y_train", "y_test"):
        labels = arrays[key]
        if len(labels) == 0 or labels.min() < 0 or labels.max() >= N_CLASSES:
            raise BrokenDataError(
                f"{path}: field {key!r} has to hold at least one label, all from 0 to "
                f"{N_CLASSES - 1}; {remedy}."
            )
    check_known(path, arrays, sha256 or {})
    return TrainingImages.of(
        name,
        (arrays["x_train"], arrays["y_train"]),
        (arrays["x_test"], arrays["y_test"]),
        tuple(str(label) for label in arrays["class_names"]),
        simulated=False,
    )
