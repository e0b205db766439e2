"""``neurosim.testing``: every registered thing keeps the laws, and what breaks one is named."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

from neurosim.models import RULES
from neurosim.models.catalogue import backprop, bp, untrained
from neurosim.models.rules.feed_forward import FeedForward
from neurosim.models.rules.learner import Learner, SharedStart
from neurosim.models.spiking.stdp import RULE_TIMINGS
from neurosim.models.testing import (
    ContractError,
    check_cell,
    check_encoder,
    check_network,
    check_rule,
    check_timing,
)
from neurosim.naming.made import made
from neurosim.plasticity import AbstractPlasticity
from neurosim.spiking import (
    CELLS,
    ENCODERS,
    TIMINGS,
    AbstractEncoder,
    AbstractTraceTiming,
    AbstractWeightDependence,
    AllPairs,
)
from neurosim.spiking.cells.base import LeakyCell


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder(name):
    check_encoder(ENCODERS[name]())


@pytest.mark.parametrize("name", CELLS)
def test_every_cell(name):
    check_cell(CELLS[name](dt_ms=1.0))


@pytest.mark.parametrize("name", TIMINGS)
def test_every_timing(name):
    check_timing(TIMINGS[name]())


@pytest.mark.parametrize("name", RULE_TIMINGS)
def test_every_timing_of_a_rule(name):
    check_timing(made(RULE_TIMINGS, name))


@pytest.mark.parametrize("name", RULES)
def test_every_rule(name):
    check_rule(name)


def test_every_network():
    check_network(SharedStart.network)


@dataclass(frozen=True)
class Broken(AbstractEncoder):
    """An encoder with one fault."""

    fault: str = "none"

    def _encode(self, x, n_ticks, dt_ms, generator):
        spikes = (x > 0.5).to(x.dtype).expand(n_ticks, *x.shape).clone()
        if self.fault == "batch":
            spikes[0] = (x > x[-1:]).to(x.dtype)
        elif self.fault == "value":
            spikes *= 2
        elif self.fault == "time":
            spikes = spikes[:-1]
        elif self.fault == "dtype":
            spikes = spikes.to(torch.float16)
        elif self.fault == "overwrites":
            x.zero_()
        elif self.fault == "global":
            spikes *= torch.rand(()).lt(2)
        elif self.fault == "silent":
            spikes.zero_()
        elif self.fault == "zero":
            spikes[0] = 1
        elif self.fault == "constant":
            spikes[:] = (torch.arange(x.shape[-1]) % 2).to(x.dtype)
            spikes[:, :, 0, 0] = 0
        return spikes


@pytest.mark.parametrize(
    ("fault", "law"),
    [
        ("batch", "where the rest of its batch differs"),
        ("value", "spikes are not all 0 or 1"),
        ("time", "not .time, batch, units x channels"),
        ("dtype", "intensities are torch.float16"),
        ("overwrites", "the intensities are overwritten"),
        ("global", "global generator"),
        ("silent", "no intensity spikes"),
        ("zero", "an intensity of 0 spikes"),
        ("constant", "other images give the same spikes"),
    ],
)
def test_a_broken_encoder_is_told_its_law(fault, law):
    check_encoder(Broken())
    with pytest.raises(ContractError, match=law):
        check_encoder(Broken(fault=fault))


@dataclass(frozen=True, kw_only=True)
class Cell(LeakyCell):
    """A cell with one fault."""

    fault: str = "none"

    @property
    def decay(self):
        return 0.9

    def integrate(self, current, voltage):
        if self.fault == "overwrites":
            voltage += 0
            current *= 1.5
        gain = 2.0 if self.fault == "unit" else 1.0
        offset = 0.2 if self.fault == "restless" else 0.0
        shared = current.mean(0, keepdim=True) * 0.1 if self.fault == "neighbours" else 0.0
        return self.decay * voltage + gain * current + offset + shared

    def fire(self, voltage, threshold):
        spikes = (voltage > threshold).to(voltage.dtype)
        return 2 * spikes if self.fault == "value" else spikes


@pytest.mark.parametrize(
    ("fault", "law"),
    [
        ("overwrites", "a tick overwrites"),
        ("unit", "raises its voltage at rest to 2, not 1"),
        ("restless", "fires without input|leaves rest"),
        ("neighbours", "depends on the others"),
        ("value", "spikes are not all 0 or 1"),
    ],
)
def test_a_broken_cell_is_told_its_law(fault, law):
    check_cell(Cell())
    with pytest.raises(ContractError, match=law):
        check_cell(Cell(fault=fault))


@dataclass(frozen=True)
class Wrong(AbstractTraceTiming):
    """A window that the kernel does not run."""

    a: float = 0.1
    dependence: AbstractWeightDependence = AllPairs.dependence

    @property
    def rule(self):
        return AllPairs(self.a, self.a).rule

    def window(self, lag_ms):
        return 1.01 * super().window(lag_ms)


def test_a_broken_timing_is_told_its_law():
    with pytest.raises(ContractError, match="its window says"):
        check_timing(Wrong())


def moving_at_rate_zero(start):
    """Its plasticity writes into the weight."""
    learner = bp(start)

    class Writes(AbstractPlasticity):
        def begin(self, layer):
            return None

        def observe(self, layer, memory, signal):
            layer.plastic_parameters()["weight"].add_(1e-3)

        def delta(self, layer, memory):
            return {"weight": layer.plastic_parameters()["weight"] * 0}

    part = learner.parts[0]
    rule = replace(part.rule, plasticity=Writes())
    return Learner("bp", (replace(part, rule=rule),))


class MovesOften(FeedForward):
    """Statistics move wherever the output is asked for."""

    def output(self, point, state):
        self.adapt(point, state)
        return super().output(point, state)


def moving_while_settling(start):
    learner = bp(start)
    part = learner.parts[0]
    return replace(
        learner, parts=(replace(part, rule=replace(untrained(), dynamics=MovesOften())),)
    )


def starting_apart(start):
    """It draws from PyTorch's global generator."""
    net = start.network()
    with torch.no_grad():
        net.layers[0].weight.add_(torch.rand(()))
    return Learner("apart", (replace(bp(start).parts[0], net=net),))


def learning_nothing(start):
    """No learning rate, and a claim to learn."""
    part = bp(start).parts[0]
    return Learner("bp", (replace(part, optimiser=replace(part.optimiser, lr=0.0)),))


def no_learner(start):
    """A rule, not a learner of it."""
    return backprop()


@pytest.mark.parametrize(
    ("builder", "law"),
    [
        (moving_at_rate_zero, "moves at learning rate 0"),
        (moving_while_settling, r"settling a batch of 'untrained' changes its state.*adapt"),
        (starting_apart, "two learners of one seed start apart"),
        (learning_nothing, "does not move, otherwise than the parameters"),
        (no_learner, "returns LearningRule, no Learner"),
    ],
)
def test_a_broken_rule_is_told_its_law(builder, law):
    with pytest.raises(ContractError, match=law):
        check_rule(builder)
