"""Predictive coding against the published algorithms written out as plain loops, and BP."""

from __future__ import annotations

import copy

import pytest
import torch

from neurosim.convergence import Horizon, Steady
from neurosim.models.network.builders import convolutional_network, dense_network
from neurosim.models.network.normalisation import Running
from neurosim.models.rules.displaced import DisplacedLayer, sweep
from neurosim.models.rules.error_circuit import ErrorCircuit
from neurosim.models.rules.feedback import Transpose
from neurosim.models.rules.pc_rules import fixed_prediction_rule, zero_divergence_rule
from neurosim.models.rules.predictive_coding import PredictiveCoding
from neurosim.plasticity import ErrorTimesPre
from neurosim.rule import LearningRule, run_batch
from neurosim.solvers import RK4, Direct, Euler
from neurosim.types import Drive

BP = LearningRule("bp", ErrorCircuit(Transpose()), Direct(), ErrorTimesPre())


def tanh_net(seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    net = dense_network(
        (6, 12, 10, 8, 4), generator=generator, activation=torch.tanh, dtype=torch.float64
    )
    x = torch.randn(16, 6, generator=generator, dtype=torch.float64)
    target = torch.randint(0, 4, (16,), generator=generator)
    return net, Drive(x, target)


def small_conv_net():
    generator = torch.Generator().manual_seed(1)
    net = convolutional_network(
        generator=generator, channels=(3, 4, 6), image_px=8, n_hidden=12, dtype=torch.float64
    )
    x = torch.randn(12, 3, 8, 8, generator=generator, dtype=torch.float64)
    target = torch.randint(0, 10, (12,), generator=generator)
    return net, lambda: Drive(x, target, torch.Generator().manual_seed(5))


def random_like(tensor: torch.Tensor, seed: int = 7) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)


def relative_error(ours, theirs) -> float:
    """Over all changes at once."""
    assert ours.keys() == theirs.keys()
    square = sum(float((ours[name] - theirs[name]).square().sum()) for name in ours)
    return (square / sum(float(change.square().sum()) for change in theirs.values())) ** 0.5


def inference_learning_by_hand(net, drive, dt: float, n_steps: int, pi: float = 1.0):
    """Whittington & Bogacz 2017 with the energy written in activities and left to autograd.

    Returns the values after every step and minus the gradient of the energy in the weights
    at the last, in units of ``pi`` and the batch.
    """
    weights = [p.detach().clone().requires_grad_() for p in net.parameters()]

    def energy(values):
        total, below = 0.0, drive.x
        for index, value in enumerate([*values, None]):
            weight, bias = weights[2 * index], weights[2 * index + 1]
            predicted = below @ weight.t() + bias
            if value is None:
                loss = torch.nn.functional.cross_entropy(predicted, drive.target, reduction="sum")
                return total + pi * loss
            predicted = torch.tanh(predicted)
            total = total + 0.5 * (value - predicted).square().sum()
            below = value

    values, below = [], drive.x
    for index in range(len(net.layers) - 1):
        below = torch.tanh(below @ weights[2 * index].t() + weights[2 * index + 1]).detach()
        values.append(below)
    path = [values]
    for _ in range(n_steps):
        leaves = [value.detach().requires_grad_() for value in path[-1]]
        slopes = torch.autograd.grad(energy(leaves), leaves)
        path.append([v.detach() - dt * g for v, g in zip(leaves, slopes, strict=True)])
    slopes = torch.autograd.grad(energy(path[-1]), weights)
    names = [f"{layer.name}.{kind}" for layer in net.layers for kind in ("weight", "bias")]
    scale = -1 / (pi * len(drive.x))
    return path, {name: scale * slope for name, slope in zip(names, slopes, strict=True)}


@pytest.mark.parametrize("pi", [1.0, 0.1])
def test_supervised_is_gradient_descent_of_the_written_energy(pi):
    """Values and changes after five Euler steps; 1e-12: rounding of float64 at order 1."""
    net, drive = tanh_net()
    rule = LearningRule(
        "pc",
        PredictiveCoding(output_precision=pi),
        Euler(0.2, until=Horizon(5)),
        ErrorTimesPre(),
    )
    outcome = run_batch(rule, net, drive)
    path, changes = inference_learning_by_hand(net, drive, 0.2, 5, pi)
    for layer, moved, value in zip(
        outcome.point.swept, outcome.settled.state["displacement"], path[-1], strict=False
    ):
        torch.testing.assert_close(layer.out + moved, value, rtol=0, atol=1e-12)
    assert relative_error(outcome.changes, changes) < 1e-12


def test_strict_predictive_coding_tends_to_bp_with_the_output_precision():
    """The error is linear in pi: a tenth of the precision, a tenth of the error (5 %: the
    next order is pi^2), about 0.7 pi here, where the loss is a cross-entropy."""
    net, drive = tanh_net()
    bp = run_batch(BP, net, drive).changes
    solver = RK4(dt=0.3, until=Steady(rtol=1e-10, atol=1e-15, max_steps=400))
    errors = {}
    for pi in (1e-2, 1e-3):
        rule = LearningRule("pc", PredictiveCoding(output_precision=pi), solver, ErrorTimesPre())
        errors[pi] = relative_error(run_batch(rule, net, drive).changes, bp)
    assert errors[1e-3] == pytest.approx(errors[1e-2] / 10, rel=0.05)
    assert 0.2 < errors[1e-3] / 1e-3 < 5


