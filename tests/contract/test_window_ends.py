"""A window ends when its effect has decayed: later silence and far later spikes change nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.spiking import (
    TIMINGS,
    AbstractTiming,
    Clopath,
    FusedKernel,
    Rewarded,
    SpikeVoltage,
    SpikeWindow,
    Triplet,
    direct_change,
    weight_change,
)
from neurosim.spiking.timing.factors import Listed, trace
from neurosim.spiking.timing.weight_dependence import ADDITIVE, AbstractWeightDependence
from neurosim.synapses import Dense

DT_MS = 1.0


@dataclass(frozen=True)
class Lingering(AbstractTiming):
    """A timing of a user's own: ``dw/dt = x_bar y_bar``, both low-pass filters of the spikes."""

    tau_ms: float = 0.5
    dependence: AbstractWeightDependence = ADDITIVE

    def sides(self, spikes: SpikeWindow, dt_ms: float) -> tuple[torch.Tensor, torch.Tensor]:
        keep = spikes.clock(dt_ms).keep(self.tau_ms).tolist()
        return trace(spikes.pre, keep, own=True), trace(spikes.post, keep, own=True) * dt_ms

    def whole_window(self, spikes, dt_ms, gain=None) -> Iterator:
        yield self.sides(spikes, dt_ms)

    def causal(self, spikes, dt_ms):
        silent = torch.zeros_like(spikes.pre), torch.zeros_like(spikes.post)
        return Listed(self.sides(spikes, dt_ms), silent)


KNOWN: dict[str, AbstractTiming] = {
    **{name: TIMINGS[name]() for name in TIMINGS},
    "clopath-slow": Clopath(tau_x_ms=90.0, tau_plus_ms=40.0, tau_minus_ms=70.0),
    "clopath-late": Clopath(delay_ms=25.0, voltage=SpikeVoltage(width_ms=40.0)),
    "clopath-low": Clopath(theta_plus=-75.0, theta_minus=-72.0),
    "triplet-slow": Triplet(tau_x_ms=5000.0, tau_y_ms=5000.0, a3_minus=1e-3),
    "own": Lingering(tau_ms=60.0),
}
TRAIN = st.lists(st.integers(0, 40), min_size=1, max_size=6, unique=True)


def change(timing: AbstractTiming, pre, post, **options) -> float:
    if isinstance(timing, Rewarded):
        options |= {"reward_ms": [50.0], "reward": 2.0}
    return weight_change(timing, pre, post, dt_ms=DT_MS, **options)


@pytest.mark.parametrize("name", KNOWN)
@settings(max_examples=8, deadline=None)
@given(pre=TRAIN, post=TRAIN, later=st.sampled_from(["pre", "post"]))
def test_what_fires_far_later_adds_its_own_effect_and_nothing_else(name, pre, post, later):
    """1 minute later every exponential but that of "triplet-slow" (5 s: exp(-12)) is over; 1e-12 is
    float64 beside changes of .01. The far spike alone is taken off: a presynaptic one of
    ``Clopath`` may depress at rest, where theta_minus lies below it. ``FirstSpike`` never forgets,
    but there only the first spikes count."""
    timing = KNOWN[name]
    tolerance = 1e-5 if name == "triplet-slow" else 1e-12
    far = [60_000.0]
    sides = {"pre": list(map(float, pre)), "post": list(map(float, post))}
    longer = sides | {later: sides[later] + far}
    alone = {"pre": [], "post": []} | {later: far}
    own = 0.0 if name == "first-spike" else change(timing, alone["pre"], alone["post"])
    found = change(timing, longer["pre"], longer["post"]) - own
    assert found == pytest.approx(change(timing, sides["pre"], sides["post"]), abs=tolerance)


@pytest.mark.parametrize("name", [name for name in KNOWN if KNOWN[name].tail_ms])
def test_silence_after_the_tail_changes_nothing_and_before_it_does(name):
    """The same with twice the tail; another number where the window ends with the last spike."""
    timing = KNOWN[name]
    n_tail = math.ceil(timing.tail_ms / DT_MS)
    spikes = torch.zeros(20 + 2 * n_tail, 2, 1, 1, dtype=torch.float64)
    spikes[[0, 7], 0] = spikes[[5, 15], 1] = 1

    def until(n_ticks: int) -> float:
        window = SpikeWindow(spikes[:n_ticks, 0], spikes[:n_ticks, 1])
        return float(FusedKernel().change(Dense(1, 1), window, timing, DT_MS))

    whole = weight_change(timing, [0.0, 7.0], [5.0, 15.0], dt_ms=DT_MS)
    assert until(20 + n_tail) == pytest.approx(until(20 + 2 * n_tail), abs=1e-15)
    assert whole == pytest.approx(until(20 + n_tail), abs=1e-15)
    assert abs(until(16) - whole) > 1e-3 * abs(whole)


