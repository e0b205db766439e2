"""What the engine gives and costs: speed-up of workers, overhead, memory, and the plan's estimate.

    python tests/benchmarks/bench_engine.py                     # brain92 at reduced scale
    python tests/benchmarks/bench_engine.py --full              # brain92 as it is
    python tests/benchmarks/bench_engine.py --rounds 1 --preset demo --rules bp pc    # another run

Options that are not its own go to ``training_dynamics.py``. Prints PASS or short for each bar;
exits with 1 if any is short. Run it on a machine that does nothing else.

Overhead: each rule's cell runs as a task of the engine and as the bare functions of training and
evaluation, in turn, in one process, round after round; the median of the rounds' ratios of
processor time counts. Speed-up: the same run with one worker and with two, from the start of the
first cell to the end of the last; the whole command, with imports, figures and report, beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from neurosim.experiments import training_dynamics
from neurosim.experiments.job.events import read_log
from neurosim.experiments.settings.config import Comparison, Execution
from neurosim.experiments.system.threads import one_thread

#: Enough for each kind of work to count as it does at full scale, in minutes instead of hours.
REDUCED = ("--n-train", "1024", "--epochs", "4", "--checkpoints", "0", "1", "4")
SPEED_UP, OVERHEAD, MEMORY_BYTES = 1.7, 0.02, 2e9
_POLL_S = 0.1


class Run:
    """One run of the command, watched from outside.

    cells_s: from the start of the first cell to the end of the last; whole_s: of the command;
    peaks: process -> bytes, the most each worker (or the command) held.
    """

    def __init__(self, arguments: list[str], out: Path, workers: int) -> None:
        command = [sys.executable, training_dynamics.__file__, *arguments, "--out", str(out)]
        started = time.perf_counter()
        process = subprocess.Popen([*command, "--workers", str(workers)], stdout=subprocess.DEVNULL)
        self.peaks: dict[int, int] = {}
        watching = threading.Thread(target=self._watch, args=(process, out))
        watching.start()
        status = process.wait()
        watching.join()
        self.whole_s = time.perf_counter() - started
        if status:
            raise SystemExit(f"the run with {workers} worker(s) ended with status {status}")
        events = read_log(out / "log.jsonl")
        times = {event["event"]: event["time"] for event in events}
        self.cells_s = times["end"] - times["start"]
        self.table = (out / "results.csv").read_bytes()

    def _watch(self, process: subprocess.Popen, out: Path) -> None:
        """Workers end with their last cell, so their peaks are read while they run."""
        while process.poll() is None:
            events = read_log(out / "log.jsonl")
            # What figures and report take afterwards is not a worker's.
            if not any(event["event"] == "end" for event in events):
                for pid in {event["pid"] for event in events if event["event"] == "placed"}:
                    if found := _peak(pid):
                        self.peaks[pid] = max(found, self.peaks.get(pid, 0))
            time.sleep(_POLL_S)


def _peak(pid: int) -> int:
    """The most memory a process held so far; 0 where it has ended."""
    status = Path(f"/proc/{pid}/status")
    try:
        if status.exists():
            (line,) = [row for row in status.read_text().split("\n") if row.startswith("VmHWM")]
            return int(line.split()[1]) * 1024
        return psutil.Process(pid).memory_info().rss
    except (OSError, ValueError, psutil.Error):
        return 0


def seconds(work: Any) -> tuple[float, float]:
    """Wall and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def bare(task: Any) -> None:
    """A cell's training and evaluation, as one would call them: no files, log, locks or reports."""
    from neurosim.arrays.streams import generator
    from neurosim.experiments.engine.tasks import numerics, prepared
    from neurosim.experiments.job.batches import epoch_batches
    from neurosim.experiments.job.evaluate import test_accuracy
    from neurosim.experiments.job.job import build_learner
    from neurosim.experiments.job.switches import profile_of
    from neurosim.training import Trainer

    s = task.settings
    with numerics(task.deterministic, lambda event, /, **values: None):
        data, device = prepared(task)
        learners = [
            build_learner(s, task.rule, task.seed, data.n_classes, device),
            build_learner(s, task.rule, task.seed, data.n_classes, device).without_learning(),
        ]
        n_steps = s.epochs * (len(data.x_train) // s.batch_size)
        trainers = [Trainer(learner.parts, n_steps) for learner in learners]

        def evaluate(learner: Any) -> None:
            data.evaluation.table(learner)
            test_accuracy(learner, data.x_test, data.y_test)

        evaluate(learners[0])
        for epoch in range(1, s.epochs + 1):
            for trainer in trainers:
                noise = generator(task.seed, f"noise/{task.rule}", epoch)
                for x, y in epoch_batches(
                    data.x_train, data.y_train, seed=task.seed, epoch=epoch,
                    batch_size=s.batch_size, augmentation=s.augmentation,
                    augmentations=profile_of(s).augmentations,
                ):  # fmt: skip
                    trainer.step(x, y, noise)
            if epoch in s.checkpoints:
                for learner in learners:
                    evaluate(learner)


def overhead(settings: Comparison, execution: Execution, out: Path, rounds: int) -> list[dict]:
    """Seconds of each rule and round, as the engine runs a cell and bare."""
    from neurosim.experiments.engine.execute import InProcess
    from neurosim.experiments.engine.job_tasks import tasks_of
    from neurosim.experiments.engine.tasks import run_task
    from neurosim.experiments.progress.run import run_tasks
    from neurosim.experiments.run.folder import RunFolder

    rows = []
    one_seed = replace(settings, seeds=settings.seeds[:1])
    # Compiles the kernels, loads the data.
    warm = replace(one_seed, epochs=1, checkpoints=(0, 1), evaluation_px=(settings.training_px,))
    (out / "warm").mkdir()
    for task in tasks_of(warm, execution, RunFolder(out / "warm")):
        run_task(task, lambda event, /, **values: None)
    for number in range(rounds):
        folder = RunFolder(out / f"engine-{number}")
        folder.path.mkdir()
        for task in tasks_of(one_seed, execution, folder):

            def engine(task: Any = task, folder: RunFolder = folder) -> None:
                with open(os.devnull, "w") as nowhere:
                    run_tasks([task], InProcess(), folder, stream=nowhere)

            sides = {"engine": engine, "bare": lambda task=task: bare(task)}
            # Who comes first changes: caches and clock frequency favour neither.
            order = list(sides) if number % 2 else list(reversed(sides))
            rows.append({"rule": task.rule, **{name: seconds(sides[name]) for name in order}})
    return rows


def child(command: str, arguments: list[str], out: Path, rounds: int) -> Any:
    """The result of ``overhead`` or ``plan`` in a process of its own."""
    given = [sys.executable, __file__, command, str(out), str(rounds), *arguments]
    done = subprocess.run(given, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def in_child(command: str, out: Path, rounds: int, arguments: list[str]) -> None:
    one_thread()
    from neurosim.experiments.comparison.run import plan

    asked = training_dynamics.Command.of(arguments)
    if command == "plan":
        found = plan(asked.settings, replace(asked.execution, workers=2), out / "planned")
        print(json.dumps(found.seconds))
    else:
        print(json.dumps(overhead(asked.settings, asked.execution, out, rounds)))


def share(rows: list[dict], index: int) -> tuple[float, float]:
    """Overhead over all rules, the median over rounds; and the largest distance from it."""
    n_rules = len({row["rule"] for row in rows})
    rounds = [rows[i : i + n_rules] for i in range(0, len(rows), n_rules)]
    found = [
        sum(r["engine"][index] for r in part) / sum(r["bare"][index] for r in part) - 1
        for part in rounds
    ]
    middle = statistics.median(found)
    return middle, max(abs(value - middle) for value in found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true", help="not at reduced scale")
    parser.add_argument("--rounds", type=int, default=3, help="of the overhead")
    options, others = parser.parse_known_args()
    if "--preset" in others:
        arguments = others
    else:
        arguments = ["--preset", "brain92", *(() if options.full else REDUCED), *others]
    print(f"training_dynamics.py {' '.join(arguments)}; load before: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        planned_s = child("plan", arguments, out, 1)
        one, two = Run(arguments, out / "one", 1), Run(arguments, out / "two", 2)
        rows = child("overhead", arguments, out, options.rounds)
    speed_up, peak = one.cells_s / two.cells_s, max(two.peaks.values())
    (wall, wall_range), (cpu, cpu_range) = share(rows, 0), share(rows, 1)
    for rule in dict.fromkeys(row["rule"] for row in rows):
        own = [row for row in rows if row["rule"] == rule]
        a, b = (statistics.median(row[side][1] for row in own) for side in ("engine", "bare"))
        print(f"  {rule:16s} cell {a:8.2f} s of one core, bare {b:8.2f} s, {a / b - 1:+6.1%}")
    print(
        f"  cells {one.cells_s:.1f} s with 1 worker, {two.cells_s:.1f} s with 2; whole command "
        f"{one.whole_s:.1f} and {two.whole_s:.1f} s ({one.whole_s / two.whole_s:.2f} times): "
        f"imports, table, figures and report are {one.whole_s - one.cells_s:.1f} and "
        f"{two.whole_s - two.cells_s:.1f} s of it\n"
        f"  plan: {planned_s:.1f} s for the cells on 2 workers, took {two.cells_s:.1f} s "
        f"({planned_s / two.cells_s:.2f} of it)\n"
        f"  overhead in wall time {wall:+.2%} (rounds within {wall_range:.2%})"
    )
    bars = {
        "2 workers give the bytes of 1": one.table == two.table,
        f"speed-up of 2 workers {speed_up:.2f} (bar {SPEED_UP})": speed_up >= SPEED_UP,
        f"overhead in processor time {cpu:+.2%}, rounds within {cpu_range:.2%} (bar "
        f"{OVERHEAD:.0%})": cpu < OVERHEAD,
        f"peak memory of a worker {peak / 1e9:.2f} GB (bar {MEMORY_BYTES / 1e9:.0f} GB)":
            peak < MEMORY_BYTES,
    }  # fmt: skip
    for name, reached in bars.items():
        print(f"{'PASS ' if reached else 'short'} {name}")
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    if sys.argv[1:2] in (["plan"], ["overhead"]):
        in_child(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
    else:
        sys.exit(main())
