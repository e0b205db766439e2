"""STDP kernels against the double sum over pairs that defines them.

Tolerance 1e-12 (relative to the largest sum): kernels and sums are float64 and differ only in
the order of a few hundred additions.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.spiking.cells.registry import SnntorchLIF
from neurosim.spiking.encoders.rate import Poisson
from neurosim.spiking.timing.change import _filter_anywhere, _filter_on_cpu, window_coefficients
from neurosim.spiking.timing.rules import COINCIDENCE, AllPairs, AntiHebbian, FirstSpike, Triplet
from neurosim.spiking.timing.third_factor import Rewarded
from neurosim.spiking.timing.traces import (
    ByDensity,
    EventKernel,
    FusedKernel,
    MeanOverBatch,
    MeanOverSpikes,
    SpikeWindow,
    SubsetKernel,
    SumOverBatch,
    TraceSTDP,
    weight_change,
)
from neurosim.spiking.timing.voltage_timing import Clopath
from neurosim.spiking.timing.weight_dependence import Guetig, HardBounds
from neurosim.synapses import Conv2d, Dense
from neurosim.types import LocalSignal

KERNELS = (EventKernel(), FusedKernel(), ByDensity())
TIMING = AllPairs(a_plus=0.8, a_minus=0.5, tau_plus_ms=16.8, tau_minus_ms=33.7)


def pair_matrix(timing: AllPairs, n_ticks: int, dt_ms: float) -> torch.Tensor:
    """W at every (post tick, pre tick)."""
    t = np.arange(n_ticks)
    return torch.from_numpy(timing.window((t[:, None] - t[None, :]) * dt_ms))


def spike_trains(shape: tuple[int, ...], density: float, seed: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return (torch.rand(shape, generator=g) < density).double()


def distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The largest absolute difference."""
    return (a - b).abs().max()


@pytest.mark.parametrize("kernel", [*KERNELS, SubsetKernel()], ids=lambda k: type(k).__name__)
@pytest.mark.parametrize("coincidence", list(COINCIDENCE))
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    density=st.sampled_from([0.02, 0.2, 0.9]),
    dt_ms=st.sampled_from([0.1, 1.0, 7.3]),
    taus=st.tuples(st.floats(1, 100), st.floats(1, 100)),
)
def test_dense_kernel_is_the_double_sum(kernel, coincidence, seed, density, dt_ms, taus):
    """dw = sum over all pairs of W(lag), ties and bursts included."""
    timing = AllPairs(0.8, 0.5, *taus, coincidence=coincidence)
    pre, post = spike_trains((13, 2, 5), density, seed), spike_trains((13, 2, 8), density, seed + 1)
    change = kernel.change(Dense(5, 8), SpikeWindow(pre, post), timing, dt_ms)
    expected = torch.einsum("tbo,ts,sbi->oi", post, pair_matrix(timing, 13, dt_ms), pre)
    assert distance(change, expected) <= 1e-12 * (1 + expected.abs().max())


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: type(k).__name__)
@pytest.mark.parametrize("coincidence", list(COINCIDENCE))
@pytest.mark.parametrize(
    "synapse",
    [
        Conv2d(3, 8, 3, padding=1),
        Conv2d(3, 5, 3),
        Conv2d(2, 8, 5, stride=2, padding=2),
        Conv2d(2, 8, 3, padding=2, dilation=2),
    ],
    ids=str,
)
def test_conv_kernel_is_the_double_sum_at_every_tap(kernel, coincidence, synapse):
    """The sum over pairs, places and images for each (out, in, tap), any geometry."""
    timing = AllPairs(0.8, 0.5, 16.8, 33.7, coincidence=coincidence)
    pre = spike_trains((6, 2, synapse.n_in, 9, 8), 0.2, 1)
    currents = synapse.forward(pre[0], torch.zeros(synapse.weight_shape).double(), None)
    post = spike_trains((6, *currents.shape), 0.1, 2)
    change = kernel.change(synapse, SpikeWindow(pre, post), timing, 2.5)
    # Patches seen by each place: (time, batch, in * taps, places).
    patches = torch.nn.functional.unfold(
        pre.flatten(0, 1), synapse.kernel, synapse.dilation, synapse.padding, synapse.stride
    ).unflatten(0, (6, 2))
    matrix = pair_matrix(timing, 6, 2.5)
    expected = torch.einsum("tbop,ts,sbip->oi", post.flatten(3), matrix, patches)
    assert distance(change.flatten(1), expected) <= 1e-12 * expected.abs().max()


