"""Closed forms that single wrong signs, factors and exponents of the core would break."""

from __future__ import annotations

import itertools
import math
from typing import ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurosim.convergence import AbstractCriterion, Horizon
from neurosim.dynamics import AbstractFlow
from neurosim.solvers import RK4, AdaptiveHeun, Euler, Heun
from neurosim.spiking import NearestPair, Population, SoftBounds, direct_change, weight_change
from neurosim.spiking.cells.registry import AdaptiveLIF

DTYPE = torch.float64


class Spiral(AbstractFlow):
    """``r' = r (1 - r^2)``, ``phi' = 1`` in the plane (a Hopf bifurcation's normal form): every
    condition of a method's order counts, which a linear flow does not ask for."""

    start: ClassVar[float] = 0.4

    def operating_point(self, net, drive):
        return None

    def initial_state(self, point):
        return {"x": (torch.tensor([self.start], dtype=DTYPE),),
                "y": (torch.zeros(1, dtype=DTYPE),)}  # fmt: skip

    def flow(self, point, state):
        x, y = state["x"][0], state["y"][0]
        grow = 1 - x.square() - y.square()
        return {"x": (x * grow - y,), "y": (y * grow + x,)}

    def local_signals(self, point, state):
        return []

    def output(self, point, state):
        return state["x"][0]

    @classmethod
    def at(cls, time: float, start: complex | None = None) -> complex:
        """``r(t) = r_0 e^t / sqrt(1 + r_0^2 (e^2t - 1))``, turned by t."""
        z = complex(cls.start) if start is None else start
        grown = math.exp(time) / math.sqrt(1 + abs(z) ** 2 * (math.exp(2 * time) - 1))
        return z * grown * complex(math.cos(time), math.sin(time))


def plane(state) -> complex:
    return complex(float(state["x"][0]), float(state["y"][0]))


@pytest.mark.parametrize(("method", "order"), [(Euler, 1), (Heun, 2), (RK4, 4)])
def test_halving_the_step_divides_the_error_by_two_to_the_order(method, order):
    """At t = 2, 40 to 320 steps: the exponent to .1, which is what a finite step leaves of it."""
    errors = []
    for n in (40, 80, 160, 320):
        end = method(2 / n, Horizon(n)).end(Spiral(), None)
        errors.append(abs(plane(end.state) - Spiral.at(2.0)))
    for coarse, fine in itertools.pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(order, abs=0.1)


class Recorded(AbstractCriterion):
    """Keeps every state that was accepted."""

    max_steps = 40

    def __init__(self) -> None:
        self.states: list[complex] = []

    def reason(self, n_steps, state, velocity, energies):
        self.states.append(plane(state))
        return None


@pytest.mark.parametrize("first", [1e-3, 0.3])
@pytest.mark.parametrize("rtol", [1e-2, 1e-3, 1e-4])
def test_no_accepted_step_of_the_adaptive_solver_errs_by_more_than_its_tolerance(rtol, first):
    """The Euler step that is embedded, against the closed form from where it began: at most the
    tolerance (1.3 times it, for terms of higher order), and on average more than a third of it, or
    steps would be wasted. In rms over the two coordinates."""
    record = Recorded()
    AdaptiveHeun(first, record, rtol=rtol).end(Spiral(), None)
    shares = []
    for before, after in itertools.pairwise(record.states):
        # phi' = 1: the angle between two states is the time between them.
        dt = (math.atan2(after.imag, after.real) - math.atan2(before.imag, before.real)) % math.tau
        slope = before * (1 - abs(before) ** 2) + 1j * before
        error = abs(before + dt * slope - Spiral.at(dt, before)) / math.sqrt(2)
        shares.append(error / (rtol * abs(before) / math.sqrt(2)))
    assert len(shares) > 10
    assert max(shares) < 1.3
    assert sum(shares[8:]) / len(shares[8:]) > 1 / 3


