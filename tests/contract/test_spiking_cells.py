"""Laws of every registered neuron."""

from __future__ import annotations

import math
import pickle

import pytest
import torch

from neurosim.spiking.neurons import (
    CELLS,
    NorseLIF,
    ResetBySubtraction,
    ResetToZero,
    SnntorchLIF,
    per_map,
)

RESETS = (ResetToZero(), ResetBySubtraction())
EVERY_CELL = pytest.mark.parametrize("name", list(CELLS))


def run(cell, currents, threshold=1.0):
    """Spikes and voltages, (time, ...), from rest."""
    voltage, history = torch.zeros_like(currents[0]), []
    for current in currents:
        spikes, voltage = cell.step(current, voltage, threshold)
        history.append((spikes, voltage))
    return tuple(torch.stack(series) for series in zip(*history, strict=True))


def noise(*shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype) * 0.6


@EVERY_CELL
@pytest.mark.parametrize("reset", RESETS, ids=lambda r: type(r).__name__)
def test_a_cell_follows_its_stated_equation(name, reset):
    """v <- decay v + I, spike where v > theta, reset; 1e-14: float64, a few operations a tick."""
    cell = CELLS[name](tau_mem_ms=12.0, dt_ms=1.5, reset=reset)
    currents = noise(40, 3, 4)
    spikes, voltages = run(cell, currents)
    v = torch.zeros(3, 4, dtype=torch.float64)
    for current, s, after in zip(currents, spikes, voltages, strict=True):
        v = cell.decay * v + current
        assert torch.equal(s, (v > 1).double())
        v = v * (1 - s) if isinstance(reset, ResetToZero) else v - s
        assert (v - after).abs().max() < 1e-14 * 10
        v = after
    assert 0 < spikes.mean() < 1


@pytest.mark.parametrize("reset", RESETS, ids=lambda r: type(r).__name__)
def test_the_libraries_agree_where_their_equations_do(reset):
    """tau_norse = dt / (1 - exp(-dt / tau)): same decay, so the same spikes and voltages.

    1e-12: float64, the two round 60 ticks differently.
    """
    exact = SnntorchLIF(tau_mem_ms=20.0, dt_ms=5.0, reset=reset)
    euler = NorseLIF(tau_mem_ms=5.0 / (1 - math.exp(-5.0 / 20.0)), dt_ms=5.0, reset=reset)
    currents = noise(60, 5, 7)
    for a, b in zip(run(exact, currents), run(euler, currents), strict=True):
        assert (a - b).abs().max() < 1e-12


def test_the_libraries_differ_where_their_equations_do():
    """At the same tau the leaks differ: exp(-1/4) = .7788 against 1 - 1/4 = .75."""
    cells = [kind(tau_mem_ms=20.0, dt_ms=5.0) for kind in (SnntorchLIF, NorseLIF)]
    after = [cell.integrate(torch.zeros(1), torch.ones(1)).item() for cell in cells]
    assert after == pytest.approx([math.exp(-0.25), 0.75], abs=1e-6)


@EVERY_CELL
def test_each_map_has_its_own_threshold(name):
    """A threshold a map acts on that map alone."""
    cell = CELLS[name](tau_mem_ms=20.0, dt_ms=5.0)
    current = torch.full((2, 3, 4, 4), 0.9)
    spikes, _ = cell.step(
        current, torch.zeros_like(current), per_map(torch.tensor([0.5, 0.89, 1.0]), current)
    )
    assert spikes.mean((0, 2, 3)).tolist() == [1.0, 1.0, 0.0]


@EVERY_CELL
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept(name, dtype):
    """float64 in, float64 out, with float64 decay (a float32 decay would be off by 1e-8)."""
    cell = CELLS[name](tau_mem_ms=20.0, dt_ms=5.0)
    after = cell.integrate(torch.zeros(1, dtype=dtype), torch.ones(1, dtype=dtype))
    assert after.dtype == dtype
    assert after.item() == pytest.approx(cell.decay, abs=1e-15 if dtype == torch.float64 else 1e-7)


@EVERY_CELL
def test_a_used_cell_pickles(name):
    """A cell that has run comes back equal, and runs the same."""
    cell = CELLS[name](tau_mem_ms=12.0, dt_ms=2.0, reset=ResetBySubtraction())
    before = run(cell, noise(5, 2))
    again = pickle.loads(pickle.dumps(cell))
    assert again == cell
    assert torch.equal(run(again, noise(5, 2))[1], before[1])


def test_snntorch_keeps_no_instance():
    """Its class-level list of neurons, which is never freed, does not grow."""
    from snntorch._neurons.neurons import SpikingNeuron

    n_before = len(SpikingNeuron.instances)
    for _ in range(3):
        run(SnntorchLIF(), noise(2, 2))
    assert len(SpikingNeuron.instances) == n_before


def test_an_unknown_name_lists_the_known_ones():
    """The message holds every name that would have worked."""
    with pytest.raises(ValueError, match=r"unknown cell 'lif'.*snntorch-lif, norse-lif"):
        CELLS["lif"]


@EVERY_CELL
@pytest.mark.parametrize("option", ["tau_mem_ms", "dt_ms"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_times_are_refused(name, option, value):
    """A time that is not finite and positive is named in the error."""
    with pytest.raises(ValueError, match=option):
        CELLS[name](**{option: value})


def test_norse_refuses_a_tick_as_long_as_its_membrane():
    """Euler's decay would be 0 or negative."""
    with pytest.raises(ValueError, match="shorter tick"):
        NorseLIF(tau_mem_ms=5.0, dt_ms=5.0)