def test_grouped_conv_runs_on_the_fused_kernel_and_is_refused_by_the_event_kernel():
    """ByDensity falls to the fused call where no event kernel exists; pinning one is an error."""
    synapse = Conv2d(4, 8, 3, padding=1, groups=2)
    spikes = SpikeWindow(
        spike_trains((4, 1, 4, 5, 5), 0.2, 1), spike_trains((4, 1, 8, 5, 5), 0.02, 2)
    )
    assert isinstance(ByDensity().choose(synapse, spikes, TIMING), FusedKernel)
    for kernel in (EventKernel(), SubsetKernel()):
        with pytest.raises(ValueError, match="FusedKernel"):
            kernel.change(synapse, spikes, TIMING, 1.0)


def test_density_chooses_the_kernel():
    """Sparse spikes go event by event; dense ones over tables where many neurons read them, else
    through the fused call."""
    pre = spike_trains((4, 2, 6), 0.3, 0)
    for n_out, density, kind in (
        (500, 0.01, EventKernel), (500, 0.6, SubsetKernel), (20, 0.6, FusedKernel),
        (20, 0.01, EventKernel),
    ):  # fmt: skip
        post = spike_trains((4, 2, n_out), density, 3)
        chosen = ByDensity().choose(Dense(6, n_out), SpikeWindow(pre, post), TIMING)
        assert isinstance(chosen, kind)
    triplet = Triplet.visual_cortex()
    dense = SpikeWindow(pre, spike_trains((4, 2, 500), 0.6, 3))
    assert isinstance(ByDensity().choose(Dense(6, 500), dense, triplet), FusedKernel)
    with pytest.raises(ValueError, match="subset kernel"):
        SubsetKernel().change(Dense(6, 500), dense, triplet, 1.0)


@pytest.mark.parametrize("frames", [(1, 1), (8, 5), (41, 1), (7, 13)])
@pytest.mark.parametrize("n_in", [1, 112, 230])
def test_tables_of_subset_sums_are_a_matrix_product(frames, n_in):
    """Whole and broken tables, groups of tables and tiles of inputs: the double sum, to 1e-12."""
    pre = spike_trains((*frames, n_in), 0.3, 0)
    post = spike_trains((*frames, 9), 0.5, 1)
    change = SubsetKernel().change(Dense(n_in, 9), SpikeWindow(pre, post), TIMING, 1.0)
    matrix = pair_matrix(TIMING, frames[0], 1.0)
    expected = torch.einsum("tbo,ts,sbi->oi", post, matrix, pre)
    assert distance(change, expected) <= 1e-12 * (1 + expected.abs().max())


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_other_devices_get_the_same_filtered_input(kind):
    """The compiled pass and the torch operators that stand in for it elsewhere, to the bit and in
    either layout of images."""
    pre = spike_trains((5, 2, 3, 40, 41), 0.3, 0).to(kind)
    window = window_coefficients(AllPairs(0.8, 0.5, 16.8, 33.7, "both").rule, 2.5)
    expected = _filter_anywhere(pre, window)
    last = pre.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    for layout in (pre, last):
        assert torch.equal(_filter_on_cpu(layout, window), expected)


def test_spikes_are_counted_past_what_a_byte_holds():
    """600 spikes of one unit, and none of another."""
    post = torch.zeros(300, 2, 3, dtype=torch.uint8)
    post[:, :, 1] = 1
    pre = torch.zeros(300, 2, 1)
    assert SpikeWindow(pre, post).n_spikes.tolist() == [0, 600, 0]


