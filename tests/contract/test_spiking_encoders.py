"""Laws of every registered encoder; the property that defines each is in test_encoder_codes.py."""

from __future__ import annotations

import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.spiking.encoders.registry import ENCODERS, RateEncoder

EVERY_ENCODER = pytest.mark.parametrize("name", list(ENCODERS))
RATE_ENCODERS = [kind for kind in ENCODERS.values() if issubclass(kind, RateEncoder)]
#: A threshold of .1 takes ten ticks to fade in an intensity of 1.
FEWEST_TICKS = {"delta": 10}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def intensities(seed: int, shape: tuple[int, ...] = (3, 2, 4, 5)) -> torch.Tensor:
    return torch.rand(shape, generator=generator(seed))


@EVERY_ENCODER
@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 1000),
    n_ticks=st.integers(1, 20),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_spikes_are_zeros_and_ones_in_time(name, seed, n_ticks, dtype):
    """(time, batch, units x channels, ...) of 0 and 1, dtype kept; the input is left as it was.

    An input of 0 never spikes, but where several units share an input: one of them prefers 0.
    """
    x = intensities(seed).to(dtype)
    x[:, 0, 0] = 0
    before, encoder = x.clone(), ENCODERS[name]()
    spikes = encoder.encode(x, max(n_ticks, FEWEST_TICKS.get(name, 1)), 5.0, generator(seed))
    n_units = len(encoder.preferred)
    assert spikes.shape[1:] == (len(x), n_units * x.shape[1], *x.shape[2:])
    assert len(spikes) >= n_ticks
    assert spikes.dtype == dtype
    assert ((spikes == 0) | (spikes == 1)).all()
    assert torch.equal(x, before)
    if n_units == 1:
        assert spikes[:, :, 0, 0].sum() == 0


@EVERY_ENCODER
def test_an_image_is_coded_without_regard_to_its_batch(name):
    """The first image's spikes stay when the other images change."""
    encoder, x = ENCODERS[name](), intensities(0)
    others_changed = torch.cat([x[:1], 1 - x[1:]])
    first, second = (encoder.encode(t, 12, 5.0, generator()) for t in (x, others_changed))
    assert torch.equal(first[:, 0], second[:, 0])
    assert not torch.equal(first[:, 1:], second[:, 1:])


@EVERY_ENCODER
def test_memory_layout_is_kept(name):
    """Channels-last images become channels-last frames with the same numbers."""
    x = intensities(0)
    last = x.contiguous(memory_format=torch.channels_last)
    encoder = ENCODERS[name]()
    plain, strided = (encoder.encode(t, 12, 5.0, generator()) for t in (x, last))
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
    assert torch.equal(*(encoder.encode(x, 12, 5.0, generator(3)) for _ in range(2)))
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


@EVERY_ENCODER
@pytest.mark.parametrize("dt_ms", [0.1, 1.0, 2.5])
def test_any_tick_will_do(name, dt_ms):
    """Shorter ticks than the default are coded too, and an encoder pickles and is comparable."""
    encoder = ENCODERS[name]()
    assert encoder.encode(intensities(0), 200, dt_ms, generator()).sum() > 0
    assert pickle.loads(pickle.dumps(encoder)) == ENCODERS[name]()


@EVERY_ENCODER
def test_the_global_generator_is_left_alone(name):
    """What others draw from PyTorch's global generator does not depend on an encoder."""
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    ENCODERS[name]().encode(intensities(0), 12, 5.0, generator())
    assert torch.equal(torch.rand(4), expected)


def test_an_unknown_encoder_lists_the_known_ones():
    """The message holds every name that would have worked."""
    with pytest.raises(
        ValueError, match=r"did you mean 'poisson'.*bernoulli, poisson, latency, rank"
    ):
        ENCODERS["poison"]


@EVERY_ENCODER
def test_no_images_give_no_spikes(name):
    """An empty batch, also of empty images, is coded like any other."""
    for shape in ((0, 2, 4, 5), (0, 0)):
        spikes = ENCODERS[name]().encode(torch.zeros(shape), 12, 5.0, generator())
        assert spikes.shape[:2] == (12, 0)


@pytest.mark.parametrize("n_ticks", [0, -1, 2.5, "3", None])
def test_a_number_of_ticks_is_whole(n_ticks):
    with pytest.raises(ValueError, match="n_ticks must be a whole number of at least 1, got"):
        ENCODERS["latency"]().encode(intensities(0), n_ticks, 5.0)
