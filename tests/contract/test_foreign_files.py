"""What a file from others may not do: show the content of another file, run code, or fill memory.

Both doors to HDF5 (``neurosim.arrays.storage``, ``neurosim.rsa.formats.hdf5_files``) are held to
the same cases, and no other place opens such a file.
"""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from neurosim.arrays.storage import DamagedFileError, read_tree, write_tree
from neurosim.experiments.data.files import Field, read_npz
from neurosim.rsa import BrainRDMs
from neurosim.rsa.brain.brain_files import BrainFileError
from neurosim.rsa.brain.things_files import SubjectFiles, ThingsFileError, open_responses
from neurosim.rsa.formats import numpy_files
from neurosim.rsa.formats.numpy_files import NumpyFileError, open_npz, read_npy

ROOT = Path(__file__).resolve().parents[2]
SECRET = np.arange(45.0, dtype=np.float32)


def external_link(file: h5py.File, entry: str, other: Path) -> None:
    file[entry] = h5py.ExternalLink(other.name, "/secret")


def absolute_external_link(file: h5py.File, entry: str, other: Path) -> None:
    file[entry] = h5py.ExternalLink(str(other), "/secret")


def dangling_link(file: h5py.File, entry: str, other: Path) -> None:
    file[entry] = h5py.ExternalLink("nowhere.h5", "/secret")


def soft_link(file: h5py.File, entry: str, other: Path) -> None:
    file["elsewhere"] = SECRET
    file[entry] = h5py.SoftLink("/elsewhere")


def deep_link(file: h5py.File, entry: str, other: Path) -> None:
    file[entry] = SECRET
    file.create_group("inner/more")["x"] = h5py.ExternalLink(other.name, "/secret")


def virtual_dataset(file: h5py.File, entry: str, other: Path) -> None:
    layout = h5py.VirtualLayout(SECRET.shape, SECRET.dtype)
    layout[:] = h5py.VirtualSource(str(other), "secret", SECRET.shape)
    file.create_virtual_dataset(entry, layout)


def external_storage(file: h5py.File, entry: str, other: Path) -> None:
    raw = other.with_suffix(".raw")
    SECRET.tofile(raw)
    external = [(str(raw), 0, SECRET.nbytes)]
    file.create_dataset(entry, SECRET.shape, SECRET.dtype, external=external)


def group_of_itself(file: h5py.File, entry: str, other: Path) -> None:
    file[entry] = SECRET
    inner = file.create_group("inner")
    inner["again"] = inner


FOREIGN = [external_link, absolute_external_link, dangling_link, soft_link, deep_link,
           virtual_dataset, external_storage, group_of_itself]  # fmt: skip


def poisoned(path: Path, entry: str, poison: Callable[[h5py.File, str, Path], None]) -> Path:
    """``path`` with its dataset ``entry`` replaced by one that lies elsewhere."""
    other = path.with_name("other.h5")
    with h5py.File(other, "w") as file:
        file["secret"] = SECRET
    with h5py.File(path, "r+") as file:
        del file[entry]
        poison(file, entry, other)
    return path


@pytest.mark.parametrize("poison", FOREIGN)
def test_a_run_folder_file_with_foreign_data_is_damaged(tmp_path: Path, poison: Callable) -> None:
    path = tmp_path / "tree.h5"
    write_tree(path, {"a": SECRET, "b": {"c": 1}})
    poisoned(path, "a", poison)
    with pytest.raises(DamagedFileError, match=r"tree\.h5 .*(link|another file|holds itself)"):
        read_tree(path)


@pytest.mark.parametrize("poison", FOREIGN)
def test_brain_data_with_foreign_data_is_refused(tmp_path: Path, poison: Callable) -> None:
    names = tuple(map(str, range(10)))
    brain = BrainRDMs(SECRET[None, None], ("s",), ("V1",), names)
    path = poisoned(brain.save(tmp_path / "brain.h5"), "rdms", poison)
    with pytest.raises(BrainFileError, match=r"brain\.h5.*(link|another file|virtual|itself)"):
        BrainRDMs.load(path)


