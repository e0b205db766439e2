"""Whatever ends a run, and whenever: the next start goes on, and the end is the same to the bit."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from crash_loop import SETTINGS

from neurosim.experiments import training_dynamics
from neurosim.experiments.job.events import read_log
from neurosim.experiments.report import files as report
from neurosim.experiments.training_dynamics import main

SCRIPT = Path(training_dynamics.__file__)


@pytest.fixture(autouse=True)
def without_figures(monkeypatch):
    monkeypatch.setattr(report, "draw_all", lambda *args, **kw: None)
    monkeypatch.setattr(report, "write_page", lambda *args, **kw: None)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "draw_all", lambda *args, **kw: None)
        patch.setattr(report, "write_page", lambda *args, **kw: None)
        assert main([*SETTINGS, "--workers", "1", "--out", str(out)]) == 0
    return out


def assert_same_bits(out: Path, undisturbed: Path) -> None:
    names = [path.relative_to(undisturbed) for path in undisturbed.glob("cells/*")]
    for path in (Path("results.csv"), *names):
        assert (out / path).read_bytes() == (undisturbed / path).read_bytes(), path
    left = [path.name for path in out.rglob(".*.part")]
    assert left == [], "temporary files of killed writers"
    assert list(out.glob("resume/*")) == []


def test_a_run_killed_thirty_times_ends_with_the_same_bits(undisturbed, tmp_path):
    """SIGKILL at random moments, and half-way through, before and after naming a file."""
    loop = Path(__file__).with_name("crash_loop.py")
    done = subprocess.run(
        [sys.executable, loop, tmp_path / "run", "18", "12"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    kinds = Counter(line.split()[0] for line in done.stdout.splitlines())
    assert kinds.total() >= 28, done.stdout
    assert min(kinds[kind] for kind in ("half", "unnamed", "named")) >= 3
    assert len(set(done.stdout.splitlines())) > 10, "kills at few different states of the run"
    assert_same_bits(tmp_path / "run", undisturbed)


def test_killed_workers_are_replaced_and_the_end_is_the_same(undisturbed, tmp_path):
    """Each is killed once its cell has finished an epoch since it was placed."""
    command = [sys.executable, str(SCRIPT), *SETTINGS, "--workers", "2", "--out", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    killed: set[int] = set()
    while process.poll() is None and len(killed) < 6:
        placed: dict[str, int] = {}
        for event in read_log(tmp_path / "log.jsonl"):
            if event["event"] == "placed":
                placed[event["rule"]] = event["pid"]
            elif event["event"] == "epoch" and placed[event["rule"]] not in killed:
                victim = placed[event["rule"]]
                killed.add(victim)
                os.kill(victim, signal.SIGKILL)
                break
        time.sleep(0.02)
    _, message = process.communicate()
    assert process.returncode == 0, message
    assert len(killed) == 6
    losses = [event for event in read_log(tmp_path / "log.jsonl") if event["event"] == "lost"]
    assert len(losses) == 6
    assert message.count(b"its worker was lost (SIGKILL)") == 6
    assert_same_bits(tmp_path, undisturbed)


@contextmanager
def small_disk(folder: Path, size: int, monkeypatch) -> Iterator[Callable[[], None]]:
    """A file system of ``size`` bytes at ``folder``; gives a function that makes it larger.

    Mounting needs rights; without them, writes beyond the size fail half-way as they do there.
    """
    limit = size
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if sys.platform == "linux" and subprocess.run(mount, capture_output=True).returncode == 0:
        try:
            yield lambda: subprocess.run(
                ["mount", "-o", f"remount,size={10 * size}", str(folder)], check=True
            )
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        return
    plain = Path.write_bytes

    def write_bytes(path, data):
        used = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        if used + len(data) > limit:
            plain(path, data[: limit - used])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return plain(path, data)

    def make_room() -> None:
        nonlocal limit
        limit = 10 * size

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    yield make_room


def test_a_full_disk_loses_nothing_that_is_finished(undisturbed, tmp_path, monkeypatch, capsys):
    """A file system that is full after the first cell: the cell is kept whole, the message says
    what is wrong, and the next start with room goes on."""
    disk = tmp_path / "disk"
    disk.mkdir()
    room = (undisturbed / "cells" / "bp-seed42.h5").stat().st_size
    with small_disk(disk, 4 * room, monkeypatch) as make_room:
        out = disk / "run"
        assert main([*SETTINGS, "--workers", "1", "--out", str(out)]) == 1
        message = capsys.readouterr().err
        assert "No space left on device" in message
        assert "run again to resume" in message
        kept = {path.name: path.read_bytes() for path in out.glob("cells/*.h5")}
        assert kept["bp-seed42.h5"] == (undisturbed / "cells" / "bp-seed42.h5").read_bytes()
        assert list(out.rglob(".*.part")) == []
        make_room()
        assert main([*SETTINGS, "--workers", "1", "--out", str(out)]) == 0
        assert_same_bits(out, undisturbed)
