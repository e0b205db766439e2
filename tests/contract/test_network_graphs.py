"""Laws of rules on rates over every network builder and over graphs that no builder makes."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from small_networks import BUILT, GRAPHS, PX, by_hand, drive, seeded

from neurosim.convergence import Horizon, Steady
from neurosim.models.catalogue import backprop, error_circuit_rule
from neurosim.models.rules.error_circuit import ErrorCircuit
from neurosim.models.rules.feed_forward import FeedForward
from neurosim.models.rules.feedback import (
    DirectFeedback,
    KolenPollack,
    RandomFixed,
    SignSymmetric,
    Transpose,
    output_counts,
)
from neurosim.models.rules.pc_rules import (
    fixed_prediction_rule,
    predictive_coding_supervised_rule,
    zero_divergence_rule,
)
from neurosim.models.rules.predictive_coding import PredictiveCoding
from neurosim.plasticity import ErrorTimesPre
from neurosim.rule import LearningRule, run_batch
from neurosim.solvers import Euler
from neurosim.training import Optimiser, Part, Trainer

every_graph = pytest.mark.parametrize("graph", GRAPHS)
every_built = pytest.mark.parametrize("graph", BUILT)
FEEDBACKS = {
    "bp": lambda net: Transpose(),
    "fa": lambda net: RandomFixed.like(net, seeded(4)),
    "sign-symmetric": lambda net: SignSymmetric.like(net, seeded(4)),
    "kolen-pollack": lambda net: KolenPollack.like(net, seeded(4)),
    "dfa": lambda net: DirectFeedback.like(net, seeded(4), (3, PX, PX)),
}


def assert_same_changes(found, expected, tolerance):
    """Within ``tolerance`` of each parameter's largest change. A bias under a norm that keeps
    statistics has none: what is there is rounding, of order 1e-16."""
    assert set(found) == set(expected)
    for name, change in expected.items():
        difference = float((found[name] - change).abs().max())
        assert difference <= tolerance * float(change.abs().max()) + 1e-14, name


@every_graph
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bp_equals_autograd_to_the_bit(graph, dtype):
    """The same operators in the same order, errors of several layers added as autograd adds them:
    the difference is 0."""
    net = GRAPHS[graph](dtype)
    named = backprop().parameters(net)
    loss = F.cross_entropy(by_hand(net, drive(dtype)), drive(dtype).target)
    expected = torch.autograd.grad(loss, list(named.values()))
    found = run_batch(backprop(), net, drive(dtype)).changes
    assert set(found) == set(named)
    for name, gradient in zip(named, expected, strict=True):
        assert torch.equal(found[name], -gradient), name


@every_graph
def test_every_sweep_is_the_composition_by_hand(graph):
    """Learning and evaluation, of linearised and of displaced layers: 1e-12, rounding of two
    orders of the same sums. Evaluation moves no tensor."""
    net = GRAPHS[graph](torch.float64)
    for rule in (backprop(), predictive_coding_supervised_rule()):
        outcome = run_batch(rule, copy.deepcopy(net), drive())
        expected = by_hand(copy.deepcopy(net), drive())
        torch.testing.assert_close(outcome.output, expected.detach(), rtol=0, atol=1e-12)
    before = {name: t.clone() for name, t in net.named_weights().items()}
    still = drive(learning=False)
    assert torch.equal(run_batch(backprop(), net, still).output, net(still.x))
    assert all(torch.equal(t, before[name]) for name, t in net.named_weights().items())


@every_graph
def test_z_il_and_fixed_prediction_equal_bp(graph):
    """Exact laws; 1e-11 for rounding in float64. Neither holds for another gamma."""
    net = GRAPHS[graph](torch.float64)
    n_levels = max(net.levels())
    bp = run_batch(backprop(), net, drive()).changes
    assert_same_changes(run_batch(zero_divergence_rule(), net, drive()).changes, bp, 1e-11)
    fixed = fixed_prediction_rule(n_steps=n_levels)
    assert_same_changes(run_batch(fixed, net, drive()).changes, bp, 1e-11)
    first = f"{net.layers[0].name}.weight"
    scale = bp[first].abs().max()
    early = run_batch(fixed_prediction_rule(n_steps=n_levels - 1), net, drive()).changes[first]
    slow = run_batch(zero_divergence_rule(gamma=0.5), net, drive()).changes[first]
    for other in (early, slow):
        assert float((other - bp[first]).abs().max()) > 1e-3 * scale


@every_built
@pytest.mark.parametrize("kind", FEEDBACKS)
def test_closed_form_is_the_fixed_point_of_the_flow(graph, kind):
    """To the bit at the fixed point; Euler arrives there within 1e-6, a thousandth of what
    Steady(1e-9) may leave at the layers it has gone through."""
    net = GRAPHS[graph](torch.float64)
    circuit = ErrorCircuit(FEEDBACKS[kind](net))
    point = circuit.operating_point(net, drive())
    flow = circuit.flow(point, circuit.equilibrium(point))
    assert all(float(t.detach().abs().max()) == 0 for t in flow["errors"])
    rule = error_circuit_rule(kind, FEEDBACKS[kind](net))
    direct = run_batch(rule, net, drive()).changes
    relaxed = run_batch(replace(rule, solver=Euler(0.5, Steady(1e-9))), net, drive())
    assert relaxed.settled.reason.startswith("steady")
    assert_same_changes(relaxed.changes, direct, 1e-6)


@every_graph
def test_feed_forward_rests_at_the_sweep(graph):
    net = GRAPHS[graph](torch.float64)
    dynamics = FeedForward()
    point = dynamics.operating_point(net, drive())
    flow = dynamics.flow(point, dynamics.equilibrium(point))
    assert all(float(t.abs().max()) == 0 for t in flow["activity"])


@every_graph
@pytest.mark.parametrize("kind", FEEDBACKS)
def test_every_parameter_gets_a_change_of_its_shape(graph, kind):
    """And one step along all changes lowers the loss wherever errors are those of BP."""
    net = GRAPHS[graph](torch.float64)
    rule = error_circuit_rule(kind, FEEDBACKS[kind](net))
    named = rule.parameters(net)
    changes = run_batch(rule, net, drive()).changes
    assert set(changes) == set(named)
    for name, change in changes.items():
        assert change.shape == named[name].shape
        assert bool(change.isfinite().all())
        if name.endswith("weight"):
            assert change.any(), name


@every_graph
def test_dfa_hears_the_output_error_alone_and_once(graph):
    """The error of a population is ``B e_out``, also where its output is added elsewhere."""
    net = GRAPHS[graph](torch.float64)
    circuit = ErrorCircuit(FEEDBACKS["dfa"](net))
    point = circuit.operating_point(net, drive())
    errors = circuit.equilibrium(point)["errors"]
    counts = output_counts(net, (3, PX, PX))
    for layer, error in zip(net.layers[:-1], errors[:-1], strict=True):
        weight = circuit.feedback.weights[layer.name]
        assert weight.shape == (errors[-1].shape[1], counts[layer.name])
        assert torch.equal(error.flatten(1), errors[-1] @ weight)


def moved(state, size, seed):
    draws = seeded(seed)
    return {
        "displacement": tuple(
            d + size * torch.randn(d.shape, generator=draws, dtype=d.dtype)
            for d in state["displacement"]
        )
    }


@every_graph
@torch.no_grad()
def test_pc_flow_is_minus_the_gradient_of_the_energy(graph):
    """Central differences of step 1e-7 along random directions, small against the distance to
    the kinks of ReLU and pooling; their rounding is about 1e-8 of the energy."""
    net, dynamics = GRAPHS[graph](torch.float64), PredictiveCoding(output_precision=0.7)
    point = dynamics.operating_point(net, drive())
    start = dynamics.initial_state(point)
    state = moved(start, 0.2, 5)
    flow = dynamics.flow(point, state)["displacement"]
    for seed in (6, 7):
        way = moved(start, 1.0, seed)["displacement"]
        ahead, behind = (
            {
                "displacement": tuple(
                    d + step * w for d, w in zip(state["displacement"], way, strict=True)
                )
            }
            for step in (1e-7, -1e-7)
        )
        slope = float(dynamics.energy(point, ahead) - dynamics.energy(point, behind)) / 2e-7
        along = sum(float((f * w).sum()) for f, w in zip(flow, way, strict=True))
        assert slope == pytest.approx(-along, rel=1e-5, abs=1e-4)


@every_built
def test_pc_energy_falls_with_every_step(graph):
    """dt = .1 is below 2 / (largest curvature) on all of them."""
    rule = LearningRule("pc", PredictiveCoding(), Euler(0.1, until=Horizon(15)), ErrorTimesPre())
    energies = run_batch(rule, GRAPHS[graph](torch.float64), drive()).settled.energies
    assert len(energies) == 16
    assert all(after < before for before, after in itertools.pairwise(energies))


@every_graph
def test_pc_changes_are_the_gradient_of_the_energy_in_every_parameter(graph):
    """``-dE/dW`` at held activity, in units of the precision and the mean over the batch; central
    differences of step 1e-7 as above. Under a norm that keeps statistics a bias has gradient 0."""
    net, dynamics = GRAPHS[graph](torch.float64), PredictiveCoding(output_precision=0.5)
    for layer in net.layers:
        layer.dropout = 0.0
    rule = LearningRule("pc", dynamics, Euler(0.2, until=Horizon(6)), ErrorTimesPre())
    outcome = run_batch(rule, net, drive())
    state = outcome.settled.state["displacement"]
    held = [layer.out + d for layer, d in zip(outcome.point.swept, state, strict=False)]

    @torch.no_grad()
    def energy() -> float:
        point = dynamics.operating_point(net, drive())
        away = tuple(r - p.out for r, p in zip(held, point.swept, strict=False))
        return float(dynamics.energy(point, {"displacement": away}))

    for number, (name, parameter) in enumerate(rule.parameters(net).items()):
        way = torch.randn(parameter.shape, generator=seeded(number), dtype=torch.float64)
        parameter.data += 1e-7 * way
        ahead = energy()
        parameter.data -= 2e-7 * way
        slope = (ahead - energy()) / 2e-7
        parameter.data += 1e-7 * way
        along = 0.5 * len(drive().x) * float((outcome.changes[name] * way).sum())
        assert slope == pytest.approx(-along, rel=1e-4, abs=1e-6), name


@every_graph
def test_pc_moves_running_statistics_once_a_batch_whatever_it_relaxes(graph):
    """In 20 steps as in none, and as backpropagation does: the statistics are of the sweep, which
    is what evaluation sees, and energy and flow read none."""
    moves = []
    for rule in (
        backprop(),
        predictive_coding_supervised_rule(n_steps=1),
        predictive_coding_supervised_rule(n_steps=20),
        zero_divergence_rule(),
    ):
        net = GRAPHS[graph](torch.float64)
        run_batch(rule, net, drive())
        moves.append({k: t for k, t in net.named_weights().items() if "running" in k})
    for other in moves[1:]:
        for name, tensor in moves[0].items():
            torch.testing.assert_close(other[name], tensor, rtol=1e-12, atol=0)


@every_built
@pytest.mark.parametrize("kind", ["bp", "pc"])
def test_training_lowers_the_loss(graph, kind):
    """Of the same batch, within 30 steps: shortcuts, projections and heads learn in one."""
    net = GRAPHS[graph](torch.float64)
    for layer in net.layers:
        layer.dropout = 0.0
    rule = backprop() if kind == "bp" else predictive_coding_supervised_rule(n_steps=8)
    trainer = Trainer([Part(rule, net, Optimiser("adam", lr=1e-2, schedule="constant"))], 30)
    losses = [trainer.step(drive().x, drive().target, seeded(step)).loss for step in range(30)]
    assert losses[-1] < 0.5 * losses[0]
