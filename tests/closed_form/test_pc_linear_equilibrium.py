"""Linear predictive coding has its equilibrium and energy in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurosim.convergence import Steady
from neurosim.models.network.builders import dense_network
from neurosim.models.network.layers import identity
from neurosim.models.rules.losses import SquaredError
from neurosim.models.rules.predictive_coding import PredictiveCoding
from neurosim.plasticity import ErrorTimesPre
from neurosim.rule import LearningRule, run_batch
from neurosim.solvers import RK4
from neurosim.types import Drive

SIZES = (5, 7, 6, 4, 3)


@pytest.fixture(scope="module")
def settled():
    """A linear net of four synapses relaxed until its velocity is at rounding."""
    generator = torch.Generator().manual_seed(3)
    net = dense_network(SIZES, generator=generator, activation=identity, dtype=torch.float64)
    x = torch.randn(8, SIZES[0], generator=generator, dtype=torch.float64)
    target = torch.randn(8, SIZES[-1], generator=generator, dtype=torch.float64)
    # Linear convergence at a rate above .5: 200 units of tau bring the error to rounding.
    solver = RK4(dt=0.5, until=Steady(rtol=1e-14, atol=1e-16, max_steps=400))
    rule = LearningRule("pc", PredictiveCoding(SquaredError()), solver, ErrorTimesPre())
    return net, x, target, run_batch(rule, net, Drive(x, target))


def arrays(net):
    weights = [layer.weight.detach().numpy() for layer in net.layers]
    return weights, [layer.bias.detach().numpy() for layer in net.layers]


def test_energy_is_the_residual_under_the_summed_jacobians(settled):
    """E = 1/2 r^T (I + sum_l J_l J_l^T)^-1 r; 1e-10: two float64 solves of order 1."""
    net, x, target, outcome = settled
    weights, biases = arrays(net)
    y = x.numpy()
    for weight, bias in zip(weights, biases, strict=True):
        y = y @ weight.T + bias
    residual = target.numpy() - y
    spread, jacobian = np.eye(SIZES[-1]), np.eye(SIZES[-1])
    for weight in reversed(weights[1:]):
        jacobian = jacobian @ weight
        spread = spread + jacobian @ jacobian.T
    expected = 0.5 * np.sum(residual * np.linalg.solve(spread, residual.T).T)
    assert outcome.settled.energies[-1] == pytest.approx(expected, rel=1e-10)


def test_equilibrium_is_the_block_linear_solve(settled):
    """dE/dr = 0 is one linear system in all hidden values; 1e-10 as above."""
    net, x, target, outcome = settled
    weights, biases = arrays(net)
    hidden = SIZES[1:-1]
    starts = np.cumsum([0, *hidden])
    system = np.zeros((starts[-1], starts[-1]))
    right = np.zeros((starts[-1], len(x)))
    for index, n in enumerate(hidden):
        here = slice(starts[index], starts[index] + n)
        up, bias = weights[index + 1], biases[index + 1][:, None]
        system[here, here] = np.eye(n) + up.T @ up
        if index + 1 < len(hidden):
            above = slice(starts[index + 1], starts[index + 2])
            system[here, above], system[above, here] = -up.T, -up
            right[here] -= up.T @ bias
        else:
            right[here] += up.T @ (target.numpy().T - bias)
        right[here] += biases[index][:, None]
    right[: hidden[0]] += weights[0] @ x.numpy().T
    solved = np.linalg.solve(system, right)

    moved = outcome.settled.state["displacement"]
    for index, (layer, d) in enumerate(zip(outcome.point.swept, moved, strict=False)):
        expected = solved[starts[index] : starts[index + 1]].T
        np.testing.assert_allclose((layer.out + d).detach().numpy(), expected, atol=1e-10)
