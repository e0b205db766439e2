"""Where every job of a run is, and how long the rest will take: built from its events alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from neurosim.experiments.job.events import Event


@dataclass
class JobState:
    """What is known of one job.

    cost: of an epoch, relative to other jobs. state: waiting, running, finished or failed.
    accuracy: in training, this epoch; test_accuracy: at the last checkpoint. displacement: of the
    conv layer that moved least. begun, begun_at: when, and from which epoch, it went on in this
    start.
    """

    rule: str
    seed: int
    n_epochs: int
    cost: float = 1.0
    state: str = "waiting"
    phase: str = ""
    epoch: float = 0.0
    loss: float | None = None
    accuracy: float | None = None
    test_accuracy: float | None = None
    displacement: float | None = None
    error: str = ""
    begun: float | None = None
    begun_at: float | None = None
    seconds_per_epoch: float | None = None

    @property
    def name(self) -> str:
        """The job as shown."""
        return f"{self.rule} seed {self.seed}"

    @property
    def left(self) -> float:
        """Epochs still to do."""
        return 0.0 if self.state in ("finished", "failed") else self.n_epochs - self.epoch


@dataclass
class Board:
    """All jobs of a run.

    Feed it the events in order; ``seconds_left`` needs the clock of the events' ``time``.
    """

    jobs: dict[tuple[str, int], JobState] = field(default_factory=dict)
    n_workers: int = 1
    notes: list[str] = field(default_factory=list)
    ended: str = ""
    clock: Callable[[], float] = time.time

    def feed(self, event: Event) -> None:
        """Take in one event; ``start`` begins anew, an unknown kind changes nothing."""
        kind = event["event"]
        if kind == "start":
            # Logs of before tell no costs.
            costs = event.get("costs", {})
            self.jobs = {
                (rule, seed): JobState(rule, seed, event["n_epochs"], costs.get(rule, 1.0))
                for rule, seed in event["cells"]
            }
            self.n_workers, self.notes, self.ended = event["n_workers"], [], ""
            return
        if kind == "end":
            self.ended = event["status"]
            return
        job = self.jobs.get((event.get("rule", ""), event.get("seed", -1)))
        if job is not None:
            self._feed_job(job, kind, event)

    def _feed_job(self, job: JobState, kind: str, event: Event) -> None:
        now = event.get("time", self.clock())
        if kind == "begun":
            job.state, job.phase, job.begun, job.begun_at = "running", "", now, None
        elif kind in ("progress", "epoch", "checkpoint"):
            _take(job, event)
            job.phase = event.get("phase", kind)
            if job.begun_at is None:
                job.begun, job.begun_at = now, job.epoch
            elif job.begun is not None and job.epoch > job.begun_at:
                job.seconds_per_epoch = (now - job.begun) / (job.epoch - job.begun_at)
        elif kind == "waiting":
            job.phase = "another process has it"
        elif kind == "finished":
            job.state, job.epoch = "finished", float(job.n_epochs)
        elif kind == "failed":
            job.state, job.error = "failed", event["error"]
        elif kind == "lost":
            job.state, job.phase = "waiting", f"worker lost ({event['why']})"
            self.notes.append(f"{job.name}: its worker was lost ({event['why']})")
        elif kind in ("damaged", "not-deterministic"):
            self.notes.append(event["message"])

    def in_state(self, state: str) -> list[JobState]:
        """The jobs in one state."""
        return [job for job in self.jobs.values() if job.state == state]

    def share_done(self) -> float:
        """Share of the work that is done, jobs weighed by what an epoch of them costs."""
        total = sum(job.cost * job.n_epochs for job in self.jobs.values())
        left = sum(job.cost * job.left for job in self.jobs.values())
        return 1 - left / total if total else 1.0

    def seconds_left_of(self, job: JobState) -> float | None:
        """Time until a job is done; None while nothing like it was timed."""
        rate = job.seconds_per_epoch or self._rate_of(job)
        return None if rate is None else rate * job.left

    def seconds_left(self) -> float | None:
        """Time until the run is done: the rest shared by the workers, or its longest job."""
        times = [self.seconds_left_of(job) for job in self.jobs.values() if job.left]
        known = [seconds for seconds in times if seconds is not None]
        if len(known) < len(times) or not times:
            return 0.0 if not times else None
        return max(sum(known) / max(1, min(self.n_workers, len(times))), max(known))

    def _rate_of(self, job: JobState) -> float | None:
        """Seconds an epoch: as another seed of the rule took, else as other rules cost."""
        timed = [other for other in self.jobs.values() if other.seconds_per_epoch is not None]
        alike = [other for other in timed if other.rule == job.rule] or timed
        if not alike:
            return None
        rates = [(other.seconds_per_epoch or 0.0) * job.cost / other.cost for other in alike]
        return sum(rates) / len(rates)


def _take(job: JobState, event: Event) -> None:
    for name in ("epoch", "loss", "accuracy", "displacement", "test_accuracy"):
        if event.get(name) is not None:
            setattr(job, name, float(event[name]))