def test_float32_kernels_agree_with_float64():
    """float32 runs in float32: equal to 1e-5 of the largest change (24-bit mantissa, ~300 adds)."""
    pre, post = spike_trains((20, 4, 30), 0.2, 0), spike_trains((20, 4, 16), 0.1, 1)
    exact = EventKernel().change(Dense(30, 16), SpikeWindow(pre, post), TIMING, 1.0)
    for kernel in (*KERNELS, SubsetKernel()):
        rounded = kernel.change(Dense(30, 16), SpikeWindow(pre.float(), post.byte()), TIMING, 1.0)
        assert rounded.dtype == torch.float32
        assert distance(rounded.double(), exact) <= 1e-5 * exact.abs().max()


# Double sums in float64, equal to Brian2 2.9 to eight digits: A+ = A- = .01, tau = 20 ms,
# dt = 1 ms.
@pytest.mark.parametrize(
    ("coincidence", "lag_ms", "expected"),
    [
        ("none", -10, -0.00606531),
        ("none", 10, 0.00606531),
        ("none", 0, 0.0),
        ("potentiate", 0, 0.01),
        ("both", 0, 0.0),
    ],
)
@pytest.mark.parametrize("dt_ms", [0.1, 1.0])
def test_one_pair_gives_the_window(coincidence, lag_ms, expected, dt_ms):
    """Causal potentiates, acausal depresses, with the closed-form size."""
    timing = AllPairs(0.01, 0.01, 20.0, 20.0, coincidence)
    change = weight_change(timing, [50.0], [50.0 + lag_ms], dt_ms=dt_ms)
    assert change == pytest.approx(expected, abs=5e-9)
    assert change == pytest.approx(float(timing.window(lag_ms)), abs=1e-12)


def test_many_spikes_sum_over_all_pairs():
    """weight_change equals the sum of the window over all pairs of times, none left out."""
    pre, post = np.array([-12.0, 0.0, 3.5, 40.0]), np.array([0.0, 3.0, 9.1])
    timing = AllPairs(0.01, 0.012, 16.8, 33.7, "potentiate")
    expected = timing.window(post[:, None] - pre[None, :]).sum()
    assert weight_change(timing, pre, post, dt_ms=0.1) == pytest.approx(expected, abs=1e-14)


def test_tick_by_tick_equals_the_whole_window():
    """Observing one tick at a time leaves the same change as the kernel on the whole window."""

    class Layer:
        name, synapse = "one", Dense(5, 8)

        def plastic_parameters(self):
            return {}

    pre, post = spike_trains((13, 2, 5), 0.2, 0), spike_trains((13, 2, 8), 0.2, 1)
    stdp = TraceSTDP(TIMING, SumOverBatch(), EventKernel())
    memory = stdp.begin(Layer())
    for a, b in zip(pre, post, strict=True):
        memory = stdp.observe(Layer(), memory, LocalSignal(a, b, {"dt": 1.0}))
    whole = EventKernel().change(Dense(5, 8), SpikeWindow(pre, post), TIMING, 1.0)
    assert torch.equal(stdp.delta(Layer(), memory)["weight"], whole)


def test_reductions_are_the_stated_shares_of_the_sum():
    """sum; sum / batch; sum / (spikes of that unit x sqrt(fan_in)), a silent unit unchanged."""
    pre, post = spike_trains((9, 4, 5), 0.3, 0), spike_trains((9, 4, 8), 0.2, 1)
    post[:, :, 3] = 0
    spikes, synapse = SpikeWindow(pre, post), Dense(5, 8)
    total = EventKernel().change(synapse, spikes, TIMING, 1.0)
    assert torch.equal(SumOverBatch()(total, synapse, spikes), total)
    assert torch.equal(MeanOverBatch()(total, synapse, spikes), total / 4)
    per_spike = MeanOverSpikes()(total, synapse, spikes)
    assert per_spike[3].abs().max() == 0
    share = total[0] / (post[:, :, 0].sum() * math.sqrt(5))
    assert distance(per_spike[0], share) <= 1e-14 * share.abs().max()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"tau_plus_ms": 0.0}, "tau_plus_ms"),
        ({"tau_minus_ms": float("nan")}, "tau_minus_ms"),
        ({"a_plus": float("inf")}, "a_plus"),
        ({"coincidence": "potentate"}, "potentiate"),
    ],
)
def test_impossible_timing_is_refused_by_name(options, word):
    """Each bad parameter is named; a misspelt policy lists the known ones."""
    with pytest.raises(ValueError, match=word):
        AllPairs(**options)


