"""Every bar of neurosim.rsa in one run: ratios, memory, the whole of THINGS.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python tests/benchmarks/bench_rsa.py

Needs rsatoolbox (the extra ``dev``), 5 GB of memory for it (not with --skip-peer) and 1 GB of
temporary disk. Prints PASS or short for each bar; exits with 1 if any is short.
"""

from __future__ import annotations

import argparse
import sys

import bench_rsa_memory
import bench_rsa_speed
import bench_rsa_things_memory


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--skip-peer", action="store_true", help="8,740 stimuli without rsatoolbox")
    options = parser.parse_args()
    # First, while this process is small: a child's peak counts what it was forked from.
    bars = bench_rsa_memory.run(options.skip_peer)
    bars |= {name: row[3] >= bar for name, bar, row in bench_rsa_speed.run()}
    bars["THINGS reader under 2 GB"] = bench_rsa_things_memory.main() == 0
    print("\n" + "\n".join(f"{'PASS ' if ok else 'short'} {name}" for name, ok in bars.items()))
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
