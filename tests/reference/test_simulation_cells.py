"""Compiled cells of the simulator against the cells they stand for, tick by tick.

Both are float64; they may write the same product in another order, some roundings of 1e-16 per
tick that a leak forgets: 1e-12.
"""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from neurosim.spiking import (
    CELLS,
    ConductanceLIF,
    CurrentInput,
    NeuronGroup,
    Projection,
    Record,
    ResetBySubtraction,
    SnntorchLIF,
    SpikeTimes,
    simulate,
)
from neurosim.spiking.cells.base import AbstractReset
from neurosim.spiking.kernels.membranes import FOREIGN
from neurosim.spiking.simulation.cells import family_of, memory_names, numbers_of

N, T = 7, 300


def by_the_cell(cell, current, threshold, state=None):
    """Spikes and all state at the end of every tick, by the cell's own ``tick``."""
    rows = torch.from_numpy(current)[:, None]
    state = cell.rest(rows[0]) if state is None else state
    spikes, states = [], []
    for row in rows:
        s, state = cell.tick(row, state, torch.from_numpy(threshold)[None])
        spikes.append(s[0].numpy())
        states.append(torch.stack(state)[:, 0].numpy())
    return np.array(spikes), np.array(states)


def by_the_simulator(group, current, names):
    records = [Record(group, name) for name in names]
    run = simulate([group, CurrentInput(group, current)], len(current) * group.cell.dt_ms,
                   record=records)  # fmt: skip
    raster = np.zeros((len(current), group.n))
    spikes = run.spikes(group)
    raster[np.rint(spikes.times_ms / group.cell.dt_ms).astype(int), spikes.neurons] = 1
    return raster, np.stack([run.samples(r).values for r in records], 1)


def drawn(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0.12, 0.2, (T, N)), rng.uniform(0.8, 1.3, N)


@pytest.mark.parametrize("dt_ms", [1.0, 0.4])
@pytest.mark.parametrize("name", list(CELLS.built_in))
def test_every_registered_cell_has_the_voltages_of_its_own_step(name, dt_ms):
    cell = CELLS[name](dt_ms=dt_ms)
    current, threshold = drawn()
    names = ("voltage", *memory_names(cell))
    expected = by_the_cell(cell, current, threshold)
    found = by_the_simulator(NeuronGroup(N, cell, threshold=threshold), current, names)
    assert expected[0].sum() > 20, "the cell has to fire for its reset to be seen"
    assert np.array_equal(found[0], expected[0])
    assert found[1] == pytest.approx(expected[1], abs=1e-12)
    assert family_of(cell) != FOREIGN


@pytest.mark.parametrize("name", list(CELLS.built_in))
def test_the_other_reset_and_every_number_per_neuron(name):
    """Each neuron is the cell with its own numbers: every float setting is drawn for each."""
    cell = CELLS[name](dt_ms=1.0)
    if name not in ("norse-lif-ex", "norse-adex"):  # they take ResetToZero alone
        cell = replace(cell, reset=ResetBySubtraction())
    rng = np.random.default_rng(1)
    own = {key: getattr(cell, key) * rng.uniform(0.7, 1.4, N) for key in numbers_of(cell)}
    current, threshold = drawn(2)
    names = ("voltage", *memory_names(cell))
    group = NeuronGroup(N, cell, threshold=threshold, **own)
    raster, states = by_the_simulator(group, current, names)
    assert raster.sum() > 20
    for i in range(N):
        one = replace(cell, **{key: float(values[i]) for key, values in own.items()})
        spikes, state = by_the_cell(one, current[:, [i]], threshold[[i]])
        assert np.array_equal(raster[:, [i]], spikes)
        assert states[:, :, [i]] == pytest.approx(state, abs=1e-12)


class HalfReset(AbstractReset):
    """A reset that no compiled family knows."""

    def __call__(self, voltage, spikes, threshold):
        return voltage * (1 - spikes / 2)


def test_a_cell_of_ones_own_steps_by_its_own_advance():
    """The numbers of its own step, between groups that are compiled and in a loop with them."""
    cell = SnntorchLIF(dt_ms=1.0, reset=HalfReset())
    assert family_of(cell) == FOREIGN
    current, threshold = drawn()
    expected = by_the_cell(cell, current, threshold)
    group = NeuronGroup(N, cell, threshold=threshold)
    before, after = (NeuronGroup(2, SnntorchLIF(dt_ms=1.0), name=n) for n in ("before", "after"))
    taps = [
        Projection(SpikeTimes([[3.0], [5.0]]), before, 2.0),
        Projection(before, group, 0.0),
        Projection(group, after, 0.4),
        Projection(after, before, 0.1, delay_ms=1.0),
    ]
    voltage = Record(group, "voltage")
    run = simulate([*taps, CurrentInput(group, current)], float(T), record=voltage)
    spikes = run.spikes(group)
    assert len(spikes.times_ms) == expected[0].sum()
    assert run.samples(voltage).values == pytest.approx(expected[1][:, 0], abs=1e-12)
    assert len(run.spikes(after).times_ms) > 3