@pytest.mark.parametrize(
    ("pre", "post", "word"),
    [
        ([], [], "pre_ms is empty and post_ms too"),
        ([[0.0, 1.0]], [10.0], r"pre_ms must be one list of spike times in ms, got the shape"),
        ([0.0], [float("nan")], "not finite"),
        ([0.0, 0.04], [1.0], "the same tick of 0.1 ms twice"),
        ([0.0], [1e300], "not told apart in ticks of 0.1 ms"),
        ([1e18], [1e18 + 1000], "not told apart in ticks of 0.1 ms"),
    ],
)
def test_impossible_spike_times_are_refused(pre, post, word):
    """Empty, NaN and doubled spikes have one clear error each."""
    with pytest.raises(ValueError, match=word):
        weight_change(AllPairs(), pre, post)


def test_a_reward_without_its_timing_and_an_endless_membrane_are_refused():
    with pytest.raises(ValueError, match=r"reward goes with Rewarded"):
        weight_change(AllPairs(), [0.0], [10.0], reward=2.0)
    with pytest.raises(ValueError, match="Clopath computes a membrane at every tick"):
        weight_change(Clopath(), [0.0], [1e9])


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: AllPairs(tau_plus_ms="20"), "tau_plus_ms must be a number, got '20'"),
        (lambda: AllPairs(a_plus="x"), "a_plus must be a number, got 'x'"),
        (lambda: Triplet(a3_minus=None), "a3_minus must be a number, got None"),
        (lambda: Rewarded(AllPairs(), tau_reward_ms="2"), "tau_reward_ms must be a number"),
        (lambda: Guetig(mu="x"), "mu must be a number, got 'x'"),
        (lambda: HardBounds(w_max="1"), "w_max must be a number, got '1'"),
        (lambda: SnntorchLIF(tau_mem_ms="x"), "tau_mem_ms must be a number"),
        (lambda: Poisson(max_rate_hz="x"), "max_rate_hz must be a number, got 'x'"),
        (lambda: weight_change(AllPairs(), [0.0], [1.0], w="x"), "w must be a number, got 'x'"),
        (lambda: weight_change(AllPairs(), [0.0], [1.0], dt_ms="1"), "dt_ms must be a number"),
        (lambda: weight_change(AllPairs(), "soon", [1.0]), "pre_ms must be times in ms"),
        (lambda: weight_change(AllPairs(), "0", [1.0]), "pre_ms must be times in ms"),
        (lambda: weight_change(AllPairs(), [True], [1.0]), "pre_ms must be times in ms"),
        (lambda: weight_change(AllPairs(), [[0.0], [1.0, 2.0]], [1.0]), "pre_ms must be times"),
        (lambda: weight_change(AllPairs(), [0.0], [1.0], w=True), "w must be a number, got True"),
    ],
)
def test_what_is_no_number_is_named(act, words):
    with pytest.raises(TypeError, match=words):
        act()


def test_a_time_is_named_as_the_timing_names_it():
    """The kernels' rule calls the depressing side of an anti-Hebbian timing its plus side."""
    with pytest.raises(ValueError, match="tau_plus_ms must be finite and positive"):
        AntiHebbian(tau_plus_ms=-1.0)


def test_the_window_of_no_lag_is_no_number():
    """NaN is neither before nor after; its neighbours keep their values."""
    for timing in (AllPairs(), FirstSpike(), AntiHebbian()):
        found = timing.window([-10.0, math.nan, 10.0])
        assert np.isnan(found).tolist() == [False, True, False]
        assert math.isnan(timing.window(math.nan))


def test_the_window_times_the_gain_is_the_change():
    """The example of docs/stdp.md: w = .5 halves twice under u (1 - u)."""
    assert float(FirstSpike().window(10.0)) == 0.004
    assert weight_change(FirstSpike(), [0.0], [10.0]) == pytest.approx(0.001, abs=1e-15)
