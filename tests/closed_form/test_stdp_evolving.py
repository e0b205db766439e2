"""Weights that evolve: the compiled pass against the frame-by-frame one.

Both are held to the sum over spikes of one synapse in ``test_stdp_variants``; here layers and
batches. 1e-12 in float64 and 1e-5 in float32, relative to weights of about 1: the two differ in the
order of additions.
"""

from __future__ import annotations

import pytest
import torch

from neurosim.spiking import (
    WEIGHT_DEPENDENCES,
    Clopath,
    MeanOverBatch,
    MeanOverSpikes,
    SumOverBatch,
)
from neurosim.spiking.timing.evolving import _anywhere, _is_sparse, _on_cpu, evolve
from neurosim.spiking.timing.rules import AllPairs, AntiHebbian, FirstSpike, NearestPair, Triplet
from neurosim.spiking.timing.spike_window import SpikeWindow
from neurosim.synapses import Dense

TIMINGS = {
    "all": lambda d: AllPairs(0.3, 0.25, 16.8, 33.7, "both", dependence=d),
    "negative": lambda d: AntiHebbian(0.2, 0.3, dependence=d),
    "nearest": lambda d: NearestPair(0.3, 0.2, dependence=d),
    "triplet": lambda d: Triplet(0.1, 0.2, 0.2, 0.1, dependence=d),
    "first": lambda d: FirstSpike(0.3, 0.2, dependence=d),
    "first, depressed by 1": lambda d: FirstSpike(0.3, 1.0, dependence=d),
    "clopath": lambda d: Clopath(dependence=d),
}


def window(density: float, kind: torch.dtype, shape=(12, 3)) -> SpikeWindow:
    g = torch.Generator().manual_seed(int(100 * density))
    sides = [(torch.rand((*shape, n), generator=g) < density).to(kind) for n in (7, 5)]
    sides[0][:, :, 0] = 0  # an input that is silent, which first-spike timing counts
    return SpikeWindow(*sides)


DEPENDENCES = [n for n in WEIGHT_DEPENDENCES if n != "additive"]


@pytest.mark.parametrize(
    ("dependence", "kind"),
    [*((n, torch.float64) for n in DEPENDENCES), ("guetig", torch.float32)],
)
@pytest.mark.parametrize("name", list(TIMINGS))
def test_the_compiled_pass_is_the_frame_by_frame_one(name, dependence, kind):
    """Every dependence and reduction, sparse and dense spikes, amplitudes of either sign."""
    timing = TIMINGS[name](WEIGHT_DEPENDENCES[dependence]())
    synapse = Dense(7, 5)
    weight = torch.rand((5, 7), generator=torch.Generator().manual_seed(0), dtype=kind)
    for density in (0.05, 0.4):
        spikes = window(density, kind)
        for reduction in (SumOverBatch(), MeanOverBatch(), MeanOverSpikes()):
            before = weight.clone()
            listed = timing.causal(spikes, 1.0).listed()
            divisor = reduction.divisor(synapse, spikes)
            fast = _on_cpu(weight, listed, timing.dependence, divisor)
            plain = _anywhere(synapse, weight, spikes, timing, 1.0, reduction)
            assert torch.equal(weight, before)
            assert fast.dtype == kind
            tolerance = 1e-12 if kind == torch.float64 else 1e-5
            assert (fast - plain).abs().max() <= tolerance
            assert (plain != weight).any()


@pytest.mark.parametrize("scheme", ["presynaptic-centred", "reduced"])
def test_pairings_of_neighbours_only_go_frame_by_frame(scheme):
    """A frame of theirs takes more than two factors: the same call, the other way."""
    timing = NearestPair(0.3, 0.2, scheme=scheme, dependence=WEIGHT_DEPENDENCES["guetig"]())
    spikes, weight = window(0.3, torch.float64), torch.full((5, 7), 0.5, dtype=torch.float64)
    assert timing.causal(spikes, 1.0).listed() is None
    args = (Dense(7, 5), weight, spikes, timing, 1.0, SumOverBatch())
    assert torch.equal(evolve(*args), _anywhere(*args))


def test_sparse_spikes_go_spike_by_spike():
    """One spike of a neuron in ten frames: yes; four in ten, in three images at once: no."""
    timing = TIMINGS["all"](WEIGHT_DEPENDENCES["guetig"]())
    for density, sparse in ((0.1, True), (0.4, False)):
        listed = timing.causal(window(density, torch.float64, (50, 3)), 1.0).listed()
        assert _is_sparse(listed.plus_side[1], listed.minus_side[0]) == sparse
