"""The rates of each rule: of learning, as the first step of its optimiser shows them; of states."""

from __future__ import annotations

import pytest
import torch

from neurosim.arrays.streams import generator
from neurosim.convergence import Horizon
from neurosim.models.catalogue import RULES
from neurosim.models.rules.learner import SharedStart
from neurosim.models.rules.pc_hybrid import HybridPredictiveCoding
from neurosim.solvers import Euler
from neurosim.training import Trainer

START = SharedStart(7, image_px=16)
#: Rates of convolutions and readout by rule: 1e-3 is that of Leutenegger 2026 (arXiv 2605.30556).
RATES = dict.fromkeys(("bp", "fa", "dfa", "sign-symmetric", "pc-supervised"), (0.001, 0.001))
RATES |= {"pc": (1.5e-4, 1e-3), "frozen-conv": (0.0, 1e-3)}


def one_step(rule: str):
    """The learner after its first step, and by how much each tensor moved."""
    learner = RULES[rule](START)
    before = {name: t.clone() for name, t in learner.tensors().items()}
    x = torch.randn(16, 3, 16, 16, generator=generator(1, "x"))
    Trainer(learner.parts, 10).step(x, torch.arange(16) % 10, generator(7, "noise"))
    return learner, {name: (t - before[name]).abs() for name, t in learner.tensors().items()}


@pytest.mark.parametrize("rule", RATES)
def test_the_first_step_of_adam_is_the_learning_rate(rule):
    """Adam's first step is lr times the sign of a change: its largest element is the rate itself
    (1e-2: eps, and changes that are small)."""
    _, moved = one_step(rule)
    conv, readout = RATES[rule]
    for layer, rate in (("Conv2", conv), ("Conv3", conv), ("FC1", readout), ("head", readout)):
        assert float(moved[f"{layer}.weight"].max()) == pytest.approx(rate, rel=1e-2), layer


@pytest.mark.parametrize(("rule", "step", "n_steps"), [("pc-supervised", 0.1, 4), ("pc", 0.1, 10)])
def test_relaxations_take_as_many_steps_of_the_size_that_is_documented(rule, step, n_steps):
    assert RULES[rule](START).parts[0].rule.solver == Euler(step, until=Horizon(n_steps))


def test_generation_moves_twenty_times_as_fast_as_recognition():
    """What predicts is gain x P: 20 x 1.5e-4 = 3e-3 per step."""
    learner, moved = one_step("pc")
    dynamics = learner.parts[0].rule.dynamics
    assert isinstance(dynamics, HybridPredictiveCoding)
    for layer in dynamics.generative:
        effective = layer.gain * float(moved[f"{layer.name}.weight"].max())
        assert effective == pytest.approx(3e-3, rel=1e-2), layer.name
