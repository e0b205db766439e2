"""The property that defines each encoder, over random input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.spiking.encoders.registry import (
    ENCODERS,
    Bernoulli,
    Burst,
    Current,
    Delta,
    Latency,
    NorseCurrent,
    NorsePoisson,
    Phase,
    Poisson,
    Population,
    RankOrder,
    SnntorchLatency,
    SnntorchRate,
)

UNIT = st.floats(0, 1, width=32)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", [Bernoulli, Poisson, SnntorchRate, NorsePoisson])
@pytest.mark.parametrize("rate_hz", [20.0, 100.0, 180.0])
def test_intervals_of_random_codes_are_geometric(kind, rate_hz):
    """Rate p a tick, coefficient of variation of intervals sqrt(1 - p).

    The coder that samples Poisson-distributed intervals instead would give .22 at 50 Hz.
    Tolerances are five standard errors: of the rate sqrt(p (1 - p) / n), of the coefficient of
    variation at most 2 / sqrt(n of spikes); 1/400 of an interval is cut by the window's end,
    which takes less than p of the spread.
    """
    expected = rate_hz * 5.0 / 1000
    p = 1 - np.exp(-expected) if kind is Poisson else expected
    x = torch.full((1, 1000), 0.9)
    spikes = kind(max_rate_hz=rate_hz / 0.9).encode(x, 400, 5.0, generator())
    assert float(spikes.mean()) == pytest.approx(p, abs=5 * np.sqrt(p * (1 - p) / spikes.numel()))
    # A window of 400 ticks leaves long intervals out: compare within one long train of all.
    intervals = np.diff(np.flatnonzero(spikes[:, 0].T.numpy()))
    tolerance = 5 * 2 / np.sqrt(len(intervals))
    assert intervals.std() / intervals.mean() == pytest.approx(np.sqrt(1 - p), abs=tolerance)


def test_ticks_and_inputs_of_random_codes_are_independent():
    """Counts over 400 ticks are binomial: variance n p (1 - p); 5 standard errors, sqrt(2/1000)."""
    x = torch.full((1, 1000), 0.5)
    for kind in (Bernoulli, Poisson, SnntorchRate, NorsePoisson):
        spikes = kind(max_rate_hz=100.0).encode(x, 400, 5.0, generator())
        p = float(spikes.mean())
        ratio = float(spikes.sum(0).var()) / (400 * p * (1 - p))
        assert ratio == pytest.approx(1, abs=5 * np.sqrt(2 / 1000)), kind


@settings(max_examples=30, deadline=None)
@given(x=st.floats(0, 1), n_ticks=st.integers(1, 60))
def test_current_counts_are_the_integral(x, n_ticks):
    """floor(n x rate dt) spikes after n ticks, for every n.

    Where the integral is a whole number to within 1e-12, rounding in float64 (n additions
    against one product) decides whether the spike falls now or one tick later: either is right.
    """
    spikes = Current(max_rate_hz=160.0).encode(torch.tensor([[x]]).double(), n_ticks, 5.0)
    integral = np.arange(1, n_ticks + 1) * (x * 0.8)
    counts = spikes.flatten().cumsum(0).numpy()
    assert (counts >= np.floor(integral - 1e-12)).all()
    assert (counts <= np.floor(integral + 1e-12)).all()


@pytest.mark.parametrize("kind", [Latency, SnntorchLatency])
@settings(max_examples=30, deadline=None)
@given(values=st.lists(UNIT, min_size=2, max_size=30), n_ticks=st.integers(1, 40))
def test_latency_gives_one_spike_and_larger_is_earlier(kind, values, n_ticks):
    """Exactly one spike for each nonzero input; ticks fall as intensities rise; 1 is first."""
    x = torch.tensor([values])
    spikes = kind().encode(x, n_ticks, 5.0)[:, 0]
    silent = x[0] < torch.finfo(torch.float32).tiny if kind is SnntorchLatency else x[0] == 0
    assert torch.equal(spikes.sum(0), (~silent).float())
    ticks = spikes.argmax(0)[torch.argsort(x[0], stable=True)][(~silent).sort().values]
    assert (ticks.diff() <= 0).all()
    assert (spikes.argmax(0)[x[0] == 1] == 0).all()


@settings(max_examples=50, deadline=None)
@given(values=st.lists(UNIT, min_size=1, max_size=30), n_ticks=st.integers(1, 40))
def test_rank_order_is_the_rank_permutation(values, n_ticks):
    """One spike a nonzero input, at its rank: ties in the order stored.

    With fewer ticks than spikes each tick holds floor or ceil of their ratio.
    """
    x = torch.tensor([values])
    spikes = RankOrder().encode(x, n_ticks, 5.0)[:, 0]
    assert torch.equal(spikes.sum(0), (x[0] > 0).float())
    order = [i for i in np.argsort(-x[0].numpy(), kind="stable") if values[i] > 0]
    ticks = spikes.argmax(0).numpy()[order]
    m = len(order)
    if m <= n_ticks:
        assert ticks.tolist() == list(range(m))
    else:
        assert ticks.tolist() == [rank * n_ticks // m for rank in range(m)]
        assert set(spikes.sum(1).tolist()) <= {m // n_ticks, -(-m // n_ticks)}


@settings(max_examples=30, deadline=None)
@given(
    levels=st.lists(st.integers(0, 40), min_size=1, max_size=30),
    power=st.sampled_from([0.25, 0.5, 2.0]),
    n_ticks=st.integers(1, 40),
)
def test_rank_order_is_invariant_under_monotone_maps(levels, power, n_ticks):
    """x -> x^power changes no spike; steps of 1/40 stay distinct in float64 under each power."""
    x = torch.tensor([levels], dtype=torch.float64) / 40
    plain, mapped = (RankOrder().encode(t, n_ticks, 5.0) for t in (x, x**power))
    assert torch.equal(plain, mapped)


@settings(max_examples=50, deadline=None)
@given(
    n_bits=st.integers(1, 24),
    fraction=st.floats(0, 1),
    n_ticks=st.integers(1, 60),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_phase_is_exact_for_its_bits(n_bits, fraction, n_ticks, dtype):
    """x = sum b_k 2^-k to the bit for multiples of 2^-K, and periodic; others rounded down."""
    phase = Phase(n_bits)
    x = torch.tensor([[int(fraction * (2**n_bits - 1)) / 2**n_bits]], dtype=dtype)
    spikes = phase.encode(x, n_ticks, 5.0)
    if n_ticks >= n_bits:
        assert torch.equal(phase.decode(spikes), x)
    assert torch.equal(spikes[n_bits:], spikes[: max(0, n_ticks - n_bits)])
    between = torch.tensor([[fraction]], dtype=torch.float64)
    short = float(between - phase.decode(phase.encode(between, n_ticks, 5.0)))
    # 1 itself is one level above the largest, so its distance is exactly the bound.
    assert 0 <= short <= 2.0 ** -min(n_bits, n_ticks)


@settings(max_examples=50, deadline=None)
@given(
    pair=st.tuples(UNIT, UNIT),
    n_ticks=st.integers(1, 60),
    max_spikes=st.integers(1, 8),
    isi_ms=st.tuples(st.floats(1, 20), st.floats(1, 20)),
    dt_ms=st.sampled_from([0.1, 0.5, 1.0]),
)
def test_bursts_grow_and_quicken_with_intensity(pair, n_ticks, max_spikes, isi_ms, dt_ms):
    """Counts do not fall and intervals do not grow as x rises; one burst has one interval."""
    burst = Burst(max_spikes, min(isi_ms), max(isi_ms))
    x = torch.tensor([sorted(pair)])
    spikes = burst.encode(x, n_ticks, dt_ms)[:, 0]
    low, high = spikes.sum(0).tolist()
    assert low <= high
    for value, train, n_whole, interval in zip(
        x[0], spikes.T, burst.n_spikes(x)[0], burst.interval(x, dt_ms)[0], strict=True
    ):
        if value == 0:
            assert train.sum() == 0
            continue
        times = torch.arange(int(n_whole)) * int(interval)
        assert torch.equal(train.nonzero().flatten(), times[times < n_ticks])
        isi = max(isi_ms) - float(value) * (max(isi_ms) - min(isi_ms))
        # Rounded up to whole ticks, float32 slack of 1e-4 ticks.
        assert isi - 1e-4 * dt_ms <= int(interval) * dt_ms < isi + dt_ms * (1 + 1e-4)
        assert int(n_whole) in {
            max(1, int(np.ceil(float(value) * max_spikes - d))) for d in (0, 1e-4)
        }


def test_burst_by_hand():
    """Guo et al. 2021: five spikes at 5 ms for x = 1; three at 12.5 ms, so 15, for x = .5."""
    trains = Burst().encode(torch.tensor([[1.0, 0.5, 0.2, 0.0]]), 12, 5.0)[:, 0].T
    assert trains[0].nonzero().flatten().tolist() == [0, 1, 2, 3, 4]
    assert trains[1].nonzero().flatten().tolist() == [0, 3, 6]
    assert trains[2].nonzero().flatten().tolist() == [0]
    assert trains[3].sum() == 0


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    speed=st.floats(1e-4, 1.0),
    threshold=st.sampled_from([0.01, 0.1, 0.7]),
    start=st.floats(-2, 2),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_delta_stays_within_one_threshold(seed, speed, threshold, start, dtype):
    """|signal - decoded| < threshold at every tick, for walks of any speed up to one threshold
    a tick; 1e-4 thresholds: float32 sums of up to 200 events."""
    steps = torch.rand((200, 3, 4), generator=generator(seed), dtype=dtype) * 2 - 1
    signal = start + (steps * threshold * speed * (1 - 1e-3)).cumsum(0)
    delta = Delta(threshold)
    events = delta.events(signal, start)
    assert set(events.unique().tolist()) <= {-1.0, 0.0, 1.0}
    assert (signal - delta.decode(events, start)).abs().max() < threshold * (1 + 1e-4)


@pytest.mark.parametrize("slope", [1e-3, 0.01, 0.099])
def test_delta_sees_a_slow_ramp(slope):
    """floor(total / threshold) events however slow the ramp; snntorch's delta sends none.

    snntorch compares neighbouring samples: no step here reaches the threshold.
    """
    from snntorch import spikegen

    n_ticks = round(1.05 / slope)
    ramp = (torch.arange(1, n_ticks + 1, dtype=torch.float64) * slope).unsqueeze(1)
    assert Delta(0.1).events(ramp).sum() == int(n_ticks * slope / 0.1 + 1e-9)
    assert spikegen.delta(ramp, threshold=0.1).sum() == 0


@settings(max_examples=30, deadline=None)
@given(x=UNIT, n_ticks=st.integers(10, 60))
def test_delta_codes_an_image_by_fading_it_in(x, n_ticks):
    """floor(x / threshold) spikes, decoded within one threshold.

    1e-5 thresholds: where x is a multiple up to float32 rounding, the spike may be sent.
    """
    spikes = Delta(0.1).encode(torch.tensor([[x]]), n_ticks, 5.0)
    count = float(spikes.sum())
    assert np.floor(x / 0.1 - 1e-4) <= count <= np.floor(x / 0.1 + 1e-4)
    assert abs(x - float(Delta(0.1).decode(spikes)[-1])) < 0.1 * (1 + 1e-4)


def test_delta_refuses_what_its_reference_could_not_follow():
    """A step above one threshold, an image in too few ticks, NaN: the remedy is in the message."""
    with pytest.raises(ValueError, match="at least 10 ticks"):
        Delta(0.1).encode(torch.ones(1, 2), 5, 5.0)
    with pytest.raises(ValueError, match=r"moves by 0\.5 in one tick"):
        Delta(0.1).events(torch.tensor([0.0, 0.5]))
    with pytest.raises(ValueError, match="must be finite"):
        Delta(0.1).events(torch.tensor([0.0, float("nan")]))
    with pytest.raises(ValueError, match="threshold must be finite and positive"):
        Delta(0.0)


@settings(max_examples=30, deadline=None)
@given(values=st.lists(UNIT, min_size=1, max_size=12), n_units=st.integers(2, 8))
def test_a_population_answers_by_its_tuning(values, n_units):
    """Gaussian tuning: the unit nearest to x answers most, at its own intensity with 1; the
    response-weighted mean of preferred intensities rises with x. 1e-6: float32."""
    population = Population(n_units, silent_below=0.0)
    preferred = torch.tensor(population.preferred)
    x = torch.tensor([values])
    r = population.responses(x).view(n_units, -1)
    distance = (x - preferred.unsqueeze(1)).abs()
    nearest = distance.gather(0, r.argmax(0, keepdim=True))[0]
    assert (nearest <= distance.min(0).values + 1e-6).all()
    assert torch.equal(population.responses(preferred.unsqueeze(0)).view(n_units, -1).diag(),
                       torch.ones(n_units))  # fmt: skip
    read = (preferred @ r / r.sum(0))[torch.argsort(x[0], stable=True)]
    assert (read.diff() >= -1e-6).all()


def test_a_population_is_coded_by_the_code_it_is_given():
    """Channels of unit 0 first; the inner code's spikes of the responses; silent when weak."""
    x = torch.tensor([[0.0, 0.4, 1.0]])
    code = Latency()
    population = Population(3, code=code)
    spikes = population.encode(x, 12, 5.0)
    assert torch.equal(spikes, code.encode(population.responses(x), 12, 5.0))
    # At x = 0, sigma = 1/3: exp(-9/8) = .32 for the middle unit, exp(-9/2) = .01 for the last.
    assert spikes[:, 0].view(12, 3, 3)[:, :, 0].sum(0).tolist() == [1.0, 1.0, 0.0]
    assert Population(code=Bernoulli()).stochastic
    with pytest.raises(ValueError, match="needs a generator"):
        Population(code=Bernoulli()).encode(x, 12, 5.0)


