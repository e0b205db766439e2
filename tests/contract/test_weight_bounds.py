"""A weight at its bound stays there, in the dtype that holds it.

.1 is no float32: a bound is what the dtype of the weight makes of it, and at a bound u is 0 or 1 to
the bit, so that a power of 1 - u is neither NaN nor a small gain.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.models.spiking.competitive import (
    Competition,
    CompetitiveLayer,
    CompetitiveNetwork,
    IncomingSum,
)
from neurosim.spiking import (
    WEIGHT_DEPENDENCES,
    AllPairs,
    HardBounds,
    MeanOverBatch,
    Rewarded,
    SpikeWindow,
    SumOverBatch,
    TotalInput,
)
from neurosim.spiking.timing.evolving import evolve
from neurosim.synapses import Dense

BOUNDED = [name for name in WEIGHT_DEPENDENCES if name not in ("additive", "power")]
DTYPES = (torch.float32, torch.float64)
#: Bounds that are no float32, of both signs, far apart and close together.
PAIRS = [
    (0.0, 1.0), (0.0, 0.1), (0.1, 0.7), (-0.1, 0.3), (-0.3, -0.1), (1 / 3, 2 / 3), (0.0, 1e-6),
    (-1e6 / 3, 1e6 / 7), (0.0, 1e-40), (100.1, 100.2),
]  # fmt: skip


def spikes(dtype: torch.dtype, every: int = 7) -> SpikeWindow:
    """Both orders of pre and post, 30 ticks; few spikes run compiled, many frame by frame."""
    pre, post = torch.zeros(30, 2, 3, dtype=dtype), torch.zeros(30, 2, 4, dtype=dtype)
    pre[::every], post[1::every], post[5::every] = 1, 1, 1
    return SpikeWindow(pre, post, reward=torch.ones(30, 2, dtype=dtype))


def at_bounds(low: float, high: float, dtype: torch.dtype) -> torch.Tensor:
    return torch.tensor([[low, high, low], [high, low, high]] * 2, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pair", PAIRS, ids=str)
@pytest.mark.parametrize("name", BOUNDED)
def test_a_weight_at_its_bound_is_finite_within_them_and_accepted_again(name, pair, dtype):
    """Two windows on end, by both ways of computing, with amplitudes of both signs that reach and
    leave the bounds, and under a third factor."""
    low, high = pair
    dependence = WEIGHT_DEPENDENCES[name](w_min=low, w_max=high)
    for a_plus, a_minus in ((0.5, 0.3), (0.3, 0.5), (-0.5, 0.5)):
        size = high - low
        timing = AllPairs(a_plus=a_plus * size, a_minus=a_minus * size, dependence=dependence)
        for every, rule in (
            (7, timing),
            (2, timing),
            (7, Rewarded(timing, tau_eligibility_ms=20.0)),
        ):
            weight = at_bounds(low, high, dtype)
            for _ in range(2):
                weight = evolve(
                    Dense(3, 4), weight, spikes(dtype, every), rule, 1.0, MeanOverBatch()
                )
                assert weight.dtype == dtype
                assert bool(weight.isfinite().all())
                assert bool(((weight >= low) & (weight <= high)).all())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pair", PAIRS, ids=str)
@pytest.mark.parametrize("name", BOUNDED)
def test_a_gain_that_vanishes_at_a_bound_does_so_to_the_bit(name, pair, dtype):
    """``u`` is 0 at w_min and 1 at w_max, exactly: f is 0 where its exponent there is positive and
    1 where both are 0. A power of 1 - u of rounding, 6e-8, would be .7 under Guetig's .02."""
    low, high = pair
    dependence = WEIGHT_DEPENDENCES[name](w_min=low, w_max=high)
    p, q, r, s = dependence.exponents
    for bound, powers in ((low, (p, r)), (high, (q, s))):
        for weight in (torch.tensor([bound], dtype=dtype), np.array([bound], str(dtype)[6:])):
            for gain, power in zip((dependence.plus, dependence.minus), powers, strict=True):
                assert float(gain(weight)[0]) == (0.0 if power else 1.0)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(BOUNDED),
    st.floats(-1e3, 1e3, width=64),
    st.floats(1e-3, 1e3, width=64),
    st.floats(-3, 3),
    st.floats(-3, 3),
    st.sampled_from(DTYPES),
    st.sampled_from((7, 2)),
)
def test_any_bounds_and_amplitudes_keep_the_law(name, low, width, a_plus, a_minus, dtype, every):
    high = low + width
    dependence = WEIGHT_DEPENDENCES[name](w_min=low, w_max=high)
    timing = AllPairs(a_plus=a_plus * width, a_minus=a_minus * width, dependence=dependence)
    weight = at_bounds(low, high, dtype)
    for _ in range(3):
        weight = evolve(Dense(3, 4), weight, spikes(dtype, every), timing, 1.0, SumOverBatch())
        assert bool(((weight >= low) & (weight <= high)).all())


