"""STDP spike by spike, in memory that does not grow with time.

One neuron's spikes reach all its synapses of one projection and one delay at the same tick: these
synapses are a *branch*, and share the presynaptic traces. The postsynaptic traces belong to a
*site*: one neuron as the target of one plastic projection. Traces are brought up to date when they
are read, ``exp(-gap dt / tau)``. In each tick

1. ``hear``: the branches that a spike has reached take it up,
2. ``depress``: their synapses change, but for those whose neuron fires in the same tick,
3. ``respond``: all synapses of each site that fires change, both ways at once,

so that every synapse is changed once a tick, by the gains of the weight before it, as in
``kernels.evolving``. Under a third factor (``FORGET`` not negative) changes are added to a mark
that decays, and ``reinforce`` turns marks into weight.

rule: one row of constants per plastic projection, columns as named below; tables:
``exp(-k dt / tau)`` for k = 0, 1, ..., of tau_plus, tau_minus, tau_x and tau_y.
"""

from __future__ import annotations

import math

import numpy as np

from neurosim.spiking.kernels.door import inner
from neurosim.spiking.kernels.event import ALL, CENTRED, FIRST, NEAREST, REDUCED
from neurosim.spiking.kernels.evolving import changed

#: The pairing code of a rule that reads the membrane.
VOLTAGE = 5
#: Before any tick.
NEVER = -(1 << 60)

(
    PAIRING, SEES_PRE, SEES_POST, A_PLUS, A_MINUS, A3_PLUS, A3_MINUS,
    RATE_PLUS, RATE_MINUS, RATE_X, RATE_Y, OFFSET,
    CONSTANT, P, Q, R, S, ORIGIN, SCALE, W_MIN, W_MAX,
    THETA_PLUS, THETA_MINUS, GAIN_PLUS, GAIN_MINUS, KEEP_PLUS, KEEP_MINUS, LATE,
    REST, PEAK, N_PEAK, RESET, KEEP_MEMBRANE, KEEP_AFTER, REACH, AFTER,
    FORGET, KEEP_SIGNAL, AREA, JOINT,
) = range(40)  # fmt: skip
N_COLUMNS = 40
#: Columns of what a branch keeps: both traces now, and just before the last spike entered them.
X1, X2, X1_BEFORE, X2_BEFORE = range(4)
#: Columns of what a site keeps: both traces; under VOLTAGE its two sides at this tick.
Y1, Y2 = range(2)
LTP, LTD = Y1, Y2
LAST, PREVIOUS = range(2)
#: Which table.
OF_PLUS, OF_MINUS, OF_X, OF_Y = range(4)


@inner
def kept(rule: np.ndarray, tables: np.ndarray, which: int, gap: int) -> float:
    """What an exponential keeps over a gap of ticks."""
    if gap < tables.shape[1]:
        return tables[which, gap]
    return math.exp(-gap * rule[RATE_PLUS + which])


@inner
def change(
    rule: np.ndarray, t: int, e: int, plus: float, minus: float, w: np.ndarray, marks: tuple
) -> None:
    """What potentiates and depresses a synapse in one tick: on its weight, or on its mark."""
    marked = rule[FORGET] >= 0
    low, high = (-np.inf, np.inf) if marked else (rule[W_MIN], rule[W_MAX])
    if rule[CONSTANT] != 0:
        after = w[e] + plus - minus
    else:
        after = changed(
            w[e], plus, minus,
            (rule[P], rule[Q], rule[R], rule[S]), (rule[ORIGIN], rule[SCALE]), (low, high),
        )  # fmt: skip
    if marked:
        mark, since = marks
        mark[e] = mark[e] * math.exp(-(t - since[e]) * rule[FORGET]) + (after - w[e])
        since[e] = t
    else:
        w[e] = after


@inner
def reinforce(
    rule: np.ndarray, t: int, size: float, synapses: np.ndarray, w: np.ndarray, marks: tuple
) -> None:
    """A reward of some size meets the marks as they are at tick t."""
    mark, since = marks
    for e in synapses:
        after = w[e] + size * mark[e] * math.exp(-(t - since[e]) * rule[FORGET])
        w[e] = min(max(after, rule[W_MIN]), rule[W_MAX])


