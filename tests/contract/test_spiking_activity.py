"""What a spiking network spends: events and spikes, counted and by hand."""

from __future__ import annotations

import itertools

import pytest
import torch

from neurosim.models.network.builders import convolutional_network
from neurosim.models.network.readouts import pooled_4x4
from neurosim.models.spiking.activity import SpikingActivity, synaptic_events
from neurosim.models.spiking.dynamics import SpikingDynamics
from neurosim.models.spiking.pink_noise import pink_noise
from neurosim.models.spiking.stdp import stdp_part
from neurosim.spiking.encoders.registry import Poisson
from neurosim.synapses import Conv2d, ConvTranspose2d, Dense


@pytest.mark.parametrize(
    "synapse",
    [Conv2d(4, 6, 3, padding=1), Conv2d(4, 6, 3, stride=2), Conv2d(4, 6, 3, padding=2, dilation=2),
     Conv2d(4, 6, 3, padding=1, groups=2)],
)  # fmt: skip
def test_a_convolution_is_counted_synapse_by_synapse(synapse):
    """Every (spike, output, tap) that exists, one by one."""
    spikes = (torch.rand((2, 4, 5, 6), generator=torch.Generator().manual_seed(0)) < 0.3).float()
    like = synapse.forward(spikes, torch.zeros(synapse.weight_shape), None)
    expected = 0
    for b, c, y, x in spikes.nonzero().tolist():
        for out, i, j in itertools.product(range(6), range(like.shape[2]), range(like.shape[3])):
            same_group = out * synapse.groups // 6 == c * synapse.groups // 4
            row = y + synapse.padding - i * synapse.stride
            column = x + synapse.padding - j * synapse.stride
            taps = {tap * synapse.dilation for tap in range(3)}
            expected += same_group and row in taps and column in taps and b >= 0
    assert synaptic_events(synapse, spikes) == expected


def test_a_dense_spike_reaches_every_output():
    """n_out events a spike; other geometries are refused."""
    assert synaptic_events(Dense(5, 7), torch.tensor([[1.0, 0, 1, 1, 0]])) == 21
    with pytest.raises(TypeError, match="Dense and Conv2d"):
        synaptic_events(ConvTranspose2d(1, 1), torch.ones(1, 1, 4, 4))


@pytest.mark.parametrize("chunked", [False, True])
def test_activity_is_what_represent_and_the_encoder_give(chunked, monkeypatch):
    """Features end at represent()'s, input spikes at the encoder's own; nothing in the network
    changes; sums only grow; the first layer's events come from the encoder's spikes."""
    generator = torch.Generator().manual_seed(0)
    shared = convolutional_network(
        generator=generator, channels=(3, 4, 6, 8), image_px=16, n_hidden=20
    )
    dynamics = SpikingDynamics(duration_ms=30.0, encoder=Poisson())
    x = pink_noise(5, 16, torch.Generator().manual_seed(1))
    net = stdp_part(shared, generator, dynamics=dynamics, calibration=x).net
    if chunked:
        monkeypatch.setattr("neurosim.models.spiking.dynamics._PIXELS", 2 * 16 * 16)
    before = {name: tensor.clone() for name, tensor in net.named_weights().items()}
    activity = SpikingActivity.of(net, x)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.named_weights().items())
    assert torch.equal(activity.features[-1], pooled_4x4(net.represent(x)["Conv3"]))
    point = net.evaluation_point(x)
    assert float(activity.input_spikes[-1]) == pytest.approx(float(point.spikes.sum()) / 5)
    events = sum(synaptic_events(net.layers[0].synapse, frame) for frame in point.spikes) / 5
    assert float(activity.events["Conv1"][-1]) == pytest.approx(events)
    rates = net.rates(x)
    for layer in net.layers:
        places = net.dynamics.n_ticks() * (16 >> net.layers.index(layer)) ** 2
        assert float(activity.spikes[layer.name][-1]) == pytest.approx(
            float(rates[layer.name].sum()) * places, rel=1e-5
        )
        for total in (activity.spikes[layer.name], activity.events[layer.name]):
            assert (total.diff() >= 0).all()
