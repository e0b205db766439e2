"""A call that is refused leaves everything as it was: weights, statistics, thresholds, moments."""

from __future__ import annotations

from copy import deepcopy
from functools import cache

import numpy as np
import pytest
import torch

from neurosim.models.catalogue import RULES
from neurosim.models.learner import Learner, SharedStart
from neurosim.models.pink_noise import pink_noise
from neurosim.streams import generator
from neurosim.training import Trainer

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
    with pytest.raises(TypeError, match=r"images are torch.float64, the network torch.float32"):
        net.represent(images().double())
    net.layers[1].weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="layer Conv2: the weight holds NaN"):
        net.represent(images())
