"""What looks like a number and is none: half a count, a masked time, a state that is NaN.

``range(n)`` would answer 2.5 in Python's words, a loop ``while n < 2.5`` would run 3 times, and
``numpy.asarray`` drops the mask of a masked array, so that spikes that were masked away count.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from neurosim import rsa
from neurosim.arrays.storage import write_tree
from neurosim.convergence import Diverged, EnergyPlateau, Horizon, Steady
from neurosim.dynamics import AbstractClosedForm
from neurosim.models.network.builders import dense_network
from neurosim.models.network.layers import Layer
from neurosim.models.network.normalisation import GroupNorm
from neurosim.models.published.channel_errors import RectifiedEuler
from neurosim.models.published.first_spikes import ChannelMeanSpikes, FirstSpikePairs
from neurosim.models.spiking.layer import SpikingLayer
from neurosim.rsa.controls.gabor import gabor_maps
from neurosim.rsa.controls.lowlevel import colour_histogram
from neurosim.rsa.plots import classical_mds
from neurosim.solvers import RK4, Direct, Euler, Heun, Ticks
from neurosim.spiking import (
    ENCODERS,
    AllPairs,
    Clopath,
    Rewarded,
    SpikeVoltage,
    SpikeWindow,
    weight_change,
)
from neurosim.spiking.encoders.population import Population
from neurosim.spiking.encoders.temporal import Burst, Phase
from neurosim.spiking.theory.direct_sums import direct_change
from neurosim.spiking.theory.poisson_theory import PoissonNeuron, poisson_drift
from neurosim.synapses import Conv1d, Conv2d, Dense
from neurosim.training import Trainer


def draws():
    return torch.Generator().manual_seed(0)


def rng():
    return np.random.default_rng(0)


X = rng().normal(size=(12, 5))
IMAGES = rng().integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)

#: Where a count enters -> a call with this count.
COUNTS = {
    "Horizon.max_steps": lambda n: Horizon(n),
    "Steady.max_steps": lambda n: Steady(max_steps=n),
    "EnergyPlateau.max_steps": lambda n: EnergyPlateau(max_steps=n),
    "RectifiedEuler.n_steps": lambda n: RectifiedEuler(n_steps=n),
    "ChannelMeanSpikes.n_ticks_of_window": lambda n: ChannelMeanSpikes(n_ticks_of_window=n),
    "FirstSpikePairs.n_ticks": lambda n: FirstSpikePairs(AllPairs(), n_ticks=n),
    "Trainer.n_steps": lambda n: Trainer([], n),
    "Population.n_units": lambda n: Population(n_units=n),
    "Phase.n_bits": lambda n: Phase(n_bits=n),
    "Burst.max_spikes": lambda n: Burst(max_spikes=n),
    "PoissonNeuron.n_inputs": lambda n: PoissonNeuron(n_inputs=n),
    "encode.n_ticks": lambda n: ENCODERS["current"]().encode(torch.ones(1, 2), n, 1.0),
    "Dense.n_in": lambda n: Dense(n, 3),
    "Dense.n_out": lambda n: Dense(3, n),
    "Conv1d.n_in": lambda n: Conv1d(n, 3),
    "Conv2d.kernel": lambda n: Conv2d(3, 3, kernel=n),
    "Layer.pool": lambda n: Layer("a", Conv2d(1, 1), pool=n, generator=draws()),
    "SpikingLayer.pool": lambda n: SpikingLayer(
        "a", Conv2d(1, 1), torch.ones(1, 1, 3, 3), pool=n, target_rate=0.1),
    "GroupNorm.n_groups": lambda n: GroupNorm(5, n),
    "dense_network.sizes": lambda n: dense_network((4, n, 2), generator=draws()),
    "classical_mds.n_dimensions": lambda n: classical_mds(rsa.compute_rdm(X), n),
    "colour_histogram.n_bins": lambda n: colour_histogram(IMAGES, n),
    "gabor_maps.n_orientations": lambda n: gabor_maps(IMAGES[..., 0], n_orientations=n),
    "gabor_maps.grid": lambda n: gabor_maps(IMAGES[..., 0], grid=n),
    "encode.n_folds": lambda n: rsa.encode(X, X, n_folds=n, rng=rng()),
    "encode.n_inner_folds": lambda n: rsa.encode(X, X, n_inner_folds=n, rng=rng()),
    "encode.n_iter": lambda n: rsa.encode(X, X, n_iter=n, rng=rng()),
}  # fmt: skip


@pytest.mark.parametrize("count", [2.5, 3.0, 0, -1, True, "3", math.nan], ids=repr)
@pytest.mark.parametrize("where", COUNTS)
def test_a_count_is_a_whole_number_and_at_least_one(where, count):
    name = where.split(".")[1] if where != "dense_network.sizes" else "n_out"
    with pytest.raises((ValueError, TypeError), match=rf"\b{name}\b.*(whole number|at least|None)"):
        COUNTS[where](count)


TIMES = np.ma.array([0.0, 10.0, 12.0], mask=[False, False, True])
#: Where an array of a user's enters -> a call with a masked one.
MASKED = {
    "pre_ms": lambda: weight_change(AllPairs(), TIMES, [5.0]),
    "post_ms": lambda: weight_change(AllPairs(), [5.0], TIMES),
    "reward_ms": lambda: weight_change(Rewarded(AllPairs()), [5.0], [6.0], reward_ms=TIMES),
    "reward": lambda: weight_change(
        Rewarded(AllPairs()), [5.0], [6.0], reward_ms=[7.0, 8.0, 9.0], reward=TIMES),
    "spike times": lambda: direct_change(AllPairs(), TIMES, [5.0]),
    "lag_ms": lambda: AllPairs().window(TIMES),
    "post": lambda: SpikeVoltage().of(np.ma.array(np.zeros((3, 1)), mask=True), 1.0),
    "ticks": lambda: SpikeWindow(
        torch.zeros(3, 1, 1), torch.zeros(3, 1, 1), np.ma.array([0, 1, 2], mask=[0, 0, 1])),
    "w": lambda: poisson_drift(AllPairs(), 10.0, 10.0).at(AllPairs(), TIMES),
    "'rho'": lambda: write_tree("never-written.h5", {"rho": TIMES}),
}  # fmt: skip


@pytest.mark.parametrize("name", MASKED)
def test_a_masked_array_does_not_lose_its_mask_in_silence(name):
    with pytest.raises(TypeError, match=rf"^{name} must not be a masked array.*compressed"):
        MASKED[name]()


@pytest.mark.parametrize("apart", [0.0, 1e-13, 1e-9, 1e-5, 9e-4, 2e-3])
def test_the_membrane_has_its_limit_where_its_two_times_are_one(apart):
    """``(e^(-t/a) - e^(-t/m)) a / (a - m)`` goes to ``t/m e^(-t/m)``; kernel and direct sum agree
    there and beside it. The kernel steps an exact recursion, the sum writes the form out: 1e-9."""
    voltage = SpikeVoltage(tau_after_ms=SpikeVoltage().tau_membrane_ms * (1 + apart))
    timing = Clopath(voltage=voltage)
    pre, post = [0.0, 20.0, 40.0], [3.0, 21.0, 44.0]
    expected = weight_change(timing, pre, post)
    assert expected != 0
    assert direct_change(timing, pre, post) == pytest.approx(expected, rel=1e-9)


class NotANumber(AbstractClosedForm):
    """A closed form and a clock whose state is NaN."""

    def operating_point(self, net, drive):
        return None

    def equilibrium(self, point):
        return {"s": (torch.tensor([1.0]), torch.tensor([1.0, math.nan]))}

    initial_state = equilibrium

    def n_ticks(self, point):
        return 3

    def tick(self, point, state, index):
        return state

    def flow(self, point, state):
        return state

    def local_signals(self, point, state):
        return []

    def output(self, point, state):
        return state["s"][0]


@pytest.mark.parametrize("solver", [Direct(), Ticks(), Euler(0.1), Heun(0.1), RK4(0.1)], ids=repr)
def test_no_solver_hands_on_a_state_that_is_not_finite(solver):
    with pytest.raises(Diverged, match="the state 's' holds values that are not finite"):
        solver.end(NotANumber(), None)
