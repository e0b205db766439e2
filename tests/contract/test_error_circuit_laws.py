"""Backpropagation and its relatives as one error circuit."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from neurosim.convergence import Steady
from neurosim.models.catalogue import RULES, backprop, error_circuit_rule
from neurosim.models.network.builders import convolutional_network, dense_network
from neurosim.models.network.normalisation import Batch
from neurosim.models.rules.error_circuit import ErrorCircuit
from neurosim.models.rules.feedback import (
    DirectFeedback,
    KolenPollack,
    RandomFixed,
    SignSymmetric,
    Transpose,
    output_counts,
)
from neurosim.models.rules.learner import SharedStart
from neurosim.models.rules.losses import SquaredError
from neurosim.plasticity import ErrorTimesPre
from neurosim.rule import LearningRule, run_batch
from neurosim.solvers import RK4, AdaptiveHeun, Euler, Heun
from neurosim.training import Trainer
from neurosim.types import Drive


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def conv_net(dtype=torch.float32):
    return convolutional_network(
        generator=seeded(),
        channels=(3, 4, 6, 8),
        image_px=16,
        n_hidden=12,
        n_classes=5,
        dtype=dtype,
    )


def conv_batch(dtype=torch.float32):
    x = torch.randn(7, 3, 16, 16, generator=seeded(1), dtype=dtype)
    return x, torch.randint(0, 5, (7,), generator=seeded(2))


def dense_net(dtype=torch.float32, sizes=(9, 8, 7, 5), activation=torch.tanh):
    return dense_network(sizes, generator=seeded(), activation=activation, dtype=dtype)


def dense_batch(dtype=torch.float32):
    x = torch.randn(6, 9, generator=seeded(1), dtype=dtype)
    return x, torch.randint(0, 5, (6,), generator=seeded(2))


CASES = {"conv": (conv_net, conv_batch), "dense": (dense_net, dense_batch)}


def autograd_changes(net, x, y, generator):
    """Plain torch: the same layers composed in one graph, differentiated at once."""
    a = x
    for layer in net.layers:
        a = layer.respond(layer.current(a), Batch(), generator)
    named = backprop().parameters(net)
    gradients = torch.autograd.grad(F.cross_entropy(a, y), list(named.values()))
    return dict(zip(named, gradients, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", CASES)
def test_bp_equals_autograd_to_the_bit(case, dtype):
    """Same operators in the same order: the difference is 0, not small."""
    make_net, make_batch = CASES[case]
    net, (x, y) = make_net(dtype), make_batch(dtype)
    expected = autograd_changes(net, x, y, seeded(3))
    outcome = run_batch(backprop(), net, Drive(x, y, seeded(3)))
    assert set(outcome.changes) == set(expected)
    for name, gradient in expected.items():
        assert torch.equal(outcome.changes[name], -gradient), name


@pytest.mark.parametrize(
    ("solver", "tolerance"),
    [
        # 1e-5 is what a relaxation must reach; Steady(1e-9) leaves far less.
        (Euler(0.5, Steady(1e-9)), 1e-5),
        (Heun(0.5, Steady(1e-9)), 1e-5),
        (RK4(0.5, Steady(1e-9)), 1e-5),
        # A second-order method with error control takes steps of about sqrt(rtol): it is held to
        # the size of its own criterion.
        (AdaptiveHeun(0.1, Steady(1e-3), rtol=1e-3), 1e-2),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("case", CASES)
def test_relaxed_bp_meets_the_closed_form(case, solver, tolerance):
    """The flow's fixed point is the backward sweep, whatever the solver."""
    make_net, make_batch = CASES[case]
    net, (x, y) = make_net(torch.float64), make_batch(torch.float64)
    direct = run_batch(backprop(), net, Drive(x, y, seeded(3)))
    relaxed = run_batch(replace(backprop(), solver=solver), net, Drive(x, y, seeded(3)))
    assert relaxed.settled.reason.startswith("steady")
    for name, change in direct.changes.items():
        # Relative to the layer's largest change: single elements may be near 0.
        difference = (relaxed.changes[name] - change).abs().max()
        # The conv bias under a batch norm has no gradient: its change is rounding alone.
        assert difference <= tolerance * change.abs().max() + 1e-12, name


@pytest.mark.parametrize("case", CASES)
def test_the_closed_form_is_a_fixed_point_of_the_flow(case):
    make_net, make_batch = CASES[case]
    net, (x, y) = make_net(torch.float64), make_batch(torch.float64)
    circuit = ErrorCircuit(Transpose())
    point = circuit.operating_point(net, Drive(x, y, seeded(3)))
    flow = circuit.flow(point, circuit.equilibrium(point))
    assert all(float(t.detach().abs().max()) == 0 for t in flow["errors"])


