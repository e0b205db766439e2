"""The whole THINGS fMRI stimulus set, 8,740 images (38 million pairs): time and peak memory.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python tests/benchmarks/bench_rsa_whole_things.py

Each task runs in a process of its own, whose processor time and largest resident memory are
read. Exits with 1 if a bar is missed. ``--skip-peer`` leaves rsatoolbox out (it needs a minute
and several GB).
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import numpy as np

N, D, N_BRAINS = 8740, 512, 18
N_PAIRS = N * (N - 1) // 2


def our_rdm() -> None:
    from neurosim.rsa import compute_rdm

    x = np.random.default_rng(0).normal(size=(N, D))
    with_clock(lambda: compute_rdm(x))


def peer_rdm() -> None:
    import rsatoolbox

    data = rsatoolbox.data.Dataset(np.random.default_rng(0).normal(size=(N, D)))
    with_clock(lambda: rsatoolbox.rdm.calc_rdm(data, method="correlation"))


def one_spearman() -> None:
    from neurosim.rsa import compare_rdms

    rng = np.random.default_rng(0)
    x, y = (rng.random(N_PAIRS, dtype=np.float32) for _ in range(2))
    compare_rdms(x[:3], y[:3])  # compile first
    with_clock(lambda: compare_rdms(x, y))


def streamed() -> None:
    """The model's ranks kept, brain RDMs made and let go one by one."""
    from neurosim.rsa import compare_rdms, prepare_rdms

    rng = np.random.default_rng(0)
    kept = prepare_rdms(rng.random(N_PAIRS, dtype=np.float32))
    compare_rdms(rng.random(3), rng.random(3))

    def stream() -> None:
        for _ in range(N_BRAINS):
            compare_rdms(rng.random(N_PAIRS, dtype=np.float32), kept)

    with_clock(stream)


def with_clock(task) -> None:  # type: ignore[no-untyped-def]
    start = time.process_time()
    task()
    seconds = time.process_time() - start
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


TASKS = {"our-rdm": our_rdm, "peer-rdm": peer_rdm, "spearman": one_spearman, "streamed": streamed}


def measured(task: str) -> tuple[float, float]:
    """(processor seconds, peak GiB) of a task in its own process."""
    command = [sys.executable, __file__, "--task", task]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, gib = map(float, done.stdout.split())
    print(f"{task:10s} {seconds:8.2f} s {gib:6.2f} GiB", flush=True)
    return seconds, gib


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--skip-peer", action="store_true")
    parser.add_argument("--task", choices=TASKS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        TASKS[options.task]()
        return 0
    ours = measured("our-rdm")[0]
    bars = {
        "one Spearman under 1.5 GB": measured("spearman")[1] < 1.5e9 / 2**30,
        "18 streamed under 1.5 GB": measured("streamed")[1] < 1.5e9 / 2**30,
    }
    if not options.skip_peer:
        ratio = measured("peer-rdm")[0] / ours
        print(f"RDM: {ratio:.1f} times rsatoolbox (bar 20)")
        bars["RDM 20 times rsatoolbox"] = ratio >= 20
    missed = [name for name, reached in bars.items() if not reached]
    print("missed: " + "; ".join(missed) if missed else "all bars reached")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
