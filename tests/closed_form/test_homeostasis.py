"""Synaptic scaling: fixed points and what is conserved. 1e-12: float64, a few products."""

from __future__ import annotations

import pytest
import torch

from neurosim.spiking import SynapticScaling, TotalInput


def test_scaling_brings_a_linear_neuron_to_its_target():
    """rate = sum of w x: the error shrinks by a factor that tends to 1 - gain, ratios of weights
    stay (competition is left to STDP)."""
    weight = torch.tensor([[0.2, 0.6], [0.5, 0.1]], dtype=torch.float64)
    start = weight.clone()
    scaling = SynapticScaling(target_hz=10.0, gain=0.2)
    for _ in range(200):
        weight = scaling.scaled(weight, 20 * weight.sum(1))
    assert (20 * weight.sum(1) - 10).abs().max() < 1e-12
    assert (weight[:, 0] / weight[:, 1] - start[:, 0] / start[:, 1]).abs().max() < 1e-12


def test_scaling_keeps_signs_and_leaves_the_target_alone():
    """At the target to the bit; a rate far above it stops at 0, never beyond."""
    weight = torch.randn(3, 4, 2, 2, dtype=torch.float64)
    scaling = SynapticScaling(5.0, gain=1.0)
    assert torch.equal(scaling.scaled(weight, torch.full((3,), 5.0)), weight)
    assert scaling.scaled(weight, torch.full((3,), 500.0)).abs().max() == 0


def test_total_input_is_conserved():
    """The sum of magnitudes of each output is the total; a silent row stays silent."""
    weight = torch.randn(4, 7, dtype=torch.float64)
    weight[2] = 0
    sums = TotalInput(3.0).scaled(weight).abs().sum(1)
    assert (sums - torch.tensor([3.0, 3.0, 0.0, 3.0])).abs().max() < 1e-12


@pytest.mark.parametrize(
    ("build", "word"),
    [
        (lambda: SynapticScaling(0.0), "target_hz"),
        (lambda: SynapticScaling(1.0, gain=2.0), "gain"),
        (lambda: TotalInput(float("nan")), "total"),
        (lambda: SynapticScaling(1.0).scaled(torch.ones(2, 3), torch.ones(3)), "2 outputs"),
        (lambda: SynapticScaling(1.0).scaled(torch.ones(1, 3), torch.tensor([-1.0])), "negative"),
    ],
)
def test_what_makes_no_sense_is_refused(build, word):
    """Each bad argument has one error that names it."""
    with pytest.raises(ValueError, match=word):
        build()
