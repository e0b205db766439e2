"""Every timing against sums over spike times written down independently (``stdp_events``).

Tolerance 1e-10 where nothing else is said: float64 on both sides, a few hundred terms below 1.
"""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stdp_events import changes, final_weight, total

from neurosim.spiking import (
    TIMINGS,
    WEIGHT_DEPENDENCES,
    AbstractTraceTiming,
    Additive,
    AllPairs,
    ByDensity,
    EventKernel,
    FusedKernel,
    HardBounds,
    NearestPair,
    Rewarded,
    SpikeWindow,
    SumOverBatch,
    TraceSTDP,
    Triplet,
    weight_change,
)
from neurosim.spiking.timing.factors import _trace_anywhere, _trace_on_cpu
from neurosim.synapses import Dense
from neurosim.types import LocalSignal

TRACE_TIMINGS = [name for name in TIMINGS if isinstance(TIMINGS[name](), AbstractTraceTiming)]
POLICIES = ("none", "potentiate", "both")

#: Trains on a grid of ticks: bursts (neighbouring ticks), ties, long silences.
trains = st.lists(st.one_of(st.integers(0, 15), st.integers(0, 400)), min_size=1, max_size=12)


def variant(name: str, policy: str = "none", **options):
    """A registered timing under a coincidence policy, additive unless said otherwise."""
    timing = TIMINGS[name]()
    options = {"dependence": Additive(), "coincidence": policy} | options
    known = {field.name for field in fields(timing)}
    return replace(timing, **{k: v for k, v in options.items() if k in known})


policies = st.sampled_from(["none", "potentiate", "both"])


@pytest.mark.parametrize("name", TRACE_TIMINGS)
@settings(max_examples=25, deadline=None)
@given(pre=trains, post=trains, policy=policies, dt_ms=st.sampled_from([0.1, 1.0, 7.3]))
def test_every_timing_is_its_sum_over_spikes(name, pre, post, policy, dt_ms):
    """weight_change equals the double (for triplets triple) sum, ties and bursts included."""
    pre, post, timing = sorted(set(pre)), sorted(set(post)), variant(name, policy)
    change = weight_change(timing, np.array(pre) * dt_ms, np.array(post) * dt_ms, dt_ms=dt_ms)
    assert change == pytest.approx(total(timing.rule, pre, post, dt_ms), abs=1e-10)


@pytest.mark.parametrize("name", TRACE_TIMINGS)
def test_an_isolated_pair_gives_the_window(name):
    """One spike on each side: the closed form ``window``, on both sides of 0 and at it."""
    for policy in POLICIES:
        timing = variant(name, policy)
        for lag in (-60.0, -10.0, -0.1, 0.0, 0.1, 10.0, 60.0):
            change = weight_change(timing, [100.0], [100.0 + lag])
            assert change == pytest.approx(float(timing.window(lag)), abs=1e-12)


@pytest.mark.parametrize("name", TRACE_TIMINGS)
@settings(max_examples=25, deadline=None)
@given(
    pre=trains,
    post=trains,
    policy=policies,
    w=st.floats(0, 1),
    dependence=st.sampled_from(list(WEIGHT_DEPENDENCES)),
)
def test_the_weight_evolves_spike_by_spike(name, pre, post, policy, w, dependence):
    """Each change is scaled by the weight it meets and clipped, in the order of the spikes."""
    pre, post = sorted(set(pre)), sorted(set(post))
    gains = WEIGHT_DEPENDENCES[dependence]()
    timing = variant(name, policy, dependence=gains)
    change = weight_change(timing, np.array(pre) * 1.0, np.array(post) * 1.0, dt_ms=1.0, w=w)
    one = np.float64
    after = final_weight(
        timing.rule, pre, post, 1.0, one(w), gains.plus, gains.minus, gains.w_min, gains.w_max
    )
    assert change == pytest.approx(after - w, abs=1e-10)


@pytest.mark.parametrize("name", TRACE_TIMINGS)
@pytest.mark.parametrize("policy", POLICIES)
def test_batches_and_layers_are_sums_over_synapses(name, policy):
    """A dense layer under a batch: each synapse is the sum of its trains over the images."""
    timing = variant(name, policy)
    g = torch.Generator().manual_seed(len(name))
    pre = (torch.rand(17, 3, 4, generator=g) < 0.25).double()
    post = (torch.rand(17, 3, 5, generator=g) < 0.25).double()
    pre[:, 0, 0] = 0
    expected = torch.tensor(
        [
            [
                sum(
                    total(
                        timing.rule,
                        pre[:, b, i].nonzero().flatten().tolist(),
                        post[:, b, o].nonzero().flatten().tolist(),
                        2.0,
                    )
                    for b in range(3)
                )
                for i in range(4)
            ]
            for o in range(5)
        ],
        dtype=torch.float64,
    )
    for kernel in (FusedKernel(), EventKernel()):
        change = kernel.change(Dense(4, 5), SpikeWindow(pre, post), timing, 2.0)
        assert (change - expected).abs().max() <= 1e-10