def test_it_tends_to_bp_through_normalisation_pooling_and_dropout_too():
    """The statistics of the batch are part of the energy, so that the limit holds there as
    well: an error linear in pi (10 %: what is left of the relaxation after 400 steps). Above
    1e-3 some units cross their thresholds here."""
    net, drive = small_conv_net()
    bp = run_batch(BP, copy.deepcopy(net), drive()).changes
    solver = Euler(0.3, until=Horizon(400))
    errors = {}
    for pi in (1e-3, 1e-4):
        dynamics = PredictiveCoding(output_precision=pi)
        rule = LearningRule("pc", dynamics, solver, ErrorTimesPre())
        errors[pi] = relative_error(run_batch(rule, copy.deepcopy(net), drive()).changes, bp)
    assert errors[1e-4] == pytest.approx(errors[1e-3] / 10, rel=0.1)
    assert errors[1e-3] < 1e-2


def test_fixed_prediction_equals_bp_after_as_many_steps_as_hidden_layers():
    """Millidge 2022: gamma = 1 and T >= L - 1; fewer steps leave the first layer unmoved."""
    net, drive = tanh_net()
    bp = run_batch(BP, net, drive).changes
    for n_steps in (3, 6):
        changes = run_batch(fixed_prediction_rule(n_steps=n_steps), net, drive).changes
        assert relative_error(changes, bp) < 1e-12
    short = run_batch(fixed_prediction_rule(n_steps=2), net, drive).changes
    assert not short["layer1.weight"].any()


@pytest.mark.parametrize("gamma", [1.0, 0.5])
def test_fixed_prediction_is_its_published_loop(gamma):
    """Values ascend ``-e_l + f' W^T e_(l+1)`` with predictions kept; 1e-12 as above."""
    net, drive = tanh_net()
    weights = [layer.weight.detach() for layer in net.layers]
    activity = [drive.x]
    for layer in net.layers:
        current = layer.current(activity[-1]).detach()
        activity.append(torch.tanh(current) if layer is not net.layers[-1] else current)
    output_error = torch.nn.functional.one_hot(drive.target, 4) - activity[-1].softmax(1)
    output_error = output_error / len(drive.x)
    slopes = [1 - value.square() for value in activity[1:-1]]
    values = [value.clone() for value in activity[1:-1]]
    for _ in range(7):
        errors = [v - a for v, a in zip(values, activity[1:-1], strict=True)] + [output_error]
        deltas = [e * s for e, s in zip(errors, slopes, strict=False)] + [output_error]
        for index, value in enumerate(values):
            value += gamma * (deltas[index + 1] @ weights[index + 1] - errors[index])
    errors = [v - a for v, a in zip(values, activity[1:-1], strict=True)]
    deltas = [e * s for e, s in zip(errors, slopes, strict=True)] + [output_error]
    changes = run_batch(fixed_prediction_rule(n_steps=7, gamma=gamma), net, drive).changes
    for layer, delta, pre in zip(net.layers, deltas, activity, strict=False):
        torch.testing.assert_close(
            changes[f"{layer.name}.weight"], delta.t() @ pre, rtol=0, atol=1e-12
        )


def test_z_il_equals_bp_only_with_gamma_1():
    """Song 2020; float64 rounding for gamma 1, an error of order 1 for gamma .5."""
    net, drive = tanh_net()
    bp = run_batch(BP, net, drive).changes
    assert relative_error(run_batch(zero_divergence_rule(), net, drive).changes, bp) < 1e-12
    half = run_batch(zero_divergence_rule(gamma=0.5), net, drive).changes
    assert relative_error(half, bp) > 0.1


def test_sweep_is_the_forward_pass_that_other_rules_linearise():
    """Outputs, running statistics and dropout masks; 1e-12: two orders of the same sums."""
    net, drive = small_conv_net()
    twin = copy.deepcopy(net)
    for ours, theirs in zip(sweep(net, drive()), twin.linearise(drive()), strict=True):
        torch.testing.assert_close(ours.out, theirs.out, rtol=0, atol=1e-12)
        error = random_like(ours.out)
        got, expected = ours.at_rest.pull(error, to_gains=True), theirs.pull(error)
        torch.testing.assert_close(got.delta, expected.delta, rtol=0, atol=1e-11)
        torch.testing.assert_close(got.gain, expected.gain, rtol=0, atol=1e-11)
    for name, tensor in twin.named_weights().items():
        torch.testing.assert_close(net.named_weights()[name], tensor, rtol=0, atol=1e-12)


def test_displaced_layer_pulls_back_as_autograd_does():
    """With running statistics the layer is a plain function of its input; 1e-11: rounding."""
    net, drive = small_conv_net()
    x = drive().x
    swept = sweep(net, Drive(x, learning=False))[1]
    below = 0.1 * random_like(swept.pre)
    displaced = DisplacedLayer(swept, below)
    values = (swept.pre + below).requires_grad_()
    out = swept.layer.respond(swept.layer.current(values), Running())
    error = random_like(out)
    torch.testing.assert_close(displaced.out, out.detach(), rtol=0, atol=1e-11)
    expected = torch.autograd.grad(out, values, error)[0]
    carried = displaced.carry_back(displaced.pull(error).delta)
    torch.testing.assert_close(carried, expected, rtol=0, atol=1e-11)