def by_hand(timing: Clopath, pre: list[float], post: list[float], dt_ms: float) -> float:
    """The equations of ``Clopath`` and ``SpikeVoltage`` in a loop over plain numbers, for a second
    after the last spike."""
    v, n_peak, n_late = (
        timing.voltage,
        round(timing.voltage.width_ms / dt_ms),
        round(timing.delay_ms / dt_ms),
    )
    first = min(pre + post)
    n_ticks = round((max(pre + post) - first + 1000) / dt_ms)
    before, after = ({round((t - first) / dt_ms) for t in side} for side in (pre, post))
    filtered = [(v.rest, v.rest)] * n_ticks
    plus = minus = v.rest
    x_bar, total, left, since, u = 0.0, 0.0, 0, None, v.rest
    for tick in range(n_ticks):
        if tick in after:
            left = n_peak
        if left:
            u, left, since = v.peak, left - 1, 0
        elif since is not None:
            t = since * dt_ms
            leak, drive = math.exp(-t / v.tau_membrane_ms), math.exp(-t / v.tau_after_ms)
            z = v.after * v.tau_after_ms / (v.tau_after_ms - v.tau_membrane_ms)
            u = v.rest + (v.reset - v.rest) * leak + z * (drive - leak)
            since += 1
        filtered[tick] = plus, minus
        late = filtered[tick - n_late] if tick >= n_late else (v.rest, v.rest)
        x_bar *= math.exp(-dt_ms / timing.tau_x_ms)
        if tick in before:
            x_bar += 1 / timing.tau_x_ms
            total -= timing.a_ltd * max(late[1] - timing.theta_minus, 0)
        potentiates = max(u - timing.theta_plus, 0) * max(late[0] - timing.theta_minus, 0)
        total += dt_ms * timing.a_ltp * x_bar * potentiates
        plus += (1 - math.exp(-dt_ms / timing.tau_plus_ms)) * (u - plus)
        minus += (1 - math.exp(-dt_ms / timing.tau_minus_ms)) * (u - minus)
    return total


@pytest.mark.parametrize("timing", [Clopath(), KNOWN["clopath-slow"]], ids=["default", "slow"])
@pytest.mark.parametrize(("pre", "post"), [([0.0], [5.0, 15.0]), ([0.0, 40.0], [5.0]),
                                           ([3.0, 9.0, 30.0], [0.0, 10.0, 31.0])])  # fmt: skip
def test_clopath_is_its_equations_to_the_end(timing, pre, post):
    """1e-13: a loop of plain numbers against the compiled kernel, and the sums of the check."""
    expected = by_hand(timing, pre, post, 0.1)
    assert weight_change(timing, pre, post) == pytest.approx(expected, abs=1e-13)
    assert direct_change(timing, pre, post) == pytest.approx(expected, abs=1e-13)


def test_the_last_spike_of_a_pairing_potentiates_through_its_whole_width():
    """It was cut at its first tick: .000316."""
    assert weight_change(Clopath(), [0.0], [5.0, 15.0]) == pytest.approx(0.005617, abs=5e-7)
    assert direct_change(Clopath(), [0.0], [5.0, 15.0]) == pytest.approx(0.005617, abs=5e-7)


def test_a_timing_of_ones_own_ends_with_its_closed_form():
    """sum over ticks of k^(t - 0) k^(t - 10) dt from t = 10 on, k = exp(-dt / 60 ms)."""
    k = math.exp(-DT_MS / 60)
    expected = k**10 * DT_MS / (1 - k**2)
    found = weight_change(Lingering(tau_ms=60.0), [0.0], [10.0], dt_ms=DT_MS)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["clopath", "own"])
def test_a_reward_pays_for_what_comes_after_the_last_spike(name):
    """One at the last spike that never fades pays every earlier mark 1, and under a slow reward
    signal every later one too: to 1e-3 for 1e6 ms, by the product of both decays."""
    timing = KNOWN[name]
    plain = weight_change(timing, [0.0], [5.0, 15.0], dt_ms=DT_MS)
    slow = Rewarded(timing, tau_eligibility_ms=1e7, tau_reward_ms=1e7)
    paid = weight_change(slow, [0.0], [5.0, 15.0], dt_ms=DT_MS, reward_ms=[15.0], reward=2.0)
    assert paid == pytest.approx(plain, rel=1e-3)


def test_times_beyond_counting_are_still_refused():
    with pytest.raises(ValueError, match="Clopath computes a membrane at every tick"):
        weight_change(Clopath(), [0.0], [3.6e6])
    assert np.isfinite(weight_change(TIMINGS["triplet"](), [0.0], [3.6e6]))


@pytest.mark.parametrize("tau_ms", [0.0, -3.0, math.nan])
def test_a_decay_time_of_ones_own_is_positive_whatever_its_default(tau_ms):
    with pytest.raises(ValueError, match=f"tau_ms must be finite and positive .ms., got {tau_ms}"):
        Lingering(tau_ms=tau_ms)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.uint8, torch.bool])
def test_a_window_of_no_images_is_a_window_whatever_holds_its_spikes(kind):
    empty = SpikeWindow(torch.zeros(5, 0, 3), torch.zeros(5, 0, 4, dtype=kind))
    assert not FusedKernel().change(Dense(3, 4), empty, TIMINGS["all-pairs"](), 1.0).any()