@pytest.mark.parametrize("tau_reward_ms", [0.0, 60.0])
@pytest.mark.parametrize("name", [*TRACE_TIMINGS, "clopath"])
@settings(max_examples=4, deadline=None)
@given(pre=trains, post=trains, reward=trains, seed=st.integers(0, 99))
def test_a_reward_reads_the_eligibility(name, tau_reward_ms, pre, post, reward, seed):
    """dw = integral of reward times eligibility: known at once (whole window) and carried along
    tick by tick (wide bounds never reached) give the same; impulses also equal their sum."""
    pre, post, at = (sorted(set(train)) for train in (pre, post, reward))
    size = np.random.default_rng(seed).normal(size=len(at))
    options = {"reward_ms": at, "reward": size, "dt_ms": 1.0}
    known = Rewarded(variant(name, "potentiate"), 80.0, tau_reward_ms)
    wide = variant(name, "potentiate", dependence=HardBounds(-1e6, 1e6))
    change = weight_change(known, pre, post, **options)
    carried = weight_change(Rewarded(wide, 80.0, tau_reward_ms), pre, post, **options)
    assert change == pytest.approx(carried, abs=1e-9)  # 1e6 bounds: subtraction near .5
    if tau_reward_ms == 0 and name != "clopath":
        marks = changes(known.timing.rule, pre, post, 1.0)
        expected = sum(
            r * sum(marks[t]) * np.exp(-(u - t) / 80.0)
            for u, r in zip(at, size, strict=True)
            for t in marks
            if t <= u
        )
        assert change == pytest.approx(expected, abs=1e-10)


def test_a_reward_filtered_fast_is_an_impulse():
    """tau_reward -> 0 tends to the impulse; 1e-3: the ratio of the two time constants."""
    impulse = Rewarded(AllPairs(), 100.0)
    fast = Rewarded(AllPairs(), 100.0, tau_reward_ms=0.1)
    options = {"pre_ms": [0.0], "post_ms": [5.0], "reward_ms": [40.0], "reward": 2.0}
    assert weight_change(fast, **options) == pytest.approx(
        weight_change(impulse, **options), rel=2e-3
    )


# Sjostrom, Turrigiano & Nelson 2001: lag (ms) -> fractional change and its standard error at
# each rate (Hz).
RATES = (0.1, 10, 20, 40, 50)
SJOSTROM = {
    10.0: ((-0.04, 0.14, 0.29, 0.53, 0.56), (0.05, 0.10, 0.14, 0.11, 0.26)),
    -10.0: ((-0.29, -0.41, -0.34, 0.56, 0.75), (0.08, 0.11, 0.10, 0.32, 0.19)),
}


def sjostrom_error(timing) -> float:
    """chi2 / 10 over the ten points: 60 pairs each."""
    error = 0.0
    for lag, (means, errors) in SJOSTROM.items():
        for rate, mean, se in zip(RATES, means, errors, strict=True):
            pre = np.arange(60) * 1000.0 / rate
            error += ((weight_change(timing, pre, pre + lag) - mean) / se) ** 2
    return error / 10


@pytest.mark.parametrize(
    ("interaction", "terms", "published"),
    [
        ("all", "full", 0.342),
        ("all", "minimal", 0.356),
        ("nearest", "full", 0.232),
        ("nearest", "minimal", 0.348),
    ],
)
def test_triplet_sets_fit_the_visual_cortex(interaction, terms, published):
    """Pfister & Gerstner 2006: the error of each set, to the rounding of three digits."""
    timing = Triplet.visual_cortex(interaction, terms)
    assert sjostrom_error(timing) == pytest.approx(published, abs=6e-4)


def test_no_pair_rule_fits_where_a_triplet_does():
    """A pair rule does not potentiate at 50 Hz for -10 ms, the triplet does (their figure 1)."""
    pre = np.arange(60) * 20.0
    pair = AllPairs(5e-3, 5.25e-3, 16.8, 33.7)
    assert weight_change(pair, pre, pre - 10.0) < 0 < weight_change(Triplet(), pre, pre - 10.0)


