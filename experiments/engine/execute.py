"""Running tasks: one interface, and the ways to run them in and below this process.

Another machine's are in ``cluster``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import parent_process, resource_tracker, set_start_method
from multiprocessing.connection import Connection, wait
from threading import Thread
from typing import Any

from neurosim.experiments.engine.tasks import AbstractTask, run_task
from neurosim.experiments.job.events import Event
from neurosim.experiments.system.processes import process_context, program_kept_from_children
from neurosim.experiments.system.reasons import reason
from neurosim.experiments.system.threads import one_thread

Listener = Callable[[Event], None]

#: A task whose worker was lost so often without a new epoch is given up.
MAX_LOSSES = 4
_MEMORY = (
    "the system ends what needs more memory than there is, so give fewer --workers or smaller "
    "--evaluation-px, and run again to resume"
)
#: How a worker ended -> the likely cause, and what to do.
_LOST = {
    "SIGKILL": _MEMORY,
    "its Dask workers died": _MEMORY,
    "SIGSEGV": "compiled code failed; run it with --workers 1 to see where",
}
#: Seconds that an idle worker has to end by itself.
_PATIENCE_S = 5.0


class AbstractRunner(ABC):
    """A way to run tasks."""

    @abstractmethod
    def run(self, tasks: Sequence[AbstractTask], listen: Listener) -> None:
        """Run all tasks, in this order as far as there are hands.

        Every event of a task goes to ``listen``, in this process: what tasks report, and
        ``begun``, ``failed`` (error, traceback) and ``lost`` (why), which runners add. A task that
        fails does not keep others from running.
        """


@dataclass(frozen=True)
class InProcess(AbstractRunner):
    """One after the other, in this process."""

    def run(self, tasks: Sequence[AbstractTask], listen: Listener) -> None:
        for task in tasks:
            for_task = _listener_of(task, listen)
            for_task({"event": "begun"})
            try:
                run_task(task, lambda event, /, **v: for_task({"event": event, **v}))  # noqa: B023
            except Exception as error:
                for_task(failure(error))


@dataclass(frozen=True)
class LocalWorkers(AbstractRunner):
    """Side by side in ``n`` processes of this machine; ``fresh``: each task in one of its own.

    A worker that is lost (killed, out of memory) takes no other along: its task goes on from its
    last epoch in a new one.
    """

    n: int
    fresh: bool = False

    def run(self, tasks: Sequence[AbstractTask], listen: Listener) -> None:
        waiting, losses = list(tasks), Losses()
        workers: list[_Worker] = []
        try:
            for _ in range(min(self.n, len(tasks))):
                workers.append(_Worker())
            while True:
                for worker in workers:
                    if worker.task is None and waiting:
                        _listener_of(waiting[0], listen)({"event": "begun"})
                        worker.give(waiting.pop(0))
                busy = {worker.connection: worker for worker in workers if worker.task}
                if not busy:
                    return
                for connection in wait(list(busy)):
                    worker = busy[connection]
                    task = worker.task
                    assert task is not None
                    for_task = _listener_of(task, listen)
                    try:
                        event = worker.connection.recv()
                    except (EOFError, ConnectionResetError):
                        lost = losses.count(task, worker.end())
                        for_task(lost)
                        if lost["event"] == "lost":
                            waiting.insert(0, task)
                        workers[workers.index(worker)] = _Worker()
                        continue
                    if event["event"] == "idle":
                        worker.task = None
                        if self.fresh and waiting:
                            worker.dismiss()
                            worker.end()
                            workers[workers.index(worker)] = _Worker()
                        continue
                    losses.heard(task, event)
                    for_task(event)
        finally:
            for worker in workers:
                worker.dismiss()
            for worker in workers:
                worker.end()


class Losses:
    """How often each task's worker was lost since its last new epoch."""

    def __init__(self) -> None:
        self._lost: dict[str, int] = {}
        self._epoch: dict[str, int] = {}

    def heard(self, task: AbstractTask, event: Event) -> None:
        """Begin anew with each new epoch.

        One that came before is none: a task that is lost in the evaluation after it trains it
        again each time.
        """
        if event["event"] == "epoch" and event["epoch"] > self._epoch.get(task.name, 0):
            self._epoch[task.name] = event["epoch"]
            self._lost.pop(task.name, None)

    def count(self, task: AbstractTask, why: str) -> Event:
        """The event of a loss: ``lost``, or ``failed`` where it was one too many."""
        self._lost[task.name] = self._lost.get(task.name, 0) + 1
        if self._lost[task.name] < MAX_LOSSES:
            return {"event": "lost", "why": why}
        return {
            "event": "failed",
            "error": f"its worker was lost {MAX_LOSSES} times within one epoch ({why}): "
            + _LOST.get(why, "what it wrote to the terminal says why"),
        }


def failure(error: BaseException) -> Event:
    """The event of a task that ended in an error."""
    text = "".join(traceback.format_exception(error))
    return {"event": "failed", "error": reason(error), "traceback": text}


def _listener_of(task: AbstractTask, listen: Listener) -> Listener:
    return lambda event: listen({**event, "rule": task.label, "seed": task.seed})


class _Worker:
    """A process that runs one task at a time and answers with events."""

    def __init__(self) -> None:
        context: Any = process_context()
        if sys.platform == "linux":
            # It imports torch once for all workers.
            context.set_forkserver_preload(["neurosim.experiments.job.job"])
        with (
            program_kept_from_children(),
            _one_thread_for_children(),
            _sigterm_kept_from_children(),
        ):
            self.connection, theirs = context.Pipe()
            self.process = context.Process(target=_work, args=(theirs,), daemon=True)
            self.process.start()
        # The worker alone holds its end, so that its death is the end of the file here.
        theirs.close()
        self.task: AbstractTask | None = None

    def give(self, task: AbstractTask) -> None:
        """Start a task."""
        self.task = task
        # One that is dead by now answers with the end of its pipe.
        with contextlib.suppress(BrokenPipeError):
            self.connection.send(task)

    def dismiss(self) -> None:
        """Let it end: an idle one by itself, a busy one at once."""
        if self.task is None:
            self.connection.close()
        else:
            # Files appear whole or not at all, so it may be ended at any moment.
            self.process.kill()

    def end(self) -> str:
        """Wait for its end; how it ended, in words."""
        self.process.join(_PATIENCE_S)
        self.process.kill()
        self.process.join()
        self.connection.close()
        code = self.process.exitcode or 0
        return signal.Signals(-code).name if code < 0 else f"status {code}"


@contextlib.contextmanager
def _one_thread_for_children() -> Iterator[None]:
    before = dict(os.environ)
    one_thread()
    os.environ["NUMBA_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


@contextlib.contextmanager
def _sigterm_kept_from_children() -> Iterator[None]:
    """A job queue sends SIGTERM to every process: the fork server has to end after its workers.

    Children inherit what is blocked; here it is delivered afterwards.
    """
    # It unblocks SIGTERM when it starts its process.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(connection: Connection) -> None:
    """The life of a worker."""
    # Ctrl-C reaches the whole group; the parent alone answers it, by ending its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    if sys.platform == "linux":
        # numba makes a lock, which under a fork server has a name that a killed worker leaves
        # behind: a warning at the end of every interrupted run. A worker starts no process.
        set_start_method("fork", force=True)
    _end_with_parent()
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        try:
            run_task(task, lambda event, /, **v: connection.send({"event": event, **v}))
        except Exception as error:
            connection.send(failure(error))
        connection.send({"event": "idle"})


def _end_with_parent() -> None:
    """End when the parent ends, however it does: an orphan would go on writing tasks."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()
