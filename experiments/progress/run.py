"""Running the tasks of a folder: shown while they run, logged, and ended as one."""

from __future__ import annotations

import os
import platform
import socket
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from neurosim.experiments.engine.execute import AbstractRunner
from neurosim.experiments.engine.tasks import AbstractTask
from neurosim.experiments.job.events import Event, Log
from neurosim.experiments.progress.board import Board
from neurosim.experiments.progress.views import view_of
from neurosim.experiments.run.asked import AskedFolder
from neurosim.experiments.run.derived import Derived
from neurosim.experiments.system.code import code_sha256
from neurosim.experiments.system.failures import TasksFailedError

#: Seconds between two lines of the log on the progress of one task.
_LOGGED_EVERY_S = 5.0


def finished(
    folder: AskedFolder, tasks: Sequence[AbstractTask], runner: AbstractRunner, n_workers: int
) -> Derived:
    """Run what is not finished; returns what the folder derives from its parts.

    Raises:
        TasksFailedError: as ``run_tasks``.
    """
    derived, names = Derived.of(folder), [folder.part(task.stem).name for task in tasks]
    if not set(names) <= set(derived.finished):
        run_tasks(tasks, runner, folder, n_workers)
        derived = Derived.of(folder)
        derived.finish(names)
    return derived


def run_tasks(
    tasks: Sequence[AbstractTask],
    runner: AbstractRunner,
    folder: AskedFolder,
    n_workers: int = 1,
    stream: TextIO | None = None,
) -> None:
    """Run all tasks, show how far they are, and keep a log; finished ones are not run again.

    Raises:
        TasksFailedError: after all other tasks are done, naming the failed ones.
    """
    board, log = Board(), Log(folder.log)
    logged: dict[str, float] = {}
    with view_of(board, stream) as view:

        def listen(event: Event) -> None:
            event = {"time": round(time.time(), 3), **event}
            board.feed(event)
            if event["event"] == "progress":
                name = f"{event['rule']} {event['seed']} {event['phase']}"
                if event["time"] - logged.get(name, 0.0) < _LOGGED_EVERY_S:
                    return
                logged[name] = event["time"]
            log.write(event)
            view.show(event)

        listen(_start_event(tasks, runner, n_workers))
        status = "interrupted"
        try:
            runner.run(tasks, listen)
            status = "failed" if board.in_state("failed") else "finished"
        finally:
            listen({"event": "end", "status": status})
    if not log.is_complete:
        print(f"warning: {log.path} lacks lines, as they could not be written", file=sys.stderr)
    failed = board.in_state("failed")
    if failed:
        lines = "\n".join(f"  {job.name}: {job.error}" for job in failed)
        raise TasksFailedError(
            f"{len(failed)} of {len(tasks)} jobs failed; the others are finished and kept, "
            f"run again to resume (whole tracebacks: {log.path}):\n{lines}"
        )


def _start_event(tasks: Sequence[AbstractTask], runner: AbstractRunner, n_workers: int) -> Event:
    return {
        "event": "start",
        "cells": [(task.label, task.seed) for task in tasks],
        "costs": {task.label: task.cost for task in tasks},
        "n_epochs": max(task.n_steps for task in tasks),
        "n_workers": n_workers,
        "runner": type(runner).__name__,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "code_sha256": code_sha256(),
    }
