"""What a run will cost before it starts: time, disk and memory, measured on this machine.

The model of a job, with seconds measured for each rule on its own data and batches:

    training    epochs x batches x (learning + statistics-only seconds a batch)
    evaluation  for 1 + 2 (checkpoints - 1) evaluations, the sum over px and policies of
                stimuli x px^2 x forward seconds a pixel + RSA seconds of every readout,
                plus calibration seconds of every policy, plus the held-out images
    results     checkpoints x weights + table rows;   resume state: two tracks with their optimisers
    memory      peak of the measuring process, which trained and evaluated at the largest px

Where the run folder's log knows the seconds of a rule, they stand in for the measured ones.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from neurosim.arrays.streams import generator
from neurosim.experiments.engine.execute import LocalWorkers
from neurosim.experiments.engine.job_tasks import JobTask
from neurosim.experiments.engine.tasks import AbstractTask
from neurosim.experiments.job.batches import epoch_batches
from neurosim.experiments.job.events import Event, Report, read_log
from neurosim.experiments.job.job import Job
from neurosim.experiments.job.store import JobStore
from neurosim.experiments.progress.live_table import duration
from neurosim.experiments.run.folder import RunFolder
from neurosim.experiments.settings.config import Comparison
from neurosim.experiments.system.failures import TasksFailedError

#: Batches that are timed, after one that is not.
_N_BATCHES = 2
#: Stimuli that are shown to time the forward pass.
_N_STIMULI = 16
#: A row of a job's table and of results.csv.
_BYTES_A_ROW = 500


@dataclass(frozen=True)
class Cost:
    """What one job of a rule costs, from its beginning; seconds and bytes."""

    training_s: float
    evaluation_s: float
    results_bytes: int
    resume_bytes: int
    memory_bytes: int

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.training_s + self.evaluation_s


@dataclass(frozen=True)
class Plan:
    """A run's cost.

    jobs: name -> seconds still to do; sources: rule -> where its seconds are from.
    """

    settings: Comparison
    n_workers: int
    costs: dict[str, Cost]
    jobs: dict[str, float]
    sources: dict[str, str]
    load: float

    @property
    def seconds(self) -> float:
        """Time until the end: jobs go to the first free worker, the longest first."""
        return makespan(list(self.jobs.values()), self.n_workers)

    @property
    def disk_bytes(self) -> int:
        """The most that lies there at once: results, and two states a running job."""
        results = sum(cost.results_bytes for cost in self.costs.values())
        states = sorted((cost.resume_bytes for cost in self.costs.values()), reverse=True)
        # A file is whole beside the old one before it takes its place.
        largest = max(cost.results_bytes for cost in self.costs.values())
        running = self.n_workers * (2 * states[0] + largest)
        return results * len(self.settings.seeds) + running

    @property
    def memory_bytes(self) -> int:
        """The most that all workers hold at once."""
        return self.n_workers * max(cost.memory_bytes for cost in self.costs.values())

    def __str__(self) -> str:
        n_jobs = len(self.settings.rules) * len(self.settings.seeds)
        if not self.costs:
            return f"nothing is left to do: all {n_jobs} jobs are finished"
        lines = [
            f"{n_jobs} jobs ({len(self.settings.rules)} rules x {len(self.settings.seeds)} "
            f"seeds), {self.settings.epochs} epochs, {len(self.settings.checkpoints)} checkpoints",
            f"{'rule':<16}{'a job':>10}{'training':>10}{'evaluation':>12}{'memory':>10}"
            f"{'disk':>10}",
        ]
        for rule, cost in self.costs.items():
            times = (cost.seconds, cost.training_s, cost.evaluation_s)
            a, b, c = (duration(seconds) for seconds in times)
            sizes = (megabytes(cost.memory_bytes), megabytes(cost.results_bytes))
            lines.append(f"{rule:<16}{a:>10}{b:>10}{c:>12}{sizes[0]:>10}{sizes[1]:>10}")
        done = sum(1 for seconds in self.jobs.values() if seconds == 0)
        lines.append(
            f"to do: {len(self.jobs) - done} jobs, {duration(sum(self.jobs.values()))} of one "
            f"core, {duration(self.seconds)} on {self.n_workers} worker(s); memory up to "
            f"{megabytes(self.memory_bytes)}, disk up to {megabytes(self.disk_bytes)}"
        )
        known = [rule for rule, source in self.sources.items() if source == "log"]
        lines.append(
            f"seconds measured now on {_N_BATCHES} batches and {_N_STIMULI} stimuli of each rule"
            + (f"; those of {', '.join(known)} are from the run's log" if known else "")
        )
        if self.load > (os.cpu_count() or 1):
            lines.append(
                f"other programs are running (load {self.load:.0f} on {os.cpu_count()} cores): "
                "without them it is quicker"
            )
        return "\n".join(lines)


def makespan(seconds: Sequence[float], n_workers: int) -> float:
    """When the last of ``n_workers`` is done that each take the longest piece left."""
    ends = [0.0] * n_workers
    for piece in sorted(seconds, reverse=True):
        ends[ends.index(min(ends))] += piece
    return max(ends)


def megabytes(size: float) -> str:
    """``12 MB`` or ``1.2 GB``."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def measured_plan(tasks: Sequence[JobTask], n_workers: int) -> Plan:
    """Measure one job of each rule, as many side by side as workers will run; none where all are
    finished."""
    settings, load = tasks[0].settings, os.getloadavg()[0]
    if not any(task.epochs_left for task in tasks):
        return Plan(settings, n_workers, {}, dict.fromkeys((t.name for t in tasks), 0.0), {}, load)
    of_rule = {task.rule: task for task in reversed(tasks)}
    log = read_log(RunFolder(tasks[0].folder).log)
    found = measure(list(of_rule.values()), n_workers)
    costs, sources = {}, {}
    for rule in settings.rules:
        logged = _logged(log, rule, settings)
        costs[rule] = replace(found[rule], **logged)
        sources[rule] = "log" if logged else "measured"
    jobs = {
        task.name: costs[task.rule].seconds * task.epochs_left / settings.epochs for task in tasks
    }
    return Plan(settings, n_workers, costs, jobs, sources, load)


