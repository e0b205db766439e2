"""Running cells: in this process or in workers of their own, one thread each.

One thread a cell, whatever the number of workers: BLAS and OpenMP threads fight each other, and
sums split over threads would make a number depend on the machine.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait as wait_for_sentinel
from pathlib import Path
from queue import Empty
from threading import Thread
from typing import Any

from tqdm import tqdm

from neurosim.experiments.config import Comparison

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                     "NUMBA_NUM_THREADS")  # fmt: skip
#: Rules from the slowest to the quickest, so that the last cells to start are short ones.
_SLOWEST_FIRST = ("stdp", "pc", "pc-supervised")
#: Seconds between two looks at what the workers report.
_POLL_S = 0.2


def one_thread() -> None:
    """Hold this process, and those it starts, to one numerical thread.

    Call before numpy or torch is imported: the variables are read at import.
    """
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = "1"


#: Where a worker reports; set when it starts.
_messages: Any = None


def _start_worker(messages: Any) -> None:
    """One thread, and an end when the parent ends: an orphan would go on writing cells."""
    global _messages
    _messages = messages
    one_thread()
    # Ctrl-C reaches the whole group; the parent alone answers it, by ending its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        wait_for_sentinel([parent.sentinel])
        os._exit(1)

    Thread(target=end_with_parent, daemon=True).start()


@dataclass(frozen=True)
class CellTask:
    """What a worker needs to run one cell."""

    settings: Comparison
    rule: str
    seed: int
    path: Path
    data_dir: Path | None
    device: str

    @property
    def name(self) -> str:
        """The cell as shown in progress and errors."""
        return f"{self.rule} seed {self.seed}"


class CellsFailedError(RuntimeError):
    """Some cells ended in an error; the others are finished and kept."""


def run_cells(tasks: Sequence[CellTask], n_workers: int) -> None:
    """Run all cells; what is finished in their files is not computed again.

    Raises:
        CellsFailedError: after all other cells are done, naming the failed ones.
    """
    order = {rule: index for index, rule in enumerate(_SLOWEST_FIRST)}
    tasks = sorted(tasks, key=lambda task: order.get(task.rule, len(order)))
    progress = _Progress(tasks)
    if n_workers == 1:
        errors = _run_here(tasks, progress)
    else:
        errors = _run_in_workers(tasks, min(n_workers, len(tasks)), progress)
    progress.close()
    if errors:
        lines = "\n".join(f"  {name}: {error}" for name, error in errors.items())
        raise CellsFailedError(
            f"{len(errors)} of {len(tasks)} cells failed; the others are finished and kept, "
            f"run again to resume:\n{lines}"
        )


def _run_here(tasks: Sequence[CellTask], progress: _Progress) -> dict[str, BaseException]:
    errors: dict[str, BaseException] = {}
    for task in tasks:
        try:
            run_task(task, lambda done, note, name=task.name: progress.show(name, done, note))
        except Exception as error:
            errors[task.name] = error
    return errors


def _run_in_workers(
    tasks: Sequence[CellTask], n_workers: int, progress: _Progress
) -> dict[str, BaseException]:
    # Spawned, not forked: a forked child inherits torch's threads in an undefined state.
    context = get_context("spawn")
    messages = context.Queue()
    pool = ProcessPoolExecutor(
        n_workers, mp_context=context, initializer=_start_worker, initargs=(messages,)
    )
    try:
        names = {pool.submit(_run_and_report, task): task.name for task in tasks}
        waiting: set[Future[None]] = set(names)
        while waiting:
            _, waiting = wait(waiting, timeout=_POLL_S)
            _drain(messages, progress)
    except BaseException:
        # Checkpoints appear whole or not at all, so a worker may be ended at any moment.
        for worker in list((pool._processes or {}).values()):
            worker.kill()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    return {name: error for f, name in names.items() if (error := f.exception()) is not None}


def _drain(messages: Any, progress: _Progress) -> None:
    latest = {}
    try:
        while True:
            name, done, note = messages.get_nowait()
            latest[name] = (done, note)
    except Empty:
        pass
    for name, (done, note) in latest.items():
        progress.show(name, done, note)


def _run_and_report(task: CellTask) -> None:
    run_task(task, lambda done, note: _messages.put((task.name, done, note)))


def run_task(task: CellTask, report) -> None:
    """One cell, in this process."""
    import torch

    from neurosim.experiments.cells import Cell, CellData, cell_identity, is_finished

    images, stimuli = _load(task.settings.training, task.settings.stimuli, task.data_dir)
    identity = cell_identity(task.settings, task.rule, task.seed, images, stimuli)
    if is_finished(task.path, identity):
        report(float(task.settings.epochs), "finished before")
        return
    torch.set_num_threads(1)
    device = torch.device(task.device)
    data = CellData.prepare(task.settings, task.seed, images, stimuli, device)
    Cell(task.settings, task.rule, task.seed, data, task.path, device, report, identity).run()


@lru_cache(maxsize=1)
def _load(training: str, stimuli: str, data_dir: Path | None):
    """The data sets, read once a process."""
    from neurosim.experiments.data import load_stimuli, load_training_images

    return (
        load_training_images(training, data_dir, progress=False),
        load_stimuli(stimuli, data_dir, progress=False),
    )


class _Progress:
    """One bar over all cells, in epochs; silent where stderr is no terminal."""

    def __init__(self, tasks: Sequence[CellTask]) -> None:
        self._done = dict.fromkeys((task.name for task in tasks), 0.0)
        total = sum(task.settings.epochs for task in tasks)
        self._bar = tqdm(
            total=total,
            unit="epoch",
            bar_format="{percentage:3.0f}%|{bar}| {n:.1f}/{total} epochs [{elapsed}<{remaining}]"
            " {postfix}",
            disable=None,
        )
        self._finished: set[str] = set()

    def show(self, name: str, done: float, note: str) -> None:
        self._bar.update(max(0.0, done - self._done[name]))
        self._done[name] = max(done, self._done[name])
        self._bar.set_postfix_str(f"{name}: {note}")
        if note in ("done", "finished before") and name not in self._finished:
            self._finished.add(name)
            tqdm.write(
                f"  {len(self._finished)}/{len(self._done)} cells: {name} {note}", file=sys.stderr
            )

    def close(self) -> None:
        self._bar.close()
