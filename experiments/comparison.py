"""A comparison from beginning to end: check all, run the cells, write what they found."""

from __future__ import annotations

import os
import platform
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from neurosim.experiments.engine.execute import AbstractRunner, InProcess, LocalWorkers
from neurosim.experiments.engine.tasks import CellTask
from neurosim.experiments.job.events import Event, Log
from neurosim.experiments.progress.board import RELATIVE_COST, Board
from neurosim.experiments.progress.views import view_of
from neurosim.experiments.run.derived import Derived
from neurosim.experiments.run.folder import RunFolder, code_sha256
from neurosim.experiments.settings.config import Comparison, Execution
from neurosim.experiments.system.failures import CellsFailedError

if TYPE_CHECKING:
    from neurosim.experiments.progress.plan import Plan

DEVICES = ("cpu", "cuda", "mps")
#: The layer of the printed summary and the headline figure: the readout that keeps layout.
HEADLINE_LAYER = "FC1"
#: Seconds between two lines of the log on the progress of one cell.
_LOGGED_EVERY_S = 5.0


def run(settings: Comparison, execution: Execution, out: Path | str) -> str:
    """Run a comparison into the folder ``out``, or go on with it; returns the summary in words.

    Raises:
        ValueError, OSError: the input cannot be used; nothing was started.
        InUseError: another process runs this folder.
        CellsFailedError: after all other cells are done.
    """
    folder = RunFolder(Path(out))
    images, stimuli = load_both(settings, execution)
    for seed in settings.seeds:
        images.subset(settings.n_train, settings.n_test, seed)
    _check_device(execution.device)
    runner = runner_of(execution)
    if not execution.resume and folder.is_claimed:
        raise ValueError(
            f"{folder.path} already holds a run: give another --out, or leave out --no-resume to "
            "go on from it"
        )
    with folder.held():
        folder.claim(settings, images, stimuli)
        folder.write_configuration(settings, execution)
        for line in _announcements(settings, execution, folder, stimuli.simulated):
            print(line)
        asked = [folder.cell(rule, s).name for rule in settings.rules for s in settings.seeds]
        derived = Derived.of(folder)
        if not set(asked) <= set(derived.finished):
            run_cells(tasks_of(settings, execution, folder), runner, folder, execution.workers)
            derived = Derived.of(folder)
            derived.finish(asked)
        from neurosim.experiments.audit.run import audit_run
        from neurosim.experiments.report.files import AUDIT, write_results

        if derived.missing([AUDIT]):
            # Before the report, which shows it.
            audit_run(folder.path, execution.data_dir, HEADLINE_LAYER)
            derived.made([AUDIT])
        return write_results(folder, settings, stimuli, HEADLINE_LAYER, derived)


def plan(settings: Comparison, execution: Execution, out: Path | str) -> Plan:
    """What ``run`` would cost from where the folder is; nothing is written.

    Raises:
        ValueError, OSError: as ``run``.
    """
    from neurosim.experiments.progress import plan as measured

    folder = RunFolder(Path(out))
    images, stimuli = load_both(settings, execution)
    for seed in settings.seeds:
        images.subset(settings.n_train, settings.n_test, seed)
    _check_device(execution.device)
    folder.check(settings, images, stimuli)
    tasks = tasks_of(settings, execution, folder)
    return measured.plan(tasks, lambda task: _epochs_left(task, folder), execution.workers)


def runner_of(execution: Execution) -> AbstractRunner:
    """The way to run that the settings ask for.

    Raises:
        ValueError: the cluster cannot be reached, or Dask is not installed.
    """
    if execution.scheduler is not None or execution.dask_jobqueue is not None:
        from neurosim.experiments.engine.cluster import DaskWorkers

        return DaskWorkers.of(execution)
    return InProcess() if execution.workers == 1 else LocalWorkers(execution.workers)


