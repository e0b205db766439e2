"""Which way to run the settings ask for."""

from __future__ import annotations

from neurosim.experiments.engine.cluster import DaskWorkers
from neurosim.experiments.engine.execute import AbstractRunner, InProcess, LocalWorkers
from neurosim.experiments.settings.config import Execution


def runner_of(execution: Execution) -> AbstractRunner:
    """This process, several, or a cluster.

    Raises:
        ValueError: the cluster cannot be reached, or Dask is not installed.
    """
    if execution.scheduler is not None or execution.dask_jobqueue is not None:
        return DaskWorkers.of(execution)
    return InProcess() if execution.workers == 1 else LocalWorkers(execution.workers)