@pytest.mark.parametrize("case", CASES)
def test_fa_with_transposed_forward_weights_is_bp_to_the_bit(case):
    make_net, make_batch = CASES[case]
    net, (x, y) = make_net(), make_batch()
    feedback = RandomFixed({layer.name: layer.weight.detach() for layer in net.layers})
    fa = run_batch(error_circuit_rule("fa", feedback), net, Drive(x, y, seeded(3)))
    bp = run_batch(backprop(), net, Drive(x, y, seeded(3)))
    assert all(torch.equal(fa.changes[name], bp.changes[name]) for name in bp.changes)


def test_fa_differs_from_bp_in_every_layer_but_the_last():
    """The feedback is random in dense layers too: only the head's change agrees."""
    net, (x, y) = conv_net(), conv_batch()
    rule = error_circuit_rule("fa", RandomFixed.like(net, seeded(4)))
    fa = run_batch(rule, net, Drive(x, y, seeded(3))).changes
    bp = run_batch(backprop(), net, Drive(x, y, seeded(3))).changes
    for layer in net.layers:
        name = f"{layer.name}.weight"
        assert torch.equal(fa[name], bp[name]) == (layer.name == "head"), name


def test_dfa_with_one_hidden_layer_is_fa():
    net, (x, y) = dense_net(sizes=(9, 8, 5)), dense_batch()
    (weight,) = RandomFixed.like(net, seeded(4)).weights.values()
    fa = run_batch(error_circuit_rule("fa", RandomFixed({"layer2": weight})), net, Drive(x, y))
    # The same matrix, named by the layer it starts from there and by the one it ends at here.
    dfa = run_batch(error_circuit_rule("dfa", DirectFeedback({"layer1": weight})), net, Drive(x, y))
    assert all(torch.equal(fa.changes[name], dfa.changes[name]) for name in fa.changes)


def test_dfa_hears_the_output_error_alone():
    """Errors of hidden layers do not depend on the weights above them."""
    net, (x, y) = dense_net(), dense_batch()
    circuit = ErrorCircuit(DirectFeedback.like(net, seeded(4), (9,)))
    point = circuit.operating_point(net, Drive(x, y))
    errors = circuit.equilibrium(point)["errors"]
    for layer, error in zip(net.layers[:-1], errors[:-1], strict=True):
        assert torch.equal(error, errors[-1] @ circuit.feedback.weights[layer.name])


def test_sign_symmetric_feedback_carries_the_forward_sign_and_fixed_magnitudes():
    net, (x, y) = dense_net(torch.float64), dense_batch(torch.float64)
    feedback = SignSymmetric.like(net, seeded(4))
    circuit = ErrorCircuit(feedback)
    point = circuit.operating_point(net, Drive(x, y))
    head = net.layers[-1]
    expected = point.output_error @ (feedback.weights[head.name] * head.weight.detach().sign())
    carried = circuit.equilibrium(point)["errors"][-2]
    torch.testing.assert_close(carried, expected, rtol=1e-14, atol=0)


def test_kolen_pollack_difference_decays_exactly():
    """Same change and same decay: |B - W|_t / |B - W|_0 = (1 - lambda)^t, lambda = lr x decay.

    In float64 only rounding is left: 1e-12 after 40 steps.
    """
    net, (x, y) = dense_net(torch.float64), dense_batch(torch.float64)
    feedback = KolenPollack.like(net, seeded(4))
    rule = error_circuit_rule("kolen-pollack", feedback)
    named = rule.parameters(net)
    assert {"feedback.layer2.weight", "feedback.layer3.weight"} <= set(named)
    lr, decay, n_steps = 0.1, 0.05, 40
    forward = {layer.name: layer.weight for layer in net.layers[1:]}
    start = {name: (feedback.weights[name] - w).norm().item() for name, w in forward.items()}
    with torch.no_grad():
        for _ in range(n_steps):
            changes = run_batch(rule, net, Drive(x, y)).changes
            for name, parameter in named.items():
                parameter.mul_(1 - lr * decay).add_(changes[name], alpha=lr)
    for name, w in forward.items():
        ratio = (feedback.weights[name] - w).norm().item() / start[name]
        assert ratio == pytest.approx((1 - lr * decay) ** n_steps, rel=1e-12)