def tasks_of(settings: Comparison, execution: Execution, folder: RunFolder) -> list[CellTask]:
    """A task a cell, those that take longest first, so that none is left alone at the end."""
    # Workers may stand in another folder.
    data_dir = execution.data_dir and Path(execution.data_dir).expanduser().absolute()
    tasks = [
        CellTask(
            settings,
            rule,
            seed,
            folder.path.absolute(),
            data_dir,
            execution.device,
            execution.deterministic,
            code_sha256(),
        )
        for rule in settings.rules
        for seed in settings.seeds
    ]
    return sorted(tasks, key=lambda t: -_epochs_left(t, folder) * RELATIVE_COST.get(t.rule, 2.0))


def _epochs_left(task: CellTask, folder: RunFolder) -> int:
    from neurosim.storage import DamagedFileError, read_tree

    for path in (folder.resume(task.rule, task.seed), folder.cell(task.rule, task.seed)):
        try:
            return task.settings.epochs - int(read_tree(path, only=("epoch",))["epoch"])
        except (FileNotFoundError, DamagedFileError, KeyError):
            continue
    return task.settings.epochs


def run_cells(
    tasks: Sequence[CellTask],
    runner: AbstractRunner,
    folder: RunFolder,
    n_workers: int = 1,
    stream: TextIO | None = None,
) -> None:
    """Run all cells, show how far they are, and keep a log; finished ones are not run again.

    Raises:
        CellsFailedError: after all other cells are done, naming the failed ones.
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
        lines = "\n".join(f"  {cell.name}: {cell.error}" for cell in failed)
        raise CellsFailedError(
            f"{len(failed)} of {len(tasks)} cells failed; the others are finished and kept, "
            f"run again to resume (whole tracebacks: {log.path}):\n{lines}"
        )


def _start_event(tasks: Sequence[CellTask], runner: AbstractRunner, n_workers: int) -> Event:
    return {
        "event": "start",
        "cells": [(task.label, task.seed) for task in tasks],
        "n_epochs": tasks[0].settings.epochs,
        "n_workers": n_workers,
        "runner": type(runner).__name__,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "code_sha256": code_sha256(),
    }


def _announcements(
    settings: Comparison, execution: Execution, folder: RunFolder, simulated: bool
) -> list[str]:
    lines = []
    if simulated:
        lines.append("SIMULATED data: images, subjects and ROIs are made by a program.")
    if len(folder.codes) > 1:
        lines.append(
            f"{folder.path} was begun with other code: what is finished there is kept as it is; "
            "give another --out to compute all of it with this code."
        )
    where = execution.scheduler or execution.dask_jobqueue or f"{execution.workers} worker(s)"
    lines.append(
        f"{len(settings.rules)} rules x {len(settings.seeds)} seeds, {settings.epochs} epochs, "
        f"{where}, into {folder.path}"
    )
    return lines


def load_both(settings: Comparison, execution: Execution) -> tuple[Any, Any]:
    """Training images and stimuli.

    Raises:
        ValueError: naming everything that is missing at once.
    """
    from neurosim.experiments.data.registry import DataError, load_stimuli, load_training_images
    from neurosim.experiments.engine.tasks import keep_data

    where: dict[str, Any] = {"data_dir": execution.data_dir, "download": execution.download}
    found, missing = list[Any](), list[str]()
    for load, name in (
        (load_training_images, settings.training),
        (load_stimuli, settings.stimuli),
    ):
        try:
            found.append(load(name, **where))
        except DataError as error:
            missing.append(str(error))
    if missing:
        raise ValueError("; and ".join(message.rstrip(".") for message in missing))
    # What cells of this process and the audit would read once more.
    keep_data(settings.training, settings.stimuli, execution.data_dir, (found[0], found[1]))
    return found[0], found[1]


def _check_device(name: str) -> None:
    import torch

    if name.split(":")[0] not in DEVICES:
        raise ValueError(f"unknown device {name!r}: the known ones are {', '.join(DEVICES)}")
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"device {name!r} cannot be used here ({str(error).splitlines()[0]}): give --device cpu"
        ) from error
