"""A whole network over a run of ticks: spikes are delivered, cells step, synapses change.

Neurons are numbered through all populations, ``0 .. n``, sources of given spikes after them,
``n .. n_all``. Branches (see ``plastic``) are sorted by delay and neuron: those of neuron i with
the k-th delay are ``route[k n_all + i]`` up to the next. A spike of tick t with a delay of d acts
at t + d; with d = 0 in the same tick, so populations step in the order of their undelayed
projections. Indices are checked once by ``simulation.wiring``; sizes at the door.
"""

from __future__ import annotations

import numpy as np

from neurosim.spiking.kernels.door import inner, kernel
from neurosim.spiking.kernels.membranes import N_CONSTANTS, fire
from neurosim.spiking.kernels.plastic import (
    AREA,
    JOINT,
    KEEP_SIGNAL,
    LTP,
    N_COLUMNS,
    PAIRING,
    VOLTAGE,
    depolarise,
    depress,
    follow_membrane,
    hear,
    reinforce,
    respond,
)

assert (N_CONSTANTS, N_COLUMNS) == (10, 40)  # as the declaration below has them


@inner
def deliver(
    row: int,
    route: np.ndarray,
    branches: tuple,
    synapses: tuple,
    weight: np.ndarray,
    received: np.ndarray,
    arrived: np.ndarray,
    n_arrived: np.ndarray,
) -> None:
    """A spike reaches the branches of one row: currents now, changes at the end of the tick."""
    start, rule, column = branches
    post = synapses[0]
    for b in range(route[row], route[row + 1]):
        side = column[b]
        for e in range(start[b], start[b + 1]):
            received[post[e], side] += weight[e]
        if rule[b] >= 0:
            arrived[n_arrived[0]] = b
            n_arrived[0] += 1


@inner
def learn(
    t: int,
    spikes: np.ndarray,
    spiked: np.ndarray,
    branches: tuple,
    synapses: tuple,
    weight: np.ndarray,
    sites: tuple,
    membrane_sites: np.ndarray,
    rules: tuple,
    heard: tuple,
    fired: tuple,
    seen: np.ndarray,
    membrane: tuple,
    arrived: np.ndarray,
    n_arrived: np.ndarray,
    marks: tuple,
    reward: np.ndarray,
    signal: np.ndarray,
) -> None:
    """The changes of one tick; spikes: the neurons and sources that fire in it; reward: of each
    rule in this tick, signal: what is left of those before."""
    start, rule_of, _ = branches
    post, branch_of, site_of = synapses
    site_start, site_neuron, site_rule, in_start, in_synapse = sites
    rows, tables = rules
    x, heard_at = heard
    y, fired_at = fired
    for r in range(len(rows)):
        if signal[r] != 0:
            # From the tick before to this one: the product of two exponentials, integrated.
            size = signal[r] * rows[r, AREA] * rows[r, JOINT]
            hand_out(rows[r], r, t - 1, size, sites, weight, marks)
            signal[r] *= rows[r, KEEP_SIGNAL]
    for k in range(len(membrane_sites)):
        s = membrane_sites[k]
        fires = spiked[site_neuron[s]] == t
        follow_membrane(rows[site_rule[s]], t, fires, membrane[0][k], membrane[1][k], y[s])
    for k in range(n_arrived[0]):
        b = arrived[k]
        hear(rows[rule_of[b]], tables[rule_of[b]], t, x[b], heard_at[b])
    for k in range(n_arrived[0]):
        b = arrived[k]
        r = rule_of[b]
        depress(
            rows[r], tables[r], t, x[b], heard_at[b], start[b], start[b + 1], post, site_of,
            spiked, y, fired_at, weight, marks,
        )  # fmt: skip
    n_arrived[0] = 0
    for i in spikes:
        if i >= len(spiked):
            continue
        for s in range(site_start[i], site_start[i + 1]):
            r = site_rule[s]
            if rows[r, PAIRING] != VOLTAGE:
                respond(
                    rows[r], tables[r], t, s, in_synapse[in_start[s] : in_start[s + 1]],
                    branch_of, x, heard_at, y, fired_at, seen, weight, marks,
                )  # fmt: skip
    for s in membrane_sites:
        if y[s, LTP] != 0:
            r = site_rule[s]
            depolarise(
                rows[r], tables[r], t, s, in_synapse[in_start[s] : in_start[s + 1]],
                branch_of, x, heard_at, y, weight, marks,
            )  # fmt: skip
    for r in range(len(rows)):
        if reward[r] != 0:
            if rows[r, AREA] > 0:
                signal[r] += reward[r]
            else:
                hand_out(rows[r], r, t, reward[r], sites, weight, marks)


@inner
def hand_out(
    row: np.ndarray, r: int, t: int, size: float, sites: tuple, weight: np.ndarray, marks: tuple
) -> None:
    """A reward of some size reaches all synapses of a rule."""
    _, _, site_rule, in_start, in_synapse = sites
    for s in range(len(site_rule)):
        if site_rule[s] == r:
            synapses = in_synapse[in_start[s] : in_start[s + 1]]
            reinforce(row, t, size, synapses, weight, marks)


