"""Scoring the networks of a finished run on a grid of controls, in workers, with resume.

One file a network, named by a hash of all it depends on: networks that several cells share (the
untrained ones of a seed) are scored once, and what is there is not computed again. Nothing is
written into the run unless its folder is where the results go.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from neurosim.experiments.controls.state_scores import Grid, Scores, score
from neurosim.experiments.engine.tasks import data_of
from neurosim.experiments.run.stored import State, StoredRun
from neurosim.experiments.settings.config import SPIKING_RULES, Comparison
from neurosim.experiments.system.processes import program_kept_from_children
from neurosim.experiments.system.threads import one_thread
from neurosim.storage import DamagedFileError, read_tree, write_tree

#: Changes when scores are computed otherwise, so that files of before are not taken up.
_FORMAT = "neurosim-controls-3"


@dataclass(frozen=True)
class ControlTask:
    """What a process needs to score one network."""

    settings: Comparison
    state: State
    grid: Grid
    out: Path
    data_dir: Path | None


def score_run(
    run: StoredRun,
    states: Sequence[State],
    grid: Grid,
    folder: Path,
    *,
    workers: int,
    data_dir: Path | None,
    progress: bool = True,
) -> dict[State, Scores]:
    """Scores of every state; those in ``folder/states`` are read.

    Raises:
        ValueError: the run was made with other data than these; a network cannot be scored.
    """
    images, stimuli = _data(run.settings, data_dir)
    _check_data(run, images, stimuli)
    files = {state: folder / "states" / f"{key(run, state, grid)}.h5" for state in states}
    tasks = {
        path: ControlTask(run.settings, state, grid, path, data_dir)
        for state, path in reversed(files.items())
        if not _is_there(path)
    }
    # Spiking networks take longest: the last to start should be short ones.
    queue = sorted(tasks.values(), key=lambda task: task.state.rule not in SPIKING_RULES)
    _work(queue, workers, len(set(files.values())), progress)
    read = lru_cache(maxsize=None)(_read)
    return {state: read(path) for state, path in files.items()}


def key(run: StoredRun, state: State, grid: Grid) -> str:
    """Hash of all that the scores of a state depend on."""
    asked = {
        "format": _FORMAT,
        "grid": dataclasses.asdict(grid),
        "data": dict(run.data),
        # Of the settings, those that say what the tensors are weights of, and what calibrates;
        # a default is left out, so that a setting added later leaves old scores valid.
        "settings": {
            name: value
            for name, value in run.settings.cell_settings().items()
            if name not in _WITHOUT_EFFECT and value != getattr(Comparison(), name)
        },
        "seed": state.seed,
    }
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode())
    for name, tensor in sorted(state.tensors().items()):
        # The head is not scored, and feedback weights are not shown anything.
        if name.split(".")[0] not in ("head", "feedback"):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(tensor).tobytes())
    return digest.hexdigest()[:32]


_WITHOUT_EFFECT = {
    "epochs", "checkpoints", "evaluation_px", "normalisation", "readouts", "n_test",
    "n_calibration", "schedule", "labels",
}  # fmt: skip


def _check_data(run: StoredRun, images: Any, stimuli: Any) -> None:
    for kind, given in (("training", images), ("stimuli", stimuli)):
        if run.data.get(kind) not in (None, given.sha256):
            raise ValueError(
                f"the {kind} data {given.name!r} found now are not those of {run.path} (their "
                "SHA-256 differs): give the --data-dir of that run"
            )


def _data(settings: Comparison, data_dir: Path | None):
    return data_of(settings.training, settings.stimuli, data_dir)


def _is_there(path: Path) -> bool:
    """Whether a whole file is there; a damaged one is removed, to be computed again."""
    if not path.is_file():
        return False
    try:
        read_tree(path, only=("format",))
    except DamagedFileError:
        path.unlink()
        return False
    return True


def _work(queue: Sequence[ControlTask], workers: int, n_all: int, progress: bool) -> None:
    bar = tqdm(
        total=n_all, initial=n_all - len(queue), unit="network", disable=None if progress else True
    )
    if n_all > len(queue) and progress:
        print(f"  {n_all - len(queue)} of {n_all} networks were scored before", file=sys.stderr)

    n_done = n_all - len(queue)

    def done(task: ControlTask) -> None:
        nonlocal n_done
        n_done += 1
        bar.update()
        if progress:
            tqdm.write(f"  {n_done}/{n_all} networks: {task.state.name}", file=sys.stderr)

    try:
        if workers == 1 or len(queue) < 2:
            for task in queue:
                score_task(task)
                done(task)
        else:
            _in_workers(queue, workers, done)
    finally:
        bar.close()


def _in_workers(
    queue: Sequence[ControlTask], workers: int, done: Callable[[ControlTask], None]
) -> None:
    # Spawned, not forked: a forked child inherits torch's threads in an undefined state.
    pool = ProcessPoolExecutor(
        min(workers, len(queue)), mp_context=get_context("spawn"), initializer=_start_worker
    )
    try:
        with program_kept_from_children():
            running = {pool.submit(score_task, task): task for task in queue}
        for future in as_completed(running):
            future.result()
            done(running[future])
    except BaseException:
        # Files appear whole or not at all, so a worker may be ended at any moment.
        for worker in list((pool._processes or {}).values()):
            worker.kill()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _start_worker() -> None:
    """One thread, and an end when the parent ends: an orphan would go on for nobody."""
    one_thread()
    # Ctrl-C reaches the whole group; the parent alone answers it, by ending its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        wait([parent.sentinel])
        os._exit(1)

    Thread(target=end_with_parent, daemon=True).start()


def score_task(task: ControlTask) -> None:
    """Score one network and write its file."""
    import torch

    from neurosim.experiments.job.job import build_learner

    torch.set_num_threads(1)
    images, _ = _data(task.settings, task.data_dir)
    learner = build_learner(
        task.settings, task.state.rule, task.state.seed, len(images.class_names)
    )
    learner.load(task.state.tensors())
    grid = task.grid
    scores = score(
        learner,
        _evaluation(task.settings, task.state.seed, grid, task.data_dir),
        _shown(task.settings, grid, task.data_dir),
        {px: _references(task.settings, px, task.data_dir) for px in grid.px},
        grid,
    )
    write_tree(
        task.out,
        {
            "format": _FORMAT,
            "state": task.state.name,
            "fingerprint": learner.fingerprint(),
            "table": _columns(scores.table),
            "resampled": _columns(scores.resampled),
            "samples": scores.samples,
            "choice": _columns(scores.choice),
        },
    )


@lru_cache(maxsize=2)
def _evaluation(settings: Comparison, seed: int, grid: Grid, data_dir: Path | None):
    """Calibration images of one seed; the stimuli are shown apart."""
    from neurosim.experiments.job.batches import first_batches, normalise
    from neurosim.experiments.job.evaluate import Evaluation
    from neurosim.experiments.job.profiles import profile_of

    images, stimuli = _data(settings, data_dir)
    x = normalise(images.subset(settings.n_train, 1, seed).x_train)
    augmented = partial(
        first_batches, x, seed=seed, batch_size=settings.batch_size,
        augmentations=profile_of(settings).augmentations,
        augmentation=settings.augmentation,
    )  # fmt: skip
    return Evaluation.prepare(
        stimuli, px=(), calibration=x[: grid.n_calibration], policies=grid.normalisation,
        readouts=grid.readouts, augmented=augmented,
    )  # fmt: skip


@lru_cache(maxsize=1)
def _shown(settings: Comparison, grid: Grid, data_dir: Path | None):
    from neurosim.experiments.job.stimulus_content import shown

    _, stimuli = _data(settings, data_dir)
    return {px: shown(stimuli, px, settings.training_px, grid.content) for px in grid.px}


@lru_cache(maxsize=16)
def _references(settings: Comparison, px: int, data_dir: Path | None):
    from neurosim.experiments.job.evaluate import low_level_rdms

    return low_level_rdms(_data(settings, data_dir)[1], px)


def _columns(table: pd.DataFrame) -> dict[str, Any]:
    return {"order": list(table.columns), **{f"column {c}": table[c].to_numpy() for c in table}}


def _frame(tree: Mapping[str, Any]) -> pd.DataFrame:
    return pd.DataFrame({name: tree[f"column {name}"] for name in tree["order"]})


def _read(path: Path) -> Scores:
    tree = read_tree(path)
    return Scores(
        table=_frame(tree["table"]),
        resampled=_frame(tree["resampled"]),
        samples=tree["samples"],
        choice=_frame(tree["choice"]),
    )
