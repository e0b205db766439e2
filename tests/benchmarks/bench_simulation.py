"""Speed of the simulator, after compilation: one plastic cell, and a CUBA-like network.

    python tests/benchmarks/bench_simulation.py                       # neurosim alone
    python tests/benchmarks/bench_simulation.py --brian2 PYTHON       # and Brian2 cpp_standalone

Times are CPU seconds of one thread, which a busy machine changes less than those of the clock.
PYTHON: an interpreter with brian2 in it; its C++ compiler runs with -O3 -march=native and
one thread. Both simulate the same equations: 4,000 leaky cells with conductances (3,200
excitatory), 2 % connectivity, a delay of one tick of .1 ms, all-to-all STDP with hard bounds on the
256,000 excitatory synapses.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import time

import numpy as np

from neurosim.spiking import (
    AllPairs,
    ConductanceLIF,
    CurrentInput,
    FixedProbability,
    HardBounds,
    NeuronGroup,
    PoissonInput,
    Projection,
    SnntorchLIF,
    simulate,
)

W_EXCITATORY, W_INHIBITORY, DRIVE, SECONDS = 0.05, 0.5, 13.0, 5.0

BRIAN2 = f"""
from brian2 import *
import sys
set_device("cpp_standalone", build_on_run=False, directory=sys.argv[1])
prefs.codegen.cpp.extra_compile_args_gcc = ["-O3", "-march=native", "-w"]
defaultclock.dt = 0.1*ms
seed(0)
eqs = '''
dv/dt = (-60 - v + ge*(0 - v) + gi*(-80 - v) + {DRIVE}) / (20*ms) : 1 (unless refractory)
dge/dt = -ge/(5*ms) : 1
dgi/dt = -gi/(10*ms) : 1
'''
P = NeuronGroup(4000, eqs, threshold="v>-50", reset="v=-60", refractory=5*ms,
                method="exponential_euler")
P.v = "-60 + 10*i/4000.0"
stdp = '''
w : 1
dx/dt = -x/(20*ms) : 1 (event-driven)
dy/dt = -y/(20*ms) : 1 (event-driven)
'''
E = Synapses(P[:3200], P, stdp,
             on_pre='''ge_post += w
                       x += 1
                       w = clip(w - 0.0000525*y, 0, 0.1)''',
             on_post='''y += 1
                        w = clip(w + 0.00005*x, 0, 0.1)''', delay=0.1*ms)
E.connect(p=0.02)
E.w = {W_EXCITATORY}
I = Synapses(P[3200:], P, on_pre="gi_post += {W_INHIBITORY}", delay=0.1*ms)
I.connect(p=0.02)
S = SpikeMonitor(P)
run({SECONDS}*second)
device.build(directory=sys.argv[1], compile=True, run=False)
import resource
before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
device.run(sys.argv[1], with_output=False, run_args=[])
took = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
print(f"brian2 cpp_standalone: {{took:.2f}} CPU s with its wiring, "
      f"{{S.num_spikes / 4000 / {SECONDS}:.1f}} Hz", flush=True)
"""


def one_cell() -> None:
    """100 Poisson inputs onto one cell with STDP, 100 s in ticks of 1 ms."""
    cell = NeuronGroup(1, SnntorchLIF(dt_ms=1.0))
    rule = AllPairs(a_plus=0.005, a_minus=0.00525, dependence=HardBounds(0.0, 0.3))
    synapses = Projection(PoissonInput(100, 20.0), cell, 0.1, timing=rule)
    simulate(synapses, 100.0)
    began = time.process_time()
    run = simulate(synapses, 100_000.0)
    took = time.process_time() - began
    rate = run.spikes(cell).rates_hz()[0]
    print(f"100 inputs onto one cell, 100 s: {took:.2f} CPU s, {rate:.0f} Hz")


def network() -> None:
    """The CUBA-like network."""
    cell = ConductanceLIF(
        dt_ms=0.1, tau_inhibitory_ms=10.0, rest=-60.0, e_inhibitory=-80.0, threshold=-50.0,
        reset=-60.0, refractory_ms=5.0,
    )  # fmt: skip
    start = -60 + 10 * np.arange(4000) / 4000
    e = NeuronGroup(3200, cell, start={"voltage": start[:3200]}, name="e")
    i = NeuronGroup(800, cell, start={"voltage": start[3200:]}, name="i")
    rule = AllPairs(a_plus=5e-5, a_minus=5.25e-5, dependence=HardBounds(0.0, 0.1))
    connect = FixedProbability(0.02)
    parts = [
        *(
            Projection(e, post, W_EXCITATORY, connect=connect, delay_ms=0.1, timing=rule)
            for post in (e, i)
        ),
        *(
            Projection(i, post, W_INHIBITORY, connect=connect, delay_ms=0.1, inhibitory=True)
            for post in (e, i)
        ),
        CurrentInput(e, DRIVE),
        CurrentInput(i, DRIVE),
    ]
    began = time.process_time()
    simulate(parts, 0.1)
    wired = time.process_time() - began
    began = time.process_time()
    run = simulate(parts, 1000 * SECONDS)
    took = time.process_time() - began
    n = sum(len(run.spikes(group).times_ms) for group in (e, i))
    print(
        f"4,000 cells, 256,000 plastic synapses, {SECONDS:g} s: {took:.2f} CPU s with {wired:.2f} "
        f"of wiring, {n / 4000 / SECONDS:.1f} Hz"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brian2", help="an interpreter that has brian2")
    parser.add_argument("--folder", default="/tmp/brian2_standalone", help="where it builds")
    asked = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    one_cell()
    network()
    if asked.brian2:
        subprocess.run([asked.brian2, "-c", BRIAN2, asked.folder], check=True)
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