def _logged(log: Sequence[dict[str, Any]], rule: str, settings: Comparison) -> dict[str, Any]:
    of_rule = [event for event in log if event.get("rule") == rule]
    epochs = [e["learning_s"] + e["statistics_only_s"] for e in of_rule if e["event"] == "epoch"]
    evaluations = [
        e["evaluation_s"] / e["n_evaluations"] for e in of_rule if e["event"] == "checkpoint"
    ]
    if not epochs or not evaluations:
        return {}
    return {
        "training_s": statistics.median(epochs) * settings.epochs,
        "evaluation_s": statistics.median(evaluations) * n_evaluations(settings),
    }


def n_evaluations(settings: Comparison) -> int:
    """Both tracks at every checkpoint but the first, where they are one."""
    return 1 + 2 * (len(settings.checkpoints) - 1)


@dataclass(frozen=True)
class MeasureTask(AbstractTask):
    """Building a job of a rule, running a few batches and looking at a few stimuli."""

    job: JobTask

    @property
    def label(self) -> str:
        """The rule."""
        return self.job.rule

    def perform(self, report: Report) -> None:
        """Tell what it costs as an event of its own, ``measured``."""
        report("measured", **asdict(_measure(self.job)))


def measure(jobs: Sequence[JobTask], n_workers: int) -> dict[str, Cost]:
    """Rule -> what a job of it costs.

    Raises:
        TasksFailedError: a job cannot be built or run; the message says why.
    """
    found: dict[str, Cost] = {}

    def listen(event: Event) -> None:
        if event["event"] == "failed":
            raise TasksFailedError(f"{event['rule']} cannot be measured: {event['error']}")
        if event["event"] == "measured":
            found[event["rule"]] = Cost(**{f.name: event[f.name] for f in fields(Cost)})

    with TemporaryDirectory() as folder:
        tasks = [MeasureTask(job, seed=job.seed, folder=Path(folder)) for job in jobs]
        # A process a rule, so that each peak of memory is its own.
        LocalWorkers(n_workers, fresh=True).run(tasks, listen)
    return found


