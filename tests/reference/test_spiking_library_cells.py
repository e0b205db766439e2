"""Our ticks against the libraries' own whole neurons."""

from __future__ import annotations

import math

import pytest
import torch

from neurosim.spiking.neurons import NorseLIF, ResetBySubtraction, ResetToZero, SnntorchLIF


def currents(n_ticks: int = 50) -> torch.Tensor:
    return torch.randn((n_ticks, 4, 6), generator=torch.Generator().manual_seed(1)) * 0.7


@pytest.mark.parametrize(
    ("mechanism", "reset"), [("zero", ResetToZero()), ("subtract", ResetBySubtraction())]
)
def test_snntorch_leaky(mechanism, reset):
    """Spike for spike, and to the bit: it is the same code on the same numbers.

    Currents are small enough that no membrane stays above threshold after its reset, where
    snntorch would subtract a second time on the next tick (its delayed reset) and we do not.
    """
    import snntorch
    from snntorch._neurons.neurons import SpikingNeuron

    leaky = snntorch.Leaky(beta=math.exp(-5.0 / 20.0), reset_mechanism=mechanism, reset_delay=False)
    SpikingNeuron.instances.remove(leaky)
    cell = SnntorchLIF(tau_mem_ms=20.0, dt_ms=5.0, reset=reset)
    memory = voltage = torch.zeros(4, 6)
    n_spikes = 0
    for current in currents().clamp(max=0.9):
        expected, memory = leaky(current, memory)
        spikes, voltage = cell.step(current, voltage)
        assert torch.equal(spikes, expected)
        assert torch.equal(voltage, memory)
        n_spikes += int(spikes.sum())
    assert n_spikes > 20


def test_norse_lif_cell():
    """norse's LIFCell, its input scaled by tau / dt as the adapter states, spike for spike.

    1e-6: float32 over one tick; the state is taken over from norse after each.
    """
    from norse.torch import LIFCell, LIFParameters

    parameters = LIFParameters(
        tau_syn_inv=torch.tensor(1 / 5.0), tau_mem_inv=torch.tensor(1 / 20.0)
    )
    cell = NorseLIF(tau_mem_ms=20.0, dt_ms=5.0)
    theirs = LIFCell(parameters, dt=5.0)
    state, voltage, n_spikes = None, torch.zeros(4, 6), 0
    for current in currents():
        expected, state = theirs(current * 4, state)
        spikes, ours = cell.step(current, voltage)
        assert torch.equal(spikes, expected)
        assert (ours - state.v).abs().max() < 1e-6
        voltage = state.v
        n_spikes += int(spikes.sum())
    assert n_spikes > 20
