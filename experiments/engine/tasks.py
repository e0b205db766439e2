"""One cell as a task that any process can run: in place, in a worker, on another machine."""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurosim.experiments.job.events import Report
from neurosim.experiments.run.folder import RunFolder, code_sha256
from neurosim.experiments.settings.config import Comparison
from neurosim.experiments.system.locks import locked

if TYPE_CHECKING:
    import torch

    from neurosim.experiments.data.types import StimulusSet, TrainingImages
    from neurosim.experiments.job.job import CellData


@dataclass(frozen=True)
class CellTask:
    """What a process needs to run one cell.

    code_sha256: of the code that asks; a process with other code refuses.
    variant: tells cells of one rule and seed apart, where a folder holds several.
    """

    settings: Comparison
    rule: str
    seed: int
    folder: Path
    data_dir: Path | None
    device: str = "cpu"
    deterministic: bool = True
    code_sha256: str = ""
    variant: str = ""

    @property
    def label(self) -> str:
        """The rule, with its variant."""
        return f"{self.rule} {self.variant}".strip()

    @property
    def stem(self) -> str:
        """What its files are called."""
        return "-".join(filter(None, (self.rule, f"seed{self.seed}", self.variant)))

    @property
    def name(self) -> str:
        """The cell as shown in progress and errors."""
        return f"{self.label} seed {self.seed}"


@contextmanager
def numerics(deterministic: bool, report: Report) -> Iterator[None]:
    """One thread and deterministic algorithms; what has no deterministic algorithm is reported."""
    import numba
    import torch
    from threadpoolctl import threadpool_limits

    # The module answers attributes that a type checker does not see.
    memory: Any = torch.utils.deterministic
    before = (torch.get_num_threads(), numba.get_num_threads(),
              torch.are_deterministic_algorithms_enabled(),
              torch.is_deterministic_algorithms_warn_only_enabled(),
              memory.fill_uninitialized_memory)  # fmt: skip
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    # Nothing here reads memory before it writes it.
    memory.fill_uninitialized_memory = False
    try:
        with threadpool_limits(1), warnings.catch_warnings(record=True) as caught:
            warnings.filterwarnings("always", message=".*deterministic")
            yield
    finally:
        torch.set_num_threads(before[0])
        numba.set_num_threads(before[1])
        torch.use_deterministic_algorithms(before[2], warn_only=before[3])
        memory.fill_uninitialized_memory = before[4]
    for message in dict.fromkeys(str(warning.message).split(".")[0] for warning in caught):
        report("not-deterministic", message=message)


def run_task(task: CellTask, report: Report) -> None:
    """One cell, in this process; what its files hold already is not computed again.

    Raises:
        ValueError: this process runs other code, or does not see the run folder.
    """
    folder = RunFolder(task.folder)
    if task.code_sha256 and task.code_sha256 != code_sha256():
        raise ValueError(
            "a worker has other code than the process that started the run: install the same "
            "neurosim on every machine"
        )
    if not folder.path.is_dir():
        raise ValueError(
            f"a worker sees no folder {task.folder}: put --out on a file system that all machines "
            "share"
        )
    # Which process of which machine runs it is worth knowing when one of them is lost.
    report("placed", pid=os.getpid(), host=socket.gethostname())
    lock = folder.path / "locks" / f"{task.stem}.lock"
    with (
        locked(lock, wait=True, on_wait=lambda: report("waiting")),
        numerics(task.deterministic, report),
    ):
        _run(task, folder, report)


def prepared(task: CellTask) -> tuple[CellData, torch.device]:
    """The data of a cell, on its device."""
    import torch

    from neurosim.experiments.job.job import CellData

    images, stimuli = data_of(task.settings.training, task.settings.stimuli, task.data_dir)
    device = torch.device(task.device)
    return CellData.prepare(task.settings, task.seed, images, stimuli, device), device


def _run(task: CellTask, folder: RunFolder, report: Report) -> None:
    from neurosim.experiments.job.job import Cell
    from neurosim.experiments.job.store import CellStore, cell_identity

    images, stimuli = data_of(task.settings.training, task.settings.stimuli, task.data_dir)
    identity = cell_identity(task.settings, task.rule, task.seed, images, stimuli)
    store = CellStore(
        folder.path / "cells" / f"{task.stem}.h5",
        folder.path / "resume" / f"{task.stem}.h5",
        identity,
        lambda message: report("damaged", message=message),
    )
    if store.is_finished():
        report("finished", before=True)
        return
    data, device = prepared(task)
    Cell(task.settings, task.rule, task.seed, data, store, device, report).run()
    report("finished", before=False)


#: The data sets of the last run in this process, by their names and place.
_DATA: dict[tuple[str, str, Path | None], tuple[TrainingImages, StimulusSet]] = {}


def data_of(
    training: str, stimuli: str, data_dir: Path | None
) -> tuple[TrainingImages, StimulusSet]:
    """The data sets, read once per process.

    Raises:
        DataError: a data set is missing or broken.
    """
    from neurosim.experiments.data.registry import load_stimuli, load_training_images

    key = _key(training, stimuli, data_dir)
    if key not in _DATA:
        images = load_training_images(training, data_dir, progress=False)
        keep_data(
            training, stimuli, data_dir, (images, load_stimuli(stimuli, data_dir, progress=False))
        )
    return _DATA[key]


def keep_data(
    training: str, stimuli: str, data_dir: Path | None, data: tuple[TrainingImages, StimulusSet]
) -> None:
    """What ``data_of`` answers from now on, in place of what it held."""
    _DATA.clear()
    _DATA[_key(training, stimuli, data_dir)] = data


def _key(training: str, stimuli: str, data_dir: Path | None) -> tuple[str, str, Path | None]:
    return training, stimuli, data_dir and Path(data_dir).expanduser().absolute()