def _measure(task: JobTask) -> Cost:
    settings = task.settings
    data, device = task.prepared()
    store = JobStore(task.folder / "none", task.folder / "none", "{}")
    job = Job(settings, task.rule, task.seed, data, store, device, lambda event, /, **v: None)
    noise = generator(task.seed, "plan")
    seconds_a_batch = 0.0
    for track in job.tracks:
        batches = epoch_batches(
            data.x_train, data.y_train, seed=task.seed, epoch=1,
            batch_size=settings.batch_size, augmentation=settings.augmentation,
        )  # fmt: skip
        taken = [batch for batch, _ in zip(batches, range(_N_BATCHES + 1), strict=False)]
        track.trainer.step(*taken[0], noise)
        timed = taken[1:] or taken
        started = time.perf_counter()
        for x, y in timed:
            track.trainer.step(x, y, noise)
        seconds_a_batch += (time.perf_counter() - started) / len(timed)
    evaluation_s, n_rows = _evaluation(job, settings)
    weights = _nbytes(job.tracks[0].learner.tensors())
    unit = 1024 if sys.platform == "linux" else 1
    return Cost(
        training_s=settings.epochs * job.n_batches * seconds_a_batch,
        evaluation_s=evaluation_s * n_evaluations(settings),
        results_bytes=weights * len(settings.checkpoints)
        + 2 * _BYTES_A_ROW * n_rows * n_evaluations(settings),
        resume_bytes=_nbytes({track.name: track.state() for track in job.tracks}),
        memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
    )


def _evaluation(job: Any, settings: Comparison) -> tuple[float, int]:
    """Seconds and table rows of one evaluation."""
    evaluation, learner = job.data.evaluation, job.tracks[0].learner
    policies = evaluation.policies if learner.normalised_layers() else evaluation.policies[:1]
    first, largest = min(evaluation.images), max(evaluation.images)
    plain = policies[0]

    def seconds(px: int, n: int, policy: str) -> float:
        few = replace(evaluation, images={px: evaluation.images[px][:n]}, policies=(policy,))
        started = time.perf_counter()
        for _ in few.patterns(learner):
            pass
        return time.perf_counter() - started

    seconds(first, 1, plain)
    calibration = {policy: seconds(first, 1, policy) for policy in policies}
    n_shown = min(_N_STIMULI, len(evaluation.images[largest]))
    shown = max(0.0, seconds(largest, n_shown, plain) - calibration[plain])
    a_pixel = shown / (n_shown * largest**2)
    whole = replace(evaluation, images={first: evaluation.images[first]}, policies=(plain,))
    features = list(whole.patterns(learner))
    rsa_s, n_rows = 0.0, 0
    for labels, patterns in features:
        started = time.perf_counter()
        n_rows += len(evaluation.scores(labels, patterns))
        rsa_s += time.perf_counter() - started
    n_stimuli = len(evaluation.images[first])
    grid = sum(n_stimuli * px**2 * a_pixel + rsa_s for px in evaluation.images) * len(policies)
    held_out = len(job.data.x_test) * settings.training_px**2 * a_pixel
    return grid + sum(calibration.values()) + held_out, n_rows * len(policies) * len(
        evaluation.images
    )


def _nbytes(tree: Any) -> int:
    if isinstance(tree, Mapping):
        return sum(_nbytes(value) for value in tree.values())
    return int(getattr(tree, "nbytes", 8))
