"""An .npz is either what its layout promises or refused in one sentence; never unpickled."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from neurosim.experiments.data.files import (
    ENVIRONMENT,
    Field,
    data_directory,
    read_npz,
    write_npz,
)
from neurosim.experiments.data.types import BrokenDataError
from neurosim.experiments.system.reasons import reason

LAYOUT = {
    "images": Field("u1", ("n", 4, 3)),
    "labels": Field("i", ("n",)),
    "rdms": Field("f4", (None, 6)),
    "names": Field("U", (2,)),
}


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "images": rng.integers(0, 256, (5, 4, 3), np.uint8),
        "labels": np.arange(5),
        "rdms": rng.random((7, 6), np.float32),
        "names": np.array(["a", "bc"]),
    }


def refusal(path: Path) -> str:
    with pytest.raises(BrokenDataError) as caught:
        read_npz(path, LAYOUT, "make it anew")
    message = str(caught.value)
    assert str(path) in message
    assert message.endswith("make it anew.")
    assert "\n" not in message
    return message


def test_what_is_written_is_read_back_and_extra_fields_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "new" / "set.npz"
    write_npz(path, arrays() | {"extra": np.zeros(3)})
    read = read_npz(path, LAYOUT, "make it anew")
    assert list(read) == list(LAYOUT)
    for key, array in arrays().items():
        np.testing.assert_array_equal(read[key], array)
    assert [p.name for p in path.parent.iterdir()] == ["set.npz"]


@pytest.mark.parametrize(
    ("key", "wrong", "said"),
    [
        ("images", np.zeros((5, 4, 3), np.float32), "dtype float32.*dtype uint8"),
        ("images", np.zeros((5, 3, 4), np.uint8), r"\(5, 3, 4\).*\(n, 4, 3\)"),
        ("images", np.zeros((5, 4), np.uint8), r"\(5, 4\).*\(n, 4, 3\)"),
        ("labels", np.zeros(5), "any integer"),
        ("labels", np.arange(4), r"\(4,\).*\(n,\) with n = 5"),
        ("rdms", np.zeros((7, 5), np.float32), r"\(any, 6\)"),
        ("rdms", np.zeros((7, 6)), "dtype float64.*dtype float32"),
        ("names", np.array([b"a", b"b"]), "dtype text"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_allowed(
    tmp_path: Path, key: str, wrong: np.ndarray, said: str
) -> None:
    write_npz(tmp_path / "set.npz", arrays() | {key: wrong})
    message = refusal(tmp_path / "set.npz")
    assert f"field {key!r}" in message
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(message)


def test_a_missing_field_is_named_with_those_there(tmp_path: Path) -> None:
    some = arrays()
    del some["rdms"]
    write_npz(tmp_path / "set.npz", some)
    assert "no field 'rdms' (it has 'images', 'labels', 'names')" in refusal(tmp_path / "set.npz")


def test_pickled_objects_are_refused_and_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, **arrays() | {"labels": np.array([print, 1], dtype=object)})  # type: ignore[arg-type]
    message = refusal(path)
    assert "field 'labels' cannot be read" in message
    assert "allow_pickle" in message


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "set.npz"
    write_npz(path, arrays())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert "is not a whole .npz file" in refusal(path)


def test_a_damaged_field_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    write_npz(path, arrays())
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("rdms.npy")
    damaged = bytearray(path.read_bytes())
    damaged[member.header_offset + 60 + member.compress_size // 2] ^= 0xFF
    path.write_bytes(damaged)
    assert "field 'rdms' cannot be read" in refusal(path)


def test_no_damage_passes_for_data(tmp_path: Path) -> None:
    """Wrong bytes anywhere: refused in one line, or (unused bytes of the zip) harmless."""
    path, rng = tmp_path / "set.npz", np.random.default_rng(0)
    write_npz(path, arrays())
    whole = path.read_bytes()
    outcomes = set()
    for _ in range(300):
        damaged = bytearray(whole)
        for position in rng.integers(len(whole), size=2):
            damaged[position] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read = read_npz(path, LAYOUT, "make it anew")
        except BrokenDataError as error:
            outcomes.add(f"refused in {len(str(error).splitlines())} line")
        else:
            outcomes.add("harmless")
            for key, array in arrays().items():
                np.testing.assert_array_equal(read[key], array)
    assert outcomes == {"refused in 1 line", "harmless"}


@pytest.mark.parametrize("content", [b"", b"not a zip", b"\x80\x04K\x01.", b"\x93NUMPY\x01\x00"])
def test_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "set.npz"
    path.write_bytes(content)
    refusal(path)


def test_a_lone_npy_array_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    with path.open("wb") as file:
        np.save(file, np.arange(3))
    assert "but a single array" in refusal(path)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "set.npz"
    path.write_bytes(b"old")

    def interrupted(file: IO[bytes], **arrays: np.ndarray) -> None:
        file.write(b"new, but")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_npz(path, arrays())
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["set.npz"]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file") as e:
        write_npz(tmp_path / "file" / "set.npz", arrays())
    assert re.fullmatch(r".*file cannot be used \(.*\): .* give another folder", reason(e.value))


def test_data_directory_takes_the_option_then_the_environment_then_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "from_environment"))
    assert data_directory(tmp_path / "option") == tmp_path / "option"
    assert data_directory() == tmp_path / "from_environment"
    for unset in ("", None):
        if unset is None:
            monkeypatch.delenv(ENVIRONMENT)
        else:
            monkeypatch.setenv(ENVIRONMENT, unset)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        assert data_directory().name == "neurosim"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_directory("~/data") == tmp_path / "data"