def angle_on_the_linear_task(feedback_of, *, learns_with_feedback: bool) -> tuple[float, float]:
    """First and last angle between the FA error and W^T's on the task of Lillicrap et al. 2016.

    A 30-20-10 linear network learns a random linear map; the control learns by BP while the
    angle to the same unused B is watched.
    """
    net = dense_network((30, 20, 10), generator=seeded(), bias=False, activation=lambda a: a)
    with torch.no_grad():
        for layer in net.layers:
            layer.weight.mul_(0.1)
    feedback = feedback_of(net)
    watched = ErrorCircuit(feedback, SquaredError())
    used = watched if learns_with_feedback else ErrorCircuit(Transpose(), SquaredError())
    rule = LearningRule("linear", used, replace(backprop()).solver, ErrorTimesPre())
    target_map = torch.randn(30, 10, generator=seeded(5)) / 30**0.5
    draws, angles = seeded(6), []
    for _ in range(600):
        x = torch.randn(32, 30, generator=draws)
        drive = Drive(x, x @ target_map)
        point = watched.operating_point(net, drive)
        with torch.no_grad():
            state = watched.equilibrium(point)
        angles.append(watched.alignment_angles(point, state)["layer1"])
        changes = run_batch(rule, net, drive).changes
        with torch.no_grad():
            for name, parameter in rule.parameters(net).items():
                parameter.add_(changes[name], alpha=0.05)
    return angles[0], angles[-1]


def test_fa_aligns_the_forward_weights_and_bp_does_not():
    """Lillicrap et al. 2016: from about 90 degrees to about 29; a BP control stays near 90.

    The bounds leave room for other draws: below 60 for FA, 75 to 105 for the control.
    """

    def random(net):
        return RandomFixed.like(net, seeded(4))

    start, end = angle_on_the_linear_task(random, learns_with_feedback=True)
    assert 75 < start < 105
    assert end < 60
    _, control = angle_on_the_linear_task(random, learns_with_feedback=False)
    assert 75 < control < 105


def test_a_missing_target_is_refused():
    net, (x, _) = dense_net(), dense_batch()
    with pytest.raises(ValueError, match="needs a target"):
        run_batch(backprop(), net, Drive(x))


def drawn(kind: str, net) -> dict[str, tuple[torch.Tensor, int]]:
    """Layer -> the random feedback weights, and how many inputs they are scaled by."""
    fan_in = {layer.name: layer.synapse.fan_in for layer in net.layers}
    if kind == "direct":
        weights = DirectFeedback.like(net, seeded(4), (3, 32, 32)).weights
        counts = output_counts(net, (3, 32, 32))
        return {name: (w, counts[name]) for name, w in weights.items()}
    if kind == "forward":
        return {layer.name: (layer.weight.detach(), fan_in[layer.name]) for layer in net.layers}
    cls = {"fixed": RandomFixed, "kolen-pollack": KolenPollack, "signs": SignSymmetric}[kind]
    return {name: (w, fan_in[name]) for name, w in cls.like(net, seeded(4)).weights.items()}


@pytest.mark.parametrize("kind", ["forward", "fixed", "kolen-pollack", "direct", "signs"])
def test_random_weights_are_uniform_up_to_one_over_the_root_of_the_fan_in(kind):
    """U(-b, b), b = 1/sqrt(fan_in): mean 0 and variance b^2/3 within 5 standard errors, none
    beyond b. Sign-symmetric feedback keeps magnitudes: U(0, b), mean b/2 and variance b^2/12."""
    net = convolutional_network(generator=seeded())
    found = drawn(kind, net)
    named = net.layers[:-1] if kind == "direct" else net.layers[1:]
    assert set(found) >= {layer.name for layer in named}
    for name, (weight, n_in) in found.items():
        b, n = n_in**-0.5, weight.numel()
        mean, variance = (b / 2, b**2 / 12) if kind == "signs" else (0.0, b**2 / 3)
        assert float(weight.abs().max()) <= b, name
        assert abs(float(weight.mean()) - mean) < 5 * (variance / n) ** 0.5, name
        # The variance of a squared uniform deviation is 4/5 of its squared mean.
        error = 5 * variance * (0.8 / n) ** 0.5
        assert abs(float(weight.var()) - variance) < error, name


def test_kolen_pollack_meets_under_its_own_optimiser():
    """The learner of the catalogue, trained: every step shrinks B - W by 1 - lr_t x decay.

    Decay coupled with the gradient would enter Adam's moments of W and B differently. float32
    keeps the difference of two weights to about 1e-4 of itself.
    """
    learner = RULES["kolen-pollack"](SharedStart(7, image_px=16))
    optimiser, n_steps = learner.parts[0].optimiser, 6

    def difference() -> dict[str, torch.Tensor]:
        t = learner.tensors()
        return {n: t[f"feedback.{n}.weight"] - t[f"{n}.weight"] for n in ("Conv2", "FC1", "head")}

    start = {name: d.clone() for name, d in difference().items()}
    trainer = Trainer(learner.parts, n_steps)
    shrunk = 1.0
    for step in range(n_steps):
        trainer.step(torch.randn(8, 3, 16, 16, generator=seeded(step)), torch.arange(8), seeded(9))
        shrunk *= 1 - optimiser.lr_at(step, n_steps) * optimiser.weight_decay
    assert shrunk < 0.998
    for name, left in difference().items():
        torch.testing.assert_close(left, shrunk * start[name], rtol=1e-4, atol=1e-6)