def test_start_is_where_a_group_begins():
    cell = CELLS["norse-cuba-lif"](dt_ms=1.0)
    current, threshold = drawn()
    v, i = np.linspace(-0.5, 0.5, N), np.linspace(0.3, -0.3, N)
    state = tuple(torch.from_numpy(each)[None] for each in (v, i))
    spikes, states = by_the_cell(cell, current, threshold, state)
    group = NeuronGroup(N, cell, threshold=threshold, start={"voltage": v, "synaptic_current": i})
    raster, found = by_the_simulator(group, current, ("voltage", "synaptic_current"))
    assert np.array_equal(raster, spikes)
    assert found == pytest.approx(states, abs=1e-12)


def conductance_by_hand(cell, excitatory, inhibitory, current):
    """``ConductanceLIF`` from its equations, one neuron, in Python."""
    v, ge, gi, wait, out, fired = cell.rest, 0.0, 0.0, 0, [], []
    for t, (e, i, drive) in enumerate(zip(excitatory, inhibitory, current, strict=True)):
        ge = ge * math.exp(-cell.dt_ms / cell.tau_excitatory_ms) + e
        gi = gi * math.exp(-cell.dt_ms / cell.tau_inhibitory_ms) + i
        if wait:
            wait -= 1
        else:
            rate = (1 + ge + gi) / cell.tau_mem_ms
            aim = cell.rest + drive + ge * cell.e_excitatory + gi * cell.e_inhibitory
            aim /= 1 + ge + gi
            v = aim + (v - aim) * math.exp(-cell.dt_ms * rate)
            if v > cell.threshold:
                v, wait = cell.reset, cell.refractory_ticks
                fired.append(t)
        out.append(v)
    return np.array(out), fired


@pytest.mark.parametrize("refractory_ms", [0.0, 2.0])
def test_the_conductance_cell_follows_its_equations(refractory_ms):
    cell = ConductanceLIF(dt_ms=0.5, refractory_ms=refractory_ms, tau_inhibitory_ms=8.0)
    rng = np.random.default_rng(0)
    at = {side: np.flatnonzero(rng.random(600) < p) for side, p in (("e", 0.3), ("i", 0.1))}
    group = NeuronGroup(1, cell)
    current = rng.normal(2.0, 1.0, 600)
    v = Record(group, "voltage")
    run = simulate(
        [
            Projection(SpikeTimes([at["e"] * 0.5], name="e"), group, 0.15),
            Projection(SpikeTimes([at["i"] * 0.5], name="i"), group, 0.2, inhibitory=True),
            CurrentInput(group, current[:, None]),
        ],
        300.0,
        record=v,
    )
    weights = [
        np.where(np.isin(np.arange(600), at[s]), w, 0.0) for s, w in (("e", 0.15), ("i", 0.2))
    ]
    expected, fired = conductance_by_hand(cell, *weights, current)
    assert len(fired) > 5
    assert np.rint(run.spikes(group).times_ms / 0.5).astype(int).tolist() == fired
    assert run.samples(v).values[:, 0] == pytest.approx(expected, abs=1e-11)


def test_a_constant_conductance_settles_where_currents_cancel():
    """dv/dt = 0 at (rest + g e) / (1 + g), reached with tau / (1 + g)."""
    cell = ConductanceLIF(dt_ms=0.1, threshold=100.0, tau_excitatory_ms=1e9)
    group = NeuronGroup(1, cell, start={"excitatory_conductance": 0.5})
    v = Record(group, "voltage")
    samples = simulate(group, 60.0, record=v).samples(v)
    end = (cell.rest + 0.5 * cell.e_excitatory) / 1.5
    expected = end + (cell.rest - end) * np.exp(-(samples.times_ms + 0.1) * 1.5 / cell.tau_mem_ms)
    assert samples.values[:, 0] == pytest.approx(expected, rel=1e-7)


def test_fields_that_differ_between_neurons_are_the_numbers_of_the_cell():
    assert numbers_of(SnntorchLIF(dt_ms=1.0)) == ["tau_mem_ms"]
    assert {f.name for f in fields(ConductanceLIF)} > set(numbers_of(ConductanceLIF()))