@pytest.mark.parametrize(
    ("coincidence", "expected"),
    [
        # pre 0, 10, 20 and post 10, 15 ms; a_plus 1, a_minus .5, both 20 ms. Where the policy hides
        # the tie at 10, (0, 10) and (10, 15) are neighbours; where the tie is causal, it takes the
        # place of both: no spike of either neuron may lie between two that pair. (20, 15) is
        # acausal under each.
        ("none", math.exp(-0.5) + math.exp(-0.25) - 0.5 * math.exp(-0.25)),
        ("potentiate", 1 - 0.5 * math.exp(-0.25)),
        ("acausal", math.exp(-0.5) + math.exp(-0.25) - 0.5 - 0.5 * math.exp(-0.25)),
        ("both", 1 - 0.5 - 0.5 * math.exp(-0.25)),
    ],
)
def test_reduced_pairing_at_coincident_spikes_by_hand(coincidence, expected):
    timing = NearestPair(1.0, 0.5, scheme="reduced", coincidence=coincidence)
    pre, post = [0.0, 10.0, 20.0], [10.0, 15.0]
    assert direct_change(timing, pre, post) == pytest.approx(expected, abs=1e-12)
    assert weight_change(timing, pre, post) == pytest.approx(expected, abs=1e-12)


@given(st.floats(0, 1), st.integers(2, 6), st.floats(0.5, 3))
def test_a_population_answers_by_gaussians_of_its_stated_width(x, n_units, overlap):
    """``exp(-(x - mu)^2 / (2 sigma^2))``, sigma = 1 / (overlap (n - 1)); exp(-1/2) at one sigma."""
    code = Population(n_units=n_units, overlap=overlap, silent_below=0.0)
    sigma = 1 / (overlap * (n_units - 1))
    found = code.responses(torch.tensor([[x]], dtype=DTYPE))[0].tolist()
    centres = [k / (n_units - 1) for k in range(n_units)]
    expected = [math.exp(-((x - mu) ** 2) / (2 * sigma**2)) for mu in centres]
    assert found == pytest.approx(expected, rel=1e-12)
    if sigma <= 1:
        away = code.responses(torch.tensor([[sigma]], dtype=DTYPE))[0, 0]
        assert float(away) == pytest.approx(math.exp(-0.5), rel=1e-12)


@pytest.mark.parametrize("theta", [0.25, 1.0, 4.0])
def test_an_adaptive_threshold_rises_in_units_of_itself(theta):
    """``theta (1 + a)``: a cell of four times the threshold under four times the current spikes at
    the same ticks, and settles at ``1 / (1 - exp(-T / tau)) jump`` after a spike every T."""
    cell = AdaptiveLIF(dt_ms=1.0, tau_mem_ms=20.0, tau_adapt_ms=50.0, jump=0.3)
    current = torch.full((1, 1), 0.3 * theta, dtype=DTYPE)
    state, fired = cell.rest(current), []
    for tick in range(600):
        barrier = float(cell.barrier(torch.tensor([theta], dtype=DTYPE), state[1:]))
        assert barrier == pytest.approx(theta * (1 + float(state[1])), rel=1e-12)
        spikes, state = cell.tick(current, state, theta)
        if spikes:
            fired.append((tick, float(state[1])))
    at, adaptation = zip(*fired, strict=True)
    assert at[:5] == SPIKES_AT_THETA_1
    interval = at[-1] - at[-2]
    assert at[-2] - at[-3] == interval
    assert adaptation[-1] == pytest.approx(0.3 / (1 - math.exp(-interval / 50)), rel=1e-3)


def _spikes_at_theta_1() -> tuple[int, ...]:
    """The equations of the class in a loop over plain numbers."""
    v = a = 0.0
    found: list[int] = []
    for tick in range(600):
        v, a = v * math.exp(-1 / 20) + 0.3, a * math.exp(-1 / 50)
        if v > 1 + a:
            v, a = 0.0, a + 0.3
            found.append(tick)
    return tuple(found[:5])


SPIKES_AT_THETA_1 = _spikes_at_theta_1()


@given(st.floats(0.01, 0.99), st.floats(0.1, 3), st.floats(0.1, 3))
def test_soft_bounds_slow_potentiation_above_and_depression_below(u, mu_plus, mu_minus):
    """``(1 - u)^mu_plus`` and ``u^mu_minus`` on a range of -1 to 3: each exponent has its side."""
    bounds = SoftBounds(mu_plus, mu_minus, w_min=-1.0, w_max=3.0)
    w = -1 + 4 * u
    assert float(bounds.plus(w)) == pytest.approx((1 - u) ** mu_plus, rel=1e-9)
    assert float(bounds.minus(w)) == pytest.approx(u**mu_minus, rel=1e-9)