@kernel(
    "0 <= part[1] <= part[2] <= groups.shape[0] and first >= 0 and every > 0 "
    "and ring[1].shape[0] > 0 and membrane[1].shape[1] > 0 "
    "and (n_ticks == 1 or part == (1, 0, groups.shape[0]))",
    groups="int64[n_groups, 3]",
    cells=["float64[n, 10]", "float64[n]"],
    state=["float64[n]", "float64[n, 3]", "int64[n]"],
    received="float64[n, 2]",
    drive="float64[1 | n_ticks, n]",
    forced="uint8[n]",
    events=["int64[n_ticks + 1]", "int64[n_events]"],
    ring=["int64[depth, n_all]", "int64[depth]"],
    routes=["int64[n_delays]", "int64[n_delays * n_all + 1]"],
    branches=["int64[n_starts]", "int64[n_starts - 1]", "int64[n_starts - 1]"],
    synapses=["int64[n_synapses]", "int64[n_synapses]", "int64[n_synapses]"],
    weight="float64[n_synapses]",
    sites=[
        "int64[n + 1]", "int64[n_sites]", "int64[n_sites]", "int64[n_sites + 1]",
        "int64[n_plastic]",
    ],
    membrane_sites="int64[n_membranes]",
    rules=["float64[n_rules, 40]", "float64[n_rules, 4, n_table]"],
    heard=["float64[n_starts - 1, 4]", "int64[n_starts - 1, 2]"],
    fired=["float64[n_sites, 2]", "int64[n_sites, 2]"],
    seen="float64[n_synapses]",
    marks=["float64[n_synapses]", "int64[n_synapses]"],
    rewards=["float64[1 | n_ticks, n_rules]", "float64[n_rules]"],
    membrane=["float64[n_membranes, 5]", "float64[n_membranes, n_late, 2]"],
    arrivals=["int64[n_starts - 1]", "int64[1]"],
    found=["int64[n_room, 2]", "int64[1]"],
    watch="int64[n_watched, 2]",
    samples="float64[(first + n_ticks - 1) // every - (first - 1) // every, n_watched]",
)  # fmt: skip
def run(
    first: int,
    n_ticks: int,
    part: tuple,
    every: int,
    groups: np.ndarray,
    cells: tuple,
    state: tuple,
    received: np.ndarray,
    drive: np.ndarray,
    forced: np.ndarray,
    events: tuple,
    ring: tuple,
    routes: tuple,
    branches: tuple,
    synapses: tuple,
    weight: np.ndarray,
    sites: tuple,
    membrane_sites: np.ndarray,
    rules: tuple,
    heard: tuple,
    fired: tuple,
    seen: np.ndarray,
    marks: tuple,
    rewards: tuple,
    membrane: tuple,
    arrivals: tuple,
    found: tuple,
    watch: np.ndarray,
    samples: np.ndarray,
) -> int:
    """Advance the network by ``n_ticks`` from tick ``first``; returns how many were done.

    It stops early where ``found``, the list of ``(tick, neuron)``, might not hold the spikes of one
    more tick.

    Args:
        part: ``(1, 0, n_groups)``; or, of one tick in which Python steps some groups, whether it
            begins here, and the groups from one up to another.
        groups: ``(first neuron, last, family)`` in the order they step.
        cells: constants and thresholds. state: voltage, memory, tick of the last spike.
        received: sums of this tick so far. drive: current from outside, constant or per tick.
        events: spikes of the sources, those of tick k from ``events[0][k]`` on.
        ring: who fired in the last ticks.
        watch: ``(neuron, 0 for voltage or 1 + column of memory)``, sampled every ``every`` ticks.
    """
    constants, threshold = cells
    v, memory, spiked = state
    fired_then, n_then = ring
    delays, route = routes
    arrived, n_arrived = arrivals
    spikes_out, n_out = found
    depth, n_all = fired_then.shape
    row = 0
    for k in range(n_ticks):
        t = first + k
        now = fired_then[t % depth]
        if part[0] == 1:
            if n_out[0] + len(v) > len(spikes_out):
                return k
            n_now = 0
            for j in range(events[0][k], events[0][k + 1]):
                now[n_now] = events[1][j]
                n_now += 1
            n_then[t % depth] = n_now
            for j in range(len(delays)):
                then = (t - delays[j]) % depth
                for m in range(n_then[then]):
                    deliver(
                        j * n_all + fired_then[then, m], route, branches, synapses, weight,
                        received, arrived, n_arrived,
                    )  # fmt: skip
        n_now = n_then[t % depth]
        current = drive[k if len(drive) > 1 else 0]
        for g in range(part[1], part[2]):
            n_before = n_now
            n_now = fire(
                groups[g], constants, threshold, v, memory, received, current, forced, now, n_now
            )
            for m in range(n_before, n_now):
                i = now[m]
                spiked[i] = t
                spikes_out[n_out[0], 0], spikes_out[n_out[0], 1] = t, i
                n_out[0] += 1
                if len(delays) > 0 and delays[0] == 0:
                    deliver(
                        i, route, branches, synapses, weight, received, arrived, n_arrived
                    )  # fmt: skip
        n_then[t % depth] = n_now
        if part[2] == len(groups):
            learn(
                t, now[:n_now], spiked, branches, synapses, weight, sites, membrane_sites, rules,
                heard, fired, seen, membrane, arrived, n_arrived, marks,
                rewards[0][k if len(rewards[0]) > 1 else 0], rewards[1],
            )  # fmt: skip
            if t % every == 0:
                for m in range(len(watch)):
                    i, which = watch[m, 0], watch[m, 1]
                    samples[row, m] = v[i] if which == 0 else memory[i, which - 1]
                row += 1
    return n_ticks