@pytest.mark.parametrize("poison", FOREIGN)
def test_things_responses_with_foreign_data_are_refused(tmp_path: Path, poison: Callable) -> None:
    path = tmp_path / "sub-01_ResponseData.h5"
    with h5py.File(path, "w") as file:
        file["ResponseData/block0_values"] = np.ones((4, 6))
    poisoned(path, "ResponseData/block0_values", poison)
    files = SubjectFiles("sub-01", path, path, path)
    with (
        pytest.raises(ThingsFileError, match=r"link|another file|virtual|itself"),
        open_responses(files, 6, np.arange(4)),
    ):
        pass


#: Each file of the project that opens a format in which others can hide something.
DOORS = {
    r"h5py\.File\(": {
        "neurosim/arrays/storage.py",
        "rsa/formats/hdf5_files.py",
        "rsa/brain/brain_files.py",
    },
    r"np\.load\(|numpy\.load\(|read_array\(|NpzFile": {"rsa/formats/numpy_files.py"},
    r"loadmat\(|whosmat\(": {"rsa/formats/mat_files.py", "experiments/data/brain92.py"},
    # The law that a thing goes to a worker: what was written a moment before, and by ourselves.
    r"\bpickle\.load|torch\.load\(|read_pickle\(|read_hdf\(|joblib": {"neurosim/testing.py"},
    r"allow_pickle=True": set(),
    r"extractall\(|\.extract\(|unpack_archive\(": set(),
}


@pytest.mark.parametrize("pattern", DOORS)
def test_such_files_are_opened_in_one_place_each(pattern: str) -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("neurosim", "models", "rsa", "experiments")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(pattern, path.read_text(encoding="utf-8"))
    }
    assert found <= DOORS[pattern]


def test_the_other_hdf5_calls_only_write() -> None:
    for name in ("neurosim/arrays/storage.py", "rsa/brain/brain_files.py"):
        modes = re.findall(r"h5py\.File\([^)]*?\"(\w\+?)\"", (ROOT / name).read_text())
        assert set(modes) - {"w"} == ({"r"} if name.endswith("storage.py") else set())


def header(shape: tuple[int, ...], descr: str = "<f8") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (header((10**9, 10**9)), r"declares shape \(1000000000, 1000000000\).*GiB of memory"),
        (header((3,), "<U1000000000000"), "declares|cannot be read"),
        (header((100,)), "declares 800 bytes and holds 16: it is cut off"),
        (header((-1,)), "impossible shape"),
        (header((2,), "|O"), "holds Python objects"),
    ],
)
def test_sizes_that_a_header_makes_up_are_refused_unread(
    tmp_path: Path, head: bytes, message: str
) -> None:
    (tmp_path / "x.npy").write_bytes(head + bytes(16))
    with pytest.raises(NumpyFileError, match=rf"x\.npy.*({message})"):
        read_npy(tmp_path / "x.npy")
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", head + bytes(16))
    with (
        pytest.raises(NumpyFileError, match=rf"x\.npz: array 'a'.*({message})"),
        open_npz(tmp_path / "x.npz") as arrays,
    ):
        arrays["a"].read()


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """64 MiB of zeros in 64 KiB: a layout that does not fit is refused by the header alone."""
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, a=np.zeros((8, 2**20)))
    assert path.stat().st_size < 2**17
    monkeypatch.setattr(numpy_files, "_read", lambda *_: pytest.fail("was unpacked"))
    with pytest.raises(ValueError, match="field 'a' has dtype float64"):
        read_npz(path, {"a": Field("u1", (8, 3))}, "make it anew")


def test_a_link_in_an_archive_is_no_array(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.save(tmp_path / "secret.npy", SECRET)
    link = zipfile.ZipInfo("a.npy")
    link.external_attr = 0o120777 << 16  # a symbolic link, as unzip would make it
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "secret.npy")
    with pytest.raises(NumpyFileError, match=r"x\.npz: array 'a' cannot be read"), open_npz(path):
        pass


def test_a_pickle_beside_numbers_leaves_them_readable(tmp_path: Path) -> None:
    """Net2Brain writes its settings as a pickled object beside the RDM."""
    np.savez(tmp_path / "x.npz", rdm=SECRET, meta=np.array({"distance": "pearson"}, dtype=object))
    with open_npz(tmp_path / "x.npz") as arrays:
        np.testing.assert_array_equal(arrays["rdm"].read(), SECRET)
        assert arrays["meta"].pickled
        with pytest.raises(NumpyFileError, match=r"'meta'.*run code"):
            arrays["meta"].read()