def test_the_case_that_was_refused():
    """Weight .09 between 0 and .1, pushed up twice: it stops at .1 of float32."""
    timing = AllPairs(a_plus=0.5, dependence=HardBounds(0, 0.1))
    weight = torch.full((4, 3), 0.09)
    for _ in range(2):
        weight = evolve(Dense(3, 4), weight, spikes(torch.float32), timing, 1.0, SumOverBatch())
    assert weight.max() == torch.tensor(0.1)


@pytest.mark.parametrize(
    ("pair", "value"), [((1.0, 1.0 + 1e-9), 1.0), ((0.0, 1e39), 0.5), ((-3e38, 3e38), 0.5)]
)
def test_bounds_that_a_dtype_cannot_hold_are_refused(pair, value):
    """They coincide in float32, or their distance is infinite there; float64 holds them."""
    timing = AllPairs(dependence=HardBounds(*pair))
    for dtype in DTYPES:
        weight = torch.full((4, 3), value, dtype=dtype)
        if dtype == torch.float64:
            evolve(Dense(3, 4), weight, spikes(dtype), timing, 1.0, SumOverBatch())
            continue
        with pytest.raises(ValueError, match="use float64 or other bounds"):
            evolve(Dense(3, 4), weight, spikes(dtype), timing, 1.0, SumOverBatch())


def test_amplitudes_beyond_the_dtype_are_named():
    timing = AllPairs(a_plus=1e300, dependence=WEIGHT_DEPENDENCES["logistic"]())
    with pytest.raises(ValueError, match=r"too large for torch\.float32"):
        evolve(Dense(3, 4), torch.ones(4, 3), spikes(torch.float32), timing, 1.0, SumOverBatch())


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(-1, 2, width=32), min_size=20, max_size=20),
    st.sampled_from((0.05, 0.1, 0.5, 0.9)),
    st.sampled_from(DTYPES),
)
def test_incoming_weights_lie_in_their_range_and_sum_to_their_share(values, share, dtype):
    """The range holds always; the sum wherever weights of at most 1 can carry it; 1e-5: the
    rounding of 20 float32."""
    generator = torch.Generator().manual_seed(0)
    layer = CompetitiveLayer("one", 20, 1, generator=generator, dtype=dtype)
    layer.weight.copy_(torch.tensor([values], dtype=dtype))
    before = layer.weight.clamp(0, 1)
    IncomingSum(share).apply(CompetitiveNetwork(layer, Competition()))
    after = layer.weight
    assert bool(((after >= 0) & (after <= 1)).all())
    assert torch.equal(after > 0, before > 0) or before[before > 0].min() < 1e-30
    n_carriers = int((before > 0).sum())
    assert float(after.sum()) == pytest.approx(min(20 * share, n_carriers), abs=1e-5)
    order = before.flatten().argsort()
    assert bool((after.flatten()[order].diff() >= 0).all())


def test_one_weight_cannot_carry_more_than_one():
    layer = CompetitiveLayer("one", 20, 1, generator=torch.Generator())
    layer.weight.zero_()[0, 3] = 0.5
    IncomingSum(0.1).apply(CompetitiveNetwork(layer, Competition()))
    assert layer.weight[0, 3] == 1
    assert layer.weight.sum() == 1


@pytest.mark.parametrize("tiny", [1e-45, 1e-40, 1e-30])
def test_a_total_is_carried_by_the_smallest_weights(tiny):
    """The scale of denormal weights overflows; a share of their sum does not. 1e-6: float32."""
    weight = torch.tensor([[0.0, tiny, tiny], [0.0, 0.0, 0.0]])
    scaled = TotalInput(2.0).scaled(weight)
    assert scaled.tolist() == [[0.0, pytest.approx(1.0, rel=1e-6), pytest.approx(1.0)], [0.0] * 3]
