"""Why work stopped, as one sentence that a user can act on.

The system answers with an error number, an allocator with a line of its own, a bug with a type and
two words. Here each of them becomes a sentence that names the file or the place in the code, and
the remedy. Commands print it (``failures.exit_status``), jobs report it (``execute.failure``).
"""

from __future__ import annotations

import errno
import os
import re
import traceback
from collections.abc import Mapping
from pathlib import Path

_ROOM = "make room on that disk and run again: what is finished is kept"
_ANOTHER = "let this user write there, or give another folder"
_FEWER_FILES = "raise the limit of open files (ulimit -n) or give fewer --workers, and run again"
#: Error number of the system -> what its user can do.
REMEDIES: Mapping[int, str] = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EACCES: _ANOTHER,
    errno.EPERM: _ANOTHER,
    errno.EROFS: "give a folder on a disk that can be written to",
    errno.EMFILE: _FEWER_FILES,
    errno.ENFILE: _FEWER_FILES,
    errno.ENAMETOOLONG: "give a folder with a shorter name",
    errno.EIO: "the disk or the connection to it fails: run again in a folder on another disk",
    errno.EEXIST: "a file has the name of that folder: move it away, or give another folder",
    errno.EISDIR: "a folder has the name of that file: move it away",
    errno.ENOTDIR: "a part of that path is a file: give another folder",
    errno.EPIPE: "the program that read this output (head, less) has ended: what is finished is "
    "kept, run again without it",
}
_NO_MEMORY = (
    "give fewer --workers, or smaller images or batches, and run again: what is finished is kept"
)
#: What allocators write where they raise no MemoryError (torch on the CPU, CUDA, MPS).
_ALLOCATOR = re.compile(
    r"can't allocate memory|out of memory|cannot allocate memory|storage size calculation overflow",
    re.IGNORECASE,
)
_ASKED = re.compile(r"allocate ([\d.]+) ?(bytes|[KMGT]i?B)", re.IGNORECASE)


class StoppedError(RuntimeError):
    """Work that cannot go on for a reason outside the code; the message is for its user."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, whoever says it."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and bool(_ALLOCATOR.search(str(error)))
    )


def reason(error: BaseException) -> str:
    """The sentence of an error.

    Messages of this project's own errors (``ValueError``, ``OSError`` without a number and
    ``StoppedError``) are such sentences and stay as they are. What nobody foresaw is named by its
    type and by the place it came from.
    """
    if is_out_of_memory(error):
        asked = _ASKED.search(str(error))
        at_once = f" ({_size(asked)} were asked for at once)" if asked else ""
        return f"the memory of this machine does not suffice{at_once}: {_NO_MEMORY}"
    if isinstance(error, OSError) and error.errno is not None:
        return _of_the_system(error)
    text = " ".join(str(error).split())
    is_sentence = isinstance(error, ValueError | OSError | StoppedError)
    if is_sentence and not isinstance(error, UnicodeError):
        return text
    return (
        f"{type(error).__name__}: {text}{_place(error)}"
        if text
        else (f"{type(error).__name__}{_place(error)}")
    )


def _of_the_system(error: OSError) -> str:
    number = error.errno or 0
    what = error.strerror or os.strerror(number)
    name = "the output" if number == errno.EPIPE else _shown(error.filename)
    if number == errno.ENOENT:
        return f"there is no {name}"
    remedy = REMEDIES.get(number)
    return f"{name} cannot be used ({what})" + (f": {remedy}" if remedy else "")


def _shown(filename: object) -> str:
    if filename is None:
        return "a file"
    if isinstance(filename, bytes):
        filename = os.fsdecode(filename)
    # Undecodable bytes of a name are shown as escapes, so that any terminal can print it.
    return str(filename).encode("utf-8", "backslashreplace").decode("utf-8")


def _size(asked: re.Match[str]) -> str:
    if asked[2].lower() != "bytes":
        return f"{asked[1]} {asked[2]}"
    return f"{float(asked[1]) / 2**30:.1f} GiB"


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    last = frames[-1]
    return f" (in {last.name}, {Path(last.filename).name} line {last.lineno})"
