"""CIFAR-10 from the official archive's layout, in miniature, and from the converted files."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import made_data
import needs
import numpy as np
import pytest
from data_loopback import Server, serving

from neurosim.experiments.data import downloads
from neurosim.experiments.data.cifar10 import (
    FULL,
    OFFICIAL,
    ORIGINALS,
    BinaryArchive,
    load_cifar10,
)
from neurosim.experiments.data.downloads import RemoteFile
from neurosim.experiments.data.files import Access
from neurosim.experiments.data.registry import (
    BrokenDataError,
    DownloadError,
    MissingDataError,
    load_training_images,
)

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
N = 20  # records of a member


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (5 * N, 32, 32, 3), np.uint8),
        "y_train": rng.integers(0, 10, 5 * N).astype(np.uint8),
        "x_test": rng.integers(0, 256, (N, 32, 32, 3), np.uint8),
        "y_test": rng.integers(0, 10, N).astype(np.uint8),
    }


def records(images: np.ndarray, labels: np.ndarray) -> bytes:
    """As on the official page: label, 1,024 red, 1,024 green, 1,024 blue, row major."""
    return b"".join(
        bytes([label]) + b"".join(image[..., c].tobytes() for c in range(3))
        for image, label in zip(images, labels, strict=True)
    )


def members() -> dict[str, bytes]:
    data = arrays()
    files = {
        f"data_batch_{i + 1}.bin": records(
            data["x_train"][i * N : (i + 1) * N], data["y_train"][i * N : (i + 1) * N]
        )
        for i in range(5)
    }
    files["test_batch.bin"] = records(data["x_test"], data["y_test"])
    files["batches.meta.txt"] = ("\n".join(NAMES) + "\n\n").encode()
    files["readme.html"] = b"<html>"
    return files


def tar_of(files: dict[str, bytes], folder: str = "cifar-10-batches-bin") -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for name, body in files.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return raw.getvalue()


def miniature(tar: bytes) -> BinaryArchive:
    data = arrays()
    labels = {"y_train": np.int64, "y_test": np.uint8}  # either is an accepted form
    return replace(
        OFFICIAL,
        remote=RemoteFile(
            OFFICIAL.remote.base_url, OFFICIAL.remote.name, "md5", hashlib.md5(tar).hexdigest()
        ),
        n_records=N,
        sha256={
            key: hashlib.sha256(a.astype(labels.get(key, a.dtype)).tobytes()).hexdigest()
            for key, a in data.items()
        },
    )


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving({OFFICIAL.remote.name: tar_of(members())}) as running:
        monkeypatch.setenv(downloads.MIRROR, running.url)
        monkeypatch.setattr(downloads, "sleep", lambda seconds: None)
        yield running


def archive_of(server: Server) -> BinaryArchive:
    return miniature(server.files[OFFICIAL.remote.name])


def test_downloaded_decoded_converted_once(server: Server, tmp_path: Path) -> None:
    archive = archive_of(server)
    images = load_cifar10(Access(tmp_path, download=True), archive)
    for key, expected in arrays().items():
        np.testing.assert_array_equal(getattr(images, key), expected)
    assert images.class_names == tuple(NAMES)
    assert images.y_train.dtype == np.int64
    assert not images.simulated
    again = load_cifar10(Access(tmp_path), archive)
    assert again.sha256 == images.sha256
    assert len(server.requests) == 1


def test_an_archive_put_in_place_by_hand_needs_no_download(server: Server, tmp_path: Path) -> None:
    archive = archive_of(server)
    place = tmp_path / ORIGINALS / archive.remote.name
    place.parent.mkdir()
    place.write_bytes(server.files[archive.remote.name])
    assert len(load_cifar10(Access(tmp_path), archive).x_test) == N
    assert server.requests == []


@pytest.mark.parametrize(
    ("faults", "said"), [(["cut"] * 4, "was cut"), (["flip"], "md5"), ([404], "404")]
)
def test_a_bad_download_leaves_nothing(
    server: Server, tmp_path: Path, faults: list[str | int], said: str
) -> None:
    server.faults[OFFICIAL.remote.name] = faults
    with pytest.raises(DownloadError, match=said):
        load_cifar10(Access(tmp_path, download=True), archive_of(server))
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def decode(tmp_path: Path, tar: bytes) -> dict[str, np.ndarray]:
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(tar)
    return miniature(tar).decode(path)


def test_members_with_dangerous_names_are_never_written(tmp_path: Path) -> None:
    """The archive is read as a stream: no member gets to name a path."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        evil = tarfile.TarInfo("../../evil.txt")
        evil.size = 4
        archive.addfile(evil, io.BytesIO(b"evil"))
        link = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    (tmp_path / "a").mkdir()
    before = set(tmp_path.rglob("*"))
    with pytest.raises(BrokenDataError, match="no member"):
        decode(tmp_path / "a", raw.getvalue())
    after = set(tmp_path.rglob("*"))
    assert after - before == {tmp_path / "a" / "archive.tar.gz"}


