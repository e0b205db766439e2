"""STDP on every synapse geometry, and through what stands between synapse and neuron.

The reference runs the single-synapse law on the presynaptic trains that each weight reads,
found by pushing unit weights through the synapse's own ``forward``.
"""

from __future__ import annotations

import pytest
import torch

from neurosim.spiking import (
    AveragePooling,
    ByDensity,
    ChannelNorm,
    Directly,
    InTurn,
    MaxPooling,
    NearestPair,
    SpikeWindow,
    SumOverBatch,
    TraceSTDP,
    Triplet,
)
from neurosim.spiking.timing.rules import AllPairs
from neurosim.synapses import Conv1d, Conv2d, Dense, LocallyConnected2d
from neurosim.types import LocalSignal

GEOMETRIES = [
    (Dense(5, 4), (5,)),
    (Conv1d(2, 3, 3, padding=1), (2, 7)),
    (Conv1d(4, 4, 3, stride=2, dilation=2, groups=2), (4, 9)),
    (Conv2d(2, 3, 3, padding=1), (2, 4, 5)),
    (Conv2d(2, 4, 2, stride=2, padding=1, groups=2), (2, 4, 4)),
    (Conv2d(1, 2, 2, dilation=2), (1, 5, 4)),
    (LocallyConnected2d(2, 2, 4, 5, kernel=3, padding=1), (2, 4, 5)),
    (LocallyConnected2d(1, 2, 5, 5, kernel=2, stride=2), (1, 5, 5)),
]
TIMINGS = [AllPairs(0.8, 0.5, coincidence="both"), Triplet(), NearestPair(scheme="reduced")]


def spikes(shape, share, seed):
    g = torch.Generator().manual_seed(seed)
    return (torch.rand(shape, generator=g) < share).double()


@pytest.mark.parametrize("timing", TIMINGS, ids=lambda t: type(t).__name__)
@pytest.mark.parametrize(("synapse", "features"), GEOMETRIES, ids=lambda g: str(g))
def test_each_weight_sums_its_own_synapses(synapse, features, timing):
    """dw of one weight = the sum, over the places it serves, of the change of a lone synapse
    with the two trains that meet there. 1e-12: float64, at most a hundred terms."""
    pre = spikes((7, 2, *features), 0.3, 1)
    shape = synapse.forward(pre[0], torch.zeros(synapse.weight_shape).double(), None).shape
    post = spikes((7, *shape), 0.25, 2)
    change = ByDensity().change(synapse, SpikeWindow(pre, post), timing, 3.0)
    assert change.shape == synapse.weight_shape
    lone = ByDensity(threshold=1.0)
    for index in torch.randperm(change.numel(), generator=torch.Generator().manual_seed(3))[:4]:
        unit = torch.zeros(change.numel()).double()
        unit[index] = 1
        # What this weight alone lets through: the presynaptic spike that each output reads.
        seen = torch.stack([synapse.forward(x, unit.view(change.shape), None) for x in pre])
        reads = synapse.forward(torch.ones_like(pre[0]), unit.view(change.shape), None) > 0
        trains = [side[:, reads].reshape(7, -1, 1) for side in (seen, post)]
        expected = lone.change(Dense(1, 1), SpikeWindow(*trains), timing, 3.0)
        assert float(change.flatten()[index]) == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize(("synapse", "features"), GEOMETRIES, ids=lambda g: str(g))