@settings(max_examples=30, deadline=None)
@given(pair=st.tuples(UNIT, UNIT), n_ticks=st.integers(1, 30))
def test_norse_current_is_a_leaky_neuron(pair, n_ticks):
    """v += dt/tau (gain x - v), spike above 1, reset to 0: by hand in float32, spike for spike.

    A membrane within 1e-5 of its threshold may fall on either side by rounding: skipped.
    """
    encoder = NorseCurrent(tau_mem_ms=12.0, gain=3.0)
    x = torch.tensor([pair])
    spikes = encoder.encode(x, n_ticks, 2.0)[:, 0]
    v = np.zeros(2)
    for tick in range(n_ticks):
        v = v + 2.0 / 12.0 * (3.0 * x[0].double().numpy() - v)
        if (abs(v - 1) < 1e-5).any():
            return
        assert spikes[tick].tolist() == (v > 1).astype(float).tolist()
        v = np.where(v > 1, 0.0, v)


def test_the_libraries_agree_where_their_laws_do():
    """norse's "Poisson" is a Bernoulli process: with one generator, ours spike for spike.

    snntorch's linear latency is ours spike for spike (float32 on both sides).
    """
    x = torch.rand((5, 40), generator=generator(1))
    ours, theirs = (kind().encode(x, 50, 5.0, generator(2)) for kind in (Bernoulli, NorsePoisson))
    assert torch.equal(ours, theirs)
    assert torch.equal(*(kind().encode(x, 50, 5.0) for kind in (Latency, SnntorchLatency)))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Phase(0), "n_bits"),
        (lambda: Phase(30), "n_bits"),
        (lambda: Burst(max_spikes=0), "max_spikes"),
        (lambda: Burst(min_isi_ms=30.0), "exceeds max_isi_ms"),
        (lambda: Burst(min_isi_ms=float("nan")), "min_isi_ms"),
        (lambda: Burst().encode(torch.ones(1, 1), 5, 8.0), "min_isi_ms >= 8"),
        (lambda: Population(1), "n_units"),
        (lambda: Population(code=Population()), "one unit an input"),
        (lambda: NorseCurrent(gain=0.5), "gain > 1"),
        (lambda: NorseCurrent().encode(torch.ones(1, 1), 5, 10.0), "dt_ms < tau_mem_ms"),
    ],
)
def test_impossible_encoders_are_refused(build, message):
    """By the field that is wrong."""
    with pytest.raises(ValueError, match=message):
        build()


def test_every_code_is_tested_here():
    """A new encoder needs a property of its own in this file."""
    source = open(__file__, encoding="utf-8").read()  # noqa: SIM115
    assert all(kind.__name__ in source for kind in ENCODERS.values())
