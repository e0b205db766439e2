"""A call that is refused leaves everything as it was: weights, statistics, thresholds, moments."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from neurosim.arrays.streams import generator
from neurosim.models.catalogue import RULES
from neurosim.models.network.normalisation import BatchNorm
from neurosim.models.network.policies import accumulate, calibrate
from neurosim.models.rules.learner import Learner, SharedStart
from neurosim.models.spiking.competitive import (
    ClassOfCell,
    Competition,
    CompetitiveLayer,
    CompetitiveNetwork,
    IncomingSum,
)
from neurosim.models.spiking.dynamics import Homeostasis
from neurosim.models.spiking.pink_noise import pink_noise
from neurosim.models.spiking.stdp import FilterNorm
from neurosim.spiking import (
    CELLS,
    WEIGHT_DEPENDENCES,
    AllPairs,
    MeanOverBatch,
    NoCompetition,
    SpikeWindow,
    WinnerTakeAll,
)
from neurosim.spiking.timing.evolving import evolve
from neurosim.spiking.timing.reductions import MeanOverSpikes, SumOverBatch
from neurosim.synapses import Dense
from neurosim.training import AbstractConstraint, Trainer

N = 4


@cache
def built(rule: str) -> Learner:
    return RULES[rule](SharedStart(7, image_px=16))


def images() -> torch.Tensor:
    return pink_noise(N, 16, torch.Generator().manual_seed(1))


def with_nan() -> torch.Tensor:
    x = images()
    x[1, 2, 3, 4] = float("nan")
    return x


REFUSED = {
    "no image": (images()[:0], torch.zeros(0, dtype=torch.long)),
    "NaN": (with_nan(), torch.arange(N)),
    "two channels": (images()[:, :2], torch.arange(N)),
    "another size": (torch.cat([images()] * 3, -1)[..., :40], torch.arange(N)),
    "too small": (images()[..., :2, :2], torch.arange(N)),
    "a class that is not there": (images(), torch.full((N,), 10)),
    "another number of labels": (images(), torch.arange(N + 1)),
}


@pytest.mark.parametrize("learning", [True, False], ids=["learning", "statistics only"])
@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("rule", RULES)
def test_a_refused_step_leaves_the_state_as_it_was(rule, what, learning):
    """Of every part, also of those that had learned before a later one refused; the next step is
    the one that would have been made without it."""
    learner, undisturbed = deepcopy(built(rule)), deepcopy(built(rule))
    if not learning:
        learner, undisturbed = learner.without_learning(), undisturbed.without_learning()
    trainer, other = (Trainer(each.parts, 10) for each in (learner, undisturbed))
    good = images(), torch.arange(N)
    for each in (trainer, other):
        each.step(*good, generator(7, "noise"))
    before = learner.fingerprint()
    try:
        trainer.step(*REFUSED[what], generator(7, "noise"))
    except (ValueError, TypeError, RuntimeError, ArithmeticError, IndexError):
        assert learner.fingerprint() == before
    else:
        # Layers that pool to a fixed size take images of any size.
        assert what == "another size"
        return
    for each in (trainer, other):
        each.step(*good, generator(7, "noise"))
    assert learner.fingerprint() == undisturbed.fingerprint()


@pytest.mark.parametrize("bad", [images()[:0], with_nan(), images()[:, :1], images()[..., :4, :4]])
def test_a_refused_calibration_leaves_the_thresholds(bad):
    learner = deepcopy(built("stdp"))
    net, before = learner.parts[0].net, learner.fingerprint()
    with pytest.raises(ValueError, match="image"):
        net.calibrate(bad)
    assert learner.fingerprint() == before
    for read in (net.rates, net.represent):
        with pytest.raises(ValueError, match="image"):
            read(bad)


@pytest.mark.parametrize("rule", RULES)
def test_a_refused_load_leaves_every_tensor(rule):
    """Also where a broadcast would have taken it."""
    learner = deepcopy(built(rule))
    before = learner.fingerprint()
    tensors = {name: 2 * t.numpy() for name, t in learner.tensors().items()}
    with pytest.raises(ValueError, match=r"head.weight is \(\), not"):
        learner.load({**tensors, "head.weight": np.float32(0)})
    assert learner.fingerprint() == before


def test_a_weight_that_is_no_number_is_refused_and_other_precision_too():
    net = deepcopy(built("stdp")).parts[0].net
    with pytest.raises(TypeError, match=r"images must be torch.float32 .* got torch.float64"):
        net.represent(images().double())
    net.layers[1].weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="layer Conv2: the weight holds values that"):
        net.represent(images())


def changed(tree: dict, where: tuple[str, ...], value: object) -> dict:
    """A copy of a tree with one entry replaced or added."""
    head, *rest = where
    return {**tree, head: changed(tree[head], tuple(rest), value) if rest else value}


NAN = float("nan")
MOMENT = ("part0", "Conv1.weight", "exp_avg")
OTHER_TREES = {
    "no step": lambda t: {k: v for k, v in t.items() if k != "step_index"},
    "a step before the first": lambda t: changed(t, ("step_index",), -1),
    "a part that is not there": lambda t: changed(t, ("part9",), {}),
    "a part that lacks": lambda t: {k: v for k, v in t.items() if k != "part0"},
    "a weight that is not there": lambda t: changed(t, ("part0", "Conv9.weight"), {}),
    "another shape": lambda t: changed(t, MOMENT, torch.zeros(())),
    "NaN": lambda t: changed(t, MOMENT, NAN * t["part0"]["Conv1.weight"]["exp_avg"]),
    "another optimiser": lambda t: changed(t, MOMENT[:2], {"momentum_buffer": torch.zeros(3)}),
}


@pytest.mark.parametrize("what", OTHER_TREES)
def test_a_refused_state_of_the_trainer_changes_nothing(what):
    """The next step is that of a trainer left alone."""
    learner, undisturbed = deepcopy(built("bp")), deepcopy(built("bp"))
    trainer, other = (Trainer(each.parts, 10) for each in (learner, undisturbed))
    good = images(), torch.arange(N)
    for each in (trainer, other):
        each.step(*good, generator(7, "noise"))
    with pytest.raises(ValueError, match=r"step_index|part9|part0|Conv"):
        trainer.load_state(OTHER_TREES[what](trainer.state()))
    assert trainer.step_index == 1
    for each in (trainer, other):
        each.step(*good, generator(7, "noise"))
    assert learner.fingerprint() == undisturbed.fingerprint()


@pytest.mark.parametrize("reduction", [SumOverBatch(), MeanOverBatch(), MeanOverSpikes()])
@pytest.mark.parametrize("dependence", WEIGHT_DEPENDENCES)
def test_a_batch_without_images_moves_no_weight(dependence, reduction):
    """A sum over nothing is 0; a mean over nothing does not exist and is refused, not NaN."""
    synapse, weight = Dense(3, 2), torch.full((2, 3), 0.5)
    nothing = SpikeWindow(torch.zeros(5, 0, 3), torch.zeros(5, 0, 2))
    timing = AllPairs(dependence=WEIGHT_DEPENDENCES[dependence]())
    if isinstance(reduction, MeanOverBatch):
        with pytest.raises(ValueError, match="no mean over a batch without images"):
            reduction(torch.zeros(2, 3), synapse, nothing)
        with pytest.raises(ValueError, match="no mean over a batch without images"):
            evolve(synapse, weight, nothing, timing, 1.0, reduction)
    else:
        assert torch.equal(evolve(synapse, weight, nothing, timing, 1.0, reduction), weight)
        assert reduction(torch.zeros(2, 3), synapse, nothing).abs().max() == 0


@pytest.mark.parametrize("dependence", WEIGHT_DEPENDENCES)
@pytest.mark.parametrize("none", [torch.zeros(0, 3), np.zeros((2, 0))])
def test_no_weights_fit_every_dependence(dependence, none):
    chosen = WEIGHT_DEPENDENCES[dependence]()
    chosen.check(none)
    assert tuple(chosen.plus(none).shape) == tuple(chosen.minus(none).shape) == tuple(none.shape)


def competitive() -> CompetitiveNetwork:
    layer = CompetitiveLayer("cells", 4, 3, generator=torch.Generator().manual_seed(0))
    return CompetitiveNetwork(layer, Competition(duration_ms=10.0))


def test_a_competitive_network_refuses_what_a_spiking_one_does():
    net = competitive()
    for bad in (torch.zeros(0, 4), torch.zeros(2, 0), torch.full((2, 4), NAN)):
        with pytest.raises(ValueError, match="images"):
            net.counts(bad)
    for counts in (torch.full((2, 3), NAN), torch.zeros(0, 3)):
        with pytest.raises(ValueError, match=r"counts|no labelled image"):
            ClassOfCell.of(counts, torch.arange(len(counts)), 2)
    with pytest.raises(ValueError, match="counts holds values that are not finite"):
        ClassOfCell(torch.tensor([0, 1, 1]), 2).predict(torch.full((1, 3), NAN))
    for tensor in (net.layer.weight, net.layer.raised):
        kept = tensor.clone()
        tensor.view(-1)[0] = NAN
        with pytest.raises(ValueError, match=r"layer cells: .* not finite"):
            net.counts(torch.ones(2, 4))
        tensor.copy_(kept)


def test_constraints_and_homeostasis_refuse_before_they_move():
    """Also where the layer that is refused is the last."""
    net = deepcopy(built("stdp")).parts[0].net
    keeps = FilterNorm(net)
    net.layers[0].weight.mul_(2)
    net.layers[-1].weight.view(-1)[0] = NAN
    first = net.layers[0].weight.clone()
    with pytest.raises(ValueError, match="layer Conv3: the weight holds"):
        keeps.apply(net)
    assert torch.equal(net.layers[0].weight, first)
    layer, n = net.layers[0], net.layers[0].synapse.n_out
    before = layer.threshold.clone()
    for rate in (torch.full((n,), NAN), torch.full((n,), -1.0), torch.zeros(()), torch.zeros(1)):
        with pytest.raises(ValueError, match="homeostasis takes one rate per map"):
            Homeostasis().adapt(layer, rate)
    assert torch.equal(layer.threshold, before)
    cells = competitive()
    cells.layer.weight[2, 1] = NAN
    kept = cells.layer.weight.clone()
    with pytest.raises(ValueError, match="layer cells: the weight holds"):
        IncomingSum().apply(cells)
    assert torch.equal(cells.layer.weight[:2], kept[:2])


def test_statistics_of_no_images_are_refused():
    layers = built("bp").parts[0].net.layers
    for bad in ([], [images()[:0]], [images(), with_nan()]):
        with pytest.raises(ValueError, match="images"):
            calibrate(layers, bad)
    for bad in ([images()[:0]], [images(), with_nan()]):
        with pytest.raises(ValueError, match="images"):
            accumulate(layers, bad)
    norm = BatchNorm(2)
    with pytest.raises(ValueError, match="no statistics of a batch"):
        norm.accumulate(torch.zeros(0, 2, 3, 3))
    assert norm.running_mean.abs().max() == 0


@pytest.mark.parametrize("bad", [NAN, float("inf"), -float("inf")])
@pytest.mark.parametrize("name", CELLS)
def test_no_cell_takes_a_membrane_that_is_no_number(name, bad):
    """Voltage, memory, current or threshold, alone and under every competition: it would fire
    nothing, or its neighbours, without a word. An infinite threshold is one that never fires."""
    cell, theta = CELLS[name](), torch.ones(2)
    current = torch.full((1, 2, 2, 2), 2.0)
    at_rest = (current, *cell.rest(current))
    names = ("current", "voltage", *cell.memory_names)
    for i, each in enumerate(names):
        broken = [tensor.clone() for tensor in at_rest]
        broken[i][0, 1, 0, 1] = bad
        now, voltage, *memory = broken
        with pytest.raises(ValueError, match=f"{each} holds values that are not finite"):
            cell.tick(now, (voltage, *memory), theta)
        for rule in (WinnerTakeAll(), NoCompetition()):
            with pytest.raises(ValueError, match=f"{each} holds values that are not finite"):
                rule.step(cell, now, voltage, tuple(memory), theta, 1)
    for rule in (WinnerTakeAll(), NoCompetition()):
        with pytest.raises(ValueError, match="voltage holds values that are not finite"):
            rule.fire(cell, torch.full_like(current, bad), theta, 1)
        for thresholds in (torch.tensor([1.0, bad]), torch.full_like(current, bad)):
            if not bad > 0:
                with pytest.raises(ValueError, match="threshold must be positive"):
                    rule.fire(cell, current.clone(), thresholds, 1)


@pytest.mark.parametrize("rule", ["untrained", "bp", "frozen-conv"])
def test_a_statistic_that_overflows_is_refused(rule):
    """Images of 1e20 are finite and their variance is not in float32: the network would be broken
    from then on, in silence."""
    learner = deepcopy(built(rule))
    trainer, before = Trainer(learner.parts, 10), learner.fingerprint()
    with pytest.raises(ArithmeticError, match=r"a statistic .* reach .*e\+20: normalise"):
        trainer.step(1e20 * images(), torch.arange(N), generator(7, "noise"))
    assert learner.fingerprint() == before


def test_an_infinite_threshold_stays_one_that_never_fires():
    learner = deepcopy(built("stdp"))
    learner.parts[0].net.layers[0].threshold[0] = torch.inf
    Trainer(learner.parts, 10).step(images(), torch.arange(N), generator(7, "noise"))
    assert learner.parts[0].net.layers[0].threshold[0] == torch.inf


def test_an_output_that_names_no_class_moves_nothing():
    """Spike counts of maps: refused by the log, after the weights had moved."""
    part = deepcopy(built("stdp")).parts[0]
    before = part.net.layers[0].weight.clone()
    trainer = Trainer((part,), 10)
    with pytest.raises(ValueError, match="an output that names a class"):
        trainer.step(images(), torch.arange(N), generator(7, "noise"))
    assert torch.equal(part.net.layers[0].weight, before)
    assert trainer.step_index == 0


def test_a_constraint_that_fails_moves_nothing():
    class Fails(AbstractConstraint):
        def apply(self, net) -> None:
            net.layers[0].weight.zero_()
            raise RuntimeError("told")

    learner = deepcopy(built("bp"))
    parts = (*learner.parts[:-1], replace(learner.parts[-1], constraint=Fails()))
    trainer, before = Trainer(parts, 10), learner.fingerprint()
    with pytest.raises(RuntimeError, match="told"):
        trainer.step(images(), torch.arange(N), generator(7, "noise"))
    assert learner.fingerprint() == before
    assert trainer.state()["part0"] == {}


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_class_indices_of_any_whole_dtype_are_the_same_target(dtype):
    losses = [
        Trainer(deepcopy(built("bp")).parts, 10)
        .step(images(), torch.arange(N).to(kind), generator(7, "noise"))
        .loss
        for kind in (torch.int64, dtype)
    ]
    assert losses[0] == losses[1]


def test_the_state_of_a_start_forgets_moments():
    trainer, fresh = (Trainer(deepcopy(built("bp")).parts, 10) for _ in range(2))
    trainer.step(images(), torch.arange(N), generator(7, "noise"))
    trainer.load_state(fresh.state())
    assert trainer.state() == {"step_index": 0, "part0": {}}
