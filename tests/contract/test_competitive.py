"""The competitive layer of unsupervised learning: who fires, what learns, what stays."""

from __future__ import annotations

import math

import pytest
import torch

from neurosim.models.spiking.competitive import (
    ClassOfCell,
    Competition,
    CompetitiveLayer,
    CompetitiveNetwork,
    IncomingSum,
)
from neurosim.plasticity import Frozen
from neurosim.rule import LearningRule, run_batch
from neurosim.solvers import Ticks
from neurosim.spiking import AllPairs, Latency, SnntorchLIF, SumOverBatch, TraceSTDP
from neurosim.types import Drive


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def layer_of(weight: torch.Tensor) -> CompetitiveLayer:
    """A layer with these weights, ``(n_out, n_in)``."""
    layer = CompetitiveLayer("E", weight.shape[1], weight.shape[0], generator=generator())
    layer.weight.copy_(weight)
    return layer


def ticks_of(dynamics: Competition, layer: CompetitiveLayer, spikes, learning=False):
    """The states of a presentation, tick by tick."""
    point = dynamics.presentation(layer, spikes, learning)
    return [settled.state for settled in Ticks().settle(dynamics, point)]


def test_a_spike_inhibits_all_others_one_tick_later_and_not_its_own_cell():
    """Three cells, one driven over threshold in tick 0: by hand, exact decay; 1e-5 for float32."""
    dynamics = Competition(
        cell=SnntorchLIF(tau_mem_ms=100.0, dt_ms=1.0), inhibition_mv=17.0, duration_ms=3.0,
        refractory_ms=0.0,
    )  # fmt: skip
    spikes = torch.zeros(3, 1, 1)
    spikes[0] = 1
    states = ticks_of(dynamics, layer_of(torch.tensor([[14.0], [5.0], [2.0]])), spikes)
    assert [s["post"][0].tolist() for s in states] == [[[1, 0, 0]], [[0, 0, 0]], [[0, 0, 0]]]
    decay = math.exp(-1 / 100)
    expected = torch.tensor([[0.0, 5 * decay - 17, 2 * decay - 17]])
    torch.testing.assert_close(states[1]["voltage"][0], expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(states[2]["voltage"][0], expected * decay, rtol=1e-5, atol=1e-5)


def test_of_several_cells_over_threshold_the_furthest_above_fires():
    """One spike a tick and image; a cell whose threshold rose can lose with the higher voltage."""
    dynamics = Competition(duration_ms=1.0)
    layer = layer_of(torch.tensor([[20.0], [25.0], [30.0]]))
    layer.raised.copy_(torch.tensor([0.0, 0.0, 12.0]))
    (state,) = ticks_of(dynamics, layer, torch.ones(1, 2, 1))
    assert state["post"][0].tolist() == [[0, 1, 0]] * 2


@pytest.mark.parametrize("learning", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_compiled_tick_is_the_tick_of_torch_operators(dtype, learning):
    """Every state of 60 ticks to the bit: inhibition, floor, refractory time, rises."""
    dynamics = Competition(
        duration_ms=60.0, floor_mv=-20.0, rise_mv=0.7, refractory_ms=3.0, tau_rise_ms=1e3
    )
    layer = CompetitiveLayer("E", 40, 30, generator=generator(), dtype=dtype)
    layer.weight.mul_(20)
    spikes = (torch.rand((60, 3, 40), generator=generator(1)) < 0.1).to(dtype)
    point = dynamics.presentation(layer, spikes, learning)
    plain = ours = dynamics.initial_state(point)
    n_spikes = 0
    for index in range(60):
        layer.raised.fill_(0.1 * index)
        plain = dynamics._tick_anywhere(point, plain, index)
        ours = dynamics._tick_on_cpu(point, ours, index)
        for name in plain:
            assert torch.equal(ours[name][0], plain[name][0]), (name, index)
        n_spikes += int(ours["post"][0].sum())
    assert n_spikes > 20
    assert float(ours["voltage"][0].min()) < 0


def test_the_membrane_stops_at_the_inhibitory_reversal_potential():
    dynamics = Competition(inhibition_mv=500.0, floor_mv=-35.0, duration_ms=2.0)
    spikes = torch.zeros(2, 1, 1)
    spikes[0] = 1
    *_, state = ticks_of(dynamics, layer_of(torch.tensor([[14.0], [5.0]])), spikes)
    assert float(state["voltage"][0][0, 1]) == -35.0


def test_a_cell_is_silent_while_refractory():
    """Driven over threshold in every tick, it fires every 1 + refractory ticks."""
    dynamics = Competition(refractory_ms=4.0, rise_mv=0.0, duration_ms=16.0)
    states = ticks_of(dynamics, layer_of(torch.tensor([[50.0]])), torch.ones(16, 1, 1))
    fired = [i for i, s in enumerate(states) if s["post"][0].item()]
    assert fired == [0, 5, 10, 15]


def test_thresholds_rise_with_spikes_of_learning_passes_and_are_slowly_forgotten():
    """rise_mv a spike, summed over the batch, after exp(-duration / tau) an image; float32."""
    dynamics = Competition(refractory_ms=4.0, rise_mv=0.5, tau_rise_ms=1000.0, duration_ms=16.0)
    layer = layer_of(torch.tensor([[50.0]]))
    layer.raised.fill_(2.0)
    states = ticks_of(dynamics, layer, torch.ones(16, 3, 1))
    assert states[-1]["counts"][0].tolist() == [[4.0]] * 3
    assert float(layer.raised) == 2.0, "evaluation leaves the thresholds"
    point = dynamics.presentation(layer, torch.ones(16, 3, 1), learning=True)
    settled = Ticks().end(dynamics, point)
    assert float(layer.raised) == 2.0, "ticks leave the thresholds"
    dynamics.adapt(point, settled.state)
    expected = 2.0 * math.exp(-3 * 16 / 1000) + 3 * 4 * 0.5
    assert float(layer.raised) == pytest.approx(expected, rel=1e-6)


def test_incoming_sum_holds_for_every_cell():
    """Sum = share x n_in to float32 rounding; negative weights are cut, a dead cell stays dead."""
    weight = torch.rand(5, 40, generator=generator()) - 0.2
    weight[3] = -1.0
    net = CompetitiveNetwork(layer_of(weight), Competition())
    IncomingSum(0.1).apply(net)
    total = net.layer.weight.sum(1)
    torch.testing.assert_close(total[[0, 1, 2, 4]], torch.full((4,), 4.0), rtol=1e-5, atol=0)
    assert total[3] == 0
    assert (net.layer.weight >= 0).all()


def small_network(n_in: int = 16, n_out: int = 6) -> CompetitiveNetwork:
    layer = CompetitiveLayer("E", n_in, n_out, generator=generator(3))
    return CompetitiveNetwork(layer, Competition(duration_ms=40.0, threshold_mv=2.0))


def test_counts_leave_the_network_alone_and_do_not_depend_on_the_batch():
    net, x = small_network(), torch.rand(9, 4, 4, generator=generator(1))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    together = net.counts(x)
    assert together.sum() > 0
    assert torch.equal(together, torch.cat([net.counts(x[4:]), net.counts(x[:4])])[
        [5, 6, 7, 8, 0, 1, 2, 3, 4]])  # fmt: skip
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


def test_the_engine_trains_it_and_frozen_synapses_only_move_thresholds():
    """The change is what the kernel gives for the recorded spikes; nothing else touches weights."""
    net, x = small_network(), torch.rand(5, 4, 4, generator=generator(1))
    stdp = TraceSTDP(AllPairs(a_plus=0.01, a_minus=0.0), SumOverBatch())
    start = net.layer.weight.clone()
    outcome = run_batch(
        LearningRule("stdp", net.dynamics, Ticks(), stdp), net, Drive(x, None, generator(2))
    )
    assert (outcome.changes["E.weight"] >= 0).all()
    assert outcome.changes["E.weight"].max() > 0
    assert torch.equal(net.layer.weight, start), "run_batch asks for a change, it makes none"
    raised = net.layer.raised.clone()
    frozen = LearningRule("frozen", net.dynamics, Ticks(), Frozen())
    assert run_batch(frozen, net, Drive(x, None, generator(2))).changes == {}
    assert (net.layer.raised > raised).any()


def test_classes_and_predictions_by_hand():
    """Cell 0 answers to class 1, cell 1 to class 0, cell 2 never; rates, not counts, decide."""
    counts = torch.tensor([[1.0, 6, 0], [4, 0, 0], [1, 0, 0], [1, 0, 0]])
    labels = torch.tensor([0, 1, 1, 1])
    cells = ClassOfCell.of(counts, labels, 2)
    assert cells.classes.tolist() == [1, 0, -1]
    assert cells.predict(torch.tensor([[3.0, 2, 9], [1, 2, 0]])).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: Competition(threshold_mv=0.0), "threshold_mv"),
        (lambda: Competition(inhibition_mv=-1.0), "inhibition_mv"),
        (lambda: Competition(floor_mv=1.0), "floor_mv"),
        (lambda: Competition(duration_ms=10.5), "whole number of ticks"),
        (lambda: IncomingSum(1.5), "share"),
        (lambda: ClassOfCell.of(torch.ones(1, 2), torch.zeros(1, dtype=torch.long), 3), r"\[1, 2"),
        (
            lambda: run_batch(
                LearningRule("x", small_network().dynamics, Ticks(), Frozen()),
                small_network(),
                Drive(torch.rand(2, 5, 5), None, generator()),
            ),
            "16 inputs",
        ),
        (
            lambda: run_batch(
                LearningRule("x", Competition(), Ticks(), Frozen()),
                small_network(),
                Drive(torch.rand(2, 4, 4), None, generator()),
            ),
            "build both with the same dynamics",
        ),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(act, words):
    with pytest.raises(ValueError, match=words):
        act()


def test_other_encoders_drive_it_too():
    """Any encoder: here latency, which draws nothing."""
    layer = CompetitiveLayer("E", 16, 6, generator=generator(3))
    dynamics = Competition(encoder=Latency(), duration_ms=40.0, threshold_mv=0.5)
    net = CompetitiveNetwork(layer, dynamics)
    assert net.counts(torch.rand(3, 4, 4, generator=generator(1))).sum() > 0
