"""Wherever a target meets an output, shapes that differ are refused: nothing broadcasts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurosim.arrays.targets import read_off
from neurosim.models.catalogue import backprop
from neurosim.models.network.builders import dense_network
from neurosim.models.rules.error_circuit import ErrorCircuit
from neurosim.models.rules.feedback import Transpose
from neurosim.models.rules.losses import CrossEntropy, SquaredError
from neurosim.models.rules.predictive_coding import PredictiveCoding
from neurosim.models.spiking.competitive import ClassOfCell
from neurosim.models.spiking.probe import RidgeProbe
from neurosim.plasticity import ErrorTimesPre
from neurosim.rule import LearningRule, run_batch
from neurosim.solvers import Direct, Euler
from neurosim.training import Optimiser, Part, Trainer
from neurosim.types import Drive

SIZES = st.integers(1, 4)
#: As many images as classes: indices then broadcast against scores.
N = 3


def scores(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(shape or (N, N), generator=generator)


@pytest.fixture
def draws() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@given(st.lists(SIZES, min_size=1, max_size=3), st.lists(SIZES, min_size=1, max_size=3))
def test_squared_error_takes_the_shape_of_the_output_and_no_other(out, target):
    output, wanted = torch.zeros(out), torch.ones(target)
    if out == target:
        # 1/2 per unit, the mean over the batch taken.
        assert float(SquaredError().value(output, wanted)) == 0.5 * output.numel() / out[0]
    else:
        with pytest.raises(ValueError, match="the target must have the shape of the output"):
            SquaredError().value(output, wanted)


def test_a_column_against_a_row_is_refused_and_a_column_against_itself_is_zero():
    column, row = torch.arange(4.0)[:, None], torch.arange(4.0)
    assert float(SquaredError().value(column, column)) == 0
    with pytest.raises(ValueError, match=r"\(4, 1\), got \(4,\)"):
        SquaredError().value(column, row)


#: Name of the place -> what it does with scores (N, N) and a target that should be class indices.
OF_CLASSES = {
    "cross-entropy": lambda s, t: CrossEntropy().value(s, t),
    "its error": lambda s, t: CrossEntropy().error(s, t),
    "log of a batch": read_off,
    "probe": lambda s, t: RidgeProbe.fit(s, t, N),
    "accuracy of a probe": lambda s, t: RidgeProbe.fit(s, torch.arange(N), N).accuracy(s, t),
    "cells": lambda s, t: ClassOfCell.of(s, t, N),
}
WRONG = {
    "a class too many": (torch.tensor([0, 1, N]), ValueError, "holds class 3"),
    "a negative class": (torch.tensor([0, 1, -1]), ValueError, "holds class -1"),
    "a column": (torch.arange(N)[:, None], (ValueError, TypeError), "shape"),
    "too few": (torch.arange(N - 1), ValueError, "image"),
    "floating point": (torch.arange(N).float(), TypeError, "whole numbers"),
    "truth values": (torch.tensor([True, False, True]), TypeError, "whole numbers"),
}


@pytest.mark.parametrize("place", OF_CLASSES)
@pytest.mark.parametrize("wrong", WRONG)
def test_class_indices_are_checked_wherever_they_are_read(place, wrong, draws):
    target, error, words = WRONG[wrong]
    OF_CLASSES[place](scores(draws).abs(), torch.arange(N))
    with pytest.raises(error, match=words):
        OF_CLASSES[place](scores(draws).abs(), target)


def test_scores_that_are_none_are_refused_with_the_remedy(draws):
    for place in (CrossEntropy().value, read_off):
        with pytest.raises(ValueError, match=r"\(batch, n_classes\).*readout part"):
            place(scores(draws, N, 2, 4, 4), torch.arange(N))


RULES = {
    "circuit": LearningRule("r", ErrorCircuit(Transpose(), SquaredError()), Direct(),
                            ErrorTimesPre()),
    "pc": LearningRule("r", PredictiveCoding(SquaredError()), Euler(0.1), ErrorTimesPre()),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_learns_from_class_indices_in_place_of_a_target(rule, draws):
    """Before, indices of N images broadcast against (N, N) scores and were learned from."""
    net = dense_network((2, N), generator=draws)
    x, classes = torch.randn(N, 2, generator=draws), torch.arange(N)
    with pytest.raises(ValueError, match="of class indices give a one-hot target"):
        run_batch(RULES[rule], net, Drive(x, classes))
    one_hot = torch.nn.functional.one_hot(classes, N)
    with pytest.raises(TypeError, match="floating point"):
        run_batch(RULES[rule], net, Drive(x, one_hot))
    assert run_batch(RULES[rule], net, Drive(x, one_hot.float())).changes


def test_a_trainer_counts_right_answers_of_either_kind_of_target(draws):
    net = dense_network((2, N), generator=draws)
    x, classes = torch.randn(7, 2, generator=draws), torch.randint(0, N, (7,), generator=draws)
    right = int((net(x).argmax(1) == classes).sum())
    one_hot = torch.nn.functional.one_hot(classes, N).float()
    for rule, target in ((backprop(), classes), (RULES["circuit"], one_hot)):
        log = Trainer([Part(rule, net, Optimiser("sgd", lr=0.0))], 1).step(x, target, draws)
        assert (log.n_correct, log.n_images) == (right, 7)


def test_counts_of_other_cells_are_refused(draws):
    cells = ClassOfCell.of(scores(draws).abs(), torch.arange(N), N)
    with pytest.raises(ValueError, match=r"counts must be \(n_images, 3\)"):
        cells.predict(scores(draws, 2, N + 1))
