"""All-pairs STDP of a dense layer by tables of subset sums, for many postsynaptic spikes.

With the filtered input F of ``kernels.trace`` the change of a neuron is the sum of the rows
F[f] of the frames f (a tick of one image) in which it fired. Frames are taken five at a time: the
sums of all 32 subsets of their rows are tabulated once, by one addition each, and every neuron
adds the one row that its own five bits select. For ``n_out`` neurons this is about
``(32 + n_out) / 5`` additions a frame and input where a matrix product takes ``n_out``
multiplications, whatever the density (the "four Russians": Arlazarov, Dinic, Kronrod &
Faradzhev 1970, Sov. Math. Dokl. 11, 1209).

Inputs are taken a tile at a time, so that filtered input, tables and changes stay in the cache.
"""

from __future__ import annotations

import numpy as np

from neurosim.spiking.kernels.door import inner, kernel
from neurosim.spiking.kernels.trace import filter_block

#: Frames of one table; measured best for 400 neurons.
FRAMES = 5
#: Tables read together, so that a change is loaded and stored once for all of them.
TABLES = 8
#: Inputs of one tile.
TILE = 112


@inner
def codes(post: np.ndarray) -> np.ndarray:
    """The five bits of each neuron in each table, ``(n_groups, n_out, TABLES)`` uint8.

    post: ``(n_frames, n_out)`` uint8.
    """
    n_frames, n_out = post.shape
    each = FRAMES * TABLES
    out = np.zeros((-(-n_frames // each), n_out, TABLES), np.uint8)
    for frame in range(n_frames):
        group, place = frame // each, frame % each
        table, bit = place // FRAMES, place % FRAMES
        now, code = post[frame], out[group]
        for o in range(n_out):
            code[o, table] |= (now[o] != 0) << bit
    return out


@inner
def tabulate(rows: np.ndarray, table: np.ndarray) -> None:
    """The sum of every subset of at most ``FRAMES`` rows, ``(2**FRAMES, width)``."""
    table[0] = 0
    for j in range(FRAMES):
        size = 1 << j
        if j >= len(rows):  # frames after the last one hold no spike
            return
        row = rows[j]
        for subset in range(size):
            without, with_it = table[subset], table[size + subset]
            for i in range(len(row)):
                with_it[i] = without[i] + row[i]


@inner
def add_selected(tables: np.ndarray, codes: np.ndarray, change: np.ndarray) -> None:
    """Each neuron adds its row of each table. tables ``(TABLES, 2**FRAMES, width)``, codes
    ``(n_out, TABLES)``, change ``(n_out, width)``."""
    for o in range(len(change)):
        code, out = codes[o], change[o]
        # Written out: a loop over the tables would load and store the change for each of them.
        r0, r1 = tables[0, code[0]], tables[1, code[1]]
        r2, r3 = tables[2, code[2]], tables[3, code[3]]
        r4, r5 = tables[4, code[4]], tables[5, code[5]]
        r6, r7 = tables[6, code[6]], tables[7, code[7]]
        for i in range(len(out)):
            first = (r0[i] + r1[i]) + (r2[i] + r3[i])
            out[i] += first + ((r4[i] + r5[i]) + (r6[i] + r7[i]))


@kernel(pre="real[time, batch, n_in]", post="uint8[time, batch, n_out]", out="real[n_out, n_in]")
def dense(pre: np.ndarray, post: np.ndarray, window: tuple, out: np.ndarray) -> None:
    """Add the change of an all-to-all synapse.

    Args:
        pre: ``(time, batch, n_in)``, spikes as 0 and 1.
        post: ``(time, batch, n_out)`` uint8.
        window: ``(kp, km, ap, am, a0)`` as in ``kernels.trace``.
        out: ``(n_out, n_in)``, added to.
    """
    n_ticks, n_batch, n_in = pre.shape
    n_frames = n_ticks * n_batch
    bits = codes(post.reshape((n_frames, post.shape[2])))
    for start in range(0, n_in, TILE):
        stop = min(n_in, start + TILE)
        width = stop - start
        filtered = np.empty((n_ticks, n_batch, width), pre.dtype)
        trace = np.empty((n_batch, width), pre.dtype)
        filter_block(pre, (0, n_batch), (start, stop), window, trace, filtered, (0, 0))
        rows = filtered.reshape((n_frames, width))
        tables = np.zeros((TABLES, 1 << FRAMES, width), pre.dtype)
        change = np.zeros((out.shape[0], width), pre.dtype)
        for group in range(len(bits)):
            for table in range(TABLES):
                first = (group * TABLES + table) * FRAMES
                tabulate(rows[first : first + FRAMES], tables[table])
            add_selected(tables, bits[group], change)
        for o in range(len(change)):
            total, part = out[o, start:stop], change[o]
            for i in range(width):
                total[i] += part[i]
