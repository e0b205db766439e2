"""What does not vary is never divided by its spread: it stays silent or undefined.

The mean of n equal numbers is off by rounding (.1 in float64, 1,001 times), so that a test of the
standard deviation against 0 lets noise through as if it were a signal of spread 1. Each quantity
here is given equal numbers, with and without noise of float32's rounding.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.models.network.builders import convolutional_network
from neurosim.models.rules.lateral import LateralInhibition
from neurosim.models.spiking.dynamics import SpikingDynamics
from neurosim.models.spiking.feature_measures import participation_ratio, unexplained_variance
from neurosim.models.spiking.probe import RidgeProbe
from neurosim.models.spiking.stdp import FilterNorm, opponent_weight, spiking_network, unit_weight
from neurosim.rsa.brain.things import _over_all_trials, _within_runs
from neurosim.rsa.controls.encoding import _standardised as for_encoding
from neurosim.spiking import ENCODERS, TotalInput

#: Numbers of which float32 and float64 hold a rounded value, and one that they hold exactly.
value = st.sampled_from([0.1, 0.7, 1 / 3, 1e-4, 1e5, 1.0, 0.0])
#: Sizes at which sums of them round in some direction.
size = st.integers(3, 2000)
dtype = st.sampled_from([np.float32, np.float64])


@settings(max_examples=40, deadline=None)
@given(value, size, dtype)
def test_features_that_do_not_vary(x, n, kind):
    equal = np.full((n, 2), x, kind)
    labels = torch.arange(n) % 2
    varied = equal.copy()
    varied[:, 0] += np.arange(n, dtype=kind)
    probe = RidgeProbe.fit(torch.from_numpy(varied), labels, 2)
    assert probe.sd[1] == torch.inf
    assert bool((probe.weight[1] == 0).all())
    last = equal.copy()
    last[-1] += 1
    assert np.abs(for_encoding(last, np.arange(n - 1))).max() == 0
    assert np.isnan(_over_all_trials(equal.T, np.zeros(n, int))).all()
    assert np.isnan(_within_runs(equal.T, np.arange(n) // 3)).all()
    assert np.isnan(participation_ratio(torch.from_numpy(equal)))
    assert np.isnan(unexplained_variance(torch.from_numpy(equal), torch.from_numpy(equal) + 1))


@settings(max_examples=20, deadline=None)
@given(value, st.integers(2, 40), st.sampled_from([torch.float32, torch.float64]))
def test_a_channel_that_does_not_vary_inhibits_none(x, side, kind):
    activity = torch.rand((3, 4, side, side), generator=torch.Generator().manual_seed(1))
    activity = activity.to(kind)
    activity[:, 1] = x
    weight = LateralInhibition(activity).weight
    assert weight[1].abs().max() == 0
    assert weight[:, 1].abs().max() == 0
    torch.testing.assert_close(weight.diagonal()[[0, 2, 3]], torch.ones(3, dtype=kind))


@pytest.fixture(scope="module")
def network():
    seeded = torch.Generator().manual_seed(0)
    return spiking_network(
        convolutional_network(generator=seeded, channels=(3, 4, 4, 4)),
        SpikingDynamics(),
        seeded,
        calibration_px=16,
    )


@pytest.mark.parametrize("x", [0.1, 1 / 3, 1e-4, 0.0])
def test_a_filter_of_equal_weights_gets_no_spread_out_of_rounding(network, x):
    """It takes its initial mean and stays one of equal weights; 1e-6: rounding of the mean."""
    norm = FilterNorm(network)
    weight = network.layers[1].weight
    before = weight.clone()
    mean = before[0].mean()
    weight[0] = x
    norm.apply(network)
    assert float((weight[0] - mean).abs().max()) < 1e-6
    torch.testing.assert_close(weight[1:], before[1:])
    weight.copy_(before)


def test_a_filter_of_zeros_stays_one():
    rgb = torch.rand((3, 3, 5, 5), generator=torch.Generator().manual_seed(0))
    rgb[1] = 0
    for written in (
        opponent_weight(rgb),
        unit_weight(rgb, (0.2, 0.8)),
        TotalInput(1.0).scaled(rgb),
    ):
        assert written[1].abs().max() == 0
        assert bool(written.isfinite().all())
        assert bool((written[[0, 2]].flatten(1).norm(dim=1) > 0).all())


@pytest.mark.parametrize("x", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_an_encoder_treats_equal_intensities_alike(encoder, x):
    """No encoder takes its scale from the spread of the image: spikes are 0 and 1 and finite, and
    without noise those of every pixel are the same."""
    coder = ENCODERS[encoder]()
    noise = torch.Generator().manual_seed(0)
    spikes = coder.encode(torch.full((2, 3, 7, 7), x), 12, 5.0, noise)
    assert bool(((spikes == 0) | (spikes == 1)).all())
    # A rank order has no ties: the first of equal pixels comes first.
    if not coder.stochastic and encoder != "rank-order":
        units = spikes.unflatten(2, (-1, 3)) if encoder == "population" else spikes.unsqueeze(2)
        first = units[:, :1, :, :1, :1, :1]
        assert bool((units == first).all())