def poisson_drift(timing, rate_pre, rate_post, seed, ms=400_000) -> float:
    rng = np.random.default_rng(seed)
    pre, post = (np.flatnonzero(rng.random(ms) < r / 1000) for r in (rate_pre, rate_post))
    return weight_change(timing, pre.astype(float), post.astype(float), dt_ms=1.0) / ms


@pytest.mark.parametrize("name", ["all", "nearest"])
def test_drift_under_poisson_trains(name):
    """Independent Poisson trains, spikes a tick p: all-to-all additive
    ``p q (A+ S+ - A- S-)``, nearest the same with ``S = 1 / (exp(1 / tau) / (1 - p) - 1)``
    (in place of ``1 / (exp(1 / tau) - 1)``), which tend to ``r_pre r_post (A+ tau+ - A- tau-)``
    and ``1 / (1 / tau + r)`` as ticks shrink.

    Tolerance: 4 standard errors of twelve trains of 400 s.
    """
    a_plus, a_minus, tau_plus, tau_minus, p, q = 0.01, 0.004, 16.8, 33.7, 0.03, 0.02
    kind = AllPairs if name == "all" else NearestPair
    timing = kind(a_plus, a_minus, tau_plus, tau_minus)
    miss_pre, miss_post = (1.0, 1.0) if name == "all" else (1 - p, 1 - q)
    plus = 1 / (np.exp(1 / tau_plus) / miss_pre - 1) / miss_pre
    minus = 1 / (np.exp(1 / tau_minus) / miss_post - 1) / miss_post
    expected = p * q * (a_plus * plus - a_minus * minus)
    drifts = np.array([poisson_drift(timing, 1000 * p, 1000 * q, seed) for seed in range(12)])
    error = drifts.std(ddof=1) / np.sqrt(len(drifts))
    assert abs(drifts.mean() - expected) < 4 * error
    assert error < 0.1 * abs(expected)


def test_tick_by_tick_equals_the_whole_window():
    """One tick at a time or the window at once, any timing: the same change to the bit."""
    g = torch.Generator().manual_seed(0)
    pre, post = ((torch.rand(9, 2, n, generator=g) < 0.3).double() for n in (4, 3))
    for timing in (Triplet(), NearestPair(scheme="reduced"), NearestPair(dependence=HardBounds())):

        class Layer:
            name, synapse = "one", Dense(4, 3)

            def plastic_parameters(self):
                return {"weight": torch.full((3, 4), 0.5).double()}

        stdp = TraceSTDP(timing, SumOverBatch())
        memory = stdp.begin(Layer())
        for a, b in zip(pre, post, strict=True):
            memory = stdp.observe(Layer(), memory, LocalSignal(a, b, {"dt": 1.0}))
        ours = stdp.delta(Layer(), memory)["weight"]
        for o in range(3):
            for i in range(4):
                if timing.dependence.constant:
                    expected = sum(
                        total(
                            timing.rule,
                            pre[:, b, i].nonzero().flatten().tolist(),
                            post[:, b, o].nonzero().flatten().tolist(),
                            1.0,
                        )
                        for b in range(2)
                    )
                    assert float(ours[o, i]) == pytest.approx(expected, abs=1e-10)
        assert ours.abs().max() > 0


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_other_devices_get_the_same_traces(kind, back, own):
    """The compiled pass and the torch operators that stand in for it elsewhere: to the bit."""
    g = torch.Generator().manual_seed(0)
    spikes = (torch.rand(11, 2, 3, generator=g) < 0.4).to(kind)
    keep = torch.rand(11, generator=g).to(kind).tolist()
    for nearest in (None, spikes):
        ours = _trace_on_cpu(0.7 * spikes, keep, nearest, own, back)
        assert torch.equal(ours, _trace_anywhere(0.7 * spikes, keep, nearest, own, back))


def test_density_picks_the_faster_kernel_and_says_which():
    """Every registered trace timing runs by events on a sparse dense layer; both choices agree."""
    g = torch.Generator().manual_seed(1)
    pre = (torch.rand(9, 2, 6, generator=g) < 0.3).double()
    post = (torch.rand(9, 2, 40, generator=g) < 0.05).double()
    spikes, synapse = SpikeWindow(pre, post), Dense(6, 40)
    for name in TRACE_TIMINGS:
        chosen = ByDensity().choose(synapse, spikes, variant(name))
        assert isinstance(chosen, EventKernel)
        assert isinstance(ByDensity(0.0).choose(synapse, spikes, variant(name)), FusedKernel)
