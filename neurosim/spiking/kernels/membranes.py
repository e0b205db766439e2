"""One tick of a group of cells in compiled code: leak and input, fire, reset.

Each family is the arithmetic of one or more cells of ``neurosim.spiking.cells`` with its constants
in a row per neuron, so that every neuron may have its own; ``simulation.cells`` fills the rows,
tests hold every family to the cell it stands for.

memory: what a cell keeps beside its voltage, ``(n, 3)``. received: input of this tick, ``(n, 2)``:
excitatory and inhibitory sums, both not negative; they are set to 0 here. spikes: where the neurons
that fire are listed.
"""

from __future__ import annotations

import math

import numpy as np

from neurosim.spiking.kernels.door import inner

LEAKY, SYNAPTIC, CURRENT_BASED, REFRACTORY, LSNN, EXPONENTIAL, ADEX, ADAPTIVE, CONDUCTANCE = range(
    9
)
#: Cells that no family stands for: Python tells who fires.
FOREIGN = 9
#: Columns of a row of constants; what the others mean is the family's own.
BY_SUBTRACTION = 0
N_CONSTANTS = 10


@inner
def fire(
    group: np.ndarray,
    c: np.ndarray,
    threshold: np.ndarray,
    v: np.ndarray,
    memory: np.ndarray,
    received: np.ndarray,
    drive: np.ndarray,
    forced: np.ndarray,
    spikes: np.ndarray,
    n_spikes: int,
) -> int:
    """Advance the neurons ``group[0]`` to ``group[1]`` of the family ``group[2]``; returns the
    number of spikes listed so far."""
    family = group[2]
    for i in range(group[0], group[1]):
        current = received[i, 0] - received[i, 1] + drive[i]
        theta = threshold[i]
        barrier = theta
        if family == LEAKY:
            v[i] = v[i] * c[i, 1] + current
        elif family == SYNAPTIC:
            memory[i, 0] = memory[i, 0] * c[i, 2] + current
            v[i] = v[i] * c[i, 1] + memory[i, 0]
        elif family == CURRENT_BASED:
            acting = memory[i, 0] + current * c[i, 3]
            v[i] += c[i, 1] * (acting - v[i])
            memory[i, 0] = acting - c[i, 2] * acting
        elif family == REFRACTORY:
            acting = memory[i, 0] + current * c[i, 3]
            memory[i, 0] = acting - c[i, 2] * acting
            if memory[i, 1] > 0:
                barrier = np.inf
            else:
                v[i] += c[i, 1] * (acting - v[i])
        elif family == LSNN:
            v[i] += c[i, 1] * (memory[i, 0] - v[i])
            memory[i, 0] += current * c[i, 3] - c[i, 2] * memory[i, 0]
            memory[i, 1] *= c[i, 4]
            barrier = theta * (1 + memory[i, 1])
        elif family in (EXPONENTIAL, ADEX):
            acting = memory[i, 0] + current * c[i, 3]
            memory[i, 0] = acting - c[i, 2] * acting
            slope = acting - v[i]
            if theta < np.inf:
                slope += c[i, 4] * theta * math.exp((v[i] - theta) / (c[i, 4] * theta))
            if family == ADEX:
                slope -= memory[i, 1]
                memory[i, 1] += c[i, 5] * (c[i, 6] * v[i] - memory[i, 1])
            v[i] += c[i, 1] * slope
        elif family == ADAPTIVE:
            v[i] = v[i] * c[i, 1] + current
            memory[i, 0] *= c[i, 2]
            barrier = theta * (1 + memory[i, 0])
        elif family == CONDUCTANCE:
            memory[i, 0] = memory[i, 0] * c[i, 2] + received[i, 0]
            memory[i, 1] = memory[i, 1] * c[i, 3] + received[i, 1]
            if memory[i, 2] > 0:
                barrier = np.inf
            else:
                total = 1 + memory[i, 0] + memory[i, 1]
                aim = c[i, 4] + memory[i, 0] * c[i, 5] + memory[i, 1] * c[i, 6] + drive[i]
                aim /= total
                v[i] = aim + (v[i] - aim) * math.exp(-c[i, 1] * total)
        received[i, 0] = received[i, 1] = 0.0
        fires = forced[i] != 0 if family == FOREIGN else v[i] > barrier
        if fires:
            spikes[n_spikes] = i
            n_spikes += 1
        if family != FOREIGN:
            settle(family, fires, theta, i, c, v, memory)
    return n_spikes


@inner
def settle(
    family: int,
    fires: bool,
    theta: float,
    i: int,
    c: np.ndarray,
    v: np.ndarray,
    memory: np.ndarray,
) -> None:
    """Reset of the voltage, and what a spike leaves behind."""
    if family == REFRACTORY:
        memory[i, 1] = c[i, 4] if fires else max(memory[i, 1] - 1, 0.0)
    elif family == CONDUCTANCE:
        memory[i, 2] = c[i, 8] if fires else max(memory[i, 2] - 1, 0.0)
    if not fires:
        return
    if family == LSNN:
        memory[i, 1] += c[i, 5]
    elif family == ADEX:
        memory[i, 1] += c[i, 7] * theta
    elif family == ADAPTIVE:
        memory[i, 0] += c[i, 3]
    if family == CONDUCTANCE:
        v[i] = c[i, 7]
    elif c[i, BY_SUBTRACTION] != 0:
        v[i] -= theta
    else:
        v[i] = 0.0
