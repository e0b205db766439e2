"""STDP on layers of networks written in snntorch and norse, against sums over spike pairs.

The sums (``direct_change``) look at every pair of spikes of one synapse and share no code with the
kernels. Tolerance 1e-5: the networks compute in float32, and at most 60 pairs add up.
"""

import norse.torch as norse
import numpy as np
import pytest
import snntorch
import torch
from torch import nn

from neurosim.models.interop.attach import attach_stdp, synapse_of
from neurosim.spiking import AllPairs, Clopath, Multiplicative, NearestPair, Triplet
from neurosim.spiking.theory.direct_sums import direct_change

DT = 2.0
TIMINGS = (AllPairs(), NearestPair(), Triplet())


class Snn(nn.Module):
    """As its users write it: the state of the neuron is kept by the loop."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.neuron = layer, snntorch.Leaky(beta=0.8, threshold=0.5)

    def forward(self, frames):
        membrane = self.neuron.init_leaky()
        sent = []
        for frame in frames:
            spikes, membrane = self.neuron(self.layer(frame), membrane)
            sent.append(spikes)
        return torch.stack(sent)


class Norse(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.neuron = norse.LIFCell(norse.LIFParameters(v_th=torch.tensor(0.05)), dt=0.01)

    def forward(self, frames):
        state, sent = None, []
        for frame in frames:
            spikes, state = self.neuron(self.layer(frame), state)
            sent.append(spikes)
        return torch.stack(sent)


def times(train):
    return np.flatnonzero(np.asarray(train)) * DT


def frames(*shape, seed=0, rate=0.4):
    return (torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) < rate).float()


@pytest.mark.parametrize("timing", TIMINGS, ids=lambda t: type(t).__name__)
@pytest.mark.parametrize("kind", [Snn, Norse])
def test_a_dense_layer_is_the_sum_over_pairs(kind, timing):
    torch.manual_seed(0)
    net = kind(nn.Linear(3, 2))
    with torch.no_grad():
        net.layer.weight.uniform_(0.2, 0.9)
    stdp = attach_stdp(net.layer, net.neuron, timing, dt_ms=DT)
    before = net.layer.weight.detach().clone()
    x = frames(12, 4, 3)
    sent = net(x).detach()
    assert 0 < sent.mean() < 1

    change = stdp.apply(lr=0.5)

    for o in range(2):
        for i in range(3):
            pairs = [
                direct_change(timing, times(x[:, b, i]), times(sent[:, b, o]), dt_ms=DT)
                for b in range(4)
            ]
            assert float(change[o, i]) == pytest.approx(np.mean(pairs), abs=1e-5)
    torch.testing.assert_close(net.layer.weight.detach(), before + 0.5 * change)
    assert stdp.n_ticks == 0


@pytest.mark.parametrize("kind", [Snn, Norse])
def test_a_convolution_is_the_sum_over_places_and_pairs(kind):
    torch.manual_seed(1)
    net = kind(nn.Conv2d(1, 1, 2, stride=2, bias=False))
    with torch.no_grad():
        net.layer.weight.uniform_(0.3, 0.9)
    stdp = attach_stdp(net.layer, net.neuron, AllPairs(), dt_ms=DT)
    x = frames(10, 1, 1, 4, 4, seed=3, rate=0.15)
    sent = net(x).detach()
    assert 0 < sent.mean() < 1

    change = stdp.change()

    for tap in ((0, 0), (0, 1), (1, 0), (1, 1)):
        expected = sum(
            direct_change(
                AllPairs(),
                times(x[:, 0, 0, 2 * r + tap[0], 2 * c + tap[1]]),
                times(sent[:, 0, 0, r, c]),
                dt_ms=DT,
            )
            for r in range(2)
            for c in range(2)
        )
        assert float(change[0, 0, tap[0], tap[1]]) == pytest.approx(expected, abs=1e-5)


def test_a_weight_that_evolves_is_the_sum_with_its_weight():
    """One synapse under a weight dependence: what the weight ends with minus what it began with."""
    timing = AllPairs(0.1, 0.1, dependence=Multiplicative())
    layer, neuron = nn.Linear(1, 1, bias=False), nn.Identity()
    with torch.no_grad():
        layer.weight.fill_(0.4)
    stdp = attach_stdp(layer, neuron, timing, dt_ms=DT)
    pre, post = [1, 0, 1, 0, 0, 1], [0, 1, 0, 0, 1, 1]
    for x, y in zip(pre, post, strict=True):
        layer(torch.tensor([[float(x)]]))
        neuron(torch.tensor([[float(y)]]))
    expected = direct_change(timing, times(pre), times(post), dt_ms=DT, w=0.4)
    assert abs(expected) > 1e-3
    assert float(stdp.apply()) == pytest.approx(expected, abs=1e-6)


def test_a_whole_sequence_at_once_is_the_ticks_one_by_one():
    """norse.LIF takes (time, batch, features) in one call."""
    torch.manual_seed(2)
    layer, sequence = (
        nn.Linear(3, 2),
        norse.LIF(norse.LIFParameters(v_th=torch.tensor(0.05)), dt=0.01),
    )
    with torch.no_grad():
        layer.weight.uniform_(0.2, 0.9)
    x = frames(9, 4, 3, seed=5)
    whole = attach_stdp(layer, sequence, AllPairs(), dt_ms=DT)
    sequence(layer(x))
    whole.detach()
    one = Norse(layer)
    ticks = attach_stdp(layer, one.neuron, AllPairs(), dt_ms=DT)
    one(x)
    torch.testing.assert_close(whole.change(), ticks.change())


def test_what_does_not_fit_is_refused():
    layer, neuron = nn.Linear(2, 1), snntorch.Leaky(beta=0.9)
    with pytest.raises(TypeError, match=r"a ReLU is not a synapse: give one of Linear, Conv1d"):
        attach_stdp(nn.ReLU(), neuron, AllPairs(), dt_ms=1.0)
    with pytest.raises(ValueError, match=r"kernel_size=\(2, 3\): give one number"):
        synapse_of(nn.Conv2d(1, 1, (2, 3)))
    with pytest.raises(TypeError, match="Clopath reads the membrane: give voltage="):
        attach_stdp(layer, neuron, Clopath(), dt_ms=1.0)
    stdp = attach_stdp(layer, neuron, AllPairs(), dt_ms=1.0)
    with pytest.raises(ValueError, match="called 0 times and its neuron 0"):
        stdp.apply()
    layer(torch.ones(1, 2))
    with pytest.raises(ValueError, match="called 1 times and its neuron 0"):
        stdp.apply()
    neuron(torch.ones(1, 1))
    with pytest.raises(ValueError, match="sent 1 ticks where the layer received 0"):
        neuron(torch.ones(1, 1))


@pytest.mark.parametrize(
    "module",
    [nn.Linear(4, 3), nn.Conv1d(2, 4, 3, padding=1, groups=2), nn.Conv2d(2, 3, 3, 2, 1, 2),
     nn.ConvTranspose2d(2, 3, 4, 2, 1)],
    ids=lambda m: type(m).__name__,
)  # fmt: skip
def test_the_synapse_of_a_module_computes_what_it_computes(module):
    side = (4,) if isinstance(module, nn.Linear) else (2, *(9,) * (module.weight.dim() - 2))
    x = torch.randn(5, *side)
    synapse = synapse_of(module)
    assert synapse.weight_shape == tuple(module.weight.shape)
    torch.testing.assert_close(synapse.forward(x, module.weight, module.bias), module(x))
