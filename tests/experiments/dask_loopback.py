"""A Dask scheduler and workers on loopback, as the processes that a user starts, for the tests."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

#: Seconds for a process to be there; on a busy machine an import takes several.
_START_S = 60


class Loopback:
    """A scheduler and two workers; ``address`` starts what is not there (any more)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scheduler: subprocess.Popen | None = None
        self.workers: list[subprocess.Popen] = []
        self._address, self._n_schedulers = "", 0

    @property
    def address(self) -> str:
        if self.scheduler is None or self.scheduler.poll() is not None:
            self.close()
            # A file of its own for each scheduler: one that was killed leaves its file.
            self._n_schedulers += 1
            file = self.folder / f"scheduler-{self._n_schedulers}.json"
            self.scheduler = _dask(
                "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file),
                "--dashboard-address", "127.0.0.1:0",
            )  # fmt: skip
            _until(lambda: file.is_file() and file.read_text().endswith("}"), self.scheduler)
            self._address = json.loads(file.read_text())["address"]
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) < 2:
            self.workers.append(
                _dask("worker", self._address, "--nthreads", "1", "--no-nanny", "--no-dashboard",
                      "--local-directory", str(self.folder))
            )  # fmt: skip
        return self._address

    def close(self) -> None:
        for process in (self.scheduler, *self.workers):
            if process is not None:
                process.kill()
                process.wait()


def _dask(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _until(is_true, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + _START_S
    while not is_true():
        assert process.poll() is None, f"{process.args} ended at once"
        assert time.monotonic() < deadline, f"{process.args} did not start"
        time.sleep(0.05)


@contextlib.contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Fail, instead of hanging, what takes longer."""

    def late(number, frame) -> None:
        pytest.fail(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def kill(process: subprocess.Popen) -> None:
    """kill -9, as the machine does it that a process runs on when it stops."""
    process.kill()
    process.wait()


def terminate_self() -> None:
    """What a job queue sends to a job whose time is over."""
    os.kill(os.getpid(), signal.SIGTERM)
