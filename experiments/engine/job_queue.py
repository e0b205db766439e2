"""Dask workers as jobs of a queue, from the file of ``--dask-jobqueue``: checked before work."""

from __future__ import annotations

import inspect
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurosim.experiments.settings.options import read_file
from neurosim.naming.choices import Choices

#: Job queues by the name in the file; the values are classes of dask-jobqueue.
JOB_QUEUES: Choices[str] = Choices(
    "job queue",
    {
        "slurm": "SLURMCluster",
        "pbs": "PBSCluster",
        "sge": "SGECluster",
        "lsf": "LSFCluster",
        "htcondor": "HTCondorCluster",
        "moab": "MoabCluster",
        "oar": "OARCluster",
        # Jobs are processes of this machine: to try a file out.
        "local": "LocalCluster",
    },
)
#: Arguments of the classes that are objects of Python, or said by other options.
_NOT_OPTIONS = frozenset(
    ("self", "scheduler", "scheduler_cls", "job_cls", "loop", "security", "asynchronous",
     "dashboard_address", "host", "n_workers", "name", "base_class_kwargs")
)  # fmt: skip
#: Arguments that are of the cluster, not of a job.
_OF_CLUSTER = ("shared_temp_directory", "silence_logs", "scheduler_options")


@dataclass(frozen=True)
class JobQueue:
    """A cluster class of dask-jobqueue with its options."""

    kind: type
    options: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> JobQueue:
        """The file of --dask-jobqueue: ``queue_system`` and the options of its class.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it names no known queue, an option that its class does not have or refuses,
                or a queue whose commands this machine lacks.
        """
        options = read_file(path)
        system = options.pop("queue_system", None)
        if not isinstance(system, str):
            raise ValueError(f"{path} must name its queue_system: one of {', '.join(JOB_QUEUES)}")
        try:
            kind = _cluster_class(JOB_QUEUES[system])
            known = Choices(f"option of queue_system {system}", dict.fromkeys(_options_of(kind)))
            for name in options:
                _ = known[name]
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        # One process and one thread a job: a task is one thread.
        for name in ("cores", "processes"):
            if options.setdefault(name, 1) != 1:
                raise ValueError(f"{path}: {name} must be 1, as a job runs one task on one core")
        if options.get("memory") is None and _configured(kind, "memory") is None:
            raise ValueError(f"{path} must give the memory of a job, as in 'memory: 4GB'")
        _check_job(path, kind, options)
        return cls(kind, options)

    @contextmanager
    def cluster(self, n_jobs: int) -> Iterator[str]:
        """Jobs for the time of a run; gives the address of their scheduler."""
        with self.kind(**self.options) as cluster:
            cluster.scale(jobs=n_jobs)
            yield cluster.scheduler_address


def _cluster_class(name: str) -> type:
    import dask_jobqueue
    from dask_jobqueue.local import LocalCluster

    return LocalCluster if name == "LocalCluster" else getattr(dask_jobqueue, name)


def _configured(kind: Any, name: str) -> Any:
    """What Dask's own configuration files, which a cluster's staff may keep, say of an option."""
    import dask

    return dask.config.get(f"jobqueue.{kind.job_cls.config_name}.{name}", None)


def _options_of(kind: Any) -> list[str]:
    """What a file may say: arguments of the cluster, of its job, and of any job."""
    from dask_jobqueue.core import Job, JobQueueCluster

    names = {
        name
        for owner in (kind.job_cls, Job, JobQueueCluster)
        for name, parameter in inspect.signature(owner.__init__).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
    }
    return sorted(names - _NOT_OPTIONS)


def _check_job(path: Path, kind: Any, options: dict[str, Any]) -> None:
    """Let the class make a job, which it does not submit, of these options."""
    of_job = {name: value for name, value in options.items() if name not in _OF_CLUSTER}
    try:
        with warnings.catch_warnings():
            # Said again when the cluster starts.
            warnings.simplefilter("ignore", FutureWarning)
            job = kind.job_cls(scheduler="tcp://scheduler", name="neurosim", **of_job)
            job.job_script()
    except (TypeError, ValueError, AttributeError) as error:
        words = " ".join(str(error).split())
        raise ValueError(f"{path}: {kind.__name__} of dask-jobqueue refuses it: {words}") from error
    command = (getattr(job, "submit_command", None) or "").split()
    if command and shutil.which(command[0]) is None:
        raise ValueError(
            f"{path}: this machine has no command {command[0]!r}: start where jobs are submitted"
        )
