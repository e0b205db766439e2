"""A download is whole and right, or there is nothing but one clear sentence."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from data_loopback import Server, serving

from neurosim.experiments.data.downloads import MIRROR, RemoteFile, fetch
from neurosim.experiments.data.types import BrokenDataError, DownloadError
from neurosim.experiments.system.reasons import reason

BODY = bytes(range(256)) * 1000  # several chunks


@pytest.fixture
def server() -> Iterator[Server]:
    with serving({"file.bin": BODY, "empty.bin": b""}) as running:
        yield running


def remote(base_url: str, name: str = "file.bin", body: bytes = BODY) -> RemoteFile:
    return RemoteFile(base_url, name, "sha256", hashlib.sha256(body).hexdigest())


def get(file: RemoteFile, folder: Path, **options: object) -> Path:
    settings = {"progress": False, "first_wait_s": 0.0, "n_attempts": 3} | options
    return fetch(file, folder, **settings)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def one_sentence(message: str) -> bool:
    return "\n" not in message and message.endswith(".") and ". " not in message


def test_file_arrives_whole_and_is_not_fetched_twice(server: Server, tmp_path: Path) -> None:
    path = get(remote(server.url), tmp_path / "new" / "folder")
    assert path.read_bytes() == BODY
    assert files_in(path.parent) == ["file.bin"]
    get(remote(server.url), path.parent)
    assert server.requests == ["file.bin"]


def test_md5_is_checked_as_well(server: Server, tmp_path: Path) -> None:
    md5 = hashlib.md5(BODY).hexdigest()
    assert get(RemoteFile(server.url, "file.bin", "md5", md5), tmp_path).read_bytes() == BODY
    with pytest.raises(DownloadError, match="md5"):
        get(RemoteFile(server.url, "file.bin", "md5", "0" * 32), tmp_path / "other")


def test_an_empty_file_is_a_file(server: Server, tmp_path: Path) -> None:
    assert get(remote(server.url, "empty.bin", b""), tmp_path).read_bytes() == b""


@pytest.mark.parametrize("fault", ["cut", 500, 503, 429, 408])
def test_what_may_pass_is_tried_again(server: Server, tmp_path: Path, fault: str | int) -> None:
    server.faults["file.bin"] = [fault, fault]
    assert get(remote(server.url), tmp_path).read_bytes() == BODY
    assert len(server.requests) == 3


def test_a_connection_that_is_always_cut_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.faults["file.bin"] = ["cut"] * 3
    with pytest.raises(DownloadError, match=r"cut after 128000 of 256000 bytes.*3 attempts") as e:
        get(remote(server.url), tmp_path)
    assert one_sentence(str(e.value))
    assert MIRROR in str(e.value)
    assert len(server.requests) == 3
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("status", [404, 403, 410])
def test_a_refusal_is_final(server: Server, tmp_path: Path, status: int) -> None:
    server.faults["file.bin"] = [status]
    with pytest.raises(DownloadError, match=f"answered {status}") as e:
        get(remote(server.url), tmp_path)
    assert one_sentence(str(e.value))
    assert len(server.requests) == 1
    assert files_in(tmp_path) == []


def test_a_wrong_byte_is_final_and_thrown_away(server: Server, tmp_path: Path) -> None:
    server.faults["file.bin"] = ["flip"]
    with pytest.raises(DownloadError, match="thrown away") as e:
        get(remote(server.url), tmp_path)
    assert hashlib.sha256(BODY).hexdigest() in str(e.value)
    assert one_sentence(str(e.value))
    assert len(server.requests) == 1
    assert files_in(tmp_path) == []


def test_no_server_is_said_after_all_attempts(tmp_path: Path) -> None:
    with socket.socket() as closed:  # a port that nobody listens on
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(DownloadError, match=r"refused.*3 attempts") as e:
        get(remote(f"http://127.0.0.1:{port}"), tmp_path)
    assert one_sentence(str(e.value))
    assert files_in(tmp_path) == []


def test_a_silent_server_times_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(DownloadError, match="timed out"):
            get(remote(url), tmp_path, n_attempts=1, timeout_s=0.05)


def test_a_file_of_that_name_with_other_content_is_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"mine")
    with pytest.raises(BrokenDataError, match="delete it") as e:
        get(remote(server.url), tmp_path)
    assert one_sentence(str(e.value))
    assert (tmp_path / "file.bin").read_bytes() == b"mine"
    assert server.requests == []


def test_mirror_by_argument_and_by_environment(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = remote("http://127.0.0.1:9/nowhere")
    assert get(elsewhere, tmp_path / "a", mirror=server.url + "/").read_bytes() == BODY
    monkeypatch.setenv(MIRROR, server.url)
    assert get(elsewhere, tmp_path / "b").read_bytes() == BODY


def test_a_folder_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, where a folder is wanted")
    with pytest.raises(OSError, match="taken") as e:
        get(remote(server.url), tmp_path / "taken" / "data")
    assert "give another folder" in reason(e.value)
    assert server.requests == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(server: Server, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="Permission denied"):
        get(remote(server.url), tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the always full device")
def test_a_full_disk(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence that names the file and the remedy; what was there of it is gone."""
    real = Path.open

    def open_full(path: Path, mode: str = "r", *rest: int) -> IO:
        return real(Path("/dev/full"), "wb", 0) if mode == "wb" else real(path, mode, *rest)

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(OSError, match="No space left") as e:
        get(remote(server.url), tmp_path)
    assert re.fullmatch(r".*cannot be used \(No space left.*\): make room .*", reason(e.value))
    assert str(tmp_path) in reason(e.value)
    assert list(tmp_path.iterdir()) == []


def test_progress_is_shown_only_when_asked(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    get(remote(server.url), tmp_path / "quiet")
    assert capsys.readouterr() == ("", "")
    get(remote(server.url), tmp_path / "shown", progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "file.bin" in shown.err
    assert "100%" in shown.err
