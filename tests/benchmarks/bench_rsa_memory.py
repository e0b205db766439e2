"""Memory, and the whole THINGS fMRI stimulus set (8,740 images, 38 million pairs).

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python tests/benchmarks/bench_rsa_memory.py

Each task runs in a process of its own, whose time and largest resident memory are read. Exits
with 1 if a bar is missed. ``--skip-peer`` leaves rsatoolbox out (it needs a minute and several
GB). ``bench_rsa.py`` runs this and the rest.
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
    compute_rdm(x[:3])  # compile first
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


def grid() -> None:
    """800 model RDMs of 720 stimuli from features against 18 brain RDMs."""
    from neurosim.rsa import compare_patterns, prepare_rdms

    rng = np.random.default_rng(0)
    kept = prepare_rdms(rng.random((N_BRAINS, 720 * 719 // 2), dtype=np.float32))
    layer = rng.normal(size=(720, D)).astype(np.float32)

    def score() -> None:
        compare_patterns((np.roll(layer, k, axis=1) + layer for k in range(800)), kept)

    with_clock(score)


def with_clock(task) -> None:  # type: ignore[no-untyped-def]
    start = time.perf_counter()
    task()
    seconds = time.perf_counter() - start
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


TASKS = {
    "our-rdm": our_rdm,
    "peer-rdm": peer_rdm,
    "spearman": one_spearman,
    "streamed": streamed,
    "grid": grid,
}


def measured(task: str) -> tuple[float, float]:
    """(seconds, peak GiB) of a task in its own process."""
    command = [sys.executable, __file__, "--task", task]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, gib = map(float, done.stdout.split())
    print(f"{task:10s} {seconds:8.2f} s {gib:6.2f} GiB", flush=True)
    return seconds, gib


def run(skip_peer: bool) -> dict[str, bool]:
    """Every bar of this file, and whether it is reached."""
    bars = {
        "grid of 800 x 18 under .6 GB": measured("grid")[1] < 0.6e9 / 2**30,
        "8,740 stimuli: one Spearman under 1.5 GB": measured("spearman")[1] < 1.5e9 / 2**30,
        "8,740 stimuli: 18 streamed under 1.5 GB": measured("streamed")[1] < 1.5e9 / 2**30,
    }
    ours = measured("our-rdm")[0]
    if not skip_peer:
        ratio = measured("peer-rdm")[0] / ours
        bars[f"8,740 stimuli: RDM {ratio:.1f} times rsatoolbox (bar 20)"] = ratio >= 20
    for name, reached in bars.items():
        print(f"{'PASS ' if reached else 'short'} {name}", flush=True)
    return bars


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
    bars = run(options.skip_peer)
    missed = [name for name, reached in bars.items() if not reached]
    print("missed: " + "; ".join(missed) if missed else "all bars reached")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
