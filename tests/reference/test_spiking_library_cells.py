"""Our ticks against the libraries' own whole neurons."""

from __future__ import annotations

import math

import pytest
import torch

from neurosim.spiking.cells.registry import (
    NorseAdEx,
    NorseCubaLIF,
    NorseIAF,
    NorseLIF,
    NorseLIFEx,
    NorseLIFRefractory,
    NorseLSNN,
    ResetBySubtraction,
    ResetToZero,
    SnntorchLapicque,
    SnntorchLIF,
    SnntorchSynaptic,
)

MECHANISMS = [("zero", ResetToZero()), ("subtract", ResetBySubtraction())]


def currents(n_ticks: int = 50, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return (
        torch.randn((n_ticks, 4, 6), generator=torch.Generator().manual_seed(1), dtype=dtype) * 0.7
    )


@pytest.fixture(autouse=True)
def unlisted():
    """Takes the neurons a test made off snntorch's class-level list."""
    from snntorch._neurons.neurons import SpikingNeuron

    before = list(SpikingNeuron.instances)
    yield
    SpikingNeuron.instances[:] = before


@pytest.mark.parametrize(("mechanism", "reset"), MECHANISMS)
def test_snntorch_leaky(mechanism, reset):
    """Spike for spike, and to the bit: it is the same code on the same numbers.

    Currents are small enough that no membrane stays above threshold after its reset, where
    snntorch would subtract a second time on the next tick (its delayed reset) and we do not.
    """
    import snntorch

    leaky = snntorch.Leaky(beta=math.exp(-5.0 / 20.0), reset_mechanism=mechanism, reset_delay=False)
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


@pytest.mark.parametrize(("mechanism", "reset"), MECHANISMS)
def test_snntorch_synaptic(mechanism, reset):
    """Spike for spike, and to the bit, current and membrane, as for Leaky."""
    import snntorch

    theirs = snntorch.Synaptic(
        alpha=math.exp(-5.0 / 10.0),
        beta=math.exp(-5.0 / 20.0),
        reset_mechanism=mechanism,
        reset_delay=False,
    )
    cell = SnntorchSynaptic(tau_mem_ms=20.0, tau_syn_ms=10.0, dt_ms=5.0, reset=reset)
    synaptic = memory = torch.zeros(4, 6)
    state, n_spikes = cell.rest(memory), 0
    for current in (currents() * 0.4).clamp(max=0.4):
        expected, synaptic, memory = theirs(current, synaptic, memory)
        spikes, state = cell.tick(current, state)
        assert torch.equal(spikes, expected)
        assert torch.equal(state[0], memory)
        assert torch.equal(state[1], synaptic)
        n_spikes += int(spikes.sum())
        # Above two thresholds snntorch's second subtraction would come.
        assert float(memory.max()) <= 1
    assert n_spikes > 20


def test_snntorch_lapicque():
    """One tick from any membrane below threshold: the same spike, the same voltage before its
    reset (snntorch's own comes a tick later), to the bit."""
    import snntorch

    theirs = snntorch.Lapicque(R=1.0, C=20.0, time_step=5.0)
    cell = SnntorchLapicque(tau_mem_ms=20.0, dt_ms=5.0)
    voltages = torch.rand((50, 4, 6), generator=torch.Generator().manual_seed(2))
    for voltage, current in zip(voltages, currents(), strict=True):
        expected, membrane = theirs(current * 4, voltage)
        assert torch.equal(cell.integrate(current, voltage), membrane)
        assert torch.equal(cell.step(current, voltage)[0], expected)


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


def lif(tau_syn_ms: float = 12.0, threshold: float = 1.0):
    from norse.torch.functional.lif import LIFParameters

    return LIFParameters(
        tau_syn_inv=1 / tau_syn_ms, tau_mem_inv=1 / 20.0, v_leak=0.0, v_th=threshold, v_reset=0.0,
        method="heaviside",
    )  # fmt: skip


def adex(**options):
    from norse.torch.functional.lif_adex import LIFAdExParameters

    return LIFAdExParameters(
        adaptation_current=0.2, adaptation_spike=0.3, delta_T=0.4, tau_ada_inv=1 / 60.0,
        tau_syn_inv=1 / 12.0, tau_mem_inv=1 / 20.0, v_leak=0.0, v_th=1.0, v_reset=0.0,
        method="heaviside",
    )  # fmt: skip


def norse_pairs():
    """(id, our cell, norse's step, norse's state at rest, its parameters, threshold, gain)."""
    from norse.torch.functional import iaf as iaf_
    from norse.torch.functional import lif as lif_
    from norse.torch.functional import lif_adex as adex_
    from norse.torch.functional import lif_box as box_
    from norse.torch.functional import lif_ex as ex_
    from norse.torch.functional import lif_refrac as refrac_
    from norse.torch.functional import lsnn as lsnn_

    zero = torch.zeros(4, 6, dtype=torch.float64)
    times = {"dt_ms": 1.0, "tau_mem_ms": 20.0}
    synapse = {**times, "tau_syn_ms": 12.0}
    box = box_.LIFBoxParameters(
        tau_mem_inv=1 / 20.0, v_leak=0.0, v_th=0.7, v_reset=0.0, method="heaviside"
    )
    ex = ex_.LIFExParameters(
        delta_T=0.4, tau_syn_inv=1 / 12.0, tau_mem_inv=1 / 20.0, v_leak=0.0, v_th=1.0,
        v_reset=0.0, method="heaviside",
    )  # fmt: skip
    lsnn = lsnn_.LSNNParameters(
        tau_syn_inv=1 / 12.0, tau_mem_inv=1 / 20.0, tau_adapt_inv=1 / 60.0, v_leak=0.0, v_th=0.7,
        v_reset=0.0, beta=0.7 * 0.3, method="heaviside",
    )  # fmt: skip
    return [
        ("box", NorseLIF(**times), box_.lif_box_feed_forward_step,
         box_.LIFBoxFeedForwardState(zero), box, 0.7, 20.0),
        ("iaf", NorseIAF(dt_ms=1.0), iaf_.iaf_feed_forward_step,
         iaf_.IAFFeedForwardState(zero), iaf_.IAFParameters(0.7, 0.0, "heaviside"), 0.7, 1.0),
        ("lif", NorseCubaLIF(**synapse), lif_.lif_feed_forward_step,
         lif_.LIFFeedForwardState(zero, zero), lif(threshold=0.7), 0.7, 20.0),
        ("refrac", NorseLIFRefractory(**synapse, refractory_ms=3.0),
         refrac_.lif_refrac_feed_forward_step,
         refrac_.LIFRefracFeedForwardState(lif_.LIFFeedForwardState(zero, zero), zero),
         refrac_.LIFRefracParameters(lif(), 3.0), 1.0, 20.0),
        ("lsnn", NorseLSNN(**synapse, tau_adapt_ms=60.0, jump=0.3), lsnn_.lsnn_feed_forward_step,
         lsnn_.LSNNFeedForwardState(zero, zero, zero + 0.7), lsnn, 0.7, 20.0),
        ("ex", NorseLIFEx(**synapse, sharpness=0.4), ex_.lif_ex_feed_forward_step,
         ex_.LIFExFeedForwardState(zero, zero), ex, 1.0, 20.0),
        ("adex", NorseAdEx(**synapse, sharpness=0.4, tau_adapt_ms=60.0, coupling=0.2, jump=0.3),
         adex_.lif_adex_feed_forward_step, adex_.LIFAdExFeedForwardState(zero, zero, zero),
         adex(), 1.0, 20.0),
    ]  # fmt: skip


@pytest.mark.parametrize("index", range(7))
def test_norse_steps(index):
    """norse's own whole step over 200 ticks, spike for spike; 1e-12: float64, other order."""
    _, cell, step, theirs, parameters, threshold, gain = norse_pairs()[index]
    state = cell.rest(torch.zeros(4, 6, dtype=torch.float64))
    n_spikes, ticks = 0, 200
    for current in currents(ticks, torch.float64) * 0.5:
        expected, theirs = step(current * gain, theirs, parameters, dt=1.0)
        spikes, state = cell.tick(current, state, threshold)
        assert torch.equal(spikes, expected)
        voltage = theirs.lif.v if hasattr(theirs, "lif") else theirs.v
        assert (state[0] - voltage).abs().max() < 1e-12
        n_spikes += int(spikes.sum())
    assert 20 < n_spikes < 0.5 * ticks * 24
