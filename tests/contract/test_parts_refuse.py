"""Small parts of the spiking code keep the policies of the large ones: no graph, no broadcasting,
no number from what is not allowed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from neurosim.spiking import (
    LGN,
    AllPairs,
    AveragePooling,
    ChannelNorm,
    Clopath,
    Current,
    Delta,
    HardBounds,
    MaxPooling,
    Millivolts,
    SpikeVoltage,
    weight_change,
)

SHAPE = (2, 3, 4, 4)


def test_a_constant_current_sends_one_spike_a_tick_at_most():
    """Near a power of two float32 rounds the running total over two whole numbers in one tick;
    this is the first intensity and tick at which it does. No spike is lost, only a tick late."""
    x = torch.tensor([[0.9998166561126709]])
    spikes = Current(max_rate_hz=1000.0).encode(x, 16_400, 1.0)
    assert set(spikes.unique().tolist()) == {0.0, 1.0}
    assert abs(float(spikes.double().sum()) - math.floor(16_400 * float(x))) <= 1


@pytest.mark.parametrize("images", ["half", "bfloat16", "sparse", "list", "uint8", "complex64"])
def test_the_front_end_takes_what_the_spiking_code_takes(images):
    given = torch.rand(2, 3, 16, 16)
    wrong = {
        "half": given.half(),
        "bfloat16": given.bfloat16(),
        "sparse": given.to_sparse(),
        "list": given.tolist(),
        "uint8": given.byte(),
        "complex64": given.to(torch.complex64),
    }
    with pytest.raises(TypeError, match="images must be"):
        LGN()(wrong[images])


def test_the_front_end_carries_no_graph():
    images = torch.rand(2, 3, 16, 16)
    seen = LGN()(images.clone().requires_grad_())
    assert not seen.requires_grad
    assert torch.equal(seen, LGN()(images))


@pytest.mark.parametrize("start", [math.nan, math.inf])
def test_a_delta_coder_starts_somewhere(start):
    """NaN compares false with the threshold: the coder would stay silent for ever."""
    with pytest.raises(ValueError, match="signal and start must be finite"):
        Delta().events(torch.zeros(3, 2), start=start)


@pytest.mark.parametrize(
    ("spikes", "threshold"),
    [((4,), ()), (SHAPE, (3,)), (SHAPE, (5, 2, 3, 4, 4)), ((2, 3, 4, 1), ()), (SHAPE, (2, 1, 1))],
)
def test_millivolts_never_broadcast_spikes(spikes, threshold):
    with pytest.raises(ValueError, match=r"voltage has the shape \(2, 3, 4, 4\)"):
        Millivolts().of(torch.rand(SHAPE), torch.zeros(spikes), torch.ones(threshold), 1.0)


@pytest.mark.parametrize("dt_ms", [0.0, -1.0, math.nan, "1"])
def test_millivolts_count_ticks_of_a_length(dt_ms):
    """A negative tick turned the spike upside down."""
    with pytest.raises((ValueError, TypeError), match="dt_ms"):
        Millivolts().of(torch.rand(SHAPE), torch.zeros(SHAPE), torch.ones(()), dt_ms)


@pytest.mark.parametrize("post", [np.full((5, 1), math.nan), np.full((5, 1), 0.5), -np.eye(3)])
def test_a_drawn_voltage_is_of_spikes(post):
    """Rates and NaN were spikes of 33 mV."""
    with pytest.raises(ValueError, match="spikes are 0 or 1"):
        SpikeVoltage().of(post, 1.0)


@pytest.mark.parametrize("field", ["rest", "peak", "reset", "after"])
def test_a_drawn_voltage_is_finite(field):
    with pytest.raises(ValueError, match=f"{field} must be finite"):
        SpikeVoltage(**{field: math.nan})


def test_a_norm_has_one_number_per_map():
    """Three numbers on one map made three maps."""
    with pytest.raises(ValueError, match="3 numbers for the 1 maps"):
        ChannelNorm(mean=torch.zeros(3)).forward(torch.ones(1, 1, 3, 3))
    for wrong in (math.nan, math.inf, torch.zeros(2, 2)):
        with pytest.raises(ValueError, match="offset must be one finite number"):
            ChannelNorm(offset=wrong)


@pytest.mark.parametrize("pooling", [MaxPooling, AveragePooling])
def test_a_pooling_window_is_whole_and_fits(pooling):
    for size in (2.5, True, 0, "2"):
        with pytest.raises(ValueError, match="whole number of at least 1"):
            pooling(size)
    with pytest.raises(ValueError, match=r"leaves nothing of a current of shape \(1, 2, 3, 3\)"):
        pooling(4).forward(torch.ones(1, 2, 3, 3))


def test_times_with_a_graph_are_detached():
    times = torch.tensor([0.0], requires_grad=True)
    assert weight_change(AllPairs(), times, [10.0]) == weight_change(AllPairs(), [0.0], [10.0])


def test_what_follows_the_last_spike_counts_as_length():
    """Clopath(tau_x_ms=1e9) asked for 2.9 TiB of ticks."""
    with pytest.raises(ValueError, match=r"until its effect has decayed \(4e\+10 ms after"):
        weight_change(Clopath(tau_x_ms=1e9), [0.0], [3.0])


def test_a_delay_beyond_the_window_lets_nothing_through():
    """Filters start at rest, theta_minus or below: nothing is above it yet."""
    assert weight_change(Clopath(delay_ms=1e300), [0.0], [3.0]) == 0


def test_amplitudes_that_overflow_are_named():
    """Infinity was an answer; between bounds it is a step to the bound."""
    with pytest.raises(ValueError, match="a change is not finite: the amplitudes of AllPairs"):
        weight_change(AllPairs(a_plus=1e308), [0.0, 1.0, 2.0], [3.0, 4.0, 5.0])
    bounded = AllPairs(a_plus=1e308, dependence=HardBounds())
    assert weight_change(bounded, [0.0, 1.0, 2.0], [3.0, 4.0, 5.0], w=0.25) == 0.75