@inner
def hear(rule: np.ndarray, tables: np.ndarray, t: int, x: np.ndarray, ticks: np.ndarray) -> None:
    """A spike reaches a branch."""
    pairing = int(rule[PAIRING])
    last = ticks[LAST]
    if pairing == FIRST and last != NEVER:
        return
    gap = t - last
    x[X1_BEFORE] = x[X1] * kept(rule, tables, OF_PLUS, gap)
    x[X2_BEFORE] = x[X2] * kept(rule, tables, OF_X, gap)
    alone = pairing in (NEAREST, REDUCED)
    x[X1] = 1.0 if alone else x[X1_BEFORE] + 1.0
    x[X2] = 1.0 if alone else x[X2_BEFORE] + 1.0
    ticks[PREVIOUS], ticks[LAST] = last, t


@inner
def depression(
    rule: np.ndarray,
    x: np.ndarray,
    heard: np.ndarray,
    y1: float,
    last_post: int,
    tables: np.ndarray,
    t: int,
) -> float:
    """What the spike that a branch has just heard takes from a synapse; y1 and last_post as this
    spike sees them."""
    amplitude = rule[A_MINUS]
    if int(rule[PAIRING]) == REDUCED:
        before = heard[PREVIOUS]
        free = before < last_post or (before == last_post and rule[SEES_POST] == 0)
        if last_post == NEVER or not free:
            return 0.0
        return amplitude * kept(rule, tables, OF_MINUS, t - last_post)
    if rule[A3_MINUS] != 0:
        amplitude += rule[A3_MINUS] * x[X2_BEFORE]
    return amplitude * (y1 + rule[OFFSET])


@inner
def depress(
    rule: np.ndarray,
    tables: np.ndarray,
    t: int,
    x: np.ndarray,
    heard: np.ndarray,
    first: int,
    last: int,
    post: np.ndarray,
    site: np.ndarray,
    spiked: np.ndarray,
    y: np.ndarray,
    fired: np.ndarray,
    w: np.ndarray,
    marks: tuple,
) -> None:
    """Change the synapses of a branch that has just heard, where their neuron is silent."""
    if heard[LAST] != t:
        return  # FIRST: not the first one
    voltage = int(rule[PAIRING]) == VOLTAGE
    for e in range(first, last):
        s = site[e]
        if voltage:
            if y[s, LTP] == 0:
                change(rule, t, e, 0.0, y[s, LTD], w, marks)
            continue
        if spiked[post[e]] == t:
            continue
        last_post = fired[s, LAST]
        y1 = y[s, Y1] * kept(rule, tables, OF_MINUS, t - last_post)
        minus = depression(rule, x, heard, y1, last_post, tables, t)
        if minus != 0:
            change(rule, t, e, 0.0, minus, w, marks)


