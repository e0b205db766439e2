"""What a command tells its user in one sentence, beside ValueError and OSError for wrong input."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from neurosim.experiments.system.reasons import StoppedError, is_out_of_memory, reason
from neurosim.experiments.system.threads import one_thread
from neurosim.naming.choices import shown


class TasksFailedError(StoppedError):
    """Some tasks ended in an error; the others are finished and kept."""


class InUseError(StoppedError):
    """Another process holds what is asked for."""


class ClusterLostError(StoppedError):
    """The connection to a cluster broke; what its workers finished is kept."""


class TerminatedError(KeyboardInterrupt):
    """SIGTERM: what a job queue sends before it takes the machine away.

    A kind of Ctrl-C, so that what cleans up after the one cleans up after the other.
    """


@contextmanager
def terminable() -> Iterator[None]:
    """Raise ``TerminatedError`` on SIGTERM, which else ends a process without a word.

    The first one only: a second ends the process at once, should cleaning up take too long.
    Threads cannot catch signals, and who has a handler, or ignores SIGTERM, keeps that.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return

    def terminate(number: int, frame: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise TerminatedError

    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def differences(there: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """What a folder or file holds otherwise than asked, an entry in words each."""
    return [
        f"{name}: {shown(there.get(name))} there, {shown(asked.get(name))} asked"
        for name in sorted({*there, *asked})
        if there.get(name) != asked.get(name)
    ]


def why_not_longer(there: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """Why a run of other ``epochs`` cannot be gone on with; empty where epochs are not it."""
    if there.get("epochs") == asked.get("epochs"):
        return ""
    if asked.get("schedule") == "constant" == there.get("schedule"):
        return (
            "; a finished job keeps its weights and not its optimiser's memory, so training "
            "cannot go on from its last epoch"
        )
    return (
        f"; the {asked.get('schedule')} learning rate of every epoch depends on how many there "
        "are, so epochs of the shorter training are not those of the longer one"
    )


def command(
    work: Callable[[Sequence[str] | None], int | None], *, interrupted: str
) -> Callable[..., int]:
    """The ``main`` of a command: its arguments (None: those of the process) -> its exit status.

    Args:
        work, interrupted: as in ``exit_status``; ``work`` is given the arguments.
    """

    def main(argv: Sequence[str] | None = None) -> int:
        one_thread()
        return exit_status(partial(work, argv), interrupted=interrupted)

    return main


def exit_status(work: Callable[[], int | None], *, interrupted: str) -> int:
    """Run a command; what stops it is one sentence on stderr, anything else a traceback.

    Args:
        work: the command; None counts as 0.
        interrupted: what Ctrl-C and SIGTERM leave behind, in words.

    Returns:
        What ``work`` returns; 2 for wrong input, 1 where work failed or memory ran out, 130 for
        Ctrl-C, 141 where nobody reads the output any more, 143 for SIGTERM.
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal of another encoding shows an escape for a letter that it lacks.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with terminable():
            status = work() or 0
            sys.stdout.flush()
            return status
    except BrokenPipeError as error:
        _give_up_stdout()
        return _told(error, 128 + signal.SIGPIPE)
    except (TasksFailedError, ClusterLostError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (ValueError, OSError, InUseError) as error:
        return _told(error, 2)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return _told(error, 1)
    except KeyboardInterrupt as error:
        print(f"interrupted: {interrupted}", file=sys.stderr)
        return 128 + (signal.SIGTERM if isinstance(error, TerminatedError) else signal.SIGINT)


def _told(error: Exception, status: int) -> int:
    print(f"error: {reason(error)}", file=sys.stderr)
    return status


def _give_up_stdout() -> None:
    """Nobody reads it any more: what is still in it would be one more error at the end."""
    with contextlib.suppress(io.UnsupportedOperation), open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
