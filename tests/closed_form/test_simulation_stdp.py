"""STDP step by step in the simulator gives the numbers of STDP over a whole window.

Both are float64 and sum the same exponentials, one by products of decays and one by lookups of the
whole gap: some hundred roundings of 1e-16, hence 1e-12.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.spiking import (
    TIMINGS,
    WEIGHT_DEPENDENCES,
    AllPairs,
    FusedKernel,
    HardBounds,
    NeuronGroup,
    NorseIAF,
    PairList,
    Projection,
    Record,
    Reward,
    Rewarded,
    SpikeTimes,
    SpikeWindow,
    SumOverBatch,
    direct_change,
    simulate,
)
from neurosim.spiking.timing.evolving import evolve
from neurosim.synapses import Dense

#: A weight of a bounded synapse never reaches it, that of a forcing one always does.
FAR = 1e6
COINCIDENCES = ("none", "potentiate", "both", "acausal")


def given_trains(pre, post, timing, *, delay, w, dt_ms=1.0, n_ticks=None):
    """The network of given trains on both sides, and the plastic projection between them.

    pre, post: ticks of each neuron. delay, w: per pair, ``(n_post, n_pre)``.
    """
    cell = NorseIAF(dt_ms=dt_ms)
    group = NeuronGroup(len(post), cell, threshold=FAR)
    forcing = SpikeTimes([np.array(train) * dt_ms for train in post], name="forcing")
    source = SpikeTimes([np.array(train) * dt_ms for train in pre], name="source")
    which = np.divmod(np.arange(len(post) * len(pre)), len(pre))
    force = Projection(
        forcing, group, 2 * FAR, connect=PairList(np.arange(len(post)), np.arange(len(post)))
    )
    plastic = Projection(
        source, group, np.ravel(w), connect=PairList(which[1], which[0]),
        delay_ms=np.ravel(delay) * dt_ms, timing=timing,
    )  # fmt: skip
    return group, plastic, [force, plastic]


def over_the_window(timing, pre, post, w, dt_ms, n_ticks):
    """The weight of one synapse after the window, by the kernels of ``timing``."""
    sides = []
    for train in (pre, post):
        side = torch.zeros(n_ticks, 1, 1, dtype=torch.float64)
        side[[t for t in train if t < n_ticks]] = 1
        sides.append(side)
    spikes, synapse = SpikeWindow(*sides), Dense(1, 1)
    weight = torch.full((1, 1), w, dtype=torch.float64)
    if timing.dependence.constant:
        return w + float(FusedKernel().change(synapse, spikes, timing, dt_ms))
    return float(evolve(synapse, weight, spikes, timing, dt_ms, SumOverBatch()))


trains = st.lists(st.integers(0, 59), max_size=12, unique=True).map(sorted)


@settings(deadline=None, max_examples=12)
@pytest.mark.parametrize("name", list(TIMINGS))
@given(data=st.data())
def test_every_timing_and_dependence_gives_the_change_of_the_window(name, data):
    """Two by two neurons, a delay and a weight per synapse; ticks of equal spikes among them."""
    draw = data.draw
    timing = TIMINGS[name]().under(
        WEIGHT_DEPENDENCES[draw(st.sampled_from([*WEIGHT_DEPENDENCES]))]()
    )
    if "coincidence" in {f.name for f in dataclasses.fields(timing)}:
        timing = dataclasses.replace(timing, coincidence=draw(st.sampled_from(COINCIDENCES)))
    dt_ms = draw(st.sampled_from([1.0, 0.5]))
    pre, post = [draw(trains), draw(trains)], [draw(trains), draw(trains)]
    delay = np.array(draw(st.lists(st.integers(0, 6), min_size=4, max_size=4))).reshape(2, 2)
    w = np.array(draw(st.lists(st.floats(0, 1), min_size=4, max_size=4))).reshape(2, 2)
    n_ticks = 64

    group, plastic, network = given_trains(pre, post, timing, delay=delay, w=w, dt_ms=dt_ms)
    run = simulate(network, n_ticks * dt_ms)
    fired = run.spikes(group)
    for o in range(2):
        assert np.rint(fired.of(o) / dt_ms).astype(int).tolist() == post[o], "the forcing failed"
        for i in range(2):
            late = [t + delay[o, i] for t in pre[i]]
            expected = over_the_window(timing, late, post[o], w[o, i], dt_ms, n_ticks)
            assert run.weight_matrix(plastic)[o, i] == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=15)
@given(
    name=st.sampled_from([n for n in TIMINGS if n not in ("clopath", "first-spike")]),
    pre=trains.filter(len), post=trains.filter(len), delay=st.integers(0, 8),
    w=st.floats(0.05, 0.95), bounded=st.booleans(),
)  # fmt: skip
def test_the_change_is_the_sum_over_pairs_at_their_delayed_lags(name, pre, post, delay, w, bounded):
    """Brute force over all pairs, which shares no code with traces: conservation of every pair."""
    timing = TIMINGS[name]()
    timing = timing.under(HardBounds()) if bounded else timing
    _, plastic, network = given_trains([pre], [post], timing, delay=[[delay]], w=[[w]])
    change = simulate(network, 80.0).weights(plastic)[0] - w
    expected = direct_change(
        timing, [float(t + delay) for t in pre], [float(t) for t in post], dt_ms=1.0, w=w
    )
    assert change == pytest.approx(expected, abs=1e-12)


def test_a_delay_shifts_the_window():
    """One pair: the change is W(t_post - t_pre - delay), the sign turns where the delay does."""
    timing = AllPairs(a_plus=0.01, a_minus=0.02, tau_plus_ms=10.0, tau_minus_ms=30.0)
    for delay in range(12):
        _, plastic, network = given_trains([[3]], [[9]], timing, delay=[[delay]], w=[[0.5]])
        change = simulate(network, 40.0).weights(plastic)[0] - 0.5
        assert change == pytest.approx(float(timing.window(6.0 - delay)), abs=1e-15)


def test_recorded_traces_are_sums_of_exponentials():
    timing = AllPairs(tau_plus_ms=10.0)
    pre = [0, 4, 5, 17]
    _, plastic, network = given_trains([pre], [[30]], timing, delay=[[2]], w=[[0.5]])
    traces = Record(plastic, "traces")
    samples = simulate(network, 40.0, record=traces).samples(traces)
    since = samples.times_ms[:, None] - (np.array(pre) + 2)
    expected = np.where(since >= 0, np.exp(-np.abs(since) / 10.0), 0).sum(1)
    assert samples.values[:, 0] == pytest.approx(expected, abs=1e-14)


@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_a_third_factor_gives_the_change_of_the_window(data):
    """Marks and rewards in any order, impulses and low-pass filtered ones, any timing. What a
    filtered reward still does after the window it does in ticks here: 40 time constants follow."""
    draw = data.draw
    name = draw(st.sampled_from([n for n in TIMINGS if n != "first-spike"]))
    dependence = WEIGHT_DEPENDENCES[draw(st.sampled_from([*WEIGHT_DEPENDENCES]))]()
    timing = Rewarded(
        TIMINGS[name]().under(dependence), tau_eligibility_ms=draw(st.sampled_from([8.0, 30.0])),
        tau_reward_ms=draw(st.sampled_from([0.0, 5.0])),
    )  # fmt: skip
    pre, post = draw(trains), draw(trains)
    rewards = draw(st.dictionaries(st.integers(0, 63), st.floats(-2, 2), max_size=5))
    delay, w = draw(st.integers(0, 4)), draw(st.floats(0, 1))

    _, plastic, network = given_trains([pre], [post], timing, delay=[[delay]], w=[[w]])
    reward = Reward(plastic, [float(t) for t in rewards], list(rewards.values()))
    n_ticks = 64
    found = simulate([*network, reward], n_ticks + 200.0).weights(plastic)[0]

    sides = [[t + delay for t in pre], post]
    rasters = [torch.zeros(n_ticks + 200, 1, 1, dtype=torch.float64) for _ in sides]
    for raster, train in zip(rasters, sides, strict=True):
        raster[train] = 1
    given_reward = torch.zeros(n_ticks + 200, 1, dtype=torch.float64)
    for tick, size in rewards.items():
        given_reward[tick] = size
    spikes = SpikeWindow(*rasters, reward=given_reward)
    weight, synapse = torch.full((1, 1), w, dtype=torch.float64), Dense(1, 1)
    if dependence.constant:
        expected = w + float(FusedKernel().change(synapse, spikes, timing, 1.0))
    else:
        expected = float(evolve(synapse, weight, spikes, timing, 1.0, SumOverBatch()))
    assert found == pytest.approx(expected, abs=1e-12)
