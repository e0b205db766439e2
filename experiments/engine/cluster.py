"""Running tasks on the workers of a Dask cluster: one that is there, or one on a job queue."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from neurosim.experiments.engine.execute import AbstractRunner, Listener, Losses, failure
from neurosim.experiments.engine.job_queue import JobQueue
from neurosim.experiments.engine.tasks import AbstractTask, run_task
from neurosim.experiments.job.events import Event
from neurosim.experiments.settings.config import Execution
from neurosim.experiments.system.failures import ClusterLostError

_POLL_S = 0.2
#: Seconds to reach a scheduler.
_REACH_S = 20
_MISSING = (
    "Dask is not installed: pip install -c constraints.txt -e '.[cluster]', here and on the workers"
)


@dataclass(frozen=True)
class DaskWorkers(AbstractRunner):
    """On Dask workers, each of which runs one task at a time.

    As many tasks are handed out as there are workers, so that each worker that comes free takes
    the longest task left. A task whose worker is lost goes on elsewhere from its last epoch, which
    lies in the run folder: that has to be on a file system that all machines share.

    Args:
        connect: gives a cluster's address for the time of a run.
        where: the cluster as named in errors.
    """

    connect: Callable[[], Any]
    where: str

    @classmethod
    def of(cls, execution: Execution) -> DaskWorkers:
        """The cluster that the settings name.

        Raises:
            ValueError: Dask is missing, the scheduler cannot be reached, the file is wrong.
        """
        try:
            import dask_jobqueue  # noqa: F401
            import distributed  # noqa: F401
        except ImportError as error:
            raise ValueError(_MISSING) from error
        if execution.scheduler is not None:
            address = execution.scheduler
            _check_scheduler(address)
            return cls(lambda: _there(address), address)
        assert execution.dask_jobqueue is not None
        queue = JobQueue.read(execution.dask_jobqueue)
        return cls(lambda: queue.cluster(execution.workers), str(execution.dask_jobqueue))

    def run(self, tasks: Sequence[AbstractTask], listen: Listener) -> None:
        from distributed import Client

        with self.connect() as address, Client(address, timeout=_REACH_S, set_as_default=False,
                                               heartbeat_interval="2s") as client:  # fmt: skip
            _Run(client, tasks, listen, self.where).to_the_end()


class _Run:
    """One run on one client."""

    def __init__(
        self, client: Any, tasks: Sequence[AbstractTask], listen: Listener, where: str
    ) -> None:
        self.client, self.listen, self.where = client, listen, where
        self.waiting, self.losses = list(tasks), Losses()
        self.running: dict[Any, AbstractTask] = {}
        self.topic = f"neurosim-{uuid.uuid4().hex}"
        self._told: SimpleQueue[Event] = SimpleQueue()
        # Called on the thread of the client's event loop; the queue brings events to this one.
        client.subscribe_topic(self.topic, lambda event: self._told.put(event[1]))
        self._by_name = {task.name: task for task in tasks}

    def to_the_end(self) -> None:
        try:
            while self.waiting or self.running:
                self._hand_out()
                time.sleep(_POLL_S)
                self._pass_on()
                self._collect()
        except BaseException:
            # Workers leave what nobody waits for; without a scheduler they have noticed.
            with contextlib.suppress(OSError, TimeoutError, RuntimeError):
                self.client.cancel(list(self.running), force=True)
            raise
        self._pass_on()

    def _hand_out(self) -> None:
        if self.client.status not in ("running", "connecting"):
            self._lost()
        free = len(self.client.scheduler_info(n_workers=-1)["workers"]) - len(self.running)
        for task in self.waiting[: max(0, free)]:
            future = self.client.submit(
                _run_on_worker, task, self.topic, pure=False, key=f"{task.name}-{uuid.uuid4().hex}"
            )
            self.running[future] = task
            self._tell(task, {"event": "begun"})
        del self.waiting[: max(0, free)]

    def _pass_on(self) -> None:
        try:
            while True:
                event = self._told.get_nowait()
                task = self._by_name[f"{event['rule']} seed {event['seed']}"]
                self.losses.heard(task, event)
                self.listen(event)
        except Empty:
            pass

    def _collect(self) -> None:
        from distributed.scheduler import KilledWorker

        for future in [future for future in self.running if future.done()]:
            task = self.running.pop(future)
            if future.cancelled():
                self._lost()
            error = future.exception()
            if isinstance(error, KilledWorker):
                event = self.losses.count(task, "its Dask workers died")
                self._tell(task, event)
                if event["event"] == "lost":
                    self.waiting.insert(0, task)
            elif error is not None:
                self._tell(task, failure(error))

    def _tell(self, task: AbstractTask, event: Event) -> None:
        self.listen({**event, "rule": task.label, "seed": task.seed})

    def _lost(self) -> None:
        raise ClusterLostError(
            f"the Dask scheduler of {self.where} was lost: what its workers finished is kept, run "
            "again to resume"
        )


#: Held by the task of a process: its threads and algorithms are the process's.
_one_task = threading.Lock()


class UnwantedError(RuntimeError):
    """Nobody waits for a task any more: the run was ended, or its scheduler is gone."""


def _run_on_worker(task: AbstractTask, topic: str) -> None:
    """One task, on a Dask worker."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def report(event: str, /, **values: Any) -> None:
        # Dask cannot stop a thread: a task has to ask, or it would keep its worker for hours.
        asked = worker.state.tasks.get(key)
        if asked is None or asked.state == "cancelled" or worker.status.name != "running":
            raise UnwantedError(f"{task.name} is not waited for any more")
        told = {"event": event, **values, "rule": task.label, "seed": task.seed}
        worker.log_event(topic, told)

    # A worker with several threads would run several tasks: they take turns.
    with _one_task:
        run_task(task, report)


def _check_scheduler(address: str) -> None:
    from distributed import Client

    try:
        with Client(address, timeout=_REACH_S, set_as_default=False) as client:
            workers = client.scheduler_info(n_workers=-1)["workers"].values()
    except (OSError, ValueError, AssertionError) as error:
        # Dask asserts what it takes for granted, the range of a port among it.
        raise ValueError(
            f"no Dask scheduler can be reached at {address!r} "
            f"({' '.join(str(error).split()) or type(error).__name__}): start one with "
            "'dask scheduler' and give the address it prints, tcp://HOST:PORT"
        ) from error
    if not workers:
        print(
            f"the Dask scheduler at {address} has no worker yet: tasks begin when one comes",
            file=sys.stderr,
            flush=True,
        )
    threads = max((worker["nthreads"] for worker in workers), default=1)
    if threads > 1:
        raise ValueError(
            f"a worker of {address} has {threads} threads, and a task needs a process of its own: "
            "start the workers with 'dask worker --nthreads 1 --nworkers N'"
        )


@contextmanager
def _there(address: str) -> Iterator[str]:
    yield address