def test_geometries_are_adjoint(synapse, features):
    """<V^T d, x> = <d, V x> = <correlate(x, d), V>, and the bias is summed: one bilinear form."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(3, *features, generator=g).double()
    v = torch.randn(synapse.weight_shape, generator=g).double()
    y = synapse.forward(x, v, None)
    d = torch.randn(y.shape, generator=g).double()
    expected = float((d * y).sum())
    weight, bias = synapse.correlate(x, d)
    assert float((synapse.carry_back(d, v, x) * x).sum()) == pytest.approx(expected, abs=1e-10)
    assert float((weight * v).sum()) == pytest.approx(expected, abs=1e-10)
    with_bias = synapse.forward(x, v, torch.ones_like(bias))
    assert float((with_bias * d).sum()) - expected == pytest.approx(float(bias.sum()), abs=1e-10)
    assert synapse.fan_in == v[0].numel() // (y[0, 0].numel() if "Local" in str(synapse) else 1)


def test_local_connection_is_a_convolution_where_its_filters_agree():
    """The same filter at every place: the current of a Conv2d."""
    conv, local = Conv2d(2, 3, 3, padding=1), LocallyConnected2d(2, 3, 4, 5, padding=1)
    shared = torch.randn(conv.weight_shape, dtype=torch.float64)
    spread = shared[:, None, None].expand(local.weight_shape)
    x = torch.randn(2, 2, 4, 5, dtype=torch.float64)
    difference = conv.forward(x, shared, None) - local.forward(x, spread, None)
    assert difference.abs().max() < 1e-12
    with pytest.raises(ValueError, match=r"\(2, 4, 5\)"):
        local.forward(torch.zeros(1, 2, 4, 4, dtype=torch.float64), spread, None)


def test_pooled_spikes_go_back_to_where_their_current_came_from():
    """Max: the largest of each window; average: all of it; a norm in between moves nothing."""
    current = torch.arange(25.0).view(1, 1, 5, 5)
    fired = torch.ones(1, 1, 2, 2, dtype=torch.uint8)
    largest = MaxPooling(2).attribute(fired, current)
    assert largest.nonzero()[:, 2:].tolist() == [[1, 1], [1, 3], [3, 1], [3, 3]]
    everywhere = AveragePooling(2).attribute(fired, current)
    assert everywhere[..., :4, :4].min() == 1
    assert everywhere.sum() == 16
    # A norm of negative gain turns the order round before pooling.
    turned = InTurn((ChannelNorm(gain=-1.0), MaxPooling(2)))
    assert turned.attribute(fired, current).nonzero()[:, 2:].tolist() == [
        [0, 0], [0, 2], [2, 0], [2, 2]
    ]  # fmt: skip
    assert torch.equal(turned.forward(current), MaxPooling(2).forward(-current))
    assert Directly().attribute(fired, fired) is fired
    with pytest.raises(ValueError, match="at least 1"):
        MaxPooling(0)
    with pytest.raises(ValueError, match="deviation"):
        ChannelNorm(deviation=0.0)


@pytest.mark.parametrize(("side", "value"), [("pre", 0.5), ("pre", float("nan")), ("post", 2)])
def test_spikes_that_are_no_spikes_are_refused(side, value):
    """A rate, a current or NaN in place of a spike: one error that names side and value."""

    class Layer:
        name, synapse = "one", Dense(3, 2)

        def plastic_parameters(self):
            return {}

    pre, post = torch.zeros(1, 3), torch.zeros(1, 2, dtype=torch.uint8)
    (pre if side == "pre" else post)[0, 0] = value
    stdp = TraceSTDP(AllPairs(), SumOverBatch())
    memory = stdp.observe(Layer(), stdp.begin(Layer()), LocalSignal(pre, post, {"dt": 1.0}))
    with pytest.raises(ValueError, match=f"{side} holds {value:g}"):
        stdp.delta(Layer(), memory)


def test_shapes_that_do_not_fit_are_refused():
    """Batches that differ, integer input, frames without a tick: named before anything runs."""
    ones = torch.ones(4, 2, 3)
    with pytest.raises(ValueError, match="same time and batch"):
        SpikeWindow(ones, ones[:, :1])
    with pytest.raises(TypeError, match="floating"):
        SpikeWindow(ones.byte(), ones)
    with pytest.raises(ValueError, match="reward must be"):
        SpikeWindow(ones, ones, reward=torch.ones(4))
