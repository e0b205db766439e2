"""What runs away is named: no criterion is met by a rise or by a state that is not finite."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from neurosim.convergence import (
    AbstractCriterion,
    Diverged,
    EnergyPlateau,
    Horizon,
    Steady,
)
from neurosim.dynamics import AbstractEnergy, AbstractFlow
from neurosim.models.network.builders import dense_network
from neurosim.models.published.channel_errors import RectifiedEuler
from neurosim.models.rules.losses import SquaredError
from neurosim.models.rules.pc_rules import predictive_coding_supervised_rule
from neurosim.models.rules.predictive_coding import PredictiveCoding
from neurosim.plasticity import ErrorTimesPre
from neurosim.rule import LearningRule, run_batch
from neurosim.solvers import RK4, AdaptiveHeun, Euler, Heun
from neurosim.training import Optimiser, Part, Trainer
from neurosim.types import Drive, Settled

SOLVERS = {method.__name__: method for method in (Euler, Heun, RK4)}


class Bowl(AbstractEnergy):
    """``E = s^2 / 2``: a step of Euler, Heun or RK4 longer than 2.8 leaves the bowl."""

    def __init__(self, start: float = 1.0) -> None:
        self.start = start

    def operating_point(self, net, drive):
        return None

    def initial_state(self, point):
        return {"s": (torch.tensor([self.start], dtype=torch.float64),)}

    def flow(self, point, state):
        return {"s": (-state["s"][0],)}

    def energy(self, point, state):
        return 0.5 * state["s"][0].square().sum()

    def local_signals(self, point, state):
        return []

    def output(self, point, state):
        return state["s"][0]


class Slope(AbstractFlow):
    """The flow of the bowl, which tells no energy."""

    def __init__(self, start: float) -> None:
        self.start = start

    operating_point, initial_state, flow = Bowl.operating_point, Bowl.initial_state, Bowl.flow
    local_signals, output = Bowl.local_signals, Bowl.output


class Anywhere(AbstractCriterion):
    """A user's criterion that is content with any state after three steps."""

    max_steps = 1000

    def reason(self, n_steps, state, velocity, energies):
        return "content" if n_steps == 3 else None


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "until",
    [EnergyPlateau(rtol=1e-3), Steady(rtol=1e-3), Horizon(1000)],
    ids=lambda u: type(u).__name__,
)
def test_no_criterion_is_met_on_the_way_out(solver, until):
    """dt = 4 multiplies the state by -3, 5 or 5 a step: 1e154 overflows the energy, and a rise of
    the energy comes first."""
    with pytest.raises(Diverged, match=r"^diverged: the (energy|rms velocity|state).* smaller dt"):
        SOLVERS[solver](4.0, until).end(Bowl(), None)


def test_a_plateau_is_no_rise_however_flat():
    """At dt = 2 Euler turns the state round and the energy stands still; beyond, it rises."""
    assert Euler(2.0, EnergyPlateau()).end(Bowl(), None).reason.startswith("plateau")
    with pytest.raises(Diverged, match=r"the energy rose from 0\.5 to 0\.50002"):
        Euler(2.00002, EnergyPlateau(rtol=1e-6)).end(Bowl(), None)


@pytest.mark.parametrize("start", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("until", [EnergyPlateau(), Steady(rtol=1e-3), Horizon(3), Anywhere()],
                         ids=lambda u: type(u).__name__)  # fmt: skip
@pytest.mark.parametrize("method", [Euler, Heun, RK4, AdaptiveHeun])
def test_a_state_that_is_not_finite_is_never_handed_on(start, until, method):
    with pytest.raises(ArithmeticError, match=r"diverged|not finite"):
        method(0.1, until).end(Bowl(start), None)


@pytest.mark.parametrize("method", [Euler, Heun, RK4])
@pytest.mark.parametrize("until", [Horizon(3), Anywhere()], ids=lambda u: type(u).__name__)
def test_a_flow_without_an_energy_is_looked_at_too(method, until):
    with pytest.raises(Diverged, match="the state 's' holds values that are not finite"):
        method(0.1, until).end(Slope(math.inf), None)


def test_the_published_solver_hands_on_nothing_that_is_not_finite():
    with pytest.raises(Diverged):
        RectifiedEuler().end(Bowl(math.nan), None)


def test_the_plateau_of_the_report_is_a_divergence():
    """It was called "plateau: energy 59.199 after 1 steps", up from 20.9."""
    draws = torch.Generator().manual_seed(0)
    net = dense_network((4, 6, 3), generator=draws)
    dynamics = PredictiveCoding(SquaredError(), output_precision=5.0)
    rule = LearningRule("pc", dynamics, Euler(1.0, EnergyPlateau()), ErrorTimesPre())
    x, target = torch.randn(5, 4, generator=draws), torch.randn(5, 3, generator=draws)
    with pytest.raises(Diverged, match="the energy rose"):
        run_batch(rule, net, Drive(x, target))


def test_training_does_not_go_on_from_a_solve_that_climbed():
    """A horizon stops anywhere: what it left above the start is refused before a weight moves."""
    draws = torch.Generator().manual_seed(0)
    net = dense_network((4, 6, 3), generator=draws)
    before = {name: tensor.clone() for name, tensor in net.named_weights().items()}
    steep = predictive_coding_supervised_rule(n_steps=4, dt=5.0, output_precision=50.0)
    x, target = torch.randn(5, 4, generator=draws), torch.tensor([0, 1, 2, 0, 1])
    part = Part(steep, net, Optimiser("sgd", lr=0.1))
    with pytest.raises(Diverged, match=r"rule 'pc-supervised', step 0: the energy rose"):
        Trainer([part], 1).step(x, target, draws)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.named_weights().items())
    gentle = predictive_coding_supervised_rule(n_steps=4, dt=0.01, output_precision=50.0)
    Trainer([replace(part, rule=gentle)], 1).step(x, target, draws)


@pytest.mark.parametrize(
    ("energies", "climbed"),
    [((), False), ((1.0,), False), ((1.0, 3.0, 0.5), False), ((1.0, 1.0005), False),
     ((1.0, 1.01), True), ((-1.0, -0.5), True), ((1.0, math.nan), True), ((0.0, 0.0), False)],
)  # fmt: skip
def test_climbing_is_judged_from_the_first_energy_to_the_last(energies, climbed):
    assert Settled({}, 1, "", energies).climbed is climbed
