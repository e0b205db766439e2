"""Laws of STDP under a weight dependence in the convolutional network."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from neurosim.experiments.settings.config import Comparison, with_defaults
from neurosim.models.network.builders import convolutional_network
from neurosim.models.spiking.bounded_stdp import RULE_DEPENDENCES, BoundedSTDP
from neurosim.models.spiking.dynamics import SpikingDynamics
from neurosim.models.spiking.pink_noise import pink_noise
from neurosim.models.spiking.stdp import RULE_TIMINGS, TIMING, stdp_part
from neurosim.rule import run_batch
from neurosim.spiking import AllPairs, Multiplicative, PowerLaw, TraceSTDP
from neurosim.spiking.timing.reductions import MeanOverSpikes, SumOverBatch
from neurosim.synapses import Dense
from neurosim.types import Drive, LocalSignal

NAMES = list(RULE_DEPENDENCES)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def part(**options):
    shared = convolutional_network(
        generator=generator(), channels=(3, 4, 6, 8), image_px=16, n_hidden=20
    )
    images = pink_noise(4, 16, generator(9))
    dynamics = SpikingDynamics(duration_ms=50.0)
    return stdp_part(shared, generator(), dynamics=dynamics, calibration=images, **options)


@dataclass
class OneSynapse:
    """A dense synapse of one weight; its bound is 2.5, as its fan-in is 1."""

    w: float
    name = "one"
    synapse = Dense(1, 1)

    def plastic_parameters(self):
        return {"weight": torch.full((1, 1), self.w, dtype=torch.float64)}


def change(plasticity, w: float, pre_tick: int, post_tick: int) -> float:
    layer, memory = OneSynapse(w), plasticity.begin(OneSynapse(w))
    for tick in range(4):
        pre = torch.full((1, 1), float(tick == pre_tick), dtype=torch.float64)
        post = torch.full((1, 1), int(tick == post_tick), dtype=torch.uint8)
        memory = plasticity.observe(layer, memory, LocalSignal(pre, post, {"dt": 5.0}))
    return float(plasticity.delta(layer, memory)["weight"])


def test_what_saw_no_spike_train_changes_nothing():
    bounded = BoundedSTDP(TraceSTDP(AllPairs(dependence=Multiplicative()), 5.0))
    for plasticity in (TraceSTDP(AllPairs(), 5.0), bounded):
        layer = OneSynapse(0.5)
        assert plasticity.delta(layer, plasticity.begin(layer)) == {}


@pytest.mark.parametrize("name", NAMES[1:])
@pytest.mark.parametrize("w", [-2.0, 0.0, 0.5, 2.4, 2.7])
@pytest.mark.parametrize("ticks", [(0, 2), (2, 0)])
def test_an_isolated_pair_meets_the_closed_form(name, w, ticks):
    """``clip(w + f(u) W(lag))`` with u on the layer's own range; a weight beyond it counts as
    one at the bound. 1e-12: float64."""
    timing = AllPairs(a_plus=0.2, a_minus=0.3, dependence=RULE_DEPENDENCES[name])
    found = change(BoundedSTDP(TraceSTDP(timing, SumOverBatch())), w, *ticks)
    window = float(timing.window(5.0 * (ticks[1] - ticks[0])))
    u = (min(w, 2.5) + 2.5) / 5.0
    gain = (timing.dependence.plus if window > 0 else timing.dependence.minus)(u)
    expected = min(max(min(w, 2.5) + gain * window, -2.5), 2.5) - min(w, 2.5)
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_every_dependence_learns_within_the_bounds(name):
    """One batch: each layer changes by numbers of its own, and stays in its range without any
    other constraint. A millionth of the bound: float32."""
    learning, before = part(dependence=RULE_DEPENDENCES[name]), part()
    drive = Drive(pink_noise(4, 16, generator(1)))
    outcome = run_batch(learning.rule, learning.net, drive)
    additive = run_batch(before.rule, before.net, drive).changes
    for layer in learning.net.layers:
        moved = outcome.changes[f"{layer.name}.weight"]
        assert bool(moved.isfinite().all())
        assert moved.abs().max() > 0
        same = torch.equal(moved, additive[f"{layer.name}.weight"])
        # Hard bounds that no weight meets in one batch add up the same numbers in another order.
        assert same == (name == "additive")
        if name != "additive":
            bound = 2.5 / layer.synapse.fan_in**0.5
            assert (layer.weight + moved).abs().max() <= bound * (1 + 1e-6)


def test_additive_is_the_plasticity_that_was_there_before():
    """The same object, so the same bits (tests/frozen holds its numbers)."""
    assert part().rule.plasticity == TraceSTDP(TIMING, MeanOverSpikes())
    assert part(dependence=RULE_DEPENDENCES["additive"]).rule.plasticity == part().rule.plasticity


@pytest.mark.parametrize("name", list(RULE_TIMINGS))
def test_every_timing_goes_with_a_dependence(name):
    rule = part(timing=RULE_TIMINGS[name], dependence=Multiplicative()).rule
    assert isinstance(rule.plasticity, BoundedSTDP)
    assert rule.plasticity.stdp.timing.dependence == Multiplicative()


def test_what_has_no_two_bounds_is_refused():
    for timing in (AllPairs(), AllPairs(dependence=PowerLaw())):
        with pytest.raises(ValueError, match="between two bounds"):
            BoundedSTDP(TraceSTDP(timing))
    with pytest.raises(ValueError, match="unknown weight_dependence 'power': the known ones are"):
        Comparison(weight_dependence="power")


def test_a_run_of_before_goes_on():
    """Settings on record that lack the field get the default, which keeps its numbers."""
    record = Comparison().cell_settings()
    del record["weight_dependence"]
    assert with_defaults(record)["weight_dependence"] == "additive"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"timing": "triplet"}, "timing triplet would have no effect"),
        ({"weight_dependence": "guetig"}, "weight_dependence guetig would have no effect"),
        (
            {"weight_dependence": "guetig", "without": ("stdp_channel_means",)},
            "does not go with the switch stdp_window_inverted",
        ),
    ],
)
def test_what_the_published_profile_would_ignore_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Comparison(profile="published", **settings)
    Comparison(profile="published", without=("stdp_channel_means",), timing="triplet")
