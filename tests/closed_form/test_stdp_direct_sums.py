"""Every timing against sums over pairs and triplets of spikes, and against Poisson theory.

``neurosim.spiking.theory.direct_sums`` looks at every pair of spikes and shares no code with the
kernels.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.spiking import weight_change
from neurosim.spiking.theory.direct_sums import direct_change, terms
from neurosim.spiking.theory.poisson_theory import (
    PoissonNeuron,
    fixed_point,
    poisson_drift,
    stationary_density,
)
from neurosim.spiking.timing.rules import (
    COINCIDENCE,
    TIMINGS,
    AllPairs,
    AntiHebbian,
    Clopath,
    FirstSpike,
    NearestPair,
    Rewarded,
    Triplet,
)
from neurosim.spiking.timing.weight_dependence import (
    Guetig,
    HardBounds,
    Multiplicative,
    PowerLaw,
    VanRossum,
)

#: Ticks of a train: few enough that ties and bursts are common.
TRAIN = st.lists(st.integers(0, 60), min_size=1, max_size=25, unique=True)


@pytest.mark.parametrize("name", list(TIMINGS))
@settings(max_examples=25, deadline=None)
@given(pre=TRAIN, post=TRAIN, dt_ms=st.sampled_from([0.1, 1.0, 7.3]))
def test_every_registered_timing_is_its_direct_sum(name, pre, post, dt_ms):
    """1e-10, as the issue asks: float64 on both sides, at most 25 spikes a train."""
    timing = TIMINGS[name]()
    pre_ms, post_ms = np.multiply(pre, dt_ms), np.multiply(post, dt_ms)
    found = weight_change(timing, pre_ms, post_ms, dt_ms=dt_ms)
    assert found == pytest.approx(direct_change(timing, pre_ms, post_ms, dt_ms=dt_ms), abs=1e-10)


def test_direct_sums_of_three_spikes_by_hand():
    """pre at 0 and 10, post at 5 ms: the sums that can be written in one line each."""
    pre, post = [0.0, 10.0], [5.0]
    plus, minus = math.exp(-5 / 20), math.exp(-5 / 30)
    pair = AllPairs(0.03, 0.02, 20.0, 30.0)
    assert direct_change(pair, pre, post) == pytest.approx(0.03 * plus - 0.02 * minus, abs=1e-15)
    # The second presynaptic spike reads r2 of the first, 10 ms earlier.
    triplet = Triplet(0.03, 0.5, 0.02, 0.04, 20.0, 30.0, 100.0, 125.0)
    expected = 0.03 * plus - minus * (0.02 + 0.04 * math.exp(-10 / 100))
    assert direct_change(triplet, pre, post) == pytest.approx(expected, abs=1e-15)
    # w = .5: each change is scaled by what is left of the range at that moment.
    soft = AllPairs(0.03, 0.02, 20.0, 30.0, dependence=Multiplicative())
    after_first = 0.5 + 0.03 * plus * 0.5
    expected = after_first - 0.02 * minus * after_first - 0.5
    assert direct_change(soft, pre, post) == pytest.approx(expected, abs=1e-15)


def test_a_timing_without_direct_sum_is_named():
    with pytest.raises(TypeError, match="no direct sum is written for str"):
        terms("all-pairs")


def test_drift_laws_of_the_literature():
    """All pairs: r s (A+ tau+ - A- tau-); nearest: r s [A+ / (1/tau+ + r) - A- / (1/tau- + s)]
    (Izhikevich & Desai 2003); equal to rounding."""
    r, s, a, b, tp, tm = 12.0, 31.0, 0.01, 0.012, 16.8, 33.7
    found = poisson_drift(AllPairs(a, b, tp, tm), r, s).total
    assert found == pytest.approx(r * s * (a * tp - b * tm) / 1000, rel=1e-12)
    found = poisson_drift(NearestPair(a, b, tp, tm), r, s).total
    assert found == pytest.approx(r * s * (a / (1000 / tp + r) - b / (1000 / tm + s)), rel=1e-12)


@pytest.mark.parametrize(
    "name", ["all-pairs", "nearest-pair", "nearest-pair-centred", "nearest-pair-reduced",
             "triplet-full", "triplet-nearest-full", "anti-hebbian"],
)  # fmt: skip
def test_drift_is_the_mean_of_direct_sums(name):
    """25 trains of 20 s at 9 and 17 Hz: within 4 standard errors of the mean. Borders of a train
    cost less than 1 % of its pairs, ties of 0.1 ms less still."""
    timing, rng, seconds = TIMINGS[name](), np.random.default_rng(5), 20.0

    def train(hz: float) -> np.ndarray:
        return np.sort(rng.uniform(0, 1000 * seconds, rng.poisson(hz * seconds)))

    rates = [direct_change(timing, train(9.0), train(17.0)) / seconds for _ in range(25)]
    standard_error = np.std(rates, ddof=1) / math.sqrt(len(rates))
    assert abs(np.mean(rates) - poisson_drift(timing, 9.0, 17.0).total) < 4 * standard_error


@pytest.mark.parametrize("mu", [0.2, 0.5, 1.0])
def test_fixed_point_of_guetig(mu):
    """((1 - w) / w)^mu = alpha for equal decay times (Guetig et al. 2003), to the root finder's
    1e-12."""
    timing = AllPairs(0.01, 0.0105, dependence=Guetig(mu=mu))
    w = fixed_point(timing, 10.0, 10.0)
    assert ((1 - w) / w) ** mu == pytest.approx(1.05, rel=1e-10)


@pytest.mark.parametrize("w_reference", [1.0, 1e-3, 40.0])
def test_fixed_point_of_a_power_law_has_no_upper_bound_to_look_at(w_reference):
    """``a_plus u^.4 = a_minus u`` with u = w / w_reference, so u = (1 / 2)^(1 / .6) = .31498."""
    timing = AllPairs(0.01, 0.02, dependence=PowerLaw(0.4, w_reference))
    expected = w_reference * 0.5 ** (1 / 0.6)
    assert fixed_point(timing, 20.0, 10.0) == pytest.approx(expected, rel=1e-10)
    assert poisson_drift(timing, 20.0, 10.0).at(timing, expected) == pytest.approx(0, abs=1e-15)


def test_weights_that_all_move_one_way_have_no_fixed_point():
    with pytest.raises(ValueError, match="no weight between them stands still"):
        fixed_point(AllPairs(0.01, 0.02, dependence=HardBounds()), 10.0, 10.0)
    with pytest.raises(ValueError, match=r"the drift .* is 0 at every weight"):
        fixed_point(AllPairs(0.01, 0.01, dependence=HardBounds()), 10.0, 10.0)


def test_a_timing_that_reads_more_than_rates_has_no_drift():
    """It was told to register a direct sum."""
    with pytest.raises(ValueError, match=r"Clopath has no drift by rates .* membrane"):
        poisson_drift(Clopath(), 10.0, 10.0)
    with pytest.raises(ValueError, match=r"Rewarded has no drift by rates .* reward"):
        poisson_drift(Rewarded(AllPairs()), 10.0, 10.0)


@pytest.mark.parametrize("mu", [0.02, 0.5, 1.0])
def test_the_kernel_stands_still_at_the_fixed_point_of_guetig(mu):
    """Poisson trains followed by their mirror image have every lag with both signs, so that with
    equal decay times the sums S over causal and acausal pairs are equal and the change is
    ``lambda S (f_plus(w) - alpha f_minus(w))``: none at ``((1 - w) / w)^mu = alpha``, and towards
    it from both sides. Steps of lambda S = 1e-7 leave a second order of the same relative size;
    1e-5 allows for the slope of the gains."""
    alpha, rng = 1.05, np.random.default_rng(3)
    fixed = 1 / (1 + alpha ** (1 / mu))
    halves = (np.sort(rng.choice(5000, 30, replace=False)) for _ in range(2))
    pre, post = (np.concatenate([half, 10_100 - half[::-1]]) for half in halves)

    def change(timing, w=0.5):
        return weight_change(timing, pre, post, dt_ms=1.0, w=w)

    total = change(AllPairs(1.0, 0.0, coincidence="both"))
    assert total == pytest.approx(-change(AllPairs(0.0, 1.0, coincidence="both")), rel=1e-12)
    step = 1e-7 / total

    def drift(w):
        timing = AllPairs(step, alpha * step, coincidence="both", dependence=Guetig(mu=mu))
        return change(timing, w) / (step * total)

    assert abs(drift(fixed)) < 1e-5
    for w in (0.5 * fixed, 0.5 * (1 + fixed)):
        expected = (1 - w) ** mu - alpha * w**mu
        assert abs(expected) > 1e-3
        assert drift(w) == pytest.approx(expected, abs=1e-5)


def test_weights_come_to_the_fixed_point_from_both_sides():
    """700 isolated pairs, causal and acausal in turn, through the kernel: to within one step."""
    timing = AllPairs(0.02, 0.024, dependence=Guetig(mu=0.5))
    pre = np.arange(700) * 1000.0
    post = pre + np.where(np.arange(700) % 2, -10.0, 10.0)
    fixed = 1 / (1 + 1.2**2)
    for start in (0.05, 0.95):
        end = start + weight_change(timing, pre, post, dt_ms=1.0, w=start)
        assert end == pytest.approx(fixed, abs=0.02)


def test_a_silent_neuron():
    """No pair, no change; the first-spike rule counts a silent input as one that comes too late,
    and under the inhibitory one each presynaptic spike weakens by ``eta 2 target tau``."""
    for name, make in TIMINGS.items():
        for pre, post in (([], [5.0, 9.0]), ([5.0, 9.0], [])):
            expected = -0.003 * 0.25 if name == "first-spike" and post else 0.0
            expected -= 0.01 * 2 * 3 * 0.02 * len(pre) if name == "inhibitory" else 0.0
            assert weight_change(make(), pre, post) == pytest.approx(expected, abs=1e-15), name
            assert direct_change(make(), pre, post) == pytest.approx(expected, abs=1e-15), name


@pytest.mark.parametrize("kind", [AllPairs, NearestPair, Triplet, FirstSpike, AntiHebbian])
def test_every_coincidence_policy_is_its_direct_sum(kind):
    """Two trains with ties and bursts; 1e-12: float64, some hundred additions."""
    pre, post = [0.0, 3.0, 4.0, 9.0, 12.0], [0.0, 2.0, 4.0, 5.0, 9.0]
    for policy in COINCIDENCE:
        timing = kind(coincidence=policy)
        found = weight_change(timing, pre, post, dt_ms=1.0)
        expected = direct_change(timing, pre, post, dt_ms=1.0)
        assert found == pytest.approx(expected, abs=1e-12), policy


def test_density_is_normal_where_the_drift_is_linear():
    """Multiplicative STDP with small steps: an Ornstein-Uhlenbeck process about the fixed point,
    variance D / (2 |a'|); 3 % for steps of .002 (the next order of the expansion)."""
    step = 0.002
    timing = AllPairs(step, step, dependence=Multiplicative())
    # So many inputs that the neuron's spikes do not depend on any one weight.
    neuron = PoissonNeuron(n_inputs=10**12, gain=2e-12)
    w = np.linspace(0, 1, 20_001)
    p = stationary_density(timing, neuron, w)
    mean = np.sum(w * p) * (w[1] - w[0])
    variance = np.sum((w - mean) ** 2 * p) * (w[1] - w[0])
    # r s cancels: D = step^2 (w^2 + (1 - w)^2) tau / 2 at w = .5, a' = -2 step tau.
    assert mean == pytest.approx(0.5, abs=1e-6)
    assert variance == pytest.approx(step / 16, rel=0.03)


def test_density_has_the_shapes_of_the_literature():
    """Additive: mass at both bounds (Song 2000; Van Rossum 2000); multiplicative: one peak."""
    w = np.linspace(0, 1, 1001)
    additive = stationary_density(
        AllPairs(0.005, 0.00525, dependence=HardBounds()), PoissonNeuron(), w
    )
    assert additive[0] > 5 * additive.min()
    assert additive[-1] > 5 * additive.min()
    for dependence in (Multiplicative(), VanRossum()):
        p = stationary_density(AllPairs(0.004, 0.005, dependence=dependence), PoissonNeuron(), w)
        assert 0 < p.argmax() < 1000
        assert (np.diff(p[: p.argmax()]) >= 0).all()
        assert (np.diff(p[p.argmax() :]) <= 0).all()


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: poisson_drift(AllPairs(), -1.0, 1.0), "pre_hz"),
        (lambda: poisson_drift(AllPairs(), 1.0, math.nan), "post_hz"),
        (lambda: poisson_drift(FirstSpike(), 1.0, 1.0), "length of a presentation"),
        (lambda: fixed_point(AllPairs(0.01, 0.02, dependence=HardBounds()), 9, 9), "stands still"),
        (lambda: stationary_density(AllPairs(), PoissonNeuron(), np.linspace(0, 1, 9)), "bounds"),
        (lambda: stationary_density(NearestPair(), PoissonNeuron(), np.linspace(0, 1, 9)), "pairs"),
    ],
)
def test_what_theory_cannot_answer_is_refused(act, words):
    with pytest.raises(ValueError, match=words):
        act()
