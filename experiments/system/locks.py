"""One process at a time: locks that end with their holder, however it ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from neurosim.experiments.system.failures import InUseError


@contextmanager
def locked(
    path: Path, *, wait: bool = False, on_wait: Callable[[], None] | None = None
) -> Iterator:
    """Hold the lock file ``path``.

    Args:
        wait: wait for another holder, after telling ``on_wait``; else it is an error.

    Raises:
        InUseError: another process holds it and ``wait`` is False.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not wait:
            raise InUseError(f"another process holds {path}") from None
        if on_wait is not None:
            on_wait()
        lock.acquire()
    except NotImplementedError as error:
        raise OSError(
            f"{path.parent} is on a file system without locks: put the run folder on another"
        ) from error
    try:
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock file."""
    if not path.is_file():
        return False
    if not os.access(path, os.W_OK) and os.name == "posix":
        # Looking on writes nothing: the same lock, shared, on a file opened for reading.
        import fcntl

        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False
    try:
        with locked(path):
            return False
    except InUseError:
        return True