@inner
def respond(
    rule: np.ndarray,
    tables: np.ndarray,
    t: int,
    s: int,
    synapses: np.ndarray,
    branch: np.ndarray,
    x: np.ndarray,
    heard: np.ndarray,
    y: np.ndarray,
    fired: np.ndarray,
    seen: np.ndarray,
    w: np.ndarray,
    marks: tuple,
) -> None:
    """The neuron of a site fires: change all synapses of the site."""
    pairing = int(rule[PAIRING])
    before = fired[s, LAST]
    gap = t - before
    y1_before = y[s, Y1] * kept(rule, tables, OF_MINUS, gap)
    y2_before = y[s, Y2] * kept(rule, tables, OF_Y, gap)
    silent = pairing == FIRST and before != NEVER
    y1_after = y1_before if silent else 1.0
    if not silent and pairing in (ALL, FIRST):
        y1_after += y1_before
    y1 = y1_after if rule[SEES_POST] != 0 else y1_before
    last_post = t if rule[SEES_POST] != 0 and not silent else before
    amplitude = 0.0 if silent else rule[A_PLUS] + rule[A3_PLUS] * y2_before
    since = kept(rule, tables, OF_PLUS, gap) if pairing == CENTRED and before != NEVER else 0.0
    for k in range(len(synapses)):
        e = synapses[k]
        b = branch[e]
        arrives = heard[b, LAST] == t
        minus = 0.0
        if arrives:
            minus = depression(rule, x[b], heard[b], y1, last_post, tables, t)
        plus = 0.0
        if pairing == REDUCED:
            u = heard[b, PREVIOUS] if arrives and rule[SEES_PRE] == 0 else heard[b, LAST]
            free = before < u or (before == u and rule[SEES_PRE] == 0)
            if u != NEVER and free:
                plus = amplitude * kept(rule, tables, OF_PLUS, t - u)
        elif amplitude != 0:
            if arrives:
                trace = x[b, X1] if rule[SEES_PRE] != 0 else x[b, X1_BEFORE]
            elif x[b, X1] != 0:
                trace = x[b, X1] * kept(rule, tables, OF_PLUS, t - heard[b, LAST])
            else:
                trace = 0.0
            if pairing == CENTRED:
                # Only what came since the last postsynaptic spike.
                plus = amplitude * (trace - since * seen[e])
                seen[e] = trace
            else:
                plus = amplitude * trace
        if plus != 0 or minus != 0:
            change(rule, t, e, plus, minus, w, marks)
    if not silent:
        y[s, Y1] = y1_after
        y[s, Y2] = 1.0 if pairing == NEAREST else y2_before + 1.0
        fired[s, PREVIOUS], fired[s, LAST] = before, t


@inner
def follow_membrane(
    rule: np.ndarray, t: int, fires: bool, membrane: np.ndarray, late: np.ndarray, y: np.ndarray
) -> None:
    """One tick of the membrane that spikes stand for, and both sides of ``Clopath``.

    membrane: ``(u, z, ticks of the peak left, u_plus, u_minus)``; late: the two filters of the
    last ticks, ``(depth, 2)``, a ring.
    """
    if fires:
        membrane[2], membrane[1] = rule[N_PEAK], rule[AFTER]
    if membrane[2] > 0:
        membrane[0] = rule[PEAK]
    u = membrane[0]
    delay = int(rule[LATE])
    depth = len(late)
    late[t % depth, 0], late[t % depth, 1] = membrane[3], membrane[4]
    then = (t - delay) % depth
    rise = max(u - rule[THETA_PLUS], 0.0)
    y[LTP] = rule[GAIN_PLUS] * rise * max(late[then, 0] - rule[THETA_MINUS], 0.0)
    y[LTD] = rule[GAIN_MINUS] * max(late[then, 1] - rule[THETA_MINUS], 0.0)
    membrane[3] = u + rule[KEEP_PLUS] * (membrane[3] - u)
    membrane[4] = u + rule[KEEP_MINUS] * (membrane[4] - u)
    if membrane[2] > 0:
        membrane[2] -= 1
        membrane[0] = rule[RESET]
        if membrane[2] == 0:
            membrane[1] = rule[AFTER]
    else:
        membrane[0] = (
            rule[REST] + rule[KEEP_MEMBRANE] * (u - rule[REST]) + rule[REACH] * membrane[1]
        )
        membrane[1] *= rule[KEEP_AFTER]


@inner
def depolarise(
    rule: np.ndarray,
    tables: np.ndarray,
    t: int,
    s: int,
    synapses: np.ndarray,
    branch: np.ndarray,
    x: np.ndarray,
    heard: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    marks: tuple,
) -> None:
    """Change the synapses of a site under VOLTAGE while its membrane is high."""
    for k in range(len(synapses)):
        e = synapses[k]
        b = branch[e]
        trace = x[b, X1] * kept(rule, tables, OF_PLUS, t - heard[b, LAST])
        minus = y[s, LTD] if heard[b, LAST] == t else 0.0
        if trace != 0 or minus != 0:
            change(rule, t, e, y[s, LTP] * trace, minus, w, marks)
