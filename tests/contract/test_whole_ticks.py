"""Durations and rates that are whole in ticks stay whole, whatever their digits round to."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.models.spiking.competitive import Competition, CompetitiveLayer
from neurosim.spiking.cells.base import whole_ticks
from neurosim.spiking.cells.norse_cells import NorseLIFRefractory
from neurosim.spiking.cells.registry import ResetBySubtraction, SnntorchLIF
from neurosim.spiking.encoders.registry import Current, Poisson

#: Ticks in ms as people write them, most of which have no exact binary form.
DT_MS = ("0.01", "0.05", "0.1", "0.3", "0.7", "1", "1.1", "2.5", "5")
DTYPES = (torch.float32, torch.float64)


@given(
    st.sampled_from(DT_MS), st.integers(0, 5000), st.sampled_from(["0", "0.001", "0.5", "0.999"])
)
def test_a_duration_is_rounded_up_to_whole_ticks(dt, n, rest):
    """Exact arithmetic of the decimals says how many."""
    duration = Fraction(dt) * (n + Fraction(rest))
    expected = n + (rest != "0")
    assert whole_ticks(float(duration), float(dt)) == expected


def silence(dynamics: Competition, dtype: torch.dtype) -> int:
    """Ticks between two spikes of one cell under a current that makes it fire whenever it may."""
    layer = CompetitiveLayer("c", 1, 1, generator=torch.Generator().manual_seed(0), dtype=dtype)
    spikes = torch.ones(dynamics.n_ticks(), 1, 1, dtype=dtype)
    layer.weight.fill_(1000.0)
    point = dynamics.presentation(layer, spikes, learning=False)
    state, fired = dynamics.initial_state(point), []
    for index in range(dynamics.n_ticks()):
        state = dynamics.tick(point, state, index)
        fired.append(int(state["post"][0].sum()))
    at = [index for index, spike in enumerate(fired) if spike]
    (gap,) = {b - a for a, b in pairwise(at)}
    return gap - 1


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("reset", [{}, {"reset": ResetBySubtraction()}], ids=["compiled", "torch"])
@pytest.mark.parametrize(
    ("refractory", "dt"),
    [
        ("2.1", "0.3"),
        ("2.1", "0.7"),
        ("0.07", "0.01"),
        ("5", "1"),
        ("0.5", "1"),
        ("0", "1"),
        ("1", "0.3"),
    ],
)
def test_a_refractory_time_is_as_long_in_either_precision(refractory, dt, reset, dtype):
    """It was one tick longer in float64."""
    expected = -(-Fraction(refractory) // Fraction(dt))
    cell = SnntorchLIF(dt_ms=float(dt), **reset)
    dynamics = Competition(
        cell=cell, encoder=Poisson(1.0), refractory_ms=float(refractory), rise_mv=0.0,
        duration_ms=40 * float(dt),
    )  # fmt: skip
    assert silence(dynamics, dtype) == expected
    if refractory != "0":
        norse = NorseLIFRefractory(dt_ms=float(dt), refractory_ms=float(refractory))
        assert norse.refractory_ticks == expected


@settings(max_examples=60, deadline=None)
@given(
    rate=st.integers(1, 200),
    dt=st.sampled_from(["0.1", "0.3", "0.5", "1", "2.5", "5"]),
    x=st.sampled_from(["1", "0.5", "0.7", "0.1", "0.35"]),
    dtype=st.sampled_from(DTYPES),
)
def test_a_current_spikes_when_its_count_is_whole(rate, dt, x, dtype):
    """``floor(n x rate dt)`` in exact arithmetic of the decimals, every tick."""
    n_ticks = 400
    spikes = Current(float(rate)).encode(
        torch.tensor([[float(x)]], dtype=dtype), n_ticks, float(dt)
    )
    per_tick = Fraction(x) * rate * Fraction(dt) / 1000
    expected = [(n * per_tick) // 1 for n in range(n_ticks + 1)]
    assert spikes[:, 0, 0].tolist() == [float(b - a) for a, b in pairwise(expected)]


def test_the_63rd_spike_comes_on_its_tick():
    spikes = Current(70.0).encode(torch.ones(1, 1, dtype=torch.float64), 180, 5.0)
    assert spikes.sum() == 63
    assert spikes[-1] == 1
