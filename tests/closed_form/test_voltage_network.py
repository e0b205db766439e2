"""A cell's own membrane reaches the voltage-based timing in a network."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from neurosim.models.network.builders import convolutional_network
from neurosim.models.spiking.dynamics import SpikingDynamics
from neurosim.models.spiking.pink_noise import pink_noise
from neurosim.models.spiking.stdp import RULE_TIMINGS, stdp_part
from neurosim.rule import LearningRule, run_batch
from neurosim.solvers import Ticks
from neurosim.spiking import (
    AllPairs,
    Clopath,
    MaxPooling,
    Millivolts,
    NoCompetition,
    SumOverBatch,
    TraceSTDP,
)
from neurosim.spiking.cells.registry import CELLS
from neurosim.types import Drive, LocalSignal

DT_MS = 2.0
TIMING = Clopath(delay_ms=4.0)


def spiking_part(cell: str, **options):
    """Three small layers in float64, ticks of 2 ms, each neuron for itself."""
    generator = torch.Generator().manual_seed(0)
    shared = convolutional_network(
        generator=generator, channels=(3, 3, 4, 4), image_px=16, n_hidden=8, dtype=torch.float64
    )
    dynamics = SpikingDynamics(
        cell=CELLS[cell](dt_ms=DT_MS), competition=NoCompetition(), duration_ms=60.0, **options
    )
    images = pink_noise(6, 16, torch.Generator().manual_seed(9)).double()
    part = stdp_part(shared, generator, dynamics=dynamics, timing=TIMING, calibration=images)
    rule = LearningRule("stdp", part.rule.dynamics, Ticks(), TraceSTDP(TIMING, SumOverBatch()))
    return replace(part, rule=rule)


def recorded(part, images: torch.Tensor):
    """Pre, post, voltage of Conv1 at each tick, taken from the states and nothing else."""
    dynamics = part.rule.dynamics
    point = dynamics.operating_point(part.net, Drive(images, learning=False))
    found = [[], [], []]
    for settled in Ticks().settle(dynamics, point):
        for group, name in zip(found, ("pre", "post", "voltage"), strict=True):
            group.append(settled.state[name][0].double().numpy().copy())
    return [np.stack(group) for group in found]


def direct(t: Clopath, pre: np.ndarray, u: np.ndarray) -> float:
    """The published equation, summed over places: every filter is a sum over all earlier ticks,
    written as a matrix, no recursion. pre, u ``(time, places)``."""
    n, late = len(u), round(t.delay_ms / DT_MS)
    now, then = np.arange(n)[:, None], np.arange(n)[None, :]

    def low_pass(tau_ms: float) -> np.ndarray:
        keep, seen = math.exp(-DT_MS / tau_ms), np.maximum(now - late, 0)
        past = np.where(then < seen, (1 - keep) * keep ** np.maximum(seen - 1.0 - then, 0), 0.0)
        return past @ u + keep**seen * t.theta_minus

    lag_ms = (now - then) * DT_MS
    x_bar = np.where(lag_ms >= 0, np.exp(-lag_ms / t.tau_x_ms) / t.tau_x_ms, 0.0) @ pre
    rise = np.maximum(u - t.theta_plus, 0) * np.maximum(low_pass(t.tau_plus_ms) - t.theta_minus, 0)
    fall = np.maximum(low_pass(t.tau_minus_ms) - t.theta_minus, 0)
    return float((t.a_ltp * DT_MS * x_bar * rise - t.a_ltd * pre * fall).sum())


@pytest.mark.parametrize("cell", ["snntorch-lif", "norse-adex"])
def test_the_change_is_the_published_sum_over_the_recorded_membrane(cell):
    """One tap of a convolution, summed over every image and place by hand. 1e-10 of the largest:
    float64 sums of a few thousand terms."""
    part = spiking_part(cell)
    images = pink_noise(2, 16, torch.Generator().manual_seed(1)).double()
    pre, post, voltage = recorded(part, images)
    theta = part.net.layers[0].threshold.numpy()
    # At rest 0, at threshold 1: on the way from -70.6 to -50.4 mV; a spike of 83.4 mV for 2 ms.
    u = np.where(post > 0, 33.0, -70.6 + 20.2 * voltage / theta[:, None, None])
    assert 0 < post.mean() < 0.2
    assert u[post == 0].max() <= -50.4 + 1e-9
    assert u[post == 0].std() > 1.0
    change = run_batch(part.rule, part.net, Drive(images)).changes["Conv1.weight"].numpy()
    # Tap (0, 1) of a 3 x 3 kernel with padding 1: the input one row up.
    out, channel = 1, 2
    below, above = pre[:, :, channel, :-1], u[:, :, out, 1:]
    expected = direct(TIMING, below.reshape(len(pre), -1), above.reshape(len(u), -1))
    assert change[out, channel, 0, 1] == pytest.approx(expected, abs=1e-10 * abs(change).max())
    assert abs(expected) > 1e-3 * abs(change).max()


def test_the_membrane_matters():
    """The same spikes under another scale of the membranes, and other cells with the same
    timing, give other changes."""
    images = pink_noise(2, 16, torch.Generator().manual_seed(1)).double()
    changes = []
    scales = (Millivolts(), Millivolts(threshold=-60.0), Millivolts())
    for cell, scale in zip(("snntorch-lif", "snntorch-lif", "norse-adex"), scales, strict=True):
        part = spiking_part(cell)
        rule = replace(part.rule, dynamics=replace(part.rule.dynamics, membrane=scale))
        changes.append(run_batch(rule, part.net, Drive(images)).changes["Conv2.weight"])
    for a, b in ((0, 1), (0, 2)):
        assert (changes[a] - changes[b]).norm() > 0.05 * changes[a].norm()


def test_clopath_without_a_membrane_is_refused_not_drawn():
    part = spiking_part("snntorch-lif")
    with pytest.raises(TypeError, match=r"needs voltage.*membrane=Millivolts"):
        replace(part.rule, dynamics=replace(part.rule.dynamics, membrane=None))


def test_only_a_timing_that_reads_the_membrane_gets_it():
    """``stdp_part`` asks for it under Clopath alone, and other timings let go of it at once."""
    assert spiking_part("snntorch-lif").rule.dynamics.membrane == Millivolts()
    shared = convolutional_network(
        generator=torch.Generator().manual_seed(0), channels=(3, 3, 4, 4), image_px=16, n_hidden=8
    )
    images = pink_noise(2, 16, torch.Generator())
    for name in ("all-pairs", "clopath"):
        timing = RULE_TIMINGS[name]
        part = stdp_part(shared, torch.Generator(), timing=timing, calibration=images)
        assert (part.rule.dynamics.membrane is not None) == (name == "clopath")
    assert [n for n, timing in RULE_TIMINGS.items() if timing.reads_voltage] == ["clopath"]
    held = TraceSTDP(AllPairs())
    zeros = torch.zeros(1, 1)
    signal = LocalSignal(zeros, zeros, {"dt": 1.0, "voltage": zeros})
    assert held.observe(None, held.begin(None), signal).window().voltage is None


def test_millivolts():
    """Rest, threshold, the area of a spike, and an infinite threshold, at which a cell rests."""
    scale = Millivolts()
    v, spikes = torch.tensor([0.0, 0.5, 0.2, 3.0]), torch.tensor([0, 0, 1, 0])
    theta = torch.tensor([0.5, 0.5, 0.5, torch.inf])
    found = scale.of(v, spikes, theta, dt_ms=5.0)
    assert found.tolist() == pytest.approx([-70.6, -50.4, -50.4 + 83.4 * 2 / 5, -70.6], abs=1e-5)
    with pytest.raises(ValueError, match="must rise"):
        Millivolts(threshold=-80.0)
    with pytest.raises(TypeError, match="peak must be a number"):
        Millivolts(peak="high")  # type: ignore[arg-type]


def test_a_pooling_before_the_neurons_is_refused():
    part = spiking_part("snntorch-lif")
    for layer in part.net.layers:
        layer.between, layer.pool = MaxPooling(2), 1
    with pytest.raises(ValueError, match="ends at no membrane of its own"):
        run_batch(part.rule, part.net, Drive(pink_noise(2, 16, torch.Generator()).double()))