def test_a_symlink_in_a_members_place_is_not_followed(tmp_path: Path) -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for name, body in members().items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            if name == "test_batch.bin":
                info.type, info.linkname = tarfile.SYMTYPE, "data_batch_1.bin"
                archive.addfile(info)
            else:
                info.size = len(body)
                archive.addfile(info, io.BytesIO(body))
    with pytest.raises(BrokenDataError, match=r"no member 'test_batch\.bin'"):
        decode(tmp_path, raw.getvalue())


def test_a_missing_member_is_named(tmp_path: Path) -> None:
    files = members()
    del files["data_batch_3.bin"]
    with pytest.raises(BrokenDataError, match=r"no member 'data_batch_3\.bin'.*--download\.$"):
        decode(tmp_path, tar_of(files))


def test_a_member_of_another_size_is_named(tmp_path: Path) -> None:
    files = members()
    files["test_batch.bin"] = files["test_batch.bin"][:-1]
    with pytest.raises(BrokenDataError, match=r"'test_batch\.bin' has 61459 bytes.*61460"):
        decode(tmp_path, tar_of(files))


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    tar = tar_of(members())
    with pytest.raises(BrokenDataError, match=r"not a whole \.tar\.gz"):
        decode(tmp_path, tar[: len(tar) // 2])


@pytest.mark.parametrize("swap", ["pixel", "label"])
def test_other_content_in_the_right_layout_is_refused(tmp_path: Path, swap: str) -> None:
    files = members()
    body = bytearray(files["test_batch.bin"])
    at = 0 if swap == "label" else 100
    body[at] = (body[at] + 1) % 10
    files["test_batch.bin"] = bytes(body)
    field = "y_test" if swap == "label" else "x_test"
    with pytest.raises(BrokenDataError, match=f"{field!r} is not CIFAR-10's"):
        decode(tmp_path, tar_of(files))


def test_a_converted_file_is_checked_whatever_its_source(server: Server, tmp_path: Path) -> None:
    archive = archive_of(server)
    load_cifar10(Access(tmp_path, download=True), archive)
    with np.load(tmp_path / FULL, allow_pickle=False) as good:
        changed = {key: good[key] for key in good.files}
    changed["x_train"][0, 0, 0, 0] ^= 1
    np.savez_compressed(tmp_path / FULL, **changed)
    with pytest.raises(BrokenDataError, match="'x_train' is not CIFAR-10's"):
        load_cifar10(Access(tmp_path), archive)


def test_absent_and_not_downloaded_unless_asked(server: Server, tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"cifar10_12k\.npz.*NEUROSIM_DATA.*--download\.$"):
        load_training_images("cifar10", tmp_path)
    with pytest.raises(MissingDataError, match=r"no cifar10_mini\.npz.*use 'cifar10'"):
        load_training_images("cifar10-mini", tmp_path, download=True)
    assert server.requests == []


@pytest.mark.parametrize("wrong", [[10] * N, [-1] * N])
def test_a_label_beyond_the_classes_is_refused(tmp_path: Path, wrong: list[int]) -> None:
    data = arrays() | {"y_test": np.array(wrong), "class_names": np.array(NAMES)}
    np.savez(tmp_path / "cifar10_mini.npz", **data)  # type: ignore[arg-type]
    with pytest.raises(BrokenDataError, match=r"'y_test' .* from 0 to 9"):
        load_training_images("cifar10-mini", tmp_path)


@needs.data("cifar10_mini.npz")
def test_the_mini_set_is_real_and_balanced() -> None:
    images = load_training_images("cifar10-mini", needs.DATA)
    np.testing.assert_array_equal(np.bincount(images.y_train), 100)
    np.testing.assert_array_equal(np.bincount(images.y_test), 50)
    assert images.class_names == tuple(NAMES)
    # The means of all of CIFAR-10: a mixed-up channel would be off by .03
    mean = images.x_train.mean(axis=(0, 1, 2)) / 255
    np.testing.assert_allclose(mean, [0.4914, 0.4822, 0.4465], atol=0.01)


def test_cifar10_falls_to_its_part_when_that_is_what_is_there() -> None:
    by_name = load_training_images("cifar10", made_data.cifar10())
    assert by_name.sha256 == load_training_images("cifar10-12k", made_data.cifar10()).sha256
    assert (len(by_name.x_train), len(by_name.x_test)) == (10_000, 2_000)
