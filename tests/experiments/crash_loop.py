"""Kills a small run again and again, each time with SIGKILL, then lets it end.

    python crash_loop.py OUT N_ANY N_WRITE

One process imports all once and forks each start of the run, so that thirty starts take seconds.
N_ANY starts are killed at a random moment after a random number of logged events, N_WRITE in the
middle of a write. Prints one line a kill: the kind, and the epochs the cells had by then.
"""

import contextlib
import os
import random
import signal
import sys
import time
from pathlib import Path

from neurosim.arrays import storage
from neurosim.experiments.data.loaded import data_of
from neurosim.experiments.job.events import read_log
from neurosim.experiments.report import files as report
from neurosim.experiments.system.threads import one_thread
from neurosim.experiments.training_dynamics import main

SETTINGS = [
    "--n-train", "32", "--n-test", "16", "--batch-size", "32", "--epochs", "24",
    "--checkpoints", "0", "9", "24", "--evaluation-px", "32", "--normalisation", "running",
    "--readouts", "gap", "--rules", "bp", "frozen-conv", "--n-calibration", "32",
]  # fmt: skip


def start(out: Path, fault=None) -> int:
    """Fork a run; returns its process id."""
    pid = os.fork()
    if pid:
        return pid
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    if fault is not None:
        fault()
    report.draw_all = report.write_page = lambda *args, **options: None
    os._exit(main([*SETTINGS, "--workers", "1", "--out", str(out)]))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def in_a_write(n: int, where: str):
    """A fault: the n-th write of a whole file ends half-way, unsynced, unnamed or just named."""

    def install() -> None:
        count = 0
        half, named = Path.write_bytes, os.replace

        def write_bytes(path, data):
            nonlocal count
            count += 1
            if count == n and where == "half":
                half(path, data[: len(data) // 2])
                die()
            return half(path, data)

        def replace(source, target):
            if count == n and where == "unnamed":
                die()
            named(source, target)
            if count == n and where == "named":
                die()

        Path.write_bytes, os.replace = write_bytes, replace

    return install


def epochs(out: Path) -> dict[str, int]:
    """Last logged whole epoch of each cell."""
    done = [e for e in read_log(out / "log.jsonl") if e["event"] == "epoch"]
    return {f"{e['rule']}": e["epoch"] for e in done}


def n_events(out: Path) -> int:
    return len(read_log(out / "log.jsonl"))


def kill_at_a_random_moment(out: Path, rng: random.Random) -> None:
    target = n_events(out) + rng.randrange(0, 6)
    pid = start(out)
    while n_events(out) < target and os.waitpid(pid, os.WNOHANG) == (0, 0):
        time.sleep(0.002)
    time.sleep(rng.random() * 0.06)
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            print("any", epochs(out), flush=True)


def kill_in_a_write(out: Path, rng: random.Random, where: str) -> None:
    pid = start(out, in_a_write(rng.randrange(1, 4), where))
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        print(where, epochs(out), flush=True)


def loop(out: Path, n_any: int, n_write: int) -> int:
    rng = random.Random(0)
    kinds = ["any"] * n_any + [("half", "unnamed", "named")[i % 3] for i in range(n_write)]
    rng.shuffle(kinds)
    for kind in kinds:
        if kind == "any":
            kill_at_a_random_moment(out, rng)
        else:
            kill_in_a_write(out, rng, kind)
    os.waitpid(start(out), 0)
    return 0


if __name__ == "__main__":
    one_thread()
    assert storage
    data_of("demo", "demo", None)
    sys.exit(loop(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
