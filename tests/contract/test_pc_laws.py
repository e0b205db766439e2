"""Laws of both predictive-coding energies: gradient flow, descent, what learns and what not."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from neurosim.convergence import EnergyPlateau, Horizon, Steady
from neurosim.models.network.builders import convolutional_network, dense_network
from neurosim.models.network.graph import Network
from neurosim.models.network.normalisation import Batch
from neurosim.models.rules.error_circuit import ErrorCircuit
from neurosim.models.rules.feedback import Transpose
from neurosim.models.rules.generative import HighPass
from neurosim.models.rules.lateral import LateralInhibition
from neurosim.models.rules.pc_hybrid import HybridPredictiveCoding
from neurosim.models.rules.pc_rules import (
    predictive_coding_hybrid_rule,
    predictive_coding_supervised_rule,
)
from neurosim.models.rules.predictive_coding import PredictiveCoding
from neurosim.models.rules.zero_divergence import ZeroDivergence
from neurosim.plasticity import ErrorTimesPre
from neurosim.rule import LearningRule, run_batch
from neurosim.solvers import RK4, AdaptiveHeun, Direct, Euler, Heun, Ticks
from neurosim.training import Part, Trainer, without_learning
from neurosim.types import Drive, State

DTYPE = torch.float64
BP = LearningRule("bp", ErrorCircuit(Transpose()), Direct(), ErrorTimesPre())


def conv_net(seed: int = 1) -> Network:
    return convolutional_network(
        generator=torch.Generator().manual_seed(seed),
        channels=(3, 4, 6, 8),
        image_px=16,
        n_hidden=12,
        dtype=DTYPE,
    )


def drive(target: bool = True) -> Drive:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(6, 3, 16, 16, generator=generator, dtype=DTYPE)
    labels = torch.randint(0, 10, (6,), generator=generator)
    return Drive(x, labels if target else None, generator)


def forms() -> dict[str, tuple[object, Network]]:
    """Both energies, on the stretch of layers each learns."""
    net = conv_net()
    generator = torch.Generator().manual_seed(3)
    hybrid = HybridPredictiveCoding.like(net.body(), generator, lateral=(0.1, 0.3, 0.2))
    supervised = PredictiveCoding(output_precision=0.7, precisions=(1.0, 0.5, 2.0, 1.5))
    return {"supervised": (supervised, net), "hybrid": (hybrid, net.body())}


FORMS = ("supervised", "hybrid")


def displaced(state: State, size: float, seed: int = 0) -> State:
    generator = torch.Generator().manual_seed(seed)
    return {
        "displacement": tuple(
            d + size * torch.randn(d.shape, generator=generator, dtype=DTYPE)
            for d in state["displacement"]
        )
    }


@pytest.mark.parametrize("form", FORMS)
@torch.no_grad()
def test_flow_is_minus_the_gradient_of_the_energy(form):
    """Central differences of step 1e-6 along random directions. Their own rounding is about
    1e-8 of the energy's unit; a pooling switches its winner with probability near 0."""
    dynamics, net = forms()[form]
    point = dynamics.operating_point(net, drive())
    state = displaced(dynamics.initial_state(point), 0.3)
    flow = dynamics.flow(point, state)
    for seed in (1, 2, 3):
        way = displaced(dynamics.initial_state(point), 1.0, seed)
        ahead, behind = (
            {
                "displacement": tuple(
                    s + sign * 1e-6 * w
                    for s, w in zip(state["displacement"], way["displacement"], strict=True)
                )
            }
            for sign in (1, -1)
        )
        slope = float(dynamics.energy(point, ahead) - dynamics.energy(point, behind)) / 2e-6
        along = sum(
            float((f * w).sum())
            for f, w in zip(flow["displacement"], way["displacement"], strict=True)
        )
        assert slope == pytest.approx(-along, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("solver", [Euler, Heun, RK4, AdaptiveHeun])
def test_energy_never_rises_under_a_stable_step(form, solver):
    """dt = .1 is far below 2 / (largest curvature) here; not a step may rise."""
    dynamics, net = forms()[form]
    rule = LearningRule(form, dynamics, solver(0.1, until=Horizon(12)), ErrorTimesPre())
    energies = run_batch(rule, net, drive()).settled.energies
    assert len(energies) == 13
    assert all(after < before for before, after in itertools.pairwise(energies))


def test_an_unstable_step_is_seen_in_the_energies():
    """The record is a measurement, not a formality: dt = 5 must rise."""
    dynamics, net = forms()["hybrid"]
    rule = LearningRule("pc", dynamics, Euler(5.0, until=Horizon(5)), ErrorTimesPre())
    energies = run_batch(rule, net, drive()).settled.energies
    assert energies[-1] > energies[0]


def test_changes_are_the_energy_gradient_in_the_weights():
    """-dE/dW at held activity, by central differences (error about 1e-9 relative)."""
    generator = torch.Generator().manual_seed(4)
    net = dense_network((5, 8, 6, 3), generator=generator, activation=torch.tanh, dtype=DTYPE)
    x = torch.randn(7, 5, generator=generator, dtype=DTYPE)
    clamped = Drive(x, torch.randint(0, 3, (7,), generator=generator))
    dynamics = PredictiveCoding(output_precision=0.5)
    rule = LearningRule("pc", dynamics, Euler(0.2, until=Horizon(6)), ErrorTimesPre())
    outcome = run_batch(rule, net, clamped)
    moved = outcome.settled.state["displacement"]
    held = [layer.out + d for layer, d in zip(outcome.point.swept, moved, strict=False)]

    @torch.no_grad()
    def energy() -> float:
        point = dynamics.operating_point(net, clamped)
        state = {"displacement": tuple(r - p.out for r, p in zip(held, point.swept, strict=False))}
        return float(dynamics.energy(point, state))

    for layer in net.layers:
        way = torch.randn(layer.weight.shape, generator=generator, dtype=DTYPE)
        layer.weight.data += 1e-5 * way
        ahead = energy()
        layer.weight.data -= 2e-5 * way
        slope = (ahead - energy()) / 2e-5
        layer.weight.data += 1e-5 * way
        # Changes come in units of the precision and the mean over the batch.
        along = 0.5 * 7 * float((outcome.changes[f"{layer.name}.weight"] * way).sum())
        assert slope == pytest.approx(-along, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("dt", [0.1, 0.02])
def test_truncated_relaxation_is_backpropagation_scaled_down(dt):
    """Four steps bring an error just to the layer four below the output: what arrives there is
    ``dt^4`` times backpropagation's and nothing else yet. An identity; 1e-6 covers rounding of
    displacements that are 1e-4 (1.6e-7) of the activity they are added to."""
    net = conv_net()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 3, 16, 16, generator=generator, dtype=DTYPE)
    drive = Drive(x, torch.arange(6) % 4, torch.Generator().manual_seed(1))
    found = run_batch(predictive_coding_supervised_rule(dt=dt), net, drive).changes
    drive = Drive(x, torch.arange(6) % 4, torch.Generator().manual_seed(1))
    expected = dt**4 * run_batch(BP, net, drive).changes["Conv1.weight"]
    scale = float(expected.abs().max())
    torch.testing.assert_close(found["Conv1.weight"], expected, rtol=0, atol=1e-6 * scale)


def test_without_a_target_nothing_moves():
    """Feed-forward activity is the minimum: 0 steps to steadiness, a zero change."""
    net = conv_net()
    rule = LearningRule("pc", PredictiveCoding(), Heun(0.1, until=Steady()), ErrorTimesPre())
    outcome = run_batch(rule, net, drive(target=False))
    assert outcome.settled.n_steps == 0
    assert outcome.settled.reason.startswith("steady")
    assert not any(change.any() for change in outcome.changes.values())
    assert not any(d.any() for d in outcome.settled.state["displacement"])


@pytest.mark.parametrize("form", FORMS)
def test_energy_plateau_and_steady_stop_with_their_reason(form):
    dynamics, net = forms()[form]
    for until, word in (
        (EnergyPlateau(rtol=1e-4, max_steps=500), "plateau"),
        (Steady(rtol=0.05, max_steps=500), "steady"),
        (Horizon(2), "horizon: 2 steps"),
    ):
        rule = LearningRule(form, dynamics, Euler(0.1, until=until), ErrorTimesPre())
        settled = run_batch(rule, net, drive()).settled
        assert settled.reason.startswith(word)
        assert settled.n_steps < 500


@pytest.mark.parametrize("form", FORMS)
def test_every_kernel_tap_has_a_change_of_its_own(form):
    """Nine taps of one (out, in) pair differ: the change is no channel mean."""
    dynamics, net = forms()[form]
    rule = LearningRule(form, dynamics, Euler(0.1, until=Horizon(4)), ErrorTimesPre())
    changes = run_batch(rule, net, drive()).changes
    for name in ("Conv1", "Conv2", "Conv3"):
        taps = changes[f"{name}.weight"].flatten(2)
        spread = taps.std(2) / taps.abs().mean(2).clamp(min=1e-300)
        # A filter whose unit is silent in all six images has no change at all.
        assert (spread > 1e-3)[taps.abs().amax(2) > 0].all()
        assert taps.any()


def test_hybrid_hears_no_label_and_leaves_gains_alone():
    """Neither the label nor the readout above reaches a convolution; gamma, beta and the bias
    under a normalisation are no parameters of the rule."""
    net = conv_net()
    body = net.body()
    rule = predictive_coding_hybrid_rule(body, torch.Generator().manual_seed(3))
    names = set(rule.parameters(body))
    assert names == {f"Conv{i}.weight" for i in (1, 2, 3)} | {
        f"generative.Conv{i}.{kind}" for i in (1, 2, 3) for kind in ("weight", "bias")
    }
    plain = run_batch(rule, body, drive()).changes
    other = drive()
    other = Drive(other.x, (other.target + 1) % 10, other.generator)
    for name, change in run_batch(rule, body, other).changes.items():
        assert torch.equal(change, plain[name])


def test_no_gradient_of_the_readout_reaches_a_convolution():
    """With plasticity frozen below, a trained readout moves itself and nothing else."""
    net = conv_net()
    body = net.body()
    rule = predictive_coding_hybrid_rule(body, torch.Generator().manual_seed(3))
    start = {name: tensor.clone() for name, tensor in net.named_weights().items()}
    parts = (without_learning(Part(rule, body)), Part(BP, net.readout()))
    Trainer(parts, 1).step(drive().x, drive().target, torch.Generator().manual_seed(0))
    for name, tensor in net.named_weights().items():
        if name.startswith("Conv") and "running" not in name:
            assert torch.equal(tensor, start[name])
    assert not torch.equal(net.named_weights()["FC1.weight"], start["FC1.weight"])


def test_hybrid_learning_moves_recognition_and_generation():
    """One step of the chain of hybrid and readout moves all that the rule names."""
    net = conv_net()
    body = net.body()
    rule = predictive_coding_hybrid_rule(body, torch.Generator().manual_seed(3))
    start = {name: tensor.clone() for name, tensor in rule.parameters(body).items()}
    gains = [layer.norm.gamma.clone() for layer in body.layers]
    parts = (Part(rule, body), Part(BP, net.readout()))
    Trainer(parts, 1).step(drive().x, drive().target, torch.Generator().manual_seed(0))
    for name, tensor in rule.parameters(body).items():
        assert not torch.equal(tensor, start[name]), name
    for layer, gain in zip(body.layers, gains, strict=True):
        assert torch.equal(layer.norm.gamma, gain)


@pytest.mark.parametrize("strength", [0.0, 0.9])
def test_image_metric_is_symmetric_and_positive(strength):
    """a^T H b = b^T H a to rounding, a^T H a > 0: only so is the flow a gradient flow."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 2, 3, 9, 9, generator=generator, dtype=DTYPE)
    metric = HighPass(strength, 5)
    assert float((a * metric(b)).sum()) == pytest.approx(float((b * metric(a)).sum()), rel=1e-12)
    flat = torch.ones(1, 3, 9, 9, dtype=DTYPE)
    for image in (a, b, flat):
        assert float((image * metric(image)).sum()) > 0


def test_lateral_inhibition_is_the_correlation_and_decorrelates():
    """C is numpy's corrcoef (1e-12: another order of sums), positive, and one step against it
    lowers the correlation between two channels that share a cause."""
    generator = torch.Generator().manual_seed(0)
    common, own = torch.randn(2, 20, 4, 5, 5, generator=generator, dtype=DTYPE)
    activity = common[:, :1] + own
    inhibit = LateralInhibition(activity)

    def correlation(x: torch.Tensor) -> np.ndarray:
        return np.corrcoef(x.transpose(0, 1).flatten(1).numpy())

    np.testing.assert_allclose(inhibit.weight, correlation(activity), atol=1e-12)
    inhibition, energy = inhibit(activity)
    assert float(energy) > 0
    after = correlation(activity - 0.1 * inhibition)
    assert np.abs(np.triu(after, 1)).sum() < np.abs(np.triu(inhibit.weight.numpy(), 1)).sum()
    silent = activity.clone()
    silent[:, 2] = 0.0
    assert torch.isfinite(LateralInhibition(silent).weight).all()


def test_a_solver_that_cannot_run_predictive_coding_is_refused_with_the_remedy():
    for dynamics, solver in (
        (PredictiveCoding(), Direct()),
        (PredictiveCoding(), Ticks()),
        (forms()["hybrid"][0], Direct()),
    ):
        with pytest.raises(TypeError, match=r"use an explicit solver, for example Heun"):
            LearningRule("pc", dynamics, solver, ErrorTimesPre())
    with pytest.raises(TypeError, match=r"use Ticks"):
        LearningRule("z-il", ZeroDivergence(), Euler(1.0), ErrorTimesPre())
    with pytest.raises(TypeError, match=r"use Steady"):
        LearningRule(
            "bp", ErrorCircuit(Transpose()), Euler(0.1, until=EnergyPlateau()), ErrorTimesPre()
        )


@pytest.mark.parametrize("gamma", [1e-3, 0.5, 1.5])
@pytest.mark.parametrize("tau_ms", [1e-3, 0.5, 1e3])
def test_a_step_is_gamma_time_constants_long_whatever_its_unit(gamma, tau_ms):
    assert ZeroDivergence(gamma=gamma, tau_ms=tau_ms).dt_ms == gamma * tau_ms


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PredictiveCoding(output_precision=0.0), "must be positive"),
        (lambda: PredictiveCoding(precisions=(1.0, -1.0)), "must be positive"),
        (lambda: HighPass(1.0), r"\[0, 1\)"),
        (lambda: HighPass(side=4), "odd"),
        (lambda: ZeroDivergence(gamma=0.0), "must be positive"),
        (lambda: ZeroDivergence(tau_ms=0.0), "must be positive"),
        (
            lambda: HybridPredictiveCoding.like(conv_net(), torch.Generator()),
            r"net\.body\(\)",
        ),
        (
            lambda: HybridPredictiveCoding.like(
                conv_net().body(), torch.Generator(), precisions=(1.0,)
            ),
            "3 generative layers",
        ),
        (
            lambda: run_batch(
                LearningRule("pc", PredictiveCoding(precisions=(1.0,)), Euler(), ErrorTimesPre()),
                conv_net(),
                drive(),
            ),
            "4 hidden layers",
        ),
        (
            lambda: run_batch(
                predictive_coding_hybrid_rule(conv_net().body(), torch.Generator()),
                conv_net(),
                drive(),
            ),
            "5 layers",
        ),
    ],
)
def test_what_does_not_fit_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_evaluation_relaxes_under_running_statistics_and_changes_nothing():
    """``learning=False`` neither moves a statistic nor drops a unit."""
    net = conv_net()
    before = {name: tensor.clone() for name, tensor in net.named_weights().items()}
    still = Drive(drive().x, drive().target, learning=False)
    outcome = run_batch(predictive_coding_supervised_rule(), net, still)
    torch.testing.assert_close(outcome.output, net(still.x), rtol=0, atol=1e-12)
    for name, tensor in net.named_weights().items():
        assert torch.equal(tensor, before[name])


@torch.no_grad()
def slope(energy, weight: torch.Tensor, way: torch.Tensor) -> float:
    """Central difference of ``energy()`` along ``way``; a step above 1e-7 crosses kinks."""
    weight.data += 1e-7 * way
    ahead = float(energy())
    weight.data -= 2e-7 * way
    behind = float(energy())
    weight.data += 1e-7 * way
    return (ahead - behind) / 2e-7


def hybrid_outcome():
    dynamics, net = forms()["hybrid"]
    rule = LearningRule("pc", dynamics, Euler(0.1, until=Horizon(6)), ErrorTimesPre())
    return dynamics, net, run_batch(rule, net, drive())


def test_hybrid_generation_descends_the_energy():
    """``-dE/dP`` and ``-dE/dc`` at held activity, as a mean over the batch of 6 (central
    differences, error about 1e-7 relative)."""
    dynamics, _, outcome = hybrid_outcome()
    draws = torch.Generator().manual_seed(4)

    def energy() -> torch.Tensor:
        held = {"displacement": outcome.settled.state["displacement"]}  # a state not yet seen
        return dynamics.energy(outcome.point, held)

    for layer in dynamics.generative:
        for name, parameter in layer.plastic_parameters().items():
            way = torch.randn(parameter.shape, generator=draws, dtype=DTYPE)
            along = 6 * float((outcome.changes[f"{layer.name}.{name}"] * way).sum())
            assert along != 0
            assert slope(energy, parameter, way) == pytest.approx(-along, rel=1e-5), layer.name


def test_hybrid_recognition_descends_its_own_error():
    """``-d/dW`` of ``1/2 |r_l - f_l(W r_(l-1))|^2`` at held activity, as a mean over the batch:
    the sweep learns to start where the relaxation ends."""
    _, net, outcome = hybrid_outcome()
    draws = torch.Generator().manual_seed(4)
    held = [drive().x]
    moved = outcome.settled.state["displacement"]
    held += [p.out + d for p, d in zip(outcome.point.swept, moved, strict=True)]
    for index, layer in enumerate(net.layers):

        def error(layer=layer, index=index) -> torch.Tensor:
            swept = layer.respond(layer.current(held[index]), Batch())
            return 0.5 * (held[index + 1] - swept).square().sum()

        way = torch.randn(layer.weight.shape, generator=draws, dtype=DTYPE)
        along = 6 * float((outcome.changes[f"{layer.name}.weight"] * way).sum())
        assert along != 0
        assert slope(error, layer.weight, way) == pytest.approx(-along, rel=1e-5), layer.name
