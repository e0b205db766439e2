"""Laws of every registered encoder, and the property that defines each."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.spiking.encoders import ENCODERS, Bernoulli, Current, Latency, Poisson

EVERY_ENCODER = pytest.mark.parametrize("name", list(ENCODERS))
RATE_ENCODERS = (Bernoulli, Poisson, Current)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def intensities(seed: int, shape: tuple[int, ...] = (3, 2, 4, 5)) -> torch.Tensor:
    return torch.rand(shape, generator=generator(seed))


@EVERY_ENCODER
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), n_ticks=st.integers(1, 20))
def test_spikes_are_zeros_and_ones_in_time(name, seed, n_ticks):
    """(time, batch, *features) of 0 and 1; the input is left as it was; 0 never spikes."""
    x = intensities(seed)
    x[:, 0, 0] = 0
    before = x.clone()
    spikes = ENCODERS[name]().encode(x, n_ticks, 5.0, generator(seed))
    assert spikes.shape == (n_ticks, *x.shape)
    assert spikes.dtype == x.dtype
    assert ((spikes == 0) | (spikes == 1)).all()
    assert torch.equal(x, before)
    assert spikes[:, :, 0, 0].sum() == 0


@EVERY_ENCODER
def test_an_image_is_coded_without_regard_to_its_batch(name):
    """The first image's spikes stay when the other images change."""
    encoder, x = ENCODERS[name](), intensities(0)
    others_changed = torch.cat([x[:1], 1 - x[1:]])
    first, second = (encoder.encode(t, 8, 5.0, generator()) for t in (x, others_changed))
    assert torch.equal(first[:, 0], second[:, 0])
    assert not torch.equal(first[:, 1:], second[:, 1:])


@EVERY_ENCODER
def test_memory_layout_is_kept(name):
    """Channels-last images become channels-last frames with the same numbers."""
    x = intensities(0)
    last = x.contiguous(memory_format=torch.channels_last)
    encoder = ENCODERS[name]()
    plain, strided = (encoder.encode(t, 6, 5.0, generator()) for t in (x, last))
    assert torch.equal(plain, strided)
    assert strided[0].is_contiguous(memory_format=torch.channels_last)


@EVERY_ENCODER
@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan"), float("inf")])
def test_impossible_intensities_are_refused(name, bad):
    """Negative, above 1, NaN and infinite intensities: one clear error."""
    x = intensities(0)
    x[1, 1, 1, 1] = bad
    with pytest.raises(ValueError, match=r"intensities must lie in \[0, 1\]"):
        ENCODERS[name]().encode(x, 5, 5.0, generator())


@EVERY_ENCODER
def test_integers_and_empty_time_are_refused(name):
    """Pixel bytes are not intensities; time has at least one tick of positive length."""
    encoder = ENCODERS[name]()
    with pytest.raises(TypeError, match="floating point"):
        encoder.encode(torch.ones(1, 2, dtype=torch.uint8), 5, 5.0, generator())
    with pytest.raises(ValueError, match="n_ticks"):
        encoder.encode(intensities(0), 0, 5.0, generator())
    with pytest.raises(ValueError, match="dt_ms"):
        encoder.encode(intensities(0), 5, 0.0, generator())


@EVERY_ENCODER
def test_random_codes_ask_for_a_generator_and_follow_it(name):
    """Same generator, same spikes; none given is an error where one is needed."""
    encoder, x = ENCODERS[name](), intensities(0)
    assert torch.equal(*(encoder.encode(x, 5, 5.0, generator(3)) for _ in range(2)))
    if encoder.stochastic:
        with pytest.raises(ValueError, match="needs a generator"):
            encoder.encode(x, 5, 5.0)


@pytest.mark.parametrize("kind", RATE_ENCODERS)
def test_a_rate_above_one_spike_a_tick_is_refused(kind):
    """The remedy in the message is the rate that would fit."""
    with pytest.raises(ValueError, match="max_rate_hz <= 200"):
        kind(max_rate_hz=300.0).encode(intensities(0), 5, 5.0, generator())
    with pytest.raises(ValueError, match="max_rate_hz"):
        kind(max_rate_hz=0.0)


@pytest.mark.parametrize(
    ("kind", "p"), [(Bernoulli, 0.25), (Poisson, 1 - np.exp(-0.25))], ids=["bernoulli", "poisson"]
)
def test_intervals_of_random_codes_are_geometric(kind, p):
    """Rate p a tick, coefficient of variation of intervals sqrt(1 - p).

    About 100,000 spikes: standard errors are below .003, the tolerance is four of them.
    """
    x = torch.full((1, 1000), 0.5)
    spikes = kind(max_rate_hz=100.0).encode(x, 400, 5.0, generator())
    assert float(spikes.mean()) == pytest.approx(p, abs=0.004)
    intervals = np.concatenate([np.diff(np.flatnonzero(s)) for s in spikes[:, 0].T.numpy()])
    # Intervals within a finite window are a little short; 400 ticks hold 100 of them.
    assert intervals.std() / intervals.mean() == pytest.approx(np.sqrt(1 - p), abs=0.012)


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


@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(st.floats(0, 1, width=32), min_size=2, max_size=30), n_ticks=st.integers(1, 40)
)
def test_latency_gives_one_spike_and_larger_is_earlier(values, n_ticks):
    """Exactly one spike for each nonzero input; ticks fall as intensities rise; 1 is first."""
    x = torch.tensor([values])
    spikes = Latency().encode(x, n_ticks, 5.0)[:, 0]
    assert torch.equal(spikes.sum(0), (x[0] > 0).float())
    ticks = spikes.argmax(0)[torch.argsort(x[0], stable=True)][(x > 0).sort().values[0]]
    assert (ticks.diff() <= 0).all()
    assert (spikes.argmax(0)[x[0] == 1] == 0).all()


def test_an_unknown_encoder_lists_the_known_ones():
    """The message holds every name that would have worked."""
    with pytest.raises(ValueError, match=r"did you mean 'poisson'.*bernoulli, poisson, latency"):
        ENCODERS["poison"]
