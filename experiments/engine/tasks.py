"""Work that any process can do: in place, in a worker, on another machine.

A *task* is one piece of the work of a folder. Whatever it is (a job of a comparison, the scores of
one network, one encoder, one seed), runners do it alike: one process at a time, one numerical
thread, by the code that asked for it, with its progress told as events.
"""

from __future__ import annotations

import os
import socket
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numba
import torch
from threadpoolctl import threadpool_limits

from neurosim.experiments.job.events import Report
from neurosim.experiments.run.asked import AskedFolder
from neurosim.experiments.settings.texts import file_name, why_changed
from neurosim.experiments.system.code import code_sha256
from neurosim.experiments.system.locks import locked


@dataclass(frozen=True, kw_only=True)
class AbstractTask(ABC):
    """What a process needs to do one piece of work; it is pickled.

    seed: with ``label``, what tells it apart in a log. folder: where it is done.
    data_dir: of the data sets. deterministic: hold torch to deterministic algorithms.
    code_sha256: of the code that asks; a process with other code refuses. sources: the same for
        what is a user's own (``own_sources``).
    """

    seed: int
    folder: Path
    data_dir: Path | None = None
    deterministic: bool = True
    code_sha256: str = field(default_factory=code_sha256)
    sources: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", self.own_sources())
        # Workers may stand in another folder.
        for name in ("folder", "data_dir"):
            if (path := getattr(self, name)) is not None:
                object.__setattr__(self, name, Path(path).expanduser().absolute())

    @property
    @abstractmethod
    def label(self) -> str:
        """What it is of, without the seed."""

    def own_sources(self) -> dict[str, str]:
        """File or module -> SHA-256, of what is a user's own in it."""
        return {}

    @property
    def n_steps(self) -> int:
        """How many steps its progress counts (epochs of training)."""
        return 1

    @property
    def cost(self) -> float:
        """What a step costs, relative to other tasks of the folder, until its time is known."""
        return 1.0

    @property
    def name(self) -> str:
        """The task as shown in progress and errors."""
        return f"{self.label} seed {self.seed}"

    @property
    def stem(self) -> str:
        """What its files are called."""
        return f"{file_name(self.label)}-seed{self.seed}"

    @abstractmethod
    def perform(self, report: Report) -> None:
        """Do it, going on from what its files hold; the last event is ``finished``."""


class AbstractPart(AbstractTask):
    """A task whose whole result is one file of its folder, written at its end.

    kind: of the folder.
    """

    kind: ClassVar[type[AskedFolder]] = AskedFolder

    @abstractmethod
    def compute(self, report: Report) -> Mapping[str, Any]:
        """The tree that the file holds."""

    def perform(self, report: Report) -> None:
        folder = self.kind(self.folder)
        there = folder.holds(self.stem, lambda message: report("damaged", message=message))
        if not there:
            folder.keep(self.stem, self.compute(report))
        report("finished", before=there)


def run_task(task: AbstractTask, report: Report) -> None:
    """One task, in this process; what its files hold already is not computed again.

    Raises:
        ValueError: this process runs other code, or does not see the folder; or something of a
            user's own has changed.
    """
    if task.code_sha256 != code_sha256():
        raise ValueError(
            "a worker has other code than the process that started the run: install the same "
            "neurosim on every machine"
        )
    if changed := why_changed(task.sources, task.own_sources()):
        raise ValueError(changed)
    if not task.folder.is_dir():
        raise ValueError(
            f"a worker sees no folder {task.folder}: put --out on a file system that all machines "
            "share"
        )
    # Which process of which machine runs it is worth knowing when one of them is lost.
    report("placed", pid=os.getpid(), host=socket.gethostname())
    lock = AskedFolder(task.folder).lock(task.stem)
    with (
        locked(lock, wait=True, on_wait=lambda: report("waiting")),
        numerics(task.deterministic, report),
    ):
        task.perform(report)


@contextmanager
def numerics(deterministic: bool, report: Report) -> Iterator[None]:
    """One thread and deterministic algorithms; what has no deterministic algorithm is reported."""
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
