"""A rule whose parts do not fit is refused when it is built, with the remedy."""

import pytest
import torch

from neurosim.convergence import EnergyPlateau, Horizon, Steady
from neurosim.models.rules.error_circuit import ErrorCircuit
from neurosim.models.rules.feedback import Transpose
from neurosim.plasticity import ErrorTimesPre, Frozen
from neurosim.rule import LearningRule, run_batch
from neurosim.solvers import RK4, AdaptiveHeun, Direct, Euler, Heun, Ticks
from neurosim.types import Drive, Settled

CIRCUIT = ErrorCircuit(Transpose())


def test_ticks_need_a_clock():
    with pytest.raises(TypeError, match=r"Ticks needs a clock; ErrorCircuit has none: use Direct"):
        LearningRule("bad", CIRCUIT, Ticks(), ErrorTimesPre())


def test_a_plateau_needs_an_energy():
    with pytest.raises(TypeError, match=r"EnergyPlateau needs an energy.*use Steady"):
        LearningRule("bad", CIRCUIT, Heun(until=EnergyPlateau()), ErrorTimesPre())


@pytest.mark.parametrize("solver", [Direct(), Euler(), Heun(), RK4(), AdaptiveHeun()])
def test_a_closed_form_takes_every_continuous_solver(solver):
    assert LearningRule("good", CIRCUIT, solver, Frozen()).solver is solver


def test_parts_in_the_wrong_place_are_refused():
    with pytest.raises(TypeError, match="is no AbstractPlasticity"):
        LearningRule("bad", CIRCUIT, Direct(), "error-times-pre")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Euler(dt=0.0),
        lambda: Euler(dt=float("nan")),
        lambda: Horizon(0),
        lambda: Steady(rtol=-1.0),
        lambda: Steady(rtol=0.0, atol=0.0),
        lambda: EnergyPlateau(rtol=0.0),
        lambda: AdaptiveHeun(rtol=0.0, atol=0.0),
        lambda: AdaptiveHeun(until=Steady(rtol=1e-6), rtol=1e-3),
    ],
)
def test_numbers_out_of_range_are_refused(make):
    with pytest.raises(ValueError, match="must"):
        make()


def test_a_drive_checks_its_lengths():
    with pytest.raises(ValueError, match="3 inputs but 2 targets"):
        Drive(torch.zeros(3, 1), torch.zeros(2))


class Decay:
    """ds/dt = -s from s = 1: the solution is exp(-t)."""

    def __new__(cls):
        from neurosim.dynamics import AbstractFlow

        class _Decay(AbstractFlow):
            def operating_point(self, net, drive):
                return None

            def initial_state(self, point):
                return {"s": (torch.ones(3, dtype=torch.float64),)}

            def flow(self, point, state):
                return {"s": (-state["s"][0],)}

            def local_signals(self, point, state):
                return []

            def output(self, point, state):
                return state["s"][0]

            def layers(self, net):
                return []

        return _Decay()


def settle(solver) -> Settled:
    *_, last = solver.settle(Decay(), None)
    return last


@pytest.mark.parametrize(("method", "order"), [(Euler, 1), (Heun, 2), (RK4, 4)])
def test_solvers_converge_with_their_order(method, order):
    """Halving dt divides the error at t = 1 by 2^order; .15 in the exponent for finite dt."""
    exact = torch.exp(torch.tensor(-1.0, dtype=torch.float64))
    errors = [
        abs(float(settle(method(1 / n, Horizon(n))).state["s"][0][0] - exact)) for n in (20, 40)
    ]
    measured = torch.log2(torch.tensor(errors[0] / errors[1])).item()
    assert measured == pytest.approx(order, abs=0.15)


def test_adaptive_heun_takes_a_first_step_that_fits():
    """A first dt of 100 would explode; it is cut until the embedded error is within tolerance."""
    settled = settle(AdaptiveHeun(100.0, Steady(1e-3, atol=1e-6), rtol=1e-3))
    assert settled.reason.startswith("steady")
    assert 0 <= float(settled.state["s"][0].max()) < 1e-3


def test_a_solve_says_why_it_stopped():
    assert settle(Euler(0.1, Horizon(7))).reason == "horizon: 7 steps"
    assert settle(Euler(0.1, Steady(1e-3, max_steps=3))).reason == "horizon: 3 steps"
    assert settle(Euler(0.5, Steady(rtol=0.0, atol=1e-3))).reason.startswith("steady: rms velocity")


def test_an_explosion_is_an_error_not_a_number():
    class Explosion(type(Decay())):
        def flow(self, point, state):
            return {"s": (state["s"][0] * float("nan"),)}

    with pytest.raises(ArithmeticError, match="found no step"):
        *_, _ = AdaptiveHeun().settle(Explosion(), None)


def test_frozen_rules_change_nothing_and_still_hand_on_their_output():
    rule = LearningRule("frozen", Decay(), Euler(), Frozen())
    outcome = run_batch(rule, None, Drive(torch.zeros(3, 1)))
    assert outcome.changes == {}
    assert outcome.output.shape == (3,)
