"""How changes become steps: schedule, optimisers, clipping, decay, and how far weights moved."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurosim.models.network.builders import dense_network
from neurosim.models.rules.feed_forward import FeedForward
from neurosim.plasticity import AbstractPlasticity
from neurosim.rule import LearningRule
from neurosim.solvers import Direct
from neurosim.training import (
    SCHEDULES,
    Movement,
    Optimiser,
    Part,
    Trainer,
    cosine,
    initial_weights,
    movement,
)

N_STEPS = 8
DTYPE = torch.float64


@dataclass(frozen=True)
class Push(AbstractPlasticity):
    """A change of the user's choice at every step, whatever the activity."""

    weight: torch.Tensor
    bias: torch.Tensor

    def begin(self, layer):
        return None

    def observe(self, layer, memory, signal):
        return None

    def delta(self, layer, memory):
        return {"weight": self.weight, "bias": self.bias}


def pushed(optimiser: Optimiser, n_steps: int = N_STEPS) -> list[dict[str, torch.Tensor]]:
    """Weights before the first step and after each, under constant changes of norm 5."""
    net = dense_network((2, 2), generator=torch.Generator().manual_seed(0), dtype=DTYPE)
    push = Push(torch.tensor([[0.0, 3.0], [0.0, 0.0]], dtype=DTYPE),
                torch.tensor([4.0, 0.0], dtype=DTYPE))  # fmt: skip
    trainer = Trainer([Part(LearningRule("p", FeedForward(), Direct(), push), net, optimiser)],
                      n_steps)  # fmt: skip
    seen = [{name: tensor.clone() for name, tensor in net.named_weights().items()}]
    for _ in range(n_steps):
        trainer.step(torch.ones(1, 2, dtype=DTYPE), torch.tensor([0]), torch.Generator())
        seen.append({name: tensor.clone() for name, tensor in net.named_weights().items()})
    return seen


def moves(seen: list[dict[str, torch.Tensor]]) -> list[float]:
    """What each step adds to the one weight that a change of 3 pushes."""
    path = [float(weights["layer1.weight"][0, 1]) for weights in seen]
    return [after - before for before, after in pairwise(path)]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_each_step_is_as_long_as_the_schedule_says(schedule):
    """SGD adds lr(t) times the change, t counted from 0: .1 at the first step, and after half of
    them the cosine's middle, (.1 + .02) / 2."""
    steps = moves(pushed(Optimiser("sgd", lr=0.1, lr_end=0.02, schedule=schedule)))
    shape = {"constant": lambda p: 1.0, "cosine": lambda p: math.cos(math.pi * p / 2) ** 2}
    expected = [3 * (0.02 + 0.08 * shape[schedule](t / N_STEPS)) for t in range(N_STEPS)]
    assert steps == pytest.approx(expected, rel=1e-12)
    assert steps[N_STEPS // 2] == pytest.approx(3 * (0.06 if schedule == "cosine" else 0.1))


@given(st.floats(0, 1))
def test_the_cosine_falls_from_one_to_zero_and_is_odd_about_its_middle(progress):
    assert cosine(progress) + cosine(1 - progress) == pytest.approx(1, abs=1e-15)
    assert 0 <= cosine(progress) <= 1
    assert (cosine(0), cosine(1)) == (1, pytest.approx(0, abs=1e-15))


def test_clipping_scales_all_changes_of_a_part_together():
    """(3, 4) has norm 5: clipped to 1 it is (.6, .8); a bound above 5 leaves it, to the bit."""
    constant = {"lr": 1.0, "schedule": "constant"}
    short = pushed(Optimiser("sgd", clip_norm=1.0, **constant), 1)
    bias = float(short[1]["layer1.bias"][0] - short[0]["layer1.bias"][0])
    assert moves(short) == pytest.approx([0.6], rel=1e-5)  # torch adds 1e-6 to the norm
    assert bias == pytest.approx(0.8, rel=1e-5)
    free, bounded = (pushed(Optimiser("sgd", clip_norm=c, **constant), 3) for c in (None, 5.1))
    assert moves(free) == moves(bounded)


@pytest.mark.parametrize("norm", [0, -1.0, math.nan])
def test_a_bound_that_would_stop_all_learning_is_refused(norm):
    with pytest.raises(ValueError, match="clip_norm must be positive or None"):
        Optimiser("sgd", clip_norm=norm)


def test_momentum_sums_a_geometric_series():
    """Constant changes c give steps lr c (1 + m + m^2 + ...)."""
    steps = moves(pushed(Optimiser("sgd", lr=0.1, momentum=0.5, schedule="constant"), 5))
    assert steps == pytest.approx([0.3 * (2 - 0.5**k) for k in range(5)], rel=1e-12)


@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_decay_is_coupled_in_adam_and_not_in_adamw(kind):
    """A weight that nothing pushes: AdamW multiplies it by 1 - lr decay a step; in Adam the decay
    is the gradient, and its first step is lr whatever the size of the weight."""
    optimiser = Optimiser(kind, lr=0.01, weight_decay=0.5, schedule="constant")
    before, after = (float(w["layer1.weight"][1, 0]) for w in pushed(optimiser, 1))
    expected = (
        before * (1 - 0.01 * 0.5) if kind == "adamw" else before - math.copysign(0.01, before)
    )
    assert after == pytest.approx(expected, rel=1e-6)


def test_adam_steps_have_the_length_of_the_learning_rate():
    """Constant changes: moments are c and c^2 after bias correction, so a step is lr."""
    steps = moves(pushed(Optimiser("adam", lr=0.01, schedule="constant"), 4))
    assert steps == pytest.approx([0.01] * 4, rel=1e-6)


def test_displacement_is_in_units_of_where_the_weight_began():
    """From (3, 4) to (3, 16): moved 12, began at 5, ended at 16.3; the direction by hand."""
    start, end = torch.tensor([[3.0, 4.0]]), torch.tensor([[3.0, 16.0]])
    found = movement(start, end)
    assert found.displacement == pytest.approx(12 / 5, rel=1e-12)
    cos = (9 + 64) / (5 * math.hypot(3, 16))
    assert found.direction_change == pytest.approx(1 - cos, rel=1e-12)
    assert movement(start, 3 * start).displacement == pytest.approx(2.0)
    assert movement(start, 3 * start).direction_change == pytest.approx(0, abs=1e-15)


def test_movement_from_zero_has_no_scale_and_no_movement_is_none():
    """0 / 0 was NaN: a frozen zero weight looked as if nothing were known of it."""
    zero, one = torch.zeros(2, 3), torch.ones(2, 3)
    assert movement(zero, zero) == Movement(0.0, 0.0)
    assert movement(zero, one).displacement == math.inf
    assert math.isnan(movement(zero, one).direction_change)
    assert movement(one, zero).displacement == 1.0
    assert math.isnan(movement(one, zero).direction_change)
    assert movement(one, one).displacement == 0.0


def test_initial_weights_are_copies():
    weight = torch.ones(2, 2)
    layer = SimpleNamespace(name="l", plastic_parameters=lambda: {"weight": weight})
    kept = initial_weights(SimpleNamespace(layers=[layer]))
    weight.zero_()
    assert kept["l"].sum() == 4
